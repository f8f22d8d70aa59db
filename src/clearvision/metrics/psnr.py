"""PSNR as the literature's tables report it, the mean squared error under it, and PSNR against the input."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearvision.errors import ImageShapeError
from clearvision.imaging.color import rgb_to_y
from clearvision.imaging.resize import resize


def mse(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Return the mean squared difference over all values of two arrays of one shape, whatever their number type."""
    if a.shape != b.shape or a.size == 0:
        raise ImageShapeError(f"PSNR and MSE compare arrays of one shape, got {a.shape} and {b.shape}")
    difference = a.astype(np.float64) - b
    return float(np.vdot(difference, difference)) / a.size


def psnr(a: NDArray[Any], b: NDArray[Any], *, peak: float = 255.0) -> float:
    """Return ``20 log10(peak / RMSE)`` in dB over all values (all channels) of two arrays of one shape; equal: infinity."""
    error = mse(a, b)
    return math.inf if error == 0 else 10 * math.log10(peak**2 / error)


def psnr_y(sr: NDArray[np.uint8], gt: NDArray[np.uint8], *, crop_border: int) -> float:
    """Return PSNR on luma by the standard super-resolution protocol.

    Y is BT.601 studio range and not rounded; pictures stored with one channel are compared on their own values.

    Args:
        sr: (H, W), (H, W, 1) or (H, W, 3), uint8, RGB.
        gt: the same shape.
        crop_border: pixels dropped on each side; the protocol drops ``scale``.

    Raises:
        ImageShapeError: if the shapes differ or nothing is left after the crop.
    """
    if sr.shape != gt.shape:
        raise ImageShapeError(f"PSNR-Y compares pictures of one shape, got {sr.shape} and {gt.shape}")
    if min(sr.shape[:2]) <= 2 * crop_border:
        raise ImageShapeError(
            f"a picture of {sr.shape[1]}x{sr.shape[0]} has nothing left after cropping {crop_border} on each side"
        )
    window = (slice(crop_border, sr.shape[0] - crop_border), slice(crop_border, sr.shape[1] - crop_border))
    return psnr(_luma(sr[window]), _luma(gt[window]))


def lr_consistency(sr: NDArray[np.uint8], lq: NDArray[np.uint8], scale: float) -> float:
    """Return how well a result still explains its input: PSNR of the result, shrunk back, against the input, in dB.

    The result is shrunk with MATLAB's antialiased bicubic and rounded, and compared on all channels without a border.

    Args:
        sr: (H, W) or (H, W, C), uint8.
        lq: the input, (h, w) or (h, w, C), uint8, with H = h * scale and W = w * scale, rounded up or down.
        scale: how much larger the result is.

    Raises:
        ImageShapeError: if a picture is not uint8 or the sizes do not go with the scale.
    """
    if sr.dtype != np.uint8 or lq.dtype != np.uint8:
        raise ImageShapeError(f"LR-consistency compares uint8 pictures, got {sr.dtype} and {lq.dtype}")
    alike = sr.ndim == lq.ndim in (2, 3) and sr.shape[2:] == lq.shape[2:]
    if not alike or max(abs(sr.shape[axis] - lq.shape[axis] * scale) for axis in (0, 1)) >= 1:
        raise ImageShapeError(f"a result of shape {sr.shape} is not {scale:g} times its input of shape {lq.shape}")
    return psnr(resize(sr, *lq.shape[:2]), lq)


def _luma(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    if image.ndim == 3 and image.shape[2] == 3:
        return rgb_to_y(image / 255.0) * 255.0
    return image.astype(np.float64)
