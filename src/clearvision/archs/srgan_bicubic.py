"""SRGAN's generator with narrow blocks and a bicubic skip: colours come with the skip, and the network adds what it lacks.

Paper: after Ledig et al., "Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network", CVPR 2017,
       https://arxiv.org/abs/1609.04802. The variant, a student project's, has bottleneck blocks with dropout, a bicubic skip and
       an optional sharpener. There the sum of network and skip went through a sigmoid, which turns the skip's 0 ... 1 into 0.50
       ... 0.73, so that the skip was no identity. ``form="residual"`` (the default) adds the bicubic picture last, uses kernels
       that lie centred on their pixel, and enlarges 2, 3 or 4 times. ``form="sigmoid"`` computes what the project's files mean,
       for x2: kernels of 7 with 4 pixels of padding, 2 with 1 and 9 with 1, whose sizes add up to 2h x 2w, and the sigmoid.

| variant                    | form     | num_feat | num_block | scale | parameters | radius |
| SRGAN bicubic x2           | residual |       64 |         8 |     2 |    653,955 |     39 |
| SRGAN bicubic x4           | residual |       64 |         8 |     4 |    801,731 |     39 |
| of the project             | sigmoid  |       64 |         8 |     2 |    572,035 |     39 |
| of the project, not narrow | sigmoid  |       64 |         8 |     2 |    719,747 |     23 |

Names of parameters, in the order of the layers: `initial.cnn` (7x7), `residuals.N.narrow`, `residuals.N.block1.cnn`,
`.block1.bn`, `.block2.cnn`, `.block2.bn`, `residuals.N.widen`, `convblock.cnn`, `convblock.bn`, `upsamples.N.conv`,
`upsamples.N.act`, `final` (9x9), `sharpener.body.N.conv1`, `.conv2`. Convolutions before a normalisation have no bias: one in a
file goes into the normalisation's ``running_mean`` with its sign turned, which is exact.

Shapes: B batch, C = num_feat, h w of lq, H = h * scale, W = w * scale.
Receptive radius, in evaluation: 4 * num_block + 7 pixels of lq (2 * num_block + 7 if not narrow). The 7x7 reaches 3, a narrow
block has four 3x3 convolutions, convblock 1; final reaches 4 enlarged pixels, which with the upsampling are 3 of lq (as in
srresnet.py). The sharpener adds 12 enlarged pixels.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clearvision.archs.facts import ArchFacts
from clearvision.archs.sharpener import Sharpener
from clearvision.errors import UsageError

Form = Literal["residual", "sigmoid"]


class ConvBlock(nn.Module):
    """Convolution, normalisation if wanted, leaky ReLU if wanted."""

    def __init__(self, in_ch: int, out_ch: int, kernel: int, padding: int, *, norm: bool, act: bool) -> None:
        super().__init__()
        self.cnn = nn.Conv2d(in_ch, out_ch, kernel, padding=padding, bias=not norm)
        self.bn = nn.BatchNorm2d(out_ch) if norm else nn.Identity()
        self.act = nn.LeakyReLU(0.2, inplace=True) if act else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_ch, h, w) to (B, out_ch, h', w')."""
        return self.act(self.bn(self.cnn(x)))


class BottleneckBlock(nn.Module):
    """Two normalised convolutions at half the width between a narrowing and a widening one, added to the input."""

    def __init__(self, num_feat: int, dropout: float, *, narrow: bool) -> None:
        super().__init__()
        width = num_feat // 2 if narrow else num_feat
        self.narrow = nn.Conv2d(num_feat, width, 3, padding=1) if narrow else nn.Identity()
        self.block1 = ConvBlock(width, width, 3, 1, norm=True, act=True)
        self.block2 = ConvBlock(width, width, 3, 1, norm=True, act=False)
        self.widen = nn.Conv2d(width, num_feat, 3, padding=1) if narrow else nn.Identity()
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, h, w) to the same shape."""
        return x + self.dropout(self.widen(self.block2(self.block1(self.narrow(x)))))


class UpsampleBlock(nn.Module):
    """Convolution, pixel shuffle, one PReLU a channel."""

    def __init__(self, num_feat: int, factor: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(num_feat, num_feat * factor**2, kernel, padding=1)
        self.shuffle = nn.PixelShuffle(factor)
        self.act = nn.PReLU(num_feat)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, h, w) to (B, C, h' * factor, w' * factor)."""
        return self.act(self.shuffle(self.conv(x)))


