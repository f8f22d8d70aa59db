"""MSRResNet, the SRResNet of BasicSR: without batch normalisation and with a bilinear skip, the generator of its SRGAN.

Paper: the residual network of Ledig et al., "Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial
       Network", CVPR 2017, https://arxiv.org/abs/1609.04802, in the form of Wang et al., "ESRGAN", ECCVW 2018,
       https://arxiv.org/abs/1809.00219, section 3.1: no normalisation. The paper's own network is in srresnet.py.
Reference: XPixelGroup/BasicSR, basicsr/archs/srresnet_arch.py (Apache-2.0). Parameter names follow it, so its checkpoints load
           with ``strict=True``.

| variant        | num_feat | num_block | x2        | x3        | x4        | radius |
| MSRResNet      |       64 |        16 | 1,369,859 | 1,554,499 | 1,517,571 |     35 |

Shapes: B batch, C = num_feat, h w of lq, H = h * upscale, W = w * upscale.
Receptive radius: 2 * num_block + 3 pixels of lq. conv_first and the blocks reach 2 * num_block + 1. At x4 the output row 4q + 3
reads row 4q + 5 (conv_last, conv_hr), that is row 2q + 2 at x2, then 2q + 3 (upconv2), that is q + 1, then q + 2 (upconv1): 2
more, and the same at x2 and x3. The bilinear skip reaches 1.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clearvision.archs.facts import ArchFacts
from clearvision.errors import UsageError

INIT_SCALE = 0.1  # of the reference: residuals start small, so that the untrained network nearly is the bilinear skip


class ResidualBlock(nn.Module):
    """Two convolutions with a ReLU between, added to their input."""

    def __init__(self, num_feat: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(num_feat, num_feat, 3, padding=1)
        self.conv2 = nn.Conv2d(num_feat, num_feat, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, h, w) to the same shape."""
        return x + self.conv2(F.relu(self.conv1(x), inplace=True))


class MSRResNet(nn.Module):
    """Modified SRResNet: residual blocks without normalisation, pixel shuffle, bilinear skip.

    Weight init, as in the reference: every convolution Kaiming normal times 0.1, with zero bias.

    Args:
        num_in_ch: channels of lq; 1, or equal to num_out_ch, because the enlarged lq is added to the output.
        num_out_ch: channels of sr.
        num_feat: width C.
        num_block: residual blocks.
        upscale: 2, 3 or 4.

    Raises:
        UsageError: if upscale is none of these, or the channels do not allow the skip.
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
            raise UsageError(f"upscale ({upscale}) of MSRResNet must be 2, 3 or 4")
        if num_in_ch not in (1, num_out_ch):
            raise UsageError(f"num_in_ch ({num_in_ch}) of MSRResNet must be 1 or equal to num_out_ch ({num_out_ch})")
        self.num_in_ch, self.num_out_ch, self.num_block, self.upscale = num_in_ch, num_out_ch, num_block, upscale
        self.factor = 3 if upscale == 3 else 2  # of one pixel shuffle; x4 does two
        self.conv_first = nn.Conv2d(num_in_ch, num_feat, 3, padding=1)
        self.body = nn.Sequential(*(ResidualBlock(num_feat) for _ in range(num_block)))
        self.upconv1 = nn.Conv2d(num_feat, num_feat * self.factor**2, 3, padding=1)
        if upscale == 4:
            self.upconv2 = nn.Conv2d(num_feat, num_feat * 4, 3, padding=1)
        self.conv_hr = nn.Conv2d(num_feat, num_feat, 3, padding=1)
        self.conv_last = nn.Conv2d(num_feat, num_out_ch, 3, padding=1)
        self._init_weights()

    @torch.no_grad()
    def _init_weights(self) -> None:
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight).mul_(INIT_SCALE)
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, lq: Tensor) -> Tensor:
        """Map lq (B, num_in_ch, h, w), RGB in [0, 1], to sr (B, num_out_ch, H, W), not clamped."""
        feat = self.body(_lrelu(self.conv_first(lq)))  # (B, C, h, w)
        feat = _lrelu(F.pixel_shuffle(self.upconv1(feat), self.factor))
        if self.upscale == 4:
            feat = _lrelu(F.pixel_shuffle(self.upconv2(feat), 2))  # (B, C, H, W)
        sr = self.conv_last(_lrelu(self.conv_hr(feat)))
        return sr + F.interpolate(lq, scale_factor=float(self.upscale), mode="bilinear", align_corners=False)

    def facts(self) -> ArchFacts:
        """Return what tiling and the catalogue need to know."""
        return ArchFacts(
            scale=self.upscale,
            num_in_ch=self.num_in_ch,
            num_out_ch=self.num_out_ch,
            receptive_radius=2 * self.num_block + 3,
            precisions=("bf16", "f16", "f32"),
        )


def _lrelu(x: Tensor) -> Tensor:
    return F.leaky_relu(x, 0.1, inplace=True)
