"""Sharpening that leaves colours and noise-free edges clean: an unsharp mask on luma, held within what lies around each pixel.

Without that bound an unsharp mask draws a bright and a dark line along every edge; with it edges become steeper and no pixel
brighter or darker than its neighbours.
"""

from __future__ import annotations

from typing import Any

from clearvision.errors import UsageError
from clearvision.imaging.canvas import LARGEST_IN_MEMORY
from clearvision.imaging.vips import FULL, from_array, to_arrays
from clearvision.types import PixelArray

REACH = 8  # pixels around a pixel that can change it
_SIGMA = 1.5  # of the blur that is taken away, in pixels
_GAIN = 2.0  # of the difference at amount 1
_LUMA = [[0.299, 0.587, 0.114]]


def sharpen(pixels: PixelArray, amount: float, *, above: int = LARGEST_IN_MEMORY) -> PixelArray:
    """Return a picture sharpened: its luma plus a multiple of its difference from a Gaussian blur of it.

    The new luma is kept between the least and the greatest of the 3x3 pixels around, and all channels move by what luma moves,
    so that hues stay. The edge pixel repeats beyond the border.

    Args:
        pixels: (H, W, 1 or 3) uint8, uint16 or float32; it does not change.
        amount: from 0, which changes nothing, to 1.
        above: bytes of pixels beyond which the result lies on disk.

    Returns:
        The same shape and type, integers rounded and clipped to their range.

    Raises:
        UsageError: if the amount lies outside [0, 1].
    """
    check_amount(amount)
    if amount == 0:
        return pixels
    image: Any = from_array(pixels)
    luma = image.cast("float") if image.bands == 1 else image.recomb(_LUMA)
    low, high = luma.rank(3, 3, 0), luma.rank(3, 3, 8)
    moved = luma + (luma - luma.gaussblur(_SIGMA, precision="float")) * (_GAIN * amount)
    moved = (moved < low).ifthenelse(low, moved)
    moved = (moved > high).ifthenelse(high, moved)
    result = image + (moved - luma)
    if FULL[pixels.dtype.name] > 1:
        result = (result + 0.5).cast(image.format)  # which clips and cuts off
    return to_arrays(result.copy(interpretation=image.interpretation), "the result", above=above)[0]


def check_amount(amount: float) -> None:
    """Raise UsageError unless an amount lies in [0, 1]."""
    if not 0 <= amount <= 1:  # NaN is neither
        raise UsageError(f"sharpen ({amount:g}) must be at least 0, which changes nothing, and at most 1")
