"""SRVGGNetCompact, the small network of Real-ESRGAN: a plain stack of convolutions with all work done at low resolution.

Paper: Wang et al., "Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure Synthetic Data", ICCVW 2021,
       https://arxiv.org/abs/2107.10833 -- the network came with the code, after the paper.
Reference: XPixelGroup/BasicSR, basicsr/archs/srvgg_arch.py (Apache-2.0). Parameter names follow it, so the official
           checkpoints load with ``strict=True``.

| variant                           | num_feat | num_conv | upscale | parameters | radius |
| realesr-general-x4v3              |       64 |       32 |       4 |  1,213,296 |     34 |
| realesr-animevideov3              |       64 |       16 |       4 |    621,424 |     18 |
| realesr-animevideov3, x2          |       64 |       16 |       2 |    600,652 |     18 |

Shapes: B batch, C = num_feat, h w of lq, H = h * upscale, W = w * upscale.
Receptive radius: num_conv + 2 pixels of lq. Every convolution is 3x3 and adds one; activations, pixel shuffle and the nearest
skip add none.
"""

from __future__ import annotations

from typing import Literal, get_args

from torch import Tensor, nn
from torch.nn import functional as F

from clearvision.archs.facts import ArchFacts
from clearvision.errors import UsageError

Activation = Literal["relu", "prelu", "leakyrelu"]


class SRVGGNetCompact(nn.Module):
    """Compact VGG-style network with a nearest-neighbour skip.

    Convolutions keep PyTorch's initialisation (Kaiming uniform), PReLU slopes start at 0.25: both as in the reference.

    Args:
        num_in_ch: channels of lq; 1, or equal to num_out_ch, because the enlarged lq is added to the output.
        num_out_ch: channels of sr.
        num_feat: width C.
        num_conv: convolutions between the first and the last one.
        upscale: integer scale.
        act_type: the activation after every convolution but the last.

    Raises:
        UsageError: if act_type is unknown, or the channels do not allow the skip.
    """

    def __init__(
        self,
        *,
        num_in_ch: int = 3,
        num_out_ch: int = 3,
        num_feat: int = 64,
        num_conv: int = 16,
        upscale: int = 4,
        act_type: Activation = "prelu",
    ) -> None:
        super().__init__()
        if num_in_ch not in (1, num_out_ch):
            raise UsageError(f"num_in_ch ({num_in_ch}) of SRVGGNetCompact must be 1 or equal to num_out_ch ({num_out_ch})")
        self.num_in_ch, self.num_out_ch, self.num_conv, self.upscale = num_in_ch, num_out_ch, num_conv, upscale
        self.body = nn.ModuleList()  # one flat list: the official keys number convolutions and activations together
        for width_in in (num_in_ch, *[num_feat] * num_conv):
            self.body.append(nn.Conv2d(width_in, num_feat, 3, padding=1))
            self.body.append(_activation(act_type, num_feat))
        self.body.append(nn.Conv2d(num_feat, num_out_ch * upscale**2, 3, padding=1))

    def forward(self, lq: Tensor) -> Tensor:
        """Map lq (B, num_in_ch, h, w), RGB in [0, 1], to sr (B, num_out_ch, H, W), not clamped."""
        feat = lq
        for layer in self.body:
            feat = layer(feat)
        return F.pixel_shuffle(feat, self.upscale) + F.interpolate(lq, scale_factor=float(self.upscale), mode="nearest")

    def facts(self) -> ArchFacts:
        """Return what tiling and the catalogue need to know."""
        return ArchFacts(
            scale=self.upscale,
            num_in_ch=self.num_in_ch,
            num_out_ch=self.num_out_ch,
            receptive_radius=self.num_conv + 2,
            precisions=("bf16", "f16", "f32"),
        )


def _activation(act_type: str, num_feat: int) -> nn.Module:
    if act_type == "prelu":
        return nn.PReLU(num_feat)
    if act_type == "relu":
        return nn.ReLU(inplace=True)
    if act_type == "leakyrelu":
        return nn.LeakyReLU(0.1, inplace=True)
    raise UsageError(f"unknown act_type '{act_type}' of SRVGGNetCompact; known: {', '.join(get_args(Activation))}")
