"""Seamless textures: enlarge a picture as if copies of it lay on all sides, so that the result repeats without a seam.

A network sees as far as its receptive radius, so that many pixels of the opposite edge are put beside each edge first, and their
result is cut off afterwards. The middle of a 3x3 sheet of copies comes out the same, to rounding.
"""

from __future__ import annotations

import math
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from clearvision.errors import ImageShapeError, UsageError
from clearvision.imaging.resize import resize

Tileable = Literal["none", "x", "y", "both"]
SUPPORT = 4  # pixels that the bicubic kernel covers when enlarging


def axes_of(tileable: str) -> tuple[bool, bool]:
    """Return whether (rows, columns) repeat.

    Raises:
        UsageError: if the word is unknown.
    """
    if tileable not in get_args(Tileable):
        raise UsageError(f"tileable '{tileable}' is unknown; known: {', '.join(get_args(Tileable))}")
    return tileable in ("y", "both"), tileable in ("x", "both")


def wrap_margin(side: int, halo: int, multiple: int) -> int:
    """Return how many pixels go beside an edge: at least the halo, and so that the picture keeps its phase in the sheet."""
    return halo + (side - halo) % multiple


def wrapped(array: NDArray[Any], rows: int, columns: int) -> NDArray[Any]:
    """Return (H, W, ...) with so many rows and columns of the opposite edge on every side."""
    return np.pad(array, ((rows, rows), (columns, columns), *[(0, 0)] * (array.ndim - 2)), mode="wrap")


def unwrapped(array: NDArray[Any], rows: int, columns: int) -> NDArray[Any]:
    """Undo :func:`wrapped`."""
    return array[rows : array.shape[0] - rows, columns : array.shape[1] - columns]


def resize_wrapped(array: NDArray[Any], height: int, width: int, axes: tuple[bool, bool]) -> NDArray[Any]:
    """Resample to a size, bicubic and antialiased, with those of (rows, columns) that repeat going on at the other edge."""
    before, after = [], []
    for side, target, repeats in zip(array.shape[:2], (height, width), axes, strict=True):
        step = side // math.gcd(side, target)  # so that the margin has a whole number of pixels on both sides of the resampling
        reach = math.ceil(SUPPORT * max(1.0, side / target))
        before.append(-(-reach // step) * step if repeats else 0)
        after.append(before[-1] * target // side)
    large = resize(wrapped(array, *before), height + 2 * after[0], width + 2 * after[1])
    return np.ascontiguousarray(unwrapped(large, *after))


def renormalise(pixels: NDArray[Any]) -> NDArray[Any]:
    """Return a normal map whose vectors have length 1 again; those of no direction point out of the surface.

    Args:
        pixels: (H, W, 3) uint8, uint16 or float32, with [-1, 1] spread over the type's range, as normal maps store it.

    Raises:
        ImageShapeError: if there are not three channels.
    """
    if pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ImageShapeError(f"a normal map has three channels, got an array of shape {pixels.shape}")
    full = np.float32({"uint8": 255, "uint16": 65535, "float32": 1}[pixels.dtype.name])
    vectors = pixels.astype(np.float32) * (2 / full) - 1
    length = np.sqrt((vectors**2).sum(axis=2, keepdims=True))
    vectors = np.where(length > 1e-3, vectors / np.maximum(length, 1e-3), np.array((0, 0, 1), np.float32))
    stored = (vectors + 1) * (full / 2)
    return stored.astype(np.float32) if pixels.dtype == np.float32 else np.floor(stored + np.float32(0.5)).astype(pixels.dtype)
