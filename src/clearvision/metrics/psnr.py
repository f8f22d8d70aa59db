"""PSNR as the literature's tables report it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from clearvision.errors import ImageShapeError
from clearvision.imaging.color import rgb_to_y


def psnr(a: NDArray[np.floating], b: NDArray[np.floating], *, peak: float = 255.0) -> float:
    """Return ``20 log10(peak / RMSE)`` in dB over all values of two arrays of one shape; equal arrays give infinity."""
    if a.shape != b.shape:
        raise ImageShapeError(f"PSNR compares arrays of one shape, got {a.shape} and {b.shape}")
    error = float(np.mean((a.astype(np.float64) - b.astype(np.float64)) ** 2))
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
        raise ImageShapeError(f"a picture of {sr.shape[1]}x{sr.shape[0]} has nothing left after cropping {crop_border} on each side")
    window = (slice(crop_border, sr.shape[0] - crop_border), slice(crop_border, sr.shape[1] - crop_border))
    return psnr(_luma(sr[window]), _luma(gt[window]))


def _luma(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    if image.ndim == 3 and image.shape[2] == 3:
        return rgb_to_y(image / 255.0) * 255.0
    return image.astype(np.float64)
