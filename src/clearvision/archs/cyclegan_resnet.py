"""The ResNet generator of CycleGAN, which turns pictures of one kind into another of the same size.

Paper: Zhu et al., "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks", ICCV 2017,
       https://arxiv.org/abs/1703.10593 -- section 4 and appendix 7.2; after Johnson et al., ECCV 2016,
       https://arxiv.org/abs/1603.08155.
Reference: junyanz/pytorch-CycleGAN-and-pix2pix, models/networks.py (BSD-2-Clause), ``resnet_9blocks`` and ``resnet_6blocks`` with
           instance norm and without dropout. Parameter names follow it, so the official checkpoints load with ``strict=True``,
           once the running statistics of instance norms that its oldest files hold are dropped, as the reference itself now does.
           The reference works in [-1, 1]; here the ends of ``forward`` map to and from [0, 1].

| variant        | num_feat | num_block | parameters | radius |
| ResNet-9       |       64 |         9 | 11,378,179 | global |
| ResNet-6       |       64 |         6 |  7,837,699 | global |

``upsampling="resize"`` is ours: enlarging by nearest neighbour before an ordinary convolution, which cannot draw the checkerboard
of transposed ones (Odena et al., https://distill.pub/2016/deconv-checkerboard). Names and counts are the same; the two enlarging
kernels then are (out, in, 3, 3) instead of (in, out, 3, 3).

Shapes: B batch, C = num_feat, h w of lq and of sr, multiples of 4 and at least 8: the trunk works on (h/4, w/4) and mirrors one
pixel beyond its border.
Receptive radius: none below the whole picture, because instance norm takes mean and variance over it. A tile therefore differs
from the same window of the whole, the more the smaller it is.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clearvision.archs.facts import ArchFacts
from clearvision.errors import UsageError
from clearvision.types import SizeRequirements

INIT_DEVIATION = 0.02  # appendix 7.2: weights start from a Gaussian of this deviation

Upsampling = Literal["transposed", "resize"]


class ResnetBlock(nn.Module):
    """Two convolutions with mirrored borders and instance norm, added to the input."""

    def __init__(self, num_feat: int) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(num_feat, num_feat, 3),
            nn.InstanceNorm2d(num_feat),
            nn.ReLU(inplace=True),
            nn.ReflectionPad2d(1),
            nn.Conv2d(num_feat, num_feat, 3),
            nn.InstanceNorm2d(num_feat),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, 4 C, h/4, w/4) to the same shape."""
        return x + self.conv_block(x)


class ResizeConv2d(nn.Conv2d):
    """A 3x3 convolution of the picture enlarged two times by nearest neighbour."""

    def forward(self, input: Tensor) -> Tensor:
        """Map (B, in, h, w) to (B, out, 2 h, 2 w)."""
        return super().forward(F.interpolate(input, scale_factor=2.0, mode="nearest"))


class CycleGANResnet(nn.Module):
    """ResNet generator of CycleGAN.

    Weight init, as in the reference: convolutions Gaussian with deviation 0.02 and zero bias.

    Args:
        num_in_ch: channels of lq.
        num_out_ch: channels of sr.
        num_feat: width C at full size; it doubles with each of two halvings.
        num_block: residual blocks, 9 in the paper for 256 pixels and more, 6 for 128.
        upsampling: ``transposed`` convolutions as in the paper, or ``resize`` and convolve, against checkerboards.

    Raises:
        UsageError: if upsampling is none of these.
    """

    def __init__(
        self,
        *,
        num_in_ch: int = 3,
        num_out_ch: int = 3,
        num_feat: int = 64,
        num_block: int = 9,
        upsampling: Upsampling = "transposed",
    ) -> None:
        super().__init__()
        if upsampling not in get_args(Upsampling):
            raise UsageError(f"unknown upsampling '{upsampling}' of CycleGANResnet; known: {', '.join(get_args(Upsampling))}")
        self.num_in_ch, self.num_out_ch = num_in_ch, num_out_ch
        layers: list[nn.Module] = [nn.ReflectionPad2d(3), nn.Conv2d(num_in_ch, num_feat, 7), *_norm_relu(num_feat)]
        for width in (num_feat, 2 * num_feat):
            layers += [nn.Conv2d(width, 2 * width, 3, stride=2, padding=1), *_norm_relu(2 * width)]
        layers += [ResnetBlock(4 * num_feat) for _ in range(num_block)]
        for width in (2 * num_feat, num_feat):
            if upsampling == "transposed":
                layers.append(nn.ConvTranspose2d(2 * width, width, 3, stride=2, padding=1, output_padding=1))
            else:
                layers.append(ResizeConv2d(2 * width, width, 3, padding=1))
            layers += _norm_relu(width)
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(num_feat, num_out_ch, 7), nn.Tanh()]
        self.model = nn.Sequential(*layers)
        self._init_weights()

    @torch.no_grad()
    def _init_weights(self) -> None:
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.normal_(layer.weight, 0.0, INIT_DEVIATION)
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, lq: Tensor) -> Tensor:
        """Map lq (B, num_in_ch, h, w), RGB in [0, 1], to sr (B, num_out_ch, h, w) in ]0, 1[."""
        return (self.model(lq * 2 - 1) + 1) / 2

    def facts(self) -> ArchFacts:
        """Return what tiling and the catalogue need to know."""
        return ArchFacts(
            scale=1,
            num_in_ch=self.num_in_ch,
            num_out_ch=self.num_out_ch,
            receptive_radius=None,
            size=SizeRequirements(multiple=4, minimum=8),
        )


def _norm_relu(num_feat: int) -> list[nn.Module]:
    return [nn.InstanceNorm2d(num_feat), nn.ReLU(inplace=True)]
