"""From files to what training holds: 8-bit RGB, ground truth cut to whole multiples of the scale, its low-quality partner.

Nothing here needs PyTorch.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from clearvision.data.layouts import Item
from clearvision.errors import DataError, PictureError
from clearvision.imaging.formats import identify
from clearvision.imaging.io import read_picture
from clearvision.imaging.resize import resize, resize_scale
from clearvision.imaging.vips import call, has_field, libvips, reason
from clearvision.types import PixelArray

Size = tuple[int, int]
Given = TypeVar("Given")
Made = TypeVar("Made")
Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Pair:
    """A low-quality picture and its ground truth: uint8 (h, w, 3) and (h * scale, w * scale, 3), RGB.

    In the layout ``unpaired`` they are pictures of two domains that have nothing to do with each other.
    """

    path: Path
    lq: NDArray[np.uint8]
    gt: NDArray[np.uint8]


@dataclass(frozen=True)
class Shrink:
    """How ground truth is made smaller before anything else, by antialiased bicubic; shapes are kept.

    Attributes:
        factor: this many times smaller.
        short_side: until the shorter side has this many pixels; pictures that are smaller already stay as they are.
    """

    factor: float = 1.0
    short_side: int | None = None

    def size(self, height: int, width: int) -> Size:
        """Return the size that a picture comes to."""
        factor = self.factor
        if self.short_side is not None:
            factor = max(1.0, min(height, width) / self.short_side)
        return (height, width) if factor == 1 else (max(1, round(height / factor)), max(1, round(width / factor)))

    def apply(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the smaller picture, or the same array if it is small enough."""
        height, width = self.size(*pixels.shape[:2])
        return pixels if (height, width) == pixels.shape[:2] else resize(pixels, height, width)


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """Read a picture as (H, W, 3) uint8 RGB, upright, without its alpha; grey goes to all three channels.

    Raises:
        PictureError: if it cannot be read.
    """
    pixels = eight_bit(read_picture(path).pixels)
    return pixels if pixels.shape[2] == 3 else np.repeat(pixels, 3, axis=2)


def read_size(path: Path) -> Size:
    """Return height and width of a picture, upright, from its header where the format allows.

    Raises:
        PictureError: if the header cannot be read; damage further on goes unnoticed.
    """
    form = identify(path)
    if not form.loader:
        return read_picture(path).pixels.shape[:2]
    vips = libvips()
    try:
        image = call(form.loader, os.fsencode(path))
        orientation = image.get("orientation") if has_field(image, "orientation") else 1
    except vips.Error as error:
        raise PictureError(f"{path} is damaged or not readable as {form.name}: {reason(error)}") from error
    return (image.width, image.height) if 5 <= orientation <= 8 else (image.height, image.width)


def lq_size(item: Item, scale: int, shrink: Shrink) -> Size:
    """Return the size of a picture on the low-quality grid, from the headers; 0 where it is smaller than the scale.

    Raises:
        PictureError: if a header cannot be read.
        DataError: if the sizes of a pair do not fit.
    """
    gt = shrink.size(*read_size(item.gt))
    if item.lq is not None:
        return fit_sizes(item, gt, read_size(item.lq), scale)
    return gt[0] // scale, gt[1] // scale


def fit_sizes(item: Item, gt: Size, lq: Size, scale: int) -> Size:
    """Return the size of a pair on the low-quality grid; ground truth may have up to ``scale - 1`` pixels more a side.

    Raises:
        DataError: naming both sizes where they do not fit.
    """
    if (gt[0] // scale, gt[1] // scale) != lq:
        raise DataError(
            f"'{item.gt}' ({gt[1]}x{gt[0]}) and '{item.lq}' ({lq[1]}x{lq[0]}) do not fit: at scale {scale} the second must be "
            f"{gt[1] // scale}x{gt[0] // scale}"
        )
    return lq


def read_item(item: Item, scale: int, shrink: Shrink, *, make_lq: bool) -> Pair:
    """Read a picture and its partner, or make the partner by MATLAB's bicubic.

    Without a partner and without ``make_lq``, ``lq`` is empty: (0, 0, 3).

    Raises:
        PictureError: if a file cannot be read.
        DataError: if the picture is smaller than the scale, or the sizes do not fit.
    """
    pixels = shrink.apply(read_rgb(item.gt))
    if item.lq is not None:
        lq = np.ascontiguousarray(read_rgb(item.lq))
        height, width = (side * scale for side in fit_sizes(item, pixels.shape[:2], lq.shape[:2], scale))
        return Pair(item.gt, lq, np.ascontiguousarray(pixels[:height, :width]))
    height, width = (side - side % scale for side in pixels.shape[:2])
    if not height or not width:
        raise DataError(f"picture '{item.gt}' ({pixels.shape[1]}x{pixels.shape[0]}) is smaller than scale {scale}; remove it")
    gt = np.ascontiguousarray(pixels[:height, :width])
    return Pair(item.gt, resize_scale(gt, 1 / scale) if make_lq else np.empty((0, 0, 3), np.uint8), gt)


def in_threads(
    work: Callable[[Given], Made], things: Iterable[Given], workers: int, progress: Progress | None = None
) -> list[Made]:
    """Return the work's results in the order of the things; decoding and large array operations run side by side."""
    given = list(things)
    made = []
    with ThreadPoolExecutor(workers) as threads:
        try:
            for result in threads.map(work, given):
                made.append(result)
                if progress:
                    progress(len(made), len(given))
        except BaseException:
            threads.shutdown(cancel_futures=True)
            raise
    return made


def eight_bit(pixels: PixelArray) -> NDArray[np.uint8]:
    """Return samples of any depth as uint8."""
    if pixels.dtype == np.uint8:
        return pixels.astype(np.uint8, copy=False)
    full = 65535 if pixels.dtype == np.uint16 else 1
    return np.clip(np.round(pixels / full * 255), 0, 255).astype(np.uint8)
