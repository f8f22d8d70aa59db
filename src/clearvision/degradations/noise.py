"""Noise, each sample's from its own seed: what a sample gets does not depend on its neighbours in the batch.

On a processor the numbers come from numpy's Philox streams, the same everywhere; on a GPU from the device's own generator,
seeded alike, so the two differ.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from clearvision.degradations.draw import Operation

GREY = (0.2989, 0.587, 0.114)  # weights of R, G and B that Real-ESRGAN takes for its grey noise


def add_noise(images: Tensor, operations: Sequence[Operation]) -> Tensor:
    """Add Gaussian noise and clamp.

    Args:
        images: (B, 3, H, W), RGB, float in [0, 1].
        operations: one ``noise`` a sample.

    Returns:
        (B, 3, H, W) in [0, 1].
    """
    fields = []
    for operation in operations:
        channels = 1 if operation["grey"] else 3
        field = _normal((channels, *images.shape[2:]), operation["seed"], images.device)
        fields.append((field * (operation["sigma"] / 255)).expand(3, -1, -1))
    return (images + torch.stack(fields).to(images)).clamp(0, 1)


def add_poisson(images: Tensor, operations: Sequence[Operation]) -> Tensor:
    """Add Poisson noise and clamp; its mean is 0 and its variance ``scale**2 * value / levels``.

    Args:
        images: (B, 3, H, W), RGB, float in [0, 1].
        operations: one ``poisson`` a sample; with ``levels`` 0, those of the picture are counted, or of the grey that a grey
            noise is drawn for.

    Returns:
        (B, 3, H, W) in [0, 1].
    """
    fields = []
    for image, operation in zip(images.detach(), operations, strict=True):
        seen = torch.tensordot(image.new_tensor(GREY), image, 1)[None] if operation["grey"] else image
        whole = (seen.clamp(0, 1) * 255).round()
        levels = whole.new_tensor(operation["levels"]) if operation["levels"] else _counted(whole)
        field = _poisson(whole / 255 * levels, operation["seed"]) / levels - whole / 255
        fields.append((field * operation["scale"]).expand(3, -1, -1))
    return (images + torch.stack(fields)).clamp(0, 1)


def _counted(whole: Tensor) -> Tensor:
    """Return how many levels occur, up to the next power of 2; stays on the device."""
    occur = torch.zeros(256, device=whole.device).index_fill_(0, whole.flatten().long(), 1)
    return 2 ** occur.sum().to(whole.dtype).log2().ceil()


def _normal(shape: tuple[int, ...], seed: int, device: torch.device) -> Tensor:
    if device.type == "cpu":
        return torch.from_numpy(_philox(seed).standard_normal(shape, dtype=np.float32))
    return torch.randn(shape, generator=torch.Generator(device).manual_seed(seed), device=device)


def _poisson(rates: Tensor, seed: int) -> Tensor:
    if rates.device.type == "cpu":
        return torch.from_numpy(_philox(seed).poisson(rates.numpy())).to(rates.dtype)
    return torch.poisson(rates, generator=torch.Generator(rates.device).manual_seed(seed))


def _philox(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=seed))
