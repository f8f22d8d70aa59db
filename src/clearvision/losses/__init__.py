"""Training objectives that compare tensors; ``LOSSES`` and ``FEATURE_LOSSES`` are the whole list.

All take RGB in [0, 1], float32 or less, compute in float32 (float64 stays float64), also under autocast, and return a scalar.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from clearvision.losses.perceptual import PerceptualLoss, StyleLoss
from clearvision.losses.pixel import charbonnier, frequency, grid, l1, mse, psnr_loss, ripple, total_variation
from clearvision.losses.structural import ms_ssim_l1, ssim_loss

# name to function of (sr, gt)
LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "l1": l1,
    "mse": mse,
    "charbonnier": charbonnier,
    "psnr": psnr_loss,
    "ssim": ssim_loss,
    "ms_ssim_l1": ms_ssim_l1,
    "frequency": frequency,
    "grid": grid,
    "ripple": ripple,
    "tv": total_variation,
}

# name to class of (features, layers, criterion), whose values are functions of (sr, gt)
FEATURE_LOSSES: dict[str, type[PerceptualLoss] | type[StyleLoss]] = {"perceptual": PerceptualLoss, "style": StyleLoss}
