"""Structural similarity: over local windows, over five scales, and over the whole picture at once.

Papers: Wang, Bovik, Sheikh and Simoncelli, "Image Quality Assessment: From Error Visibility to Structural Similarity", IEEE
        TIP 2004; Wang, Simoncelli and Bovik, "Multiscale Structural Similarity for Image Quality Assessment", Asilomar 2003.

What one name stands for differs between programs, by more than most models differ from each other:

| call                         | is what                                                                              |
| ``ssim(y, y2)``              | the paper, and the super-resolution literature on luma without its border            |
| ``ssim(rgb, rgb2)``          | ``tf.image.ssim`` (11x11 Gaussian on every channel, then the mean)                   |
| ``ssim(..., "uniform7")``    | scikit-image's default: 7x7 means, sample covariance                                 |
| ``global_ssim``              | the formula with one window, the picture: about 1 - MSE / (2 variance), so near 1    |
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from clearvision.errors import ImageShapeError, UsageError
from clearvision.metrics.filtering import Plane, filter_valid, gaussian_taps

Window = Literal["gaussian", "uniform7"]

MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # Wang et al. 2003, section 3.2, finest scale first

_TAPS = {"gaussian": gaussian_taps(11, 1.5), "uniform7": np.full(7, 1 / 7)}
_TILE = (128, 512)  # windows scored at once, rows and columns: what they need stays in the cache


def ssim(a: NDArray[Any], b: NDArray[Any], *, window: Window = "gaussian", data_range: float = 255.0) -> float:
    """Return the mean structural similarity over all windows that lie wholly inside the picture, and over its channels.

    Args:
        a: (H, W) or (H, W, C), any number type.
        b: the same shape.
        window: ``gaussian``, 11x11 with sigma 1.5, or ``uniform7``, 7x7 means with sample (n - 1) covariance.
        data_range: distance between black and white, L of the paper; C1 = (0.01 L)^2, C2 = (0.03 L)^2.

    Returns:
        A number up to 1, which equal pictures have.

    Raises:
        ImageShapeError: if the shapes differ, are neither 2-d nor 3-d, or a side is shorter than the window.
        UsageError: if the window is unknown or the data range is not above 0.
    """
    _check_options(window, data_range)
    _check_shapes("SSIM", a, b, len(_TAPS[window]))
    similarity, _ = _mean_similarity(_planes(a), _planes(b), window, data_range)
    return float(similarity.mean())


def ms_ssim(a: NDArray[Any], b: NDArray[Any], *, data_range: float = 255.0) -> float:
    """Return the structural similarity over five scales, with the weights and the order of Wang et al. 2003.

    Between scales the picture shrinks by 2x2 averages, an odd last row or column being repeated. Contrast and structure count
    at every scale, luminance at the coarsest alone. A negative mean counts as 0. Channels are scored singly and averaged.

    Args:
        a: (H, W) or (H, W, C), any number type.
        b: the same shape.
        data_range: distance between black and white.

    Raises:
        ImageShapeError: if the shapes differ, are neither 2-d nor 3-d, or a side is below 176, 11 at the coarsest scale.
        UsageError: if the data range is not above 0.
    """
    _check_options("gaussian", data_range)
    _check_shapes("MS-SSIM", a, b, len(_TAPS["gaussian"]) << (len(MS_SSIM_WEIGHTS) - 1))
    first, second = _planes(a), _planes(b)
    product = np.ones(len(first))
    for weight in MS_SSIM_WEIGHTS[:-1]:
        _, contrast = _mean_similarity(first, second, "gaussian", data_range)
        product *= np.maximum(contrast, 0) ** weight
        first, second = _halved(first), _halved(second)
    similarity, _ = _mean_similarity(first, second, "gaussian", data_range)
    return float(np.mean(product * np.maximum(similarity, 0) ** MS_SSIM_WEIGHTS[-1]))


def global_ssim(a: NDArray[Any], b: NDArray[Any], *, data_range: float = 255.0) -> float:
    """Return the SSIM formula with the whole picture, all pixels of all channels, as its only window.

    Not comparable with SSIM over local windows: a picture at 23 dB can have 0.94 here and 0.7 there.

    Raises:
        ImageShapeError: if the shapes differ or are neither 2-d nor 3-d.
        UsageError: if the data range is not above 0.
    """
    _check_options("gaussian", data_range)
    _check_shapes("global SSIM", a, b, 1)
    x, y = a.astype(np.float64).ravel(), b.astype(np.float64).ravel()
    mean_x, mean_y = x.mean(), y.mean()
    x, y = x - mean_x, y - mean_y
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    return float(luminance * (2 * np.mean(x * y) + c2) / (np.mean(x * x) + np.mean(y * y) + c2))


def _check_options(window: str, data_range: float) -> None:
    if window not in _TAPS:
        raise UsageError(f"SSIM window '{window}' is unknown; known: {', '.join(_TAPS)}")
    if not (math.isfinite(data_range) and data_range > 0):
        raise UsageError(f"data_range ({data_range}) must be a finite number above 0")


def _check_shapes(name: str, a: NDArray[Any], b: NDArray[Any], smallest: int) -> None:
    if a.shape != b.shape or a.ndim not in (2, 3) or a.size == 0:
        raise ImageShapeError(f"{name} compares two (H, W) or (H, W, C) pictures of one shape, got {a.shape} and {b.shape}")
    if min(a.shape[:2]) < smallest:
        raise ImageShapeError(f"{name} needs {smallest} pixels on each side, the picture has {a.shape[1]}x{a.shape[0]}")


def _planes(image: NDArray[Any]) -> Plane:
    """Return (C, H, W) float64; a plane that is so already is not copied."""
    return np.ascontiguousarray(image.reshape(*image.shape[:2], -1).transpose(2, 0, 1), dtype=np.float64)


def _halved(planes: Plane) -> Plane:
    _, height, width = planes.shape
    even = np.pad(planes, ((0, 0), (0, height % 2), (0, width % 2)), mode="edge")
    return (even[:, ::2, ::2] + even[:, 1::2, ::2] + even[:, ::2, 1::2] + even[:, 1::2, 1::2]) / 4


def _mean_similarity(first: Plane, second: Plane, window: Window, data_range: float) -> tuple[Plane, Plane]:
    """Return per channel the means of SSIM and of its contrast-structure factor, in tiles."""
    overlap = len(_TAPS[window]) - 1
    channels, height, width = first.shape
    rows, columns = height - overlap, width - overlap
    sums = np.zeros((2, channels))
    for top in range(0, rows, _TILE[0]):
        for left in range(0, columns, _TILE[1]):
            tile = (slice(top, top + _TILE[0] + overlap), slice(left, left + _TILE[1] + overlap))
            for channel in range(channels):
                sums[:, channel] += _similarity_sums(first[channel][tile], second[channel][tile], window, data_range)
    similarity, contrast = sums / (rows * columns)
    return similarity, contrast


def _similarity_sums(x: Plane, y: Plane, window: Window, data_range: float) -> tuple[float, float]:
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    mean_x, mean_y, variances, covariance = filter_valid(_moments(x, y), _TAPS[window])
    means = mean_x * mean_y
    covariance -= means
    mean_x *= mean_x  # in place, as far as it stays readable: large arrays cost most by being made
    mean_y *= mean_y
    squares = np.add(mean_x, mean_y, out=mean_x)
    variances -= squares
    unbiased = 49 / 48 if window == "uniform7" else 1.0
    contrast = (2 * unbiased * covariance + c2) / (unbiased * variances + c2)
    similarity = contrast * (2 * means + c1) / (squares + c1)
    return float(similarity.sum()), float(contrast.sum())


def _moments(x: Plane, y: Plane) -> Plane:
    """Return x, y, x^2 + y^2 and xy, (4, H, W)."""
    planes = np.empty((4, *x.shape))
    planes[0], planes[1] = x, y
    np.multiply(x, x, out=planes[2])
    planes[2] += y * y
    np.multiply(x, y, out=planes[3])
    return planes
