"""Losses between pixels."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

CHARBONNIER_EPS = 1e-3  # Lai et al., "Deep Laplacian Pyramid Networks", CVPR 2017, section 3.3


def l1(sr: Tensor, gt: Tensor) -> Tensor:
    """Return the mean absolute error of two tensors of one shape, in their units."""
    return F.l1_loss(sr, gt)


def mse(sr: Tensor, gt: Tensor) -> Tensor:
    """Return the mean squared error of two tensors of one shape."""
    return F.mse_loss(sr, gt)


def charbonnier(sr: Tensor, gt: Tensor) -> Tensor:
    """Return the mean of ``sqrt(error^2 + eps^2)``, an L1 that is smooth at zero (LapSRN, section 3.3)."""
    return torch.sqrt((sr - gt) ** 2 + CHARBONNIER_EPS**2).mean()


PIXEL_LOSSES = {"l1": l1, "mse": mse, "charbonnier": charbonnier}
