"""Colour under transparency: filled in from the opaque surroundings, so that no resampling drags black or white into an edge.

Method: the push-pull pyramid of Gortler et al., "The Lumigraph", SIGGRAPH 1996, section 3.4.3. Going up, 2x2 pixels are averaged
by their weights until one pixel is left; coming down, what has no colour of its own takes that of the level above.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from clearvision.errors import ImageShapeError
from clearvision.imaging import canvas
from clearvision.imaging.canvas import LARGEST_IN_MEMORY
from clearvision.imaging.vips import FULL
from clearvision.types import PixelArray

_STRIP = 256  # rows held as float at a time; even

Floats = NDArray[np.float32]


def bleed_colour(pixels: PixelArray, alpha: PixelArray, *, above: int = LARGEST_IN_MEMORY) -> PixelArray:
    """Replace the colour under fully transparent pixels by that of the opaque ones around them.

    Colours weigh as much as they are opaque. Pixels of any opacity keep theirs, bit for bit. Beside the result, about 6 bytes a
    pixel are needed.

    Args:
        pixels: (H, W, C), uint8, uint16 or float32.
        alpha: (H, W), same type, 0 transparent.
        above: bytes of an array beyond which it lies on disk.

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
    lowest, highest = canvas.extremes(alpha)
    if lowest > 0 or highest <= 0:
        return pixels
    surroundings = _filled(*_halved(pixels, alpha, FULL[alpha.dtype.name], above), above)
    result = cast("PixelArray", canvas.empty(pixels.shape, pixels.dtype, above=above))
    for top in range(0, alpha.shape[0], _STRIP):
        strip = slice(top, top + _STRIP)
        holes = alpha[strip] <= 0
        result[strip] = pixels[strip]
        if holes.any():
            fill = _doubled_rows(surroundings, top, holes.shape[0])[:, : holes.shape[1]]
            result[strip][holes] = _as_type(fill[holes], pixels.dtype)
        for array in (pixels, alpha, result, surroundings):
            canvas.release(array)
    return result


def _as_type(values: Floats, dtype: np.dtype[Any]) -> NDArray[Any]:
    return values if dtype.kind == "f" else np.rint(values).astype(dtype)


def _halved(colour: NDArray[Any], weight: NDArray[Any], full: float, above: int) -> tuple[Floats, Floats]:
    """Return the next level up, made without a float copy of the whole; weights of ``full`` and more count as 1."""
    height, width = (-(-side // 2) for side in weight.shape)
    half_colour = canvas.empty((height, width, colour.shape[2]), np.float32, above=above)
    half_weight = canvas.empty((height, width), np.float32, above=above)
    for top in range(0, len(weight), _STRIP):
        strip = slice(top, top + _STRIP)
        share = np.clip(weight[strip].astype(np.float32) / np.float32(full), 0, 1)
        above_strip = slice(top // 2, (top + _STRIP) // 2)
        half_colour[above_strip], half_weight[above_strip] = _half(colour[strip].astype(np.float32), share)
        for array in (colour, weight, half_colour, half_weight):
            canvas.release(array)
    return half_colour, half_weight


def _half(colour: Floats, weight: Floats) -> tuple[Floats, Floats]:
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


def _sum_of_quarters(values: Floats) -> Floats:
    total = values[0::2, 0::2] + values[1::2, 0::2]
    total += values[0::2, 1::2]
    total += values[1::2, 1::2]
    return total


def _filled(colour: Floats, weight: Floats, above: int) -> Floats:
    """Give the level a colour everywhere, in place: its own as far as its weight goes, for the rest that of the level above."""
    if weight.size == 1 or canvas.extremes(weight)[0] >= 1:
        return colour
    higher = _filled(*_halved(colour, weight, 1, above), above)
    for top in range(0, len(colour), _STRIP):
        own = colour[top : top + _STRIP]
        surroundings = _doubled_rows(higher, top, len(own))[:, : own.shape[1]]
        own -= surroundings
        own *= weight[top : top + _STRIP, :, None]
        own += surroundings
        for array in (colour, weight, higher):
            canvas.release(array)
    return colour


def _doubled_rows(level: Floats, top: int, count: int) -> Floats:
    """Return rows ``top`` (even) to ``top + count`` of the level at twice its size, linear between the centres of its pixels."""
    first, last = top // 2, -(-(top + count) // 2)
    rows = np.clip(np.arange(first - 1, last + 1), 0, len(level) - 1)
    padded = np.pad(level[rows], ((0, 0), (1, 1), (0, 0)), mode="edge")
    return _doubled(_doubled(padded, 0), 1)[:count]


def _doubled(padded: Floats, axis: int) -> Floats:
    """Double an axis that carries one row of padding at each end."""
    lines = np.moveaxis(padded, axis, 0)
    result = np.empty((2 * len(lines) - 4, *lines.shape[1:]), np.float32)
    for offset, neighbour in ((0, lines[:-2]), (1, lines[2:])):
        np.multiply(neighbour, np.float32(1 / 3), out=result[offset::2])
        result[offset::2] += lines[1:-1]
    result *= np.float32(0.75)
    return np.moveaxis(result, 0, axis)
