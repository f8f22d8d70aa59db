"""Pictures written from pictures: sub-images of one size, turned and mirrored copies, and the two sides of a split.

Both sides of a pair are cut and turned alike. Files appear whole or not at all; what is there already is kept.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearvision.data.decode import Progress, fit_sizes, in_threads
from clearvision.data.layouts import Item, find_items, pair_by_name
from clearvision.errors import ClearVisionError, DataError, UsageError
from clearvision.imaging.io import read_picture, write_picture
from clearvision.types import Picture

GT, LQ = "HR", "LR"  # folders of the results of pairs

_Turn = Callable[[NDArray[Any]], NDArray[Any]]
TURNS: dict[str, _Turn] = {
    "original": lambda image: image,
    "flip-lr": lambda image: image[:, ::-1],
    "flip-tb": lambda image: image[::-1],
    "rot90": lambda image: np.rot90(image, 1),
    "rot180": lambda image: np.rot90(image, 2),
    "rot270": lambda image: np.rot90(image, 3),
    "transpose": lambda image: image.swapaxes(0, 1),
    "transverse": lambda image: np.rot90(image, 2).swapaxes(0, 1),
}


@dataclass
class Written:
    """What a run over many pictures came to.

    Attributes:
        written: how many files were written now.
        kept: how many were there already.
        small: pictures that were smaller than a sub-image and gave none.
        failed: a sentence for each picture that could not be read or written.
    """

    written: int = 0
    kept: int = 0
    small: list[Path] = field(default_factory=list)
    failed: dict[Path, str] = field(default_factory=dict)


def crop_pictures(
    folder: Path,
    out: Path,
    *,
    size: int,
    step: int,
    lq_folder: Path | None = None,
    scale: int = 1,
    progress: Progress | None = None,
) -> Written:
    """Cut every picture into overlapping sub-images, the last of a row or column flush with the border.

    As BasicSR's ``extract_subimages`` does; names get ``_s001`` and so on. Bit depth and ICC profile stay.

    Args:
        folder: pictures; subfolders count and are mirrored.
        out: where the sub-images go; of pairs, below ``HR`` and ``LR``.
        size: side of a sub-image, a multiple of the scale.
        step: pixels from one to the next, a multiple of the scale.
        lq_folder: low-quality partners, matched by name and cut alike.
        scale: of the pairs.
        progress: called with how many pictures are done and how many there are.

    Raises:
        UsageError: if size or step is outside what is allowed.
        DataError: if a folder is missing or empty, or no pair matches.
    """
    if size < 1 or not 1 <= step <= size or size % scale or step % scale:
        raise UsageError(
            f"size ({size}) and step ({step}) must be multiples of the scale ({scale}), and the step between 1 and the size"
        )

    def cut(item: Item, gt: Picture, lq: Picture | None, outcome: Written) -> None:
        places = list(sub_images(gt.height, gt.width, size, step, scale))
        if not places:
            outcome.small.append(item.gt)
        for number, (y, x) in enumerate(places, 1):
            name = _renamed(item.name, f"_s{number:03}")
            _write(_window(gt, y, x, size), _below(out, GT, lq is not None, name), outcome)
            if lq is not None:
                _write(_window(lq, y // scale, x // scale, size // scale), out / LQ / name, outcome)

    return _for_each(folder, lq_folder, scale, cut, progress)


def sub_images(height: int, width: int, size: int, step: int, multiple: int = 1) -> Iterator[tuple[int, int]]:
    """Yield the top left corners of a picture's sub-images, each a multiple of ``multiple``, row by row."""
    rows, columns = (_starts(side, size, step, multiple) for side in (height, width))
    for y in rows:
        for x in columns:
            yield y, x


def turn_pictures(
    folder: Path,
    out: Path,
    *,
    turns: Sequence[str],
    lq_folder: Path | None = None,
    scale: int = 1,
    progress: Progress | None = None,
) -> Written:
    """Write turned and mirrored copies of every picture, named after what was done: ``a_flip-lr.png``.

    Training does this by itself, anew at every step; written copies are for other programs.

    Args:
        folder: pictures; subfolders count and are mirrored.
        out: where the copies go; of pairs, below ``HR`` and ``LR``.
        turns: keys of ``TURNS``.
        lq_folder: low-quality partners, matched by name and turned alike.
        scale: of the pairs.
        progress: called with how many pictures are done and how many there are.

    Raises:
        UsageError: if there is no such turn, or none is given.
        DataError: if a folder is missing or empty, or no pair matches.
    """
    unknown = [name for name in turns if name not in TURNS]
    if unknown or not turns:
        raise UsageError(f"unknown turn '{unknown[0] if unknown else ''}'; known: {', '.join(TURNS)}")

    def turn(item: Item, gt: Picture, lq: Picture | None, outcome: Written) -> None:
        for name in turns:
            target = _renamed(item.name, "" if name == "original" else f"_{name}")
            _write(_turned(gt, TURNS[name]), _below(out, GT, lq is not None, target), outcome)
            if lq is not None:
                _write(_turned(lq, TURNS[name]), out / LQ / target, outcome)

    return _for_each(folder, lq_folder, scale, turn, progress)


