"""What the browser is shown of a picture: a file that every browser reads, of bounded size, in the picture's own colours."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from clearvision.imaging.formats import identify
from clearvision.imaging.io import picture_from_array, picture_to_array, read_picture, write_picture
from clearvision.imaging.vips import FULL, call, from_arrays, to_arrays
from clearvision.types import Picture

MOST_PIXELS = 12_000_000
_PART = 4_000_000  # pixels of a part
_STRIP = 256  # rows
_SHOWN_AS_THEY_ARE = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}

Box = tuple[float, float, float, float]  # left, top, right, bottom, each as a share of the picture's side


@dataclass(frozen=True)
class Preview:
    """A picture for the browser.

    Attributes:
        path: its file.
        kind: the file's media type.
        width: columns of the whole picture, of which the file may hold a smaller copy.
        height: rows, likewise.
        shown: share of the whole picture's sides that the file holds, 1 where it is as large.
        whole: where the file is smaller, an array of all 8-bit pixels on disk, for parts of it to be shown closely.
        icc: the profile of those.
    """

    path: Path
    kind: str
    width: int
    height: int
    shown: float = 1.0
    whole: Path | None = None
    icc: bytes | None = None


def preview_of(picture: Picture, path: Path) -> Preview:
    """Write what the browser is shown of a picture: PNG of 8 bits with the picture's profile.

    Args:
        picture: the picture, which does not change.
        path: where to, without suffix.
    """
    small, shown = shrunk(picture, MOST_PIXELS)
    whole = None if shown == 1 else _keep(picture, path.with_name(f"{path.name}.npy"))
    path = path.with_name(f"{path.name}.png")
    write_picture(small, path)
    return Preview(path, "image/png", picture.width, picture.height, shown, whole, picture.icc)


def preview_of_result(target: Path, picture: Picture, path: Path) -> Preview:
    """Return what the browser is shown of a result: its own file where browsers read that, else as :func:`preview_of`.

    Args:
        target: the result's file, which shows what its format and quality cost.
        picture: what was written to it.
        path: where to write, without suffix.
    """
    kind = _SHOWN_AS_THEY_ARE.get(identify(target).name)
    if kind is not None and picture.width * picture.height <= MOST_PIXELS:
        return Preview(target, kind, picture.width, picture.height)
    return preview_of(picture if kind is None else read_picture(target), path)


def part_of(preview: Preview, box: Box, path: Path) -> Preview | None:
    """Return a part of a picture in all its pixels, as far as 4 megapixels hold them; None where the preview shows them all.

    Args:
        preview: of the whole picture.
        box: which part.
        path: where to write it, without suffix; what is there is replaced.
    """
    if preview.whole is None:
        return None
    left, right = (round(share * preview.width) for share in (box[0], box[2]))
    top, bottom = (round(share * preview.height) for share in (box[1], box[3]))
    pixels = np.load(preview.whole, mmap_mode="r")[top : max(bottom, top + 1), left : max(right, left + 1)]
    path = path.with_name(f"{path.name}-part.png")
    write_picture(shrunk(replace(picture_from_array(np.array(pixels)), icc=preview.icc), _PART)[0], path)
    return Preview(path, "image/png", right - left, bottom - top)


def _keep(picture: Picture, path: Path) -> Path:
    """Write all pixels of a picture as an array of 8 bits, (H, W) or (H, W, C), strip by strip; return where."""
    whole = None
    for top in range(0, picture.height, _STRIP):
        rows = slice(top, top + _STRIP)
        alpha = None if picture.alpha is None else picture.alpha[rows]
        strip = picture_to_array(shrunk(Picture(picture.pixels[rows], alpha), picture.width * _STRIP)[0])
        if whole is None:
            whole = np.lib.format.open_memmap(path, "w+", np.uint8, (picture.height, *strip.shape[1:]))
        whole[rows] = strip
    return path


def shrunk(picture: Picture, most: int) -> tuple[Picture, float]:
    """Return an 8-bit copy of at most so many pixels, without metadata but for the profile, and the share of the sides left."""
    depth = picture.pixels.dtype.name
    share = min(1.0, (most / (picture.width * picture.height)) ** 0.5)
    plain = replace(picture, exif=None, xmp=None, iptc=None, dpi=None)
    if share == 1 and depth == "uint8":
        return plain, share
    image = from_arrays(picture.pixels, picture.alpha)
    if depth != "uint8":
        image = image.linear(255 / FULL[depth], 0.5).cast("uchar")
        image = image.copy(interpretation="b-w" if image.bands < 3 else "srgb")
    if share < 1:
        image = call("thumbnail_image", image, max(1, round(picture.width * share)), height=10_000_000, size="down")
    pixels, alpha = to_arrays(image, "preview")
    return replace(plain, pixels=np.ascontiguousarray(pixels), alpha=alpha), share
