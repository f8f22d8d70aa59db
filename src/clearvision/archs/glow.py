"""Layers of normalising flows: each is undone by its ``inverse`` and knows by how much it stretches.

Papers: Kingma, Dhariwal, "Glow: Generative Flow with Invertible 1x1 Convolutions", NeurIPS 2018, https://arxiv.org/abs/1807.03039
        -- section 3; Dinh et al., "Density estimation using Real NVP", ICLR 2017, https://arxiv.org/abs/1605.08803 -- section 3.6
        for squeezing and splitting.
Reference: chaiyujin/glow-pytorch (MIT), whose parameter names SRFlow's files have.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LOG_SCALE = 3.0  # of the reference's last convolutions: they learn the logarithm of their gain three times as fast


class ActNorm(nn.Module):
    """Shift and scale of each channel, set from the first batch of training so that it leaves with mean 0 and variance 1."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.logs = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.begun = False

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, channels, H, W) to the same shape."""
        if self.training and not self.begun:
            self._begin(x)
        return (x + self.bias) * self.logs.exp()

    def inverse(self, x: Tensor) -> Tensor:
        """Undo ``forward``."""
        return x * (-self.logs).exp() - self.bias

    @torch.no_grad()
    def _begin(self, x: Tensor) -> None:
        self.begun = True
        if not self.bias.any():  # else they come from a file
            self.bias.copy_(-x.mean((0, 2, 3), keepdim=True))
            self.logs.copy_(-(x.std((0, 2, 3), keepdim=True, correction=0) + 1e-6).log())


class NormedConv(nn.Conv2d):
    """Convolution without bias, followed by a shift and scale from the first batch."""

    def __init__(self, channels_in: int, channels: int, kernel: int) -> None:
        super().__init__(channels_in, channels, kernel, padding=kernel // 2, bias=False)
        nn.init.normal_(self.weight, std=0.05)
        self.actnorm = ActNorm(channels)

    def forward(self, input: Tensor) -> Tensor:
        """Map (B, channels_in, H, W) to (B, channels, H, W)."""
        return self.actnorm(super().forward(input))


class LastConv(nn.Conv2d):
    """Convolution with a learned gain that starts at 0, so that a coupling starts as good as nothing."""

    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__(channels_in, channels, 3, padding=1)
        self.logs = nn.Parameter(torch.zeros(channels, 1, 1))
        nn.init.zeros_(self.weight)
        nn.init.zeros_(self.bias)  # type: ignore[arg-type]

    def forward(self, input: Tensor) -> Tensor:
        """Map (B, channels_in, H, W) to (B, channels, H, W)."""
        return super().forward(input) * (self.logs * LOG_SCALE).exp()


class InvertibleConv(nn.Module):
    """A learned square matrix that mixes the channels; it starts as a random rotation."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(nn.init.orthogonal_(torch.empty(channels, channels)))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, channels, H, W) to the same shape."""
        return F.conv2d(x, self.weight[:, :, None, None])

    def inverse(self, x: Tensor) -> Tensor:
        """Undo ``forward``; the matrix is inverted in float64."""
        return F.conv2d(x, self.weight.double().inverse().to(x.dtype)[:, :, None, None])


class Split(nn.Module):
    """Let half of the channels leave the flow as latents, normal with a mean and deviation that the others tell."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.num_pass = channels - channels // 2
        self.conv = LastConv(self.num_pass, 2 * (channels // 2))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Map x to what stays (B, num_pass, H, W), the latents, and the log-determinant (B,)."""
        stays, leaves = x[:, : self.num_pass], x[:, self.num_pass :]
        mean, logs = self._prior(stays)
        return stays, (leaves - mean) * (-logs).exp(), -logs.sum((1, 2, 3))

    def inverse(self, stays: Tensor, latent: Tensor) -> Tensor:
        """Undo ``forward``."""
        mean, logs = self._prior(stays)
        return torch.cat([stays, mean + logs.exp() * latent], dim=1)

    def _prior(self, stays: Tensor) -> tuple[Tensor, Tensor]:
        both = self.conv(stays)
        return both[:, 0::2], both[:, 1::2]


class Squeeze(nn.Module):
    """Fold 2x2 pixels into channels."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, channels, H, W) to (B, 4 * channels, H / 2, W / 2)."""
        return F.pixel_unshuffle(x, 2)

    def inverse(self, x: Tensor) -> Tensor:
        """Undo ``forward``."""
        return F.pixel_shuffle(x, 2)
