"""Exponential moving average of a network."""

from __future__ import annotations

import copy

import torch
from torch import nn


def ema_copy(net: nn.Module) -> nn.Module:
    """Return a frozen copy of a network, in evaluation mode, to be averaged into."""
    ema = copy.deepcopy(net).requires_grad_(False)
    return ema.eval()


@torch.no_grad()
def ema_update(ema: nn.Module, net: nn.Module, decay: float) -> None:
    """Move the average's parameters towards the network's by ``1 - decay``; copy its buffers."""
    # one fused pass over all tensors, as torch's own optimisers do it
    torch._foreach_lerp_(list(ema.parameters()), list(net.parameters()), 1 - decay)  # pyright: ignore[reportPrivateImportUsage]
    for average, buffer in zip(ema.buffers(), net.buffers(), strict=True):
        average.copy_(buffer)
