"""What the browser is shown of a picture: a file that every browser reads, of bounded size, in the picture's own colours."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from clearvision.imaging.formats import identify
from clearvision.imaging.io import read_picture, write_picture
from clearvision.imaging.vips import FULL, call, from_arrays, to_arrays
from clearvision.types import Picture

MOST_PIXELS = 12_000_000
_SHOWN_AS_THEY_ARE = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}


@dataclass(frozen=True)
class Preview:
    """A picture for the browser.

    Attributes:
        path: its file.
        kind: the file's media type.
        width: columns of the whole picture, of which the file may hold a smaller copy.
        height: rows, likewise.
        shown: share of the whole picture's sides that the file holds, 1 where it is as large.
    """

    path: Path
    kind: str
    width: int
    height: int
    shown: float = 1.0


def preview_of(picture: Picture, path: Path) -> Preview:
    """Write what the browser is shown of a picture: PNG of 8 bits with the picture's profile.

    Args:
        picture: the picture, which does not change.
        path: where to, without suffix.
    """
    small, shown = shrunk(picture, MOST_PIXELS)
    path = path.with_name(f"{path.name}.png")
    write_picture(small, path)
    return Preview(path, "image/png", picture.width, picture.height, shown)


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
