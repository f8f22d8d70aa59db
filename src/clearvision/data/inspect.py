"""What is in a folder of pictures: how many, how large, of which kind, and which of them deserve a look."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearvision.data.sheet import contact_sheet
from clearvision.degradations.exact import estimate_quality
from clearvision.errors import PictureError, UsageError
from clearvision.imaging.formats import FORMATS, READABLE_SUFFIXES, identify
from clearvision.imaging.io import read_picture
from clearvision.types import Picture

SHEET_PICTURES = 48
WORKERS = 8
_BITS = {"uint8": "8-bit", "uint16": "16-bit", "float32": "float"}

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class PictureFacts:
    """What one readable picture is.

    Attributes:
        path: the file.
        format: its container, by its first bytes.
        width: columns.
        height: rows.
        kind: such as ``8-bit RGB`` or ``16-bit grey with alpha``.
        colourless: whether no pixel has a colour, whatever the kind says.
        flat: whether all pixels are the same.
        frames: pages or frames in the file.
        quality: nearest libjpeg quality of a JPEG, by its luma table, or None.
        bytes: size of the file.
        pixels_hash: the same for two files whose pixels are the same.
    """

    path: Path
    format: str
    width: int
    height: int
    kind: str
    colourless: bool
    flat: bool
    frames: int
    quality: int | None
    bytes: int
    pixels_hash: str

    @property
    def megapixels(self) -> float:
        """Millions of pixels."""
        return self.width * self.height / 1e6


@dataclass(frozen=True)
class Finding:
    """A reason to look at a file: ``kind`` is one word for programs, ``text`` a sentence for people."""

    path: Path
    kind: str
    text: str


@dataclass(frozen=True)
class Inspection:
    """What a folder holds.

    Attributes:
        folder: the folder.
        pictures: every readable picture, sorted by path.
        findings: what deserves a look, sorted by path; ``unreadable`` ones are only here.
        others: how many files are no pictures by their names.
    """

    folder: Path
    pictures: tuple[PictureFacts, ...]
    findings: tuple[Finding, ...] = ()
    others: int = 0
    unreadable: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "unreadable", sum(finding.kind == "unreadable" for finding in self.findings))

    def to_data(self) -> dict[str, Any]:
        """Return everything as plain data, totals first."""
        sides = {
            name: {"min": min(values), "median": median(values), "max": max(values)}
            for name, values in (
                ("width", [facts.width for facts in self.pictures]),
                ("height", [facts.height for facts in self.pictures]),
                ("megapixels", [facts.megapixels for facts in self.pictures]),
            )
            if values
        }
        return {
            "folder": str(self.folder),
            "pictures": len(self.pictures),
            "unreadable": self.unreadable,
            "others": self.others,
            "megapixels": sum(facts.megapixels for facts in self.pictures),
            "bytes": sum(facts.bytes for facts in self.pictures),
            "formats": dict(Counter(facts.format for facts in self.pictures).most_common()),
            "kinds": dict(Counter(facts.kind for facts in self.pictures).most_common()),
            "sizes": sides,
            "findings": [{"file": str(each.path), "kind": each.kind, "text": each.text} for each in self.findings],
            "files": [{**vars(facts), "path": str(facts.path)} for facts in self.pictures],
        }


def inspect_folder(folder: Path, *, min_side: int = 64, low_quality: int = 75, progress: Progress | None = None) -> Inspection:
    """Decode every picture below a folder, and tell what is there.

    Args:
        folder: where to look; hidden files and folders are left out.
        min_side: pictures with a shorter side are pointed out.
        low_quality: JPEG pictures below this quality are pointed out.
        progress: called with how many files are done and how many there are.

    Raises:
        UsageError: if the folder is none, or has no pictures.
    """
    if not folder.is_dir():
        raise UsageError(f"'{folder}' is not a folder" if folder.exists() else f"the folder '{folder}' does not exist")
    files = list(_walk(folder))
    paths = [path for path in files if path.suffix.lower() in READABLE_SUFFIXES]
    others = len(files) - len(paths)
    if not paths:
        raise UsageError(f"no pictures in '{folder}'" + (f" ({others} other file{'s' if others > 1 else ''})" if others else ""))
    pictures: list[PictureFacts] = []
    findings: list[Finding] = []
    with ThreadPoolExecutor(min(WORKERS, os.cpu_count() or 1)) as threads:
        try:
            for done, found in enumerate(threads.map(_facts, paths), 1):
                (pictures if isinstance(found, PictureFacts) else findings).append(found)  # type: ignore[arg-type]
                if progress:
                    progress(done, len(paths))
        except BaseException:
            threads.shutdown(cancel_futures=True)
            raise
    for facts in pictures:
        findings.extend(_suspicions(facts, min_side, low_quality))
    findings.extend(_among_others(pictures))
    findings.sort(key=lambda finding: finding.path)
    return Inspection(folder, tuple(pictures), tuple(findings), others)


def inspection_sheet(inspection: Inspection, *, columns: int = 8, side: int = 128) -> NDArray[np.uint8]:
    """Return a contact sheet of at most 48 of the pictures, evenly chosen, with their names and sizes.

    Raises:
        UsageError: if no picture is readable.
    """
    count = len(inspection.pictures)
    chosen = [inspection.pictures[place * count // min(count, SHEET_PICTURES)] for place in range(min(count, SHEET_PICTURES))]
    cells = []
    for facts in chosen:
        pixels = read_picture(facts.path).pixels
        step = max(1, min(pixels.shape[:2]) // (2 * side))  # enough for a thumbnail, and little memory
        cells.append((f"{facts.width}x{facts.height} {facts.path.name}", _shown(pixels[::step, ::step])))
    return contact_sheet(cells, columns=columns, side=side)


def _walk(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir():
            if not path.is_symlink():
                yield from _walk(path)
        else:
            yield path


def _facts(path: Path) -> PictureFacts | Finding:
    try:
        form = identify(path)
        picture = read_picture(path)
    except PictureError as error:
        return Finding(path, "unreadable", " ".join(str(error).split()))
    pixels = picture.pixels
    return PictureFacts(
        path,
        form.name,
        picture.width,
        picture.height,
        _kind(picture),
        _is_colourless(pixels),
        bool((pixels == pixels[:1, :1]).all()),
        _frames(path, form.loader),
        _jpeg_quality(path) if form.name == "jpeg" else None,
        path.stat().st_size,
        _hash(picture),
    )


def _kind(picture: Picture) -> str:
    colours = "RGB" if picture.pixels.shape[2] == 3 else "grey"
    return f"{_BITS[picture.pixels.dtype.name]} {colours}{' with alpha' if picture.alpha is not None else ''}"


def _is_colourless(pixels: NDArray[Any]) -> bool:
    if pixels.shape[2] == 1:
        return True
    tolerance = {"uint8": 1, "uint16": 257}.get(pixels.dtype.name, 1 / 255)  # a level, as conversions leave behind
    wide = pixels if pixels.dtype == np.float32 else pixels.astype(np.int32)
    return bool(
        (np.abs(wide[:, :, 0] - wide[:, :, 1]) <= tolerance).all() and (np.abs(wide[:, :, 1] - wide[:, :, 2]) <= tolerance).all()
    )


def _frames(path: Path, loader: str) -> int:
    if not loader:
        return 1
    from clearvision.imaging.vips import call, has_field

    image = call(loader, os.fsencode(path))  # the header only
    return int(image.get("n-pages")) if has_field(image, "n-pages") else 1


def _jpeg_quality(path: Path) -> int | None:
    from PIL.JpegImagePlugin import JpegImageFile  # not Image.open, whose limit on sizes is not ours

    with path.open("rb") as file, JpegImageFile(file) as image:
        table = image.quantization.get(0)
        return estimate_quality(table) if table else None


def _hash(picture: Picture) -> str:
    digest = hashlib.blake2b(repr((picture.pixels.shape, picture.pixels.dtype.name)).encode(), digest_size=16)
    for samples in (picture.pixels, picture.alpha):
        if samples is not None:
            digest.update(np.ascontiguousarray(samples).data)
    return digest.hexdigest()


def _suspicions(facts: PictureFacts, min_side: int, low_quality: int) -> Iterator[Finding]:
    if min(facts.width, facts.height) < min_side:
        yield Finding(facts.path, "tiny", f"{facts.width}x{facts.height}, a side below {min_side}")
    if facts.flat:
        yield Finding(facts.path, "flat", "all pixels are the same")
    if facts.frames > 1:
        yield Finding(facts.path, "animated", f"{facts.frames} frames or pages, of which only the first counts")
    if facts.quality is not None and facts.quality < low_quality:
        yield Finding(facts.path, "low-quality", f"JPEG of quality about {facts.quality}, below {low_quality}")
    if facts.path.suffix.lower() not in FORMATS[facts.format].suffixes:
        yield Finding(facts.path, "misnamed", f"named '{facts.path.suffix}' but is {facts.format}")


def _among_others(pictures: Sequence[PictureFacts]) -> Iterator[Finding]:
    """Yield what only shows in company: grey pictures among coloured ones, and the same picture twice."""
    grey = [facts for facts in pictures if facts.colourless]
    if len(grey) * 2 < len(pictures):
        for facts in grey:
            yield Finding(facts.path, "grey", f"{facts.kind} without any colour, among coloured pictures")
    first: dict[str, Path] = {}
    for facts in pictures:
        earlier = first.setdefault(facts.pixels_hash, facts.path)
        if earlier is not facts.path:
            yield Finding(facts.path, "duplicate", f"the same pixels as '{earlier}'")


def _shown(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    full = {"uint8": 1.0, "uint16": 257.0}.get(pixels.dtype.name, 1 / 255)
    small = np.clip(np.round(pixels / full), 0, 255).astype(np.uint8)
    return np.broadcast_to(small, (*small.shape[:2], 3))
