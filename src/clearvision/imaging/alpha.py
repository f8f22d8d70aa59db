"""Colour under transparency: filled in from the opaque surroundings, so that no resampling drags black or white into an edge.

Method: the push-pull pyramid of Gortler et al., "The Lumigraph", SIGGRAPH 1996, section 3.4.3. Going up, 2x2 pixels are averaged
by their weights until one pixel is left; coming down, what has no colour of its own takes that of the level above.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearvision.errors import ImageShapeError
from clearvision.imaging.vips import FULL
from clearvision.types import PixelArray

_STRIP = 256  # rows of the picture held as float at a time; even


def bleed_colour(pixels: PixelArray, alpha: PixelArray) -> PixelArray:
    """Replace the colour under fully transparent pixels by that of the opaque ones around them.

    Colours weigh as much as they are opaque. Pixels of any opacity keep theirs, bit for bit. Beside the result, about 14 bytes a
    pixel are needed.

    Args:
        pixels: (H, W, C), uint8, uint16 or float32.
        alpha: (H, W), same type, 0 transparent.

    Returns:
        (H, W, C) of the same type; the very same array when no pixel, or every pixel, is fully transparent.

    Raises:
        ImageShapeError: if the two do not belong together.
    """
    if pixels.ndim != 3 or alpha.shape != pixels.shape[:2] or alpha.dtype != pixels.dtype or pixels.dtype.name not in FULL:
        raise ImageShapeError(
            f"pixels {pixels.shape} {pixels.dtype} and alpha {alpha.shape} {alpha.dtype} do not belong together; "
            "allowed: (H, W, C) and (H, W) of one type, uint8, uint16 or float32"
        )
    clear = alpha <= 0
    if not clear.any() or clear.all():
        return pixels
    colour, weight = _half_in_strips(pixels, alpha)
    surroundings = _filled(colour, weight)
    result = pixels.copy()
    for top in range(0, alpha.shape[0], _STRIP):
        strip = slice(top, top + _STRIP)
        holes = clear[strip]
        if holes.any():
            fill = _doubled_rows(surroundings, top, holes.shape[0])[:, : holes.shape[1]]
            result[strip][holes] = _as_type(fill[holes], pixels.dtype)
    return result


def _as_type(values: NDArray[np.float32], dtype: np.dtype[Any]) -> NDArray[Any]:
    return values if dtype.kind == "f" else np.rint(values).astype(dtype)


def _half_in_strips(pixels: PixelArray, alpha: PixelArray) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the first level up, made without a float copy of the whole picture."""
    full = np.float32(FULL[alpha.dtype.name])
    levels = []
    for top in range(0, alpha.shape[0], _STRIP):
        weight = np.clip(alpha[top : top + _STRIP].astype(np.float32) / full, 0, 1)
        levels.append(_half(pixels[top : top + _STRIP].astype(np.float32), weight))
    return np.concatenate([level[0] for level in levels]), np.concatenate([level[1] for level in levels])


def _half(colour: NDArray[np.float32], weight: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Average 2x2 pixels by weight; an odd last row or column stands alone. Weights add up, to 1 at most."""
    weighted = colour * weight[:, :, None]
    weighted[weight <= 0] = 0  # 0 times a NaN that nobody sees is one
    height, width = weight.shape
    if height % 2 or width % 2:
        odd = ((0, height % 2), (0, width % 2))
        weight, weighted = np.pad(weight, odd), np.pad(weighted, (*odd, (0, 0)))
    total = _sum_of_quarters(weight)
    mean = _sum_of_quarters(weighted)
    mean /= np.maximum(total, np.finfo(np.float32).tiny)[:, :, None]
    return mean, np.minimum(total, 1, out=total)


def _sum_of_quarters(values: NDArray[np.float32]) -> NDArray[np.float32]:
    total = values[0::2, 0::2] + values[1::2, 0::2]
    total += values[0::2, 1::2]
    total += values[1::2, 1::2]
    return total


def _filled(colour: NDArray[np.float32], weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give the level a colour everywhere, in place: its own as far as its weight goes, for the rest that of the level above."""
    if weight.size == 1 or weight.min() >= 1:
        return colour
    above = _filled(*_half(colour, weight))
    surroundings = _doubled_rows(above, 0, colour.shape[0])[:, : colour.shape[1]]
    colour -= surroundings
    colour *= weight[:, :, None]
    colour += surroundings
    return colour


def _doubled_rows(level: NDArray[np.float32], top: int, count: int) -> NDArray[np.float32]:
    """Return rows ``top`` (even) to ``top + count`` of the level at twice its size, linear between the centres of its pixels."""
    first, last = top // 2, -(-(top + count) // 2)
    padded = np.pad(level, ((1, 1), (1, 1), (0, 0)), mode="edge")[first : last + 2]
    return _doubled(_doubled(padded, 0), 1)[:count]


def _doubled(padded: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    """Double an axis that carries one row of padding at each end."""
    lines = np.moveaxis(padded, axis, 0)
    result = np.empty((2 * len(lines) - 4, *lines.shape[1:]), np.float32)
    for offset, neighbour in ((0, lines[:-2]), (1, lines[2:])):
        np.multiply(neighbour, np.float32(1 / 3), out=result[offset::2])
        result[offset::2] += lines[1:-1]
    result *= np.float32(0.75)
    return np.moveaxis(result, 0, axis)
