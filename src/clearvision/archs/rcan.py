"""RCAN, very deep residual groups whose blocks weigh their channels by what the whole picture holds.

Paper: Zhang et al., "Image Super-Resolution Using Very Deep Residual Channel Attention Networks", ECCV 2018,
       https://arxiv.org/abs/1807.02758 -- figures 2 to 4, section 3.
Reference: XPixelGroup/BasicSR, basicsr/archs/rcan_arch.py (Apache-2.0). Parameter names follow it, so its checkpoints load with
           ``strict=True``. The authors' files for sanghyun-son/EDSR-PyTorch hold the same numbers: `head.0` is `conv_first`,
           `body.G.body.N.body.0` and `.2` are `body.G.residual_group.N.rcab.0` and `.2`, `.body.3.conv_du.0` and `.2` there are
           `.rcab.3.attention.1` and `.3`, the last `body.G.body.N` of a group is `body.G.conv`, the last `body.G` is
           `conv_after_body`, `tail.0.N` is `upsample.N`, `tail.1` is `conv_last`.

| variant        | num_feat | num_group | num_block | x2         | x3         | x4         | radius |
| RCAN           |       64 |        10 |        20 | 15,444,643 | 15,629,283 | 15,592,355 | global |

The authors' count of x4, 15,592,379, has 24 more: two 1x1 convolutions that hold the mean, which are constants here.

Shapes: B batch, C = num_feat, h w of lq, H = h * upscale, W = w * upscale.
Receptive radius: none below the whole picture, because channel attention averages over it. A tile therefore differs from the same
window of the whole, the more the smaller it is.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from clearvision.archs.facts import ArchFacts
from clearvision.archs.layers import DIV2K_MEAN, channel_mean, shuffle_upsampler
from clearvision.errors import UsageError


class ChannelAttention(nn.Module):
    """Weigh each channel by a function of all channels' averages (figure 3)."""

    def __init__(self, num_feat: int, squeeze_factor: int) -> None:
        super().__init__()
        self.attention = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(num_feat, num_feat // squeeze_factor, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(num_feat // squeeze_factor, num_feat, 1),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, h, w) to the same shape."""
        return x * self.attention(x)


class RCAB(nn.Module):
    """Residual channel attention block (figure 4)."""

    def __init__(self, num_feat: int, squeeze_factor: int, res_scale: float) -> None:
        super().__init__()
        self.res_scale = res_scale
        self.rcab = nn.Sequential(
            nn.Conv2d(num_feat, num_feat, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(num_feat, num_feat, 3, padding=1),
            ChannelAttention(num_feat, squeeze_factor),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, h, w) to the same shape."""
        return x + self.rcab(x) * self.res_scale


class ResidualGroup(nn.Module):
    """Blocks and a convolution under one more skip (section 3.2)."""

    def __init__(self, num_feat: int, num_block: int, squeeze_factor: int, res_scale: float) -> None:
        super().__init__()
        self.residual_group = nn.Sequential(*(RCAB(num_feat, squeeze_factor, res_scale) for _ in range(num_block)))
        self.conv = nn.Conv2d(num_feat, num_feat, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, h, w) to the same shape."""
        return x + self.conv(self.residual_group(x))


class RCAN(nn.Module):
    """Residual channel attention network.

    All convolutions keep PyTorch's initialisation, as in the reference.

    Args:
        num_in_ch: channels of lq, 1 or 3.
        num_out_ch: channels of sr, 1 or 3.
        num_feat: width C.
        num_group: residual groups.
        num_block: blocks of a group.
        squeeze_factor: the attention works on C / this many channels.
        upscale: 1, 2, 3, 4 or 8.
        res_scale: factor on each block's residual.
        img_range: factor on the mean-shifted input, undone at the end; 255 in the official files.
        rgb_mean: subtracted from lq and added to sr, one value a channel; a grey side uses their average.

    Raises:
        UsageError: if upscale or the channels are not among these, or the squeeze leaves no channel.
    """

    def __init__(
        self,
        *,
        num_in_ch: int = 3,
        num_out_ch: int = 3,
        num_feat: int = 64,
        num_group: int = 10,
        num_block: int = 20,
        squeeze_factor: int = 16,
        upscale: int = 4,
        res_scale: float = 1.0,
        img_range: float = 255.0,
        rgb_mean: Sequence[float] = DIV2K_MEAN,
    ) -> None:
        super().__init__()
        if not 1 <= squeeze_factor <= num_feat:
            raise UsageError(f"squeeze_factor ({squeeze_factor}) of RCAN must lie between 1 and num_feat ({num_feat})")
        self.num_in_ch, self.num_out_ch, self.upscale, self.img_range = num_in_ch, num_out_ch, upscale, img_range
        self.mean_in: Tensor
        self.mean_out: Tensor
        self.register_buffer("mean_in", channel_mean(rgb_mean, num_in_ch, network="RCAN"), persistent=False)
        self.register_buffer("mean_out", channel_mean(rgb_mean, num_out_ch, network="RCAN"), persistent=False)
        self.conv_first = nn.Conv2d(num_in_ch, num_feat, 3, padding=1)
        groups = (ResidualGroup(num_feat, num_block, squeeze_factor, res_scale) for _ in range(num_group))
        self.body = nn.Sequential(*groups)
        self.conv_after_body = nn.Conv2d(num_feat, num_feat, 3, padding=1)
        self.upsample = shuffle_upsampler(num_feat, upscale, network="RCAN", scales=(1, 2, 3, 4, 8))
        self.conv_last = nn.Conv2d(num_feat, num_out_ch, 3, padding=1)

    def forward(self, lq: Tensor) -> Tensor:
        """Map lq (B, num_in_ch, h, w), RGB in [0, 1], to sr (B, num_out_ch, H, W), not clamped."""
        feat = self.conv_first((lq - self.mean_in) * self.img_range)  # (B, C, h, w)
        feat = feat + self.conv_after_body(self.body(feat))
        return self.conv_last(self.upsample(feat)) / self.img_range + self.mean_out

    def facts(self) -> ArchFacts:
        """Return what tiling and the catalogue need to know."""
        return ArchFacts(scale=self.upscale, num_in_ch=self.num_in_ch, num_out_ch=self.num_out_ch, receptive_radius=None)
