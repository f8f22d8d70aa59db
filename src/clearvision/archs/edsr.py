"""EDSR, the residual network that did away with batch normalisation, and its small form that every later table starts from.

Paper: Lim et al., "Enhanced Deep Residual Networks for Single Image Super-Resolution", CVPRW 2017,
       https://arxiv.org/abs/1707.02921 -- section 3, figures 2 and 3, table 1.
Reference: XPixelGroup/BasicSR, basicsr/archs/edsr_arch.py (Apache-2.0). Parameter names follow it, so its checkpoints load with
           ``strict=True``. Those of sanghyun-son/EDSR-PyTorch, the authors' port, hold the same numbers under other names
           (`head.0` is `conv_first`, `body.N.body.0` and `.2` are `body.N.conv1` and `.conv2`, the last `body.N` is
           `conv_after_body`, `tail.0.N` is `upsample.N`, `tail.1` is `conv_last`; `sub_mean` and `add_mean` are constants).

| variant                  | num_feat | num_block | res_scale | x2         | x3         | x4         | radius |
| EDSR baseline, "EDSR-M"  |       64 |        16 |       1.0 |  1,369,859 |  1,554,499 |  1,517,571 |     36 |
| EDSR, "EDSR-L"           |      256 |        32 |       0.1 | 40,729,603 | 43,680,003 | 43,089,923 |     68 |

Shapes: B batch, C = num_feat, h w of lq, H = h * upscale, W = w * upscale.
Receptive radius: 2 * num_block + 4 pixels of lq, + 3 at scale 1. Before the upsampler 2 * num_block + 2 convolutions add one
each. At x4 the output row 4q + 3 reads row 4q + 4 (conv_last), that is row 2q + 2 at x2, then 2q + 3 (upsample.2), that is q + 1
of the features, then q + 2 (upsample.0): 2 more, and the same at x2, x3 and x8; at scale 1 only conv_last is left.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from clearvision.archs.facts import ArchFacts
from clearvision.archs.layers import DIV2K_MEAN, channel_mean, shuffle_upsampler


class ResidualBlock(nn.Module):
    """Two convolutions with a ReLU between, scaled and added to their input (figure 2c)."""

    def __init__(self, num_feat: int, res_scale: float) -> None:
        super().__init__()
        self.res_scale = res_scale
        self.conv1 = nn.Conv2d(num_feat, num_feat, 3, padding=1)
        self.conv2 = nn.Conv2d(num_feat, num_feat, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, h, w) to the same shape."""
        return x + self.conv2(F.relu(self.conv1(x), inplace=True)) * self.res_scale


class EDSR(nn.Module):
    """Enhanced deep residual network.

    All convolutions keep PyTorch's initialisation, as in the reference.

    Args:
        num_in_ch: channels of lq, 1 or 3.
        num_out_ch: channels of sr, 1 or 3.
        num_feat: width C.
        num_block: residual blocks.
        upscale: 1, 2, 3, 4 or 8.
        res_scale: factor on each residual; the paper needs 0.1 to train 256 features stably (section 3.3).
        img_range: factor on the mean-shifted input, undone at the end; 255 in the official files.
        rgb_mean: subtracted from lq and added to sr, one value a channel; a grey side uses their average.

    Raises:
        UsageError: if upscale or the channels are not among these.
    """

    def __init__(
        self,
        *,
        num_in_ch: int = 3,
        num_out_ch: int = 3,
        num_feat: int = 64,
        num_block: int = 16,
        upscale: int = 4,
        res_scale: float = 1.0,
        img_range: float = 255.0,
        rgb_mean: Sequence[float] = DIV2K_MEAN,
    ) -> None:
        super().__init__()
        self.num_in_ch, self.num_out_ch, self.num_block, self.upscale = num_in_ch, num_out_ch, num_block, upscale
        self.img_range = img_range
        self.mean_in: Tensor
        self.mean_out: Tensor
        self.register_buffer("mean_in", channel_mean(rgb_mean, num_in_ch, network="EDSR"), persistent=False)
        self.register_buffer("mean_out", channel_mean(rgb_mean, num_out_ch, network="EDSR"), persistent=False)
        self.conv_first = nn.Conv2d(num_in_ch, num_feat, 3, padding=1)
        self.body = nn.Sequential(*(ResidualBlock(num_feat, res_scale) for _ in range(num_block)))
        self.conv_after_body = nn.Conv2d(num_feat, num_feat, 3, padding=1)
        self.upsample = shuffle_upsampler(num_feat, upscale, network="EDSR", scales=(1, 2, 3, 4, 8))
        self.conv_last = nn.Conv2d(num_feat, num_out_ch, 3, padding=1)

    def forward(self, lq: Tensor) -> Tensor:
        """Map lq (B, num_in_ch, h, w), RGB in [0, 1], to sr (B, num_out_ch, H, W), not clamped."""
        feat = self.conv_first((lq - self.mean_in) * self.img_range)  # (B, C, h, w)
        feat = feat + self.conv_after_body(self.body(feat))
        return self.conv_last(self.upsample(feat)) / self.img_range + self.mean_out

    def facts(self) -> ArchFacts:
        """Return what tiling and the catalogue need to know."""
        return ArchFacts(
            scale=self.upscale,
            num_in_ch=self.num_in_ch,
            num_out_ch=self.num_out_ch,
            receptive_radius=2 * self.num_block + (3 if self.upscale == 1 else 4),
        )
