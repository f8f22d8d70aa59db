"""Rounding that lets gradients through as if it were not there."""

from __future__ import annotations

import torch
from torch import Tensor


def through(result: Tensor, values: Tensor) -> Tensor:
    """Return the result, with the gradient of the values."""
    return values + (result - values).detach() if values.requires_grad else result


def rounded(values: Tensor) -> Tensor:
    """Return the nearest whole numbers, halves upwards."""
    return through(torch.floor(values + 0.5), values)


def to_levels(images: Tensor, top: Tensor | float = 255.0) -> Tensor:
    """Clamp to [0, 1] and return whole numbers from 0 to ``top``."""
    return rounded(images.clamp(0, 1) * top)