def write_lists(folder: Path, out: Path, parts: Mapping[str, Sequence[Item]]) -> list[Path]:
    """Write one text file a part with the pictures' paths below the folder, which ``data.val_list`` of a recipe reads."""
    out.mkdir(parents=True, exist_ok=True)
    files = []
    for name, items in parts.items():
        target = out / f"{name}.txt"
        temporary = target.with_name(f".{target.name}.tmp")
        temporary.write_text("".join(f"{item.gt.relative_to(folder).as_posix()}\n" for item in items), encoding="utf-8")
        temporary.replace(target)
        files.append(target)
    return files


def place_parts(out: Path, parts: Mapping[str, Sequence[Item]], *, copy: bool) -> int:
    """Lay each part's files into a folder of its own, as links or copies; of pairs, below ``HR`` and ``LR``.

    Returns:
        How many files are there.

    Raises:
        DataError: if something else lies there already, or the file system knows no links.
    """
    count = 0
    for part, items in parts.items():
        for item in items:
            sides = [(item.gt, _below(out / part, GT, item.lq is not None, item.name))]
            if item.lq is not None:
                sides.append((item.lq, out / part / LQ / Path(item.name).with_name(item.lq.name)))
            for source, target in sides:
                _place(source, target, copy=copy)
                count += 1
    return count


def _place(source: Path, target: Path, *, copy: bool) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if copy and target.is_file() and not target.is_symlink() and target.stat().st_size == source.stat().st_size:
            return
        if target.is_symlink() and target.resolve() == source.resolve() and not copy:
            return
        if target.is_symlink() or target.exists():
            raise DataError(f"'{target}' is there already and is not '{source}'; give another folder or remove it")
        if not copy:
            target.symlink_to(source.resolve())
            return
        temporary = target.with_name(f".{target.name}.tmp")
        shutil.copyfile(source, temporary)
        temporary.replace(target)
    except OSError as error:
        hint = "" if copy else "; where links are not possible, copy"
        raise DataError(f"cannot write '{target}': {error.strerror or error}{hint}") from error


def _for_each(
    folder: Path,
    lq_folder: Path | None,
    scale: int,
    work: Callable[[Item, Picture, Picture | None, Written], None],
    progress: Progress | None,
) -> Written:
    items = find_items([folder]) if lq_folder is None else pair_by_name(folder, lq_folder, scale)[0]
    first: dict[Path, Item] = {}
    for item in items:
        earlier = first.setdefault(Path(item.name).with_suffix(""), item)
        if earlier is not item:
            raise DataError(f"'{earlier.gt}' and '{item.gt}' would be written under one name; rename one")

    def one(item: Item) -> Written:
        outcome = Written()
        try:
            gt = read_picture(item.gt)
            lq = None if item.lq is None else read_picture(item.lq)
            if lq is not None:
                fit_sizes(item, (gt.height, gt.width), (lq.height, lq.width), scale)
            work(item, gt, lq, outcome)
        except ClearVisionError as error:
            outcome.failed[item.gt] = " ".join(str(error).split())
        return outcome

    total = Written()
    for outcome in in_threads(one, items, min(4, os.cpu_count() or 1), progress):
        total.written += outcome.written
        total.kept += outcome.kept
        total.small += outcome.small
        total.failed.update(outcome.failed)
    return total


def _starts(side: int, size: int, step: int, multiple: int) -> list[int]:
    last = (side - size) // multiple * multiple
    if last < 0:
        return []
    starts = list(range(0, last + 1, step))
    return starts if starts[-1] == last else [*starts, last]


def _window(picture: Picture, y: int, x: int, size: int) -> Picture:
    def cut(samples: NDArray[Any]) -> NDArray[Any]:
        return np.ascontiguousarray(samples[y : y + size, x : x + size])

    return _changed(picture, cut)


def _turned(picture: Picture, turn: _Turn) -> Picture:
    return _changed(picture, lambda samples: np.ascontiguousarray(turn(samples)))


def _changed(picture: Picture, change: _Turn) -> Picture:
    """Return a picture of other pixels; what says when and where the original was taken does not go along."""
    alpha = None if picture.alpha is None else change(picture.alpha)
    return Picture(change(picture.pixels), alpha, icc=picture.icc)


def _renamed(name: str, suffix: str) -> Path:
    path = Path(name)
    return path.with_name(f"{path.stem}{suffix}.png")


def _below(out: Path, side: str, paired: bool, name: str | Path) -> Path:
    return out / side / name if paired else out / name


def _write(picture: Picture, target: Path, outcome: Written) -> None:
    if target.exists():
        outcome.kept += 1
        return
    write_picture(picture, target)
    outcome.written += 1
