"""Hold a result to its input: how well it agrees when made small again, and two corrections that make it agree.

Shrinking is MATLAB's antialiased bicubic, the one that the literature makes its inputs with. A faithful enlargement of a clean
picture agrees to 50-60 dB before any correction; a network that removes noise or invents texture agrees less, on purpose, so
:func:`back_project` suits clean pictures and :func:`lock_colour` all.

Paper: Irani and Peleg, "Improving Resolution by Image Registration", CVGIP 1991, section 3.
"""

from __future__ import annotations

import math
from typing import cast

import numpy as np
from numpy.typing import NDArray

from clearvision.errors import ImageShapeError
from clearvision.imaging import canvas
from clearvision.imaging.canvas import LARGEST_IN_MEMORY
from clearvision.imaging.resize import resize, resized_bands
from clearvision.types import PixelArray

STEPS = 3  # each brought 2 to 8 dB on Set5; after five the rounding to 8 bits is most of what remains
COARSE = 16  # pixels of the input that one value of the colour correction covers

_FULL = {"uint8": 255, "uint16": 65535, "float32": 1}
Floats = NDArray[np.float32]


def consistency(result: PixelArray, source: PixelArray, *, above: int = LARGEST_IN_MEMORY) -> float:
    """Return the PSNR in dB between a result made as small as its input again and that input, over all channels.

    Args:
        result: (H, W, C) uint8, uint16 or float32 in [0, 1].
        source: (h, w, C) of the same type, not larger than the result.
        above: bytes of an array beyond which it lies on disk.

    Returns:
        PSNR with the type's full range as its peak; infinite for equal pictures.

    Raises:
        ImageShapeError: if channels or types differ, or the result is smaller than the input.
    """
    _check(result, source)
    small = resize(result, *source.shape[:2], above=above)
    error = sum(float(np.sum((small[rows].astype(np.float64) - source[rows]) ** 2)) for rows in canvas.bands(small, source))
    error /= small.size
    return math.inf if error == 0 else 20 * math.log10(_FULL[source.dtype.name]) - 10 * math.log10(error)


def back_project(result: PixelArray, source: PixelArray, *, steps: int = STEPS, above: int = LARGEST_IN_MEMORY) -> PixelArray:
    """Return a result corrected so that, made small again, it gives the input back (Irani and Peleg, section 3).

    Each step adds the enlarged difference between the input and the result made small. Noise and compression in the input come
    back with it, so this is for inputs that are to be trusted pixel by pixel.

    Args:
        result: (H, W, C) uint8, uint16 or float32; it does not change.
        source: (h, w, C) of the same type.
        steps: how many corrections.
        above: as in :func:`consistency`.

    Raises:
        ImageShapeError: as :func:`consistency`.
    """
    _check(result, source)
    limits = _range(result, source)
    wanted, corrected = _floats(source, above), _floats(result, above)
    for _ in range(steps):
        difference = resize(corrected, *wanted.shape[:2], above=above)
        _subtract_from(wanted, difference)
        for place, values in resized_bands(difference, *corrected.shape[:2]):
            part = corrected[place]
            part += values
            np.clip(part, *limits, out=part)
            canvas.release(corrected)
            canvas.release(difference)
    if result.dtype == np.float32:
        return corrected
    out = cast("PixelArray", canvas.empty(result.shape, result.dtype, above=above))
    for rows in canvas.bands(corrected, out):
        out[rows] = _as(corrected[rows], result.dtype)
    return out


def lock_colour(result: PixelArray, source: PixelArray, *, above: int = LARGEST_IN_MEMORY) -> PixelArray:
    """Return a result whose colours, averaged over squares of about 16 pixels of the input, are those of the input.

    Only differences that change slowly over the picture are taken out, so noise that was removed stays removed.

    Args:
        result: (H, W, C) uint8, uint16 or float32; it does not change.
        source: (h, w, C) of the same type.
        above: as in :func:`consistency`.

    Raises:
        ImageShapeError: as :func:`consistency`.
    """
    _check(result, source)
    limits = _range(result, source)
    wanted, corrected = _floats(source, above), _floats(result, above)
    difference = resize(corrected, *wanted.shape[:2], above=above)
    _subtract_from(wanted, difference)
    shift = resize(difference, *[max(1, round(side / COARSE)) for side in wanted.shape[:2]], kernel="bilinear")
    out = cast("PixelArray", canvas.empty(result.shape, result.dtype, above=above))
    for place, values in resized_bands(shift, *corrected.shape[:2]):
        out[place] = _as(np.clip(corrected[place] + values, *limits), result.dtype)
        canvas.release(corrected)
        canvas.release(out)
    return out


def check_corrections(source: PixelArray, height: int, width: int, *, above: int) -> None:
    """Refuse, before the work, a result that could not be corrected for lack of room on the disk.

    Args:
        source: as of :func:`back_project`.
        height: rows of the result.
        width: columns of the result.
        above: as in :func:`consistency`.

    Raises:
        PictureError: if the disk has no room for the result, its float32 copy and the corrected one.
    """
    samples, itemsize = height * width * source.shape[2], source.dtype.itemsize
    sizes = (samples * itemsize, samples * 4, samples * itemsize, source.size * 4, source.size * 4)
    canvas.check_room(height, width, sum(size for size in sizes if size > above))


def _check(result: PixelArray, source: PixelArray) -> None:
    if result.ndim != 3 or source.ndim != 3 or result.shape[2] != source.shape[2] or result.dtype != source.dtype:
        raise ImageShapeError(
            "a result is compared with its input as (H, W, C) arrays of the same channels and type, "
            f"got {result.shape} {result.dtype} and {source.shape} {source.dtype}"
        )
    if result.shape[0] < source.shape[0] or result.shape[1] < source.shape[1]:
        raise ImageShapeError(
            f"the result ({result.shape[1]}x{result.shape[0]}) is smaller than its input ({source.shape[1]}x{source.shape[0]}); "
            "only an enlargement can be held to its input"
        )


def _floats(pixels: PixelArray, above: int) -> Floats:
    floats = canvas.empty(pixels.shape, np.float32, above=above)
    for rows in canvas.bands(floats, pixels):
        np.divide(pixels[rows], np.float32(_FULL[pixels.dtype.name]), out=floats[rows], dtype=np.float32)
    return floats


def _subtract_from(wanted: Floats, found: Floats) -> None:
    """Make what was found the difference of what is wanted to it."""
    for rows in canvas.bands(wanted, found):
        np.subtract(wanted[rows], found[rows], out=found[rows])


def _range(result: PixelArray, source: PixelArray) -> tuple[float, float]:
    """Return what values are kept within: [0, 1], or a float picture's own range where that is wider."""
    if result.dtype != np.float32:
        return 0.0, 1.0
    (first, last), (low, high) = canvas.extremes(result), canvas.extremes(source)
    return min(0.0, first, low), max(1.0, last, high)


def _as(values: Floats, dtype: np.dtype[np.generic]) -> PixelArray:
    if dtype == np.float32:
        return values
    return (values * np.float32(_FULL[dtype.name]) + np.float32(0.5)).astype(dtype)  # type: ignore[return-value]
