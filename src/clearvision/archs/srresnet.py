"""SRResNet, the generator of SRGAN, as in the paper: with batch normalisation.

Paper: Ledig et al., "Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network", CVPR 2017,
       https://arxiv.org/abs/1609.04802 -- figure 4, section 2.1.
Reference: Lornatang/SRGAN-PyTorch, model.py (Apache-2.0), as the authors published no code. Parameter names follow its
           ``SRResNet``; the files of its older ``Generator`` say `conv_block1`, `conv_block2`, `conv_block3` for `conv1`,
           `conv2`, `conv3`. The reference clamps the output to [0, 1], which here is done where pictures are written.

| variant        | num_feat | num_block | x2        | x3        | x4        | radius |
| SRResNet       |       64 |        16 | 1,399,637 | 1,584,277 | 1,547,350 |     40 |

Shapes: B batch, C = num_feat, h w of lq, H = h * upscale, W = w * upscale.
Receptive radius: 2 * num_block + 8 pixels of lq, in evaluation, where batch normalisation is pointwise; in training it mixes the
whole batch. conv1 (9x9) reaches 4, the blocks 2 each and conv2 1. At x4 the output row 4q + 3 reads row 4q + 7 (conv3, 9x9), that
is row 2q + 3 at x2, then 2q + 4 (second upsampling), that is q + 2, then q + 3 (first): 3 more, and the same at x2 and x3.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from clearvision.archs.facts import ArchFacts
from clearvision.errors import UsageError


class ResidualConvBlock(nn.Module):
    """Convolution, normalisation, PReLU, convolution, normalisation, added to the input (figure 4)."""

    def __init__(self, num_feat: int) -> None:
        super().__init__()
        self.rcb = nn.Sequential(
            nn.Conv2d(num_feat, num_feat, 3, padding=1, bias=False),
            nn.BatchNorm2d(num_feat),
            nn.PReLU(),
            nn.Conv2d(num_feat, num_feat, 3, padding=1, bias=False),
            nn.BatchNorm2d(num_feat),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, h, w) to the same shape."""
        return x + self.rcb(x)


class UpsampleBlock(nn.Module):
    """Convolution, pixel shuffle, PReLU."""

    def __init__(self, num_feat: int, factor: int) -> None:
        super().__init__()
        self.upsample_block = nn.Sequential(
            nn.Conv2d(num_feat, num_feat * factor**2, 3, padding=1), nn.PixelShuffle(factor), nn.PReLU()
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, h, w) to (B, C, h * factor, w * factor)."""
        return self.upsample_block(x)


class SRResNet(nn.Module):
    """Residual network with batch normalisation and pixel shuffle.

    Weight init, as in the reference: convolutions Kaiming normal with zero bias, normalisation 1 and 0, slopes 0.25.

    Args:
        num_in_ch: channels of lq.
        num_out_ch: channels of sr.
        num_feat: width C.
        num_block: residual blocks.
        upscale: 2, 3 or 4.

    Raises:
        UsageError: if upscale is none of these.
    """

    def __init__(
        self,
        *,
        num_in_ch: int = 3,
        num_out_ch: int = 3,
        num_feat: int = 64,
        num_block: int = 16,
        upscale: int = 4,
    ) -> None:
        super().__init__()
        if upscale not in (2, 3, 4):
            raise UsageError(f"upscale ({upscale}) of SRResNet must be 2, 3 or 4")
        self.num_in_ch, self.num_out_ch, self.num_block, self.upscale = num_in_ch, num_out_ch, num_block, upscale
        self.conv1 = nn.Sequential(nn.Conv2d(num_in_ch, num_feat, 9, padding=4), nn.PReLU())
        self.trunk = nn.Sequential(*(ResidualConvBlock(num_feat) for _ in range(num_block)))
        self.conv2 = nn.Sequential(nn.Conv2d(num_feat, num_feat, 3, padding=1, bias=False), nn.BatchNorm2d(num_feat))
        self.upsampling = nn.Sequential(*(UpsampleBlock(num_feat, factor) for factor in {2: [2], 3: [3], 4: [2, 2]}[upscale]))
        self.conv3 = nn.Conv2d(num_feat, num_out_ch, 9, padding=4)
        self._init_weights()

    @torch.no_grad()
    def _init_weights(self) -> None:
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def forward(self, lq: Tensor) -> Tensor:
        """Map lq (B, num_in_ch, h, w), RGB in [0, 1], to sr (B, num_out_ch, H, W), not clamped."""
        feat = self.conv1(lq)  # (B, C, h, w)
        feat = feat + self.conv2(self.trunk(feat))
        return self.conv3(self.upsampling(feat))

    def facts(self) -> ArchFacts:
        """Return what tiling and the catalogue need to know."""
        return ArchFacts(
            scale=self.upscale,
            num_in_ch=self.num_in_ch,
            num_out_ch=self.num_out_ch,
            receptive_radius=2 * self.num_block + 8,
        )
