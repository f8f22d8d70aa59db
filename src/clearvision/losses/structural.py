"""Losses made of structural similarity: how alike luminance, contrast and structure are in windows around every pixel.

Papers: Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity", IEEE TIP 2004, section III;
        Zhao et al., "Loss Functions for Image Restoration With Neural Networks", IEEE TCI 2017,
        https://arxiv.org/abs/1511.08861 -- section III.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from clearvision.errors import ImageShapeError, UsageError
from clearvision.losses.inputs import compared, full_precision

_C1, _C2 = 0.01**2, 0.03**2  # for values in [0, 1]
_SSIM_RADIUS, _SSIM_SIGMA = 5, 1.5  # the 11x11 window of Wang et al.
_ZHAO_SIGMAS = (0.5, 1.0, 2.0, 4.0, 8.0)  # section IV; the scales are windows, not shrunk pictures
_ZHAO_RADIUS = 16  # the authors train on patches of 31 pixels, which cut their windows to about this


def ssim_loss(sr: Tensor, gt: Tensor) -> Tensor:
    """Return 1 - SSIM with an 11x11 Gaussian window that lies wholly inside the picture, channels scored singly.

    It is 1 - ``clearvision.metrics.ssim.ssim`` and 1 - ``tf.image.ssim`` of the same values. A small shift of brightness or
    colour costs next to nothing (Zhao et al., section III), and networks trained on it alone turn grey: add a pixel loss or use
    :func:`ms_ssim_l1`.

    Args:
        sr: (B, C, H, W) in [0, 1].
        gt: the same shape.

    Returns:
        A number from 0, equal pictures, to 2.

    Raises:
        ImageShapeError: if the shapes differ or a side is shorter than 11.
    """
    sr, gt = _as_planes(sr, gt, smallest=2 * _SSIM_RADIUS + 1)
    luminance, contrast = _similarity(sr, gt, _SSIM_SIGMA, _SSIM_RADIUS)
    return 1 - (luminance * contrast).mean()


def ms_ssim_l1(sr: Tensor, gt: Tensor, alpha: float = 0.84) -> Tensor:
    """Return ``alpha (1 - MS-SSIM) + (1 - alpha) G * |sr - gt|``, the mixture of Zhao et al.

    MS-SSIM is theirs, at every pixel: the product of contrast over five Gaussian windows (sigma 0.5 to 8) and of luminance in
    the widest, which G is too. Windows are cut at four sigma or 16 pixels, and pictures mirrored at their borders.

    Args:
        sr: (B, C, H, W) in [0, 1].
        gt: the same shape.
        alpha: share of MS-SSIM; 0.84 is the paper's, which balances the two.

    Raises:
        ImageShapeError: if the shapes differ or a side is shorter than 17.
        UsageError: if alpha is not between 0 and 1.
    """
    if not 0 <= alpha <= 1:
        raise UsageError(f"alpha ({alpha}) of ms_ssim_l1 must be between 0 and 1")
    sr, gt = _as_planes(sr, gt, smallest=_ZHAO_RADIUS + 1)
    luminance, contrast = _mirrored_similarity(sr, gt, _ZHAO_SIGMAS[-1])
    similarity = luminance * contrast
    for sigma in _ZHAO_SIGMAS[:-1]:
        similarity = similarity * _mirrored_similarity(sr, gt, sigma)[1]
    error = _blurred(_mirrored((sr - gt).abs(), _ZHAO_RADIUS), _ZHAO_SIGMAS[-1], _ZHAO_RADIUS)
    return alpha * (1 - similarity.mean()) + (1 - alpha) * error.mean()


def _as_planes(sr: Tensor, gt: Tensor, *, smallest: int) -> tuple[Tensor, Tensor]:
    """Return both as (B * C, 1, H, W) in full precision."""
    sr, gt = compared(sr, gt)
    if sr.ndim != 4 or min(sr.shape[-2:]) < smallest:
        raise ImageShapeError(f"this loss needs (B, C, H, W) with {smallest} pixels on each side, got {tuple(sr.shape)}")
    shape = (-1, 1, *sr.shape[-2:])
    return sr.reshape(shape), gt.reshape(shape)


def _mirrored_similarity(x: Tensor, y: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
    """Return luminance and contrast-structure for every pixel of planes (N, 1, H, W)."""
    radius = min(int(4 * sigma), _ZHAO_RADIUS)
    return _similarity(_mirrored(x, radius), _mirrored(y, radius), sigma, radius)


def _similarity(x: Tensor, y: Tensor, sigma: float, radius: int) -> tuple[Tensor, Tensor]:
    """Return luminance and contrast-structure for every window inside planes (N, 1, H, W)."""
    means = _blurred(torch.cat((x, y, x * x + y * y, x * y)), sigma, radius)
    mean_x, mean_y, mean_squares, mean_product = means.chunk(4)
    squares, product = mean_x**2 + mean_y**2, mean_x * mean_y
    luminance = (2 * product + _C1) / (squares + _C1)
    contrast = (2 * (mean_product - product) + _C2) / (mean_squares - squares + _C2)
    return luminance, contrast


def _blurred(planes: Tensor, sigma: float, radius: int) -> Tensor:
    """Filter planes (N, 1, H, W) by a Gaussian, keeping only windows inside."""
    offsets = torch.arange(-radius, radius + 1, dtype=planes.dtype, device=planes.device)
    taps = torch.exp(-(offsets**2) / (2 * sigma**2))
    taps = taps / taps.sum()
    with full_precision(planes):
        return F.conv2d(F.conv2d(planes, taps.view(1, 1, -1, 1)), taps.view(1, 1, 1, -1))


def _mirrored(planes: Tensor, radius: int) -> Tensor:
    return F.pad(planes, (radius, radius, radius, radius), mode="reflect")