class SRGANBicubic(nn.Module):
    """SRGAN generator of bottleneck blocks with a bicubic skip.

    Weight init: PyTorch's; in the residual form the last convolution times 0.1 with zero bias, so that training begins near
    bicubic.

    Args:
        num_in_ch: channels of lq; 1, or equal to num_out_ch, because the enlarged lq is added to the output.
        num_out_ch: channels of sr.
        num_feat: width C.
        num_block: residual blocks.
        scale: 2, 3 or 4; the sigmoid form has 2 only.
        narrow: whether the blocks work at half the width.
        dropout: share of a block's output that is dropped in training.
        sharpener: whether a learned sharpener follows the sum.
        form: ``residual`` adds the bicubic picture last; ``sigmoid`` is that of the files of the original project.

    Raises:
        UsageError: if scale or form is none of these, or the channels do not allow the skip.
    """

    def __init__(
        self,
        *,
        num_in_ch: int = 3,
        num_out_ch: int = 3,
        num_feat: int = 64,
        num_block: int = 8,
        scale: int = 2,
        narrow: bool = True,
        dropout: float = 0.1,
        sharpener: bool = False,
        form: Form = "residual",
    ) -> None:
        super().__init__()
        if form not in get_args(Form):
            raise UsageError(f"unknown form '{form}' of SRGANBicubic; known: {', '.join(get_args(Form))}")
        if scale not in ((2, 3, 4) if form == "residual" else (2,)):
            raise UsageError(f"scale ({scale}) of SRGANBicubic must be 2, 3 or 4, in the sigmoid form 2")
        if num_in_ch not in (1, num_out_ch):
            raise UsageError(f"num_in_ch ({num_in_ch}) of SRGANBicubic must be 1 or equal to num_out_ch ({num_out_ch})")
        self.num_in_ch, self.num_out_ch, self.scale, self.form = num_in_ch, num_out_ch, scale, form
        self.num_block, self.narrow = num_block, narrow
        self.factors = {2: (2,), 3: (3,), 4: (2, 2)}[scale]
        centred = form == "residual"
        self.initial = ConvBlock(num_in_ch, num_feat, 7, 3 if centred else 4, norm=False, act=True)
        self.residuals = nn.Sequential(*(BottleneckBlock(num_feat, dropout, narrow=narrow) for _ in range(num_block)))
        self.convblock = ConvBlock(num_feat, num_feat, 3, 1, norm=True, act=False)
        self.upsamples = nn.Sequential(*(UpsampleBlock(num_feat, factor, 3 if centred else 2) for factor in self.factors))
        self.final = nn.Conv2d(num_feat, num_out_ch, 9, padding=4 if centred else 1)
        self.sharpener = Sharpener(num_in_ch=num_out_ch) if sharpener else nn.Identity()
        if centred:
            with torch.no_grad():
                self.final.weight.mul_(0.1)
                nn.init.zeros_(self.final.bias)  # type: ignore[arg-type]

    def forward(self, lq: Tensor) -> Tensor:
        """Map lq (B, num_in_ch, h, w), RGB in [0, 1], to sr (B, num_out_ch, H, W); in the residual form not clamped."""
        feat = self.initial(lq)  # (B, C, h, w), in the sigmoid form 2 more a side
        feat = feat + self.convblock(self.residuals(feat))
        branch = self.final(self.upsamples(feat))  # (B, num_out_ch, H, W)
        bicubic = F.interpolate(lq, scale_factor=float(self.scale), mode="bicubic", align_corners=False)
        sr = self.sharpener(branch + bicubic)
        return torch.sigmoid(sr) if self.form == "sigmoid" else sr

    def facts(self) -> ArchFacts:
        """Return what tiling and the catalogue need to know."""
        reach = 4  # of `final`, in enlarged pixels
        if isinstance(self.sharpener, Sharpener):
            reach += 4 * self.sharpener.num_block
        for factor in reversed(self.factors):
            reach = (factor - 1 + reach) // factor + 1  # the last row of a group of `factor`, then the upsampling's convolution
        return ArchFacts(
            scale=self.scale,
            num_in_ch=self.num_in_ch,
            num_out_ch=self.num_out_ch,
            receptive_radius=(4 if self.narrow else 2) * self.num_block + 4 + reach,
        )
