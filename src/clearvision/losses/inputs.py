"""What every loss does with its arguments before it computes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from clearvision.errors import ImageShapeError


def widened(tensor: Tensor) -> Tensor:
    """Return a tensor of half precision as float32, any other as it is: sums over a picture need more than 11 bits."""
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor


def compared(sr: Tensor, gt: Tensor) -> tuple[Tensor, Tensor]:
    """Return both tensors in full precision.

    Raises:
        ImageShapeError: if their shapes differ; PyTorch would stretch the smaller one.
    """
    if sr.shape != gt.shape:
        raise ImageShapeError(f"a loss compares two tensors of one shape, got {tuple(sr.shape)} and {tuple(gt.shape)}")
    return widened(sr), widened(gt)


def full_precision(tensor: Tensor) -> torch.autocast:
    """Return a context in which convolutions and matrix products of this tensor's device keep its type under autocast."""
    return torch.autocast(tensor.device.type, enabled=False)


class _Displayed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, sr: Tensor) -> Tensor:  # noqa: ANN401
        ctx.save_for_backward(sr)
        return sr.clamp(0, 1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:  # noqa: ANN401
        (sr,), (gradient,) = ctx.saved_tensors, gradients
        outward = ((sr < 0) & (gradient > 0)) | ((sr > 1) & (gradient < 0))
        return gradient.masked_fill(outward, 0)


def displayed(sr: Tensor) -> Tensor:
    """Return a picture as a screen shows it, clipped to [0, 1], for losses that judge by sight.

    A gradient passes where it leads into the range, and is dropped where it would only lead further out of it.
    """
    result: Tensor = _Displayed.apply(sr)
    return result
