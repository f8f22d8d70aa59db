"""The VGG-style discriminator of SRGAN and ESRGAN: one logit a picture, from convolutions that halve and widen.

Papers: Ledig et al., "Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network", CVPR 2017,
        https://arxiv.org/abs/1609.04802 -- section 2.1.1, figure 4; Wang et al., "ESRGAN", ECCVW 2018.
Reference: XPixelGroup/BasicSR, basicsr/archs/discriminator_arch.py (Apache-2.0). Parameter names follow it, so its checkpoints
           load with ``strict=True``. There the picture must have the one size that leaves 4x4; here the last map is averaged
           down to that, so that any size does, and the one size gives the reference's answer.

| variant                            | levels | down | pooled | hidden | spectral | parameters |
| ESRGAN and BasicSR, 128x128        |      5 |    4 |      4 |    100 | no       | 14,499,401 |
| BasicSR, 256x256                   |      6 |    4 |      4 |    100 | no       | 21,055,049 |
| SRGAN, 128x128                     |      4 |    3 |      8 |  1,024 | no       | 38,243,713 |
| SRGAN with spectral normalisation  |      4 |    3 |      8 |  1,024 | yes      | 38,243,713 |

Shapes: B batch, F = num_feat; level i works on H / 2^i and has F * min(2^i, 8) channels.
"""

from __future__ import annotations

from typing import Literal, get_args

from torch import Tensor, nn
from torch.nn import functional as F

from clearvision.archs.spectral import SpectralConv2d
from clearvision.errors import ImageShapeError, UsageError

Norm = Literal["batch", "none"]
_WIDEST = 8  # levels stop doubling at 8 F


class VGGStyleDiscriminator(nn.Module):
    """Levels of two convolutions, the second of which halves; then two linear layers.

    Convolutions and linear layers keep PyTorch's initialisation, as in the reference.

    Args:
        num_in_ch: channels of the picture.
        num_feat: width F of the first level.
        num_level: halvings; sides must have 2^num_level pixels at least.
        down_kernel: side of the halving convolutions, 3 (SRGAN) or 4 (BasicSR).
        norm: ``batch`` after every convolution but the first, or ``none``.
        spectral_norm: divide the weight of every convolution by its largest singular value.
        pooled: side of the map that the linear layers see.
        num_hidden: width between them.

    Raises:
        UsageError: if down_kernel or norm is unknown, or num_level or pooled is below 1.
    """

    def __init__(
        self,
        *,
        num_in_ch: int = 3,
        num_feat: int = 64,
        num_level: int = 5,
        down_kernel: Literal[3, 4] = 4,
        norm: Norm = "batch",
        spectral_norm: bool = False,
        pooled: int = 4,
        num_hidden: int = 100,
    ) -> None:
        super().__init__()
        _check_options(num_level, down_kernel, norm, pooled)
        self.num_level, self.pooled = num_level, pooled
        width = num_in_ch
        for level in range(num_level):
            width_out = num_feat * min(1 << level, _WIDEST)
            for half, (kernel, stride) in enumerate(((3, 1), (down_kernel, 2))):
                normed = norm == "batch" and (level, half) != (0, 0)
                conv = _conv(width, width_out, kernel, stride, bias=not normed, spectral_norm=spectral_norm)
                self.add_module(f"conv{level}_{half}", conv)
                self.add_module(f"bn{level}_{half}", nn.BatchNorm2d(width_out) if normed else nn.Identity())
                width = width_out
        self.linear1 = nn.Linear(width * pooled**2, num_hidden)
        self.linear2 = nn.Linear(num_hidden, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Map image (B, num_in_ch, H, W), RGB in [0, 1], to one logit a picture (B, 1); above 0 means real.

        Raises:
            ImageShapeError: if a side is shorter than 2^num_level.
        """
        smallest = 1 << self.num_level
        if min(image.shape[-2:]) < smallest:
            raise ImageShapeError(
                f"a VGG-style discriminator of {self.num_level} levels needs {smallest} pixels on each side, the picture has "
                f"{image.shape[-1]}x{image.shape[-2]}; lower num_level"
            )
        feat = image
        for level in range(self.num_level):
            for half in (0, 1):
                feat = self.get_submodule(f"conv{level}_{half}")(feat)
                feat = self.get_submodule(f"bn{level}_{half}")(feat)
                feat = F.leaky_relu(feat, 0.2, inplace=True)
        feat = F.adaptive_avg_pool2d(feat, self.pooled).flatten(1)
        return self.linear2(F.leaky_relu(self.linear1(feat), 0.2, inplace=True))


def _check_options(num_level: int, down_kernel: int, norm: str, pooled: int) -> None:
    if num_level < 1 or pooled < 1:
        raise UsageError(f"num_level ({num_level}) and pooled ({pooled}) of VGGStyleDiscriminator must be at least 1")
    if down_kernel not in (3, 4):
        raise UsageError(f"down_kernel ({down_kernel}) of VGGStyleDiscriminator must be 3 or 4")
    if norm not in get_args(Norm):
        raise UsageError(f"unknown norm '{norm}' of VGGStyleDiscriminator; known: {', '.join(get_args(Norm))}")


def _conv(width_in: int, width_out: int, kernel: int, stride: int, *, bias: bool, spectral_norm: bool) -> nn.Module:
    if spectral_norm:
        return SpectralConv2d(width_in, width_out, kernel, stride=stride, padding=1, bias=bias)
    return nn.Conv2d(width_in, width_out, kernel, stride, 1, bias=bias)
