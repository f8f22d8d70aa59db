"""What several networks hold in common, to the letter."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from clearvision.errors import UsageError

DIV2K_MEAN = (0.4488, 0.4371, 0.4040)  # of the RGB channels of DIV2K's 800 training pictures


def shuffle_upsampler(num_feat: int, scale: int, *, network: str, scales: Sequence[int]) -> nn.Sequential:
    """Return the upsampler of EDSR, which most networks after it took over: convolution and pixel shuffle, twice for x4.

    The convolutions have the keys 0, 2, 4 of the sequence; scale 1 gives an empty one, which passes its input through.

    Args:
        num_feat: channels C in and out.
        scale: a power of two, or 3.
        network: the network's name, for the message.
        scales: the scales that it has.

    Raises:
        UsageError: if scale is none of them.
    """
    if scale not in scales:
        known = f"{', '.join(str(each) for each in scales[:-1])} or {scales[-1]}"
        raise UsageError(f"upscale ({scale}) of {network} must be {known}")
    stages: list[nn.Module] = []
    for factor in [3] if scale == 3 else [2] * (scale.bit_length() - 1):
        stages += [nn.Conv2d(num_feat, num_feat * factor**2, 3, padding=1), nn.PixelShuffle(factor)]
    return nn.Sequential(*stages)


def channel_mean(rgb_mean: Sequence[float], channels: int, *, network: str) -> Tensor:
    """Return the mean (1, channels, 1, 1) to subtract: that of RGB, or for a single grey channel its average.

    Raises:
        UsageError: if there is neither one channel nor one for each mean.
    """
    mean = torch.tensor(tuple(rgb_mean))
    if channels == 1:
        mean = mean.mean(0, keepdim=True)
    if len(mean) != channels:
        raise UsageError(f"rgb_mean of {network} must have one value for each of {channels} channels, not {len(mean)}")
    return mean.view(1, -1, 1, 1)
