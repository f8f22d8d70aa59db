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
    """Add Poisson noise and clamp; its mean is 0 and its variance ``scale**2 * value / n``.

    n is the number of levels in the picture at 8 bits, up to the next power of 2, as in Real-ESRGAN; of a grey noise, of the
    picture turned grey.

    Args:
        images: (B, 3, H, W), RGB, float in [0, 1].
        operations: one ``poisson`` a sample.

    Returns:
        (B, 3, H, W) in [0, 1].
    """
    fields = []
    for image, operation in zip(images.detach(), operations, strict=True):
        seen = torch.tensordot(image.new_tensor(GREY), image, 1)[None] if operation["grey"] else image
        seen = (seen.clamp(0, 1) * 255).round() / 255
        count = torch.bincount((seen.flatten() * 255).round().long(), minlength=256).count_nonzero()
        levels = 2 ** count.to(seen.dtype).log2().ceil()
        field = _poisson(seen * levels, operation["seed"]) / levels - seen
        fields.append((field * operation["scale"]).expand(3, -1, -1))
    return (images + torch.stack(fields)).clamp(0, 1)


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
