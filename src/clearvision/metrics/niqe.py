"""NIQE, a measure of how natural a picture's local statistics are; it needs no ground truth.

Paper: Mittal, Soundararajan and Bovik, "Making a 'Completely Blind' Image Quality Analyzer", IEEE Signal Processing Letters
       2013 -- sections II.A to II.D, equations 1 to 10.
Facts: the authors' MATLAB release, and XPixelGroup/BasicSR (Apache-2.0), whose file of the pristine parameters is used
       (``data/README.md``). Rounded BT.601 luma, blocks of 96x96, rows and columns left over at the end dropped, the second
       scale by MATLAB's antialiased bicubic. MATLAB R2021a gives 5.7296 for the colour picture "baboon" of 500x480.
"""

from __future__ import annotations

import functools
import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clearvision.errors import ImageShapeError, PictureError
from clearvision.imaging.color import rgb_to_y
from clearvision.metrics.filtering import Plane, filter_valid, gaussian_taps

BLOCK = 96

_PARAMETERS = Path(__file__).parent / "data" / "niqe_pris_params.npz"
_TAPS = gaussian_taps(7, 7 / 6)
_HALF_TAPS = np.array([-3, -9, 29, 111, 111, 29, -9, -3]) / 256  # the antialiased bicubic of imresize(0.5); exact on integers
_ROUNDING = 1e-10
_NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))  # section II.B: horizontal, vertical and both diagonals


def niqe(image: NDArray[np.uint8], *, crop_border: int = 0) -> float:
    """Return NIQE of a picture; lower is more natural, good photographs lie between 2 and 5.

    Args:
        image: (H, W), (H, W, 1) or (H, W, 3), uint8, RGB.
        crop_border: pixels dropped on each side first.

    Raises:
        ImageShapeError: if the picture is not uint8 of one or three channels, or holds fewer than two blocks of 96x96.
        PictureError: if fewer than two blocks have any texture, so that there are no statistics.
    """
    luma = _rounded_luma(image)
    height, width = (side - 2 * crop_border for side in luma.shape)
    rows, columns = max(height, 0) // BLOCK, max(width, 0) // BLOCK
    if rows * columns < 2:
        raise ImageShapeError(
            f"NIQE needs two blocks of {BLOCK}x{BLOCK} pixels, what is left of the picture has {width}x{height}"
        )
    luma = luma[crop_border : crop_border + rows * BLOCK, crop_border : crop_border + columns * BLOCK]
    features = np.concatenate((_features(luma, BLOCK), _features(_half(luma), BLOCK // 2)), axis=1)
    complete = features[~np.isnan(features).any(axis=1)]
    if len(complete) < 2:
        raise PictureError(f"NIQE finds texture in only {len(complete)} of the picture's {len(features)} blocks; it needs two")
    mean, covariance = _pristine()
    distance = mean - np.nanmean(features, axis=0)
    pooled = (covariance + np.cov(complete, rowvar=False)) / 2
    return math.sqrt(distance @ np.linalg.pinv(pooled) @ distance)  # equation 10


@functools.cache
def _pristine() -> tuple[Plane, Plane]:
    with np.load(_PARAMETERS, allow_pickle=False) as parameters:
        return parameters["mu_pris_param"].ravel(), parameters["cov_pris_param"]


def _rounded_luma(image: NDArray[np.uint8]) -> Plane:
    if image.dtype != np.uint8 or not (image.ndim == 2 or (image.ndim == 3 and image.shape[2] in (1, 3))):
        raise ImageShapeError(f"NIQE takes uint8 (H, W), (H, W, 1) or (H, W, 3), got {image.dtype} of shape {image.shape}")
    if image.ndim == 3 and image.shape[2] == 3:
        return np.round(rgb_to_y(image / 255.0) * 255.0)  # rounded as MATLAB's rgb2ycbcr rounds uint8
    return image.reshape(image.shape[:2]).astype(np.float64)


def _half(luma: Plane) -> Plane:
    return filter_valid(np.pad(luma, 3, mode="symmetric"), _HALF_TAPS)[::2, ::2]  # mirrored border, as today's MATLAB has


def _features(luma: Plane, block: int) -> Plane:
    """Return the 18 features of every block of one scale, (blocks, 18); NaN where a block has no texture."""
    padded = np.pad(luma, len(_TAPS) // 2, mode="edge")
    mean, mean_square = filter_valid(np.stack((padded, padded * padded)), _TAPS)
    contrast = luma - mean
    contrast[np.abs(contrast) < _ROUNDING] = 0  # else the sign of rounding decides on which side a flat area counts
    normalised = contrast / (np.sqrt(np.abs(mean_square - mean * mean)) + 1)  # equation 1
    rows, columns = luma.shape[0] // block, luma.shape[1] // block
    blocks = normalised.reshape(rows, block, columns, block).swapaxes(1, 2).reshape(-1, block, block)
    shape, left, right = _fit(blocks)
    features = [shape, (left + right) / 2]
    for shift in _NEIGHBOURS:
        shape, left, right = _fit(blocks * np.roll(blocks, shift, axis=(1, 2)))
        mean = (right - left) * _gamma(2 / shape) / _gamma(1 / shape)  # equation 8
        features += [shape, mean, left, right]
    return np.stack(features, axis=1)


def _gamma(x: Plane) -> Plane:
    return np.array([math.gamma(value) for value in x])


@functools.cache
def _shapes() -> tuple[Plane, Plane]:
    """Return the candidate shapes, and the ratio (mean |x|)^2 / mean x^2 that each has, ascending."""
    shapes = np.arange(0.2, 10.001, 0.001)
    inverse = 1 / shapes
    return shapes, _gamma(2 * inverse) ** 2 / (_gamma(inverse) * _gamma(3 * inverse))


def _fit(blocks: Plane) -> tuple[Plane, Plane, Plane]:
    """Fit an asymmetric generalised Gaussian to each block by moments; return shape, left and right scale, (blocks,) each.

    Scales are NaN where a block has no value on one side of 0; the shape is then the smallest, as in the reference.
    """
    values = blocks.reshape(len(blocks), -1)
    left, right = (_root_mean_square(values, values < 0), _root_mean_square(values, values > 0))
    square = np.mean(values**2, axis=1)
    ratio = left / right
    moment = np.mean(np.abs(values), axis=1) ** 2 / np.where(square > 0, square, np.nan)
    wanted = moment * (ratio**3 + 1) * (ratio + 1) / (ratio**2 + 1) ** 2
    shapes, ratios = _shapes()
    above = np.clip(np.searchsorted(ratios, wanted), 1, len(ratios) - 1)
    nearest = np.where(wanted - ratios[above - 1] <= ratios[above] - wanted, above - 1, above)
    shape = shapes[np.where(np.isnan(wanted), 0, nearest)]
    to_scale = np.sqrt(_gamma(1 / shape) / _gamma(3 / shape))
    return shape, left * to_scale, right * to_scale


def _root_mean_square(values: Plane, chosen: NDArray[np.bool_]) -> Plane:
    count = chosen.sum(axis=1)
    return np.sqrt((values**2 * chosen).sum(axis=1) / np.where(count > 0, count, np.nan))
