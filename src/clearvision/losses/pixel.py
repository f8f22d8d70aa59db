"""Losses between pixels, and between the frequencies that they make up."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from clearvision.errors import ImageShapeError
from clearvision.losses.inputs import compared, widened

CHARBONNIER_EPS = 1e-3  # Lai et al., "Deep Laplacian Pyramid Networks", CVPR 2017, section 3.3
_RIPPLE_SIDE = 5  # pixels around
_RIPPLE_EPS = 1e-3  # a quarter of a grey level, so that the root has a gradient at zero
ROUNDING_MSE = 1 / 12 / 255**2  # what rounding to 8 bits costs: 58.9 dB


def l1(sr: Tensor, gt: Tensor) -> Tensor:
    """Return the mean absolute error of two tensors of one shape, in their units."""
    return F.l1_loss(*compared(sr, gt))


def mse(sr: Tensor, gt: Tensor) -> Tensor:
    """Return the mean squared error of two tensors of one shape."""
    return F.mse_loss(*compared(sr, gt))


def charbonnier(sr: Tensor, gt: Tensor) -> Tensor:
    """Return the mean of ``sqrt(error^2 + eps^2)``, an L1 that is smooth at zero (LapSRN, section 3.3)."""
    sr, gt = compared(sr, gt)
    return torch.sqrt((sr - gt) ** 2 + CHARBONNIER_EPS**2).mean()


def psnr_loss(sr: Tensor, gt: Tensor) -> Tensor:
    """Return by how many decibels a picture's PSNR is below that of rounding to 8 bits, the mean over the batch.

    A decibel counts alike whether a picture is nearly right or far off, where L1 and the squared error look at the worst ones:
    for mixes of strong damage and none. Chen et al., "Simple Baselines for Image Restoration" (NAFNet), ECCV 2022, train on it;
    they leave out rounding, so that a picture that is exactly right would outweigh all others.

    Args:
        sr: (B, C, H, W), nominally in [0, 1].
        gt: the same shape.
    """
    sr, gt = compared(sr, gt)
    squared = ((sr - gt) ** 2).mean((-3, -2, -1))
    return 10 * torch.log10(1 + squared / ROUNDING_MSE).mean()


def total_variation(sr: Tensor, gt: Tensor | None = None) -> Tensor:
    """Return the mean absolute step from row to row plus that from column to column: 0 for a flat picture.

    It is the anisotropic form of Rudin, Osher and Fatemi, "Nonlinear total variation based noise removal algorithms", Physica D
    1992. Small weights take away noise, larger ones texture.

    Args:
        sr: (B, C, H, W) with at least two rows and two columns.
        gt: not looked at; there so that every loss can be called alike.
    """
    sr = widened(sr)
    return sr.diff(dim=-2).abs().mean() + sr.diff(dim=-1).abs().mean()


def frequency(sr: Tensor, gt: Tensor) -> Tensor:
    """Return the mean absolute error between the real and imaginary parts of two pictures' spectra, phase included.

    It is the frequency term of Cho et al., "Rethinking Coarse-to-Fine Approach in Single Image Deblurring", ICCV 2021,
    at one scale, with an orthonormal transform, so that its size depends on neither the picture's nor the patch's size.

    Args:
        sr: (B, C, H, W).
        gt: the same shape.
    """
    sr, gt = compared(sr, gt)
    # The other half of the spectrum mirrors this one; the transform is linear, so that one does for both pictures.
    return torch.view_as_real(torch.fft.rfft2(sr - gt, norm="ortho")).abs().mean()


def grid(sr: Tensor, gt: Tensor, period: int = 4) -> Tensor:
    """Return how much of the error repeats every ``period`` pixels: the pattern that sub-pixel convolutions leave.

    The error is averaged over all pixels of one phase, so that what does not repeat goes away; the mean absolute deviation of
    the phases of a picture's channel from their mean is the loss. Odena et al., "Deconvolution and Checkerboard Artifacts",
    Distill 2016, tell where the pattern comes from; measuring it so is ours.

    Args:
        sr: (B, C, H, W), at least ``period`` pixels a side; what is over at the right and the bottom is not looked at.
        gt: the same shape.
        period: of the pattern in pixels: the network's scale, times the side of the square of pixels that it folds.

    Raises:
        ImageShapeError: if the shapes differ or a side is too short.
    """
    sr, gt = compared(sr, gt)
    rows, columns = (side // period * period for side in sr.shape[-2:])
    if not rows or not columns:
        raise ImageShapeError(f"grid of period {period} needs {period} pixels a side, got {sr.shape[-1]}x{sr.shape[-2]}")
    phases = F.pixel_unshuffle((sr - gt)[..., :rows, :columns], period).mean((-2, -1)).unflatten(1, (-1, period**2))
    return (phases - phases.mean(-1, keepdim=True)).abs().mean()


def ripple(sr: Tensor, gt: Tensor) -> Tensor:
    """Return by how much the finest detail around a pixel is stronger than the ground truth's there; weaker detail costs nothing.

    Combs, dots and screens of two pixels are the cheapest texture for a generator that ends in a sub-pixel convolution, and they
    grow beside edges first. Detail is the second difference along rows and along columns, a quarter of it, so that lines that
    alternate by +-a have a; its strength the root of its mean square over 5x5 pixels. A loss on artefacts alone is an idea of
    Liang et al., "Details or Artifacts" (LDL), CVPR 2022; measuring them so is ours.

    Args:
        sr: (B, C, H, W), at least 7 pixels a side.
        gt: the same shape.

    Raises:
        ImageShapeError: if the shapes differ or a side is too short.
    """
    sr, gt = compared(sr, gt)
    if min(sr.shape[-2:]) < _RIPPLE_SIDE + 2:
        raise ImageShapeError(f"ripple needs {_RIPPLE_SIDE + 2} pixels a side, got {sr.shape[-1]}x{sr.shape[-2]}")
    return torch.stack([(_detail(sr, dim) - _detail(gt, dim)).relu().mean() for dim in (-2, -1)]).mean()


def _detail(picture: Tensor, dim: int) -> Tensor:
    squared = (picture.diff(n=2, dim=dim) / 4) ** 2
    return torch.sqrt(F.avg_pool2d(squared, _RIPPLE_SIDE, stride=1) + _RIPPLE_EPS**2)
