"""Resampling with MATLAB's ``imresize`` semantics, which the literature's low-resolution pictures were made with.

When shrinking, the kernel is widened by the scale (antialiasing); weights are normalised; beyond the border the edge pixel
repeats. The axis with the smaller scale goes first, rows on a tie, and integer pictures are rounded after each axis. With
these rules every pixel of the low-resolution files of Set5, Set14 and BSD100 comes out as published.

Facts: MathWorks, documentation of imresize; Keys, "Cubic Convolution Interpolation for Digital Image Processing",
IEEE TASSP 1981 (a = -0.5).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from clearvision.errors import ImageShapeError, UsageError
from clearvision.imaging import canvas
from clearvision.imaging.canvas import LARGEST_IN_MEMORY

Kernel = Literal["bicubic", "bilinear", "lanczos", "nearest"]

_SUPPORT = {"nearest": 1.0, "bilinear": 2.0, "bicubic": 4.0, "lanczos": 6.0}
_BAND_VALUES = 4 << 20  # float64 values held at once, so that memory does not grow with the picture
_BLOCK = 64  # outputs a dense block of weights; wider blocks multiply more zeros, narrower ones call more often


def resize_scale(array: NDArray[Any], scale: float, *, kernel: Kernel = "bicubic", antialias: bool = True) -> NDArray[Any]:
    """Resample by a factor; the new size is ``ceil(size * scale)``, MATLAB's rule.

    Args:
        array: (H, W) or (H, W, C), uint8, uint16 or float32.
        scale: output side divided by input side, above 0.
        kernel: the interpolation.
        antialias: widen the kernel when shrinking.

    Returns:
        The resampled array, same dtype; integers are rounded and clipped to their range, floats are neither.

    Raises:
        UsageError: if the scale is not a finite number above 0.
        ImageShapeError: if the array is empty, neither 2-d nor 3-d, or of another dtype.
    """
    if not (math.isfinite(scale) and scale > 0):
        raise UsageError(f"scale ({scale}) must be a finite number above 0")
    height, width = (math.ceil(round(side * scale, 9)) for side in array.shape[:2])
    return _resample(array, (height, width), (scale, scale), kernel, antialias)


def resize(
    array: NDArray[Any],
    height: int,
    width: int,
    *,
    kernel: Kernel = "bicubic",
    antialias: bool = True,
    above: int = LARGEST_IN_MEMORY,
) -> NDArray[Any]:
    """Resample to a size, each axis by its own ratio; otherwise as :func:`resize_scale`.

    A result of more than ``above`` bytes lies on disk; see :mod:`clearvision.imaging.canvas`.

    Raises:
        UsageError: if the size is below 1x1.
        ImageShapeError: if the array is empty, neither 2-d nor 3-d, or of another dtype.
        PictureError: if the disk has no room for the result.
    """
    return _resample(array, (height, width), _scales(array, height, width), kernel, antialias, above)


def resized_bands(
    array: NDArray[Any], height: int, width: int, *, kernel: Kernel = "bicubic"
) -> Iterator[tuple[tuple[slice, slice], NDArray[Any]]]:
    """Yield what :func:`resize` returns, (h, w, C) at a time with its place in the whole.

    Raises:
        UsageError: as :func:`resize`, as does ImageShapeError.
    """
    scales = _scales(array, height, width)
    _check(array)
    return _bands(array, (height, width), scales, kernel, True)


def _scales(array: NDArray[Any], height: int, width: int) -> tuple[float, float]:
    if height < 1 or width < 1:
        raise UsageError(f"size {width}x{height} must be at least 1x1")
    if 0 in array.shape[:2]:
        raise ImageShapeError(f"cannot resize an empty array of shape {array.shape}")
    return height / array.shape[0], width / array.shape[1]


def _check(array: NDArray[Any]) -> None:
    if array.ndim not in (2, 3) or array.size == 0:
        raise ImageShapeError(f"resize needs a non-empty (H, W) or (H, W, C) array, got shape {array.shape}")
    if array.dtype not in (np.uint8, np.uint16, np.float32):
        raise ImageShapeError(f"resize takes uint8, uint16 or float32, got {array.dtype}")


def _resample(
    array: NDArray[Any],
    size: tuple[int, int],
    scales: tuple[float, float],
    kernel: Kernel,
    antialias: bool,
    above: int = LARGEST_IN_MEMORY,
) -> NDArray[Any]:
    _check(array)
    if array.ndim == 2:
        return _resample(array[:, :, None], size, scales, kernel, antialias, above)[:, :, 0]
    out = canvas.empty((*size, array.shape[2]), array.dtype, above=above)
    for place, values in _bands(array, size, scales, kernel, antialias):
        out[place] = values
        canvas.release(out)
        canvas.release(array)
    return out


def _bands(
    array: NDArray[Any], size: tuple[int, int], scales: tuple[float, float], kernel: Kernel, antialias: bool
) -> Iterator[tuple[tuple[slice, slice], NDArray[Any]]]:
    if scales[1] >= scales[0]:
        yield from _rows_then_columns(array, size, scales, kernel, antialias)
        return
    turned = (size[1], size[0]), (scales[1], scales[0])
    for (first, second), values in _rows_then_columns(array.swapaxes(0, 1), *turned, kernel, antialias):
        yield (second, first), values.swapaxes(0, 1)


def _rows_then_columns(
    array: NDArray[Any], size: tuple[int, int], scales: tuple[float, float], kernel: Kernel, antialias: bool
) -> Iterator[tuple[tuple[slice, slice], NDArray[Any]]]:
    in_height, in_width, channels = array.shape
    row_weights, row_index = _taps(in_height, size[0], scales[0], kernel, antialias)
    columns = _blocks(*_taps(in_width, size[1], scales[1], kernel, antialias))
    row_bytes = max(in_width * max(1.0, 1 / scales[0]), size[1]) * channels
    band = max(1, min(_BLOCK, int(_BAND_VALUES / row_bytes)))
    for first, last, top, weights in _blocks(row_weights, row_index, band):
        source = array[top : top + weights.shape[1]].reshape(weights.shape[1], -1).astype(np.float64)
        rows = _rounded(weights @ source, array.dtype).reshape(-1, in_width, channels)
        planes = np.ascontiguousarray(rows.transpose(2, 0, 1))  # (C, rows, W): one matrix product a plane
        out = np.empty((last - first, size[1], channels), array.dtype)
        for left, right, start, column_weights in columns:
            block = planes[:, :, start : start + column_weights.shape[1]] @ column_weights.T
            out[:, left:right] = _rounded(block, array.dtype).transpose(1, 2, 0)
        yield (slice(first, last), slice(0, size[1])), out


def _rounded(values: NDArray[np.float64], dtype: np.dtype[Any]) -> NDArray[np.float64]:
    if dtype == np.float32:
        return values
    return np.clip(np.floor(values + 0.5), 0, np.iinfo(dtype).max)  # half up, as MATLAB's conversion to integers


def _blocks(
    weights: NDArray[np.float64], index: NDArray[np.intp], block: int = _BLOCK
) -> list[tuple[int, int, int, NDArray[np.float64]]]:
    """Gather taps into dense blocks: (first output, end, first input, weights (outputs, inputs))."""
    blocks = []
    for first in range(0, len(index), block):
        part = index[first : first + block]
        low = int(part.min())
        dense = np.zeros((len(part), int(part.max()) - low + 1))
        np.add.at(dense, (np.arange(len(part))[:, None], part - low), weights[first : first + block])
        blocks.append((first, first + len(part), low, dense))
    return blocks


def _taps(
    in_size: int, out_size: int, scale: float, kernel: Kernel, antialias: bool
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return for every output its weights and the inputs they apply to, both (out_size, taps), clamped to the picture."""
    squeeze = min(scale, 1.0) if antialias and kernel != "nearest" else 1.0
    support = _SUPPORT[kernel] / squeeze
    centre = (np.arange(out_size, dtype=np.float64) + 0.5) / scale - 0.5
    left = np.floor(centre - support / 2).astype(np.intp)
    index = left[:, None] + np.arange(math.ceil(support) + 2)
    weights = squeeze * _kernel(squeeze * (centre[:, None] - index), kernel)
    weights /= weights.sum(axis=1, keepdims=True)
    return weights, np.clip(index, 0, in_size - 1)


def _kernel(x: NDArray[Any], kernel: Kernel) -> NDArray[np.float64]:
    size = np.abs(x)
    if kernel == "nearest":
        return ((x >= -0.5) & (x < 0.5)).astype(np.float64)
    if kernel == "bilinear":
        return np.clip(1 - size, 0, None)
    if kernel == "lanczos":
        return np.where(size < 3, np.sinc(x) * np.sinc(x / 3), 0.0)
    near = 1.5 * size**3 - 2.5 * size**2 + 1
    far = -0.5 * size**3 + 2.5 * size**2 - 4 * size + 2
    return np.where(size <= 1, near, np.where(size <= 2, far, 0.0))
