"""HAT, the hybrid attention transformer: window attention beside channel attention, and attention across windows.

Paper: Chen et al., "Activating More Pixels in Image Super-Resolution Transformer", CVPR 2023, https://arxiv.org/abs/2205.04437
       -- section 3.2, figure 4; section 4.1 for the sizes.
Reference: XPixelGroup/HAT, hat/archs/hat_arch.py (Apache-2.0); sizes from options/. Keys and shapes of the state dict follow it,
           buffers included, so the official checkpoints load with ``strict=True``.

| variant | scale | embed_dim | depths | compress_ratio | squeeze_factor | parameters |
| HAT-S   |     2 |       144 |    6x6 |             24 |             24 |  9,473,471 |
| HAT-S   |     3 |       144 |    6x6 |             24 |             24 |  9,658,111 |
| HAT-S   |     4 |       144 |    6x6 |             24 |             24 |  9,621,183 |
| HAT     |     2 |       180 |    6x6 |              3 |             30 | 20,624,795 |
| HAT     |     3 |       180 |    6x6 |              3 |             30 | 20,809,435 |
| HAT     |     4 |       180 |    6x6 |              3 |             30 | 20,772,507 |
| HAT-L   |     2 |       180 |   12x6 |              3 |             30 | 40,698,863 |
| HAT-L   |     3 |       180 |   12x6 |              3 |             30 | 40,883,503 |
| HAT-L   |     4 |       180 |   12x6 |              3 |             30 | 40,846,575 |

All have num_heads 6, window_size 16, overlap_ratio 0.5, mlp_ratio 2.

Shapes: B batch, C = embed_dim, M = window_size, h w of lq, H = h * scale, W = w * scale. Sides of lq that are no multiples of M
are padded by reflection at the right and bottom and the result is cut, as in the reference's test code.

Receptive radius: none, because channel attention pools over the whole picture.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clearvision.archs.facts import ArchFacts
from clearvision.archs.layers import shuffle_upsampler
from clearvision.archs.windows import (
    DropPath,
    Mlp,
    WindowAttention,
    attend,
    check_heads,
    check_trunk,
    drop_rates,
    from_windows,
    init_linear,
    init_table,
    mean_of,
    pair_index,
    reflected_to_multiple,
    shift_mask,
    to_windows,
    window_index,
)
from clearvision.errors import UsageError
from clearvision.types import SizeRequirements

SCALES = (2, 3, 4, 8)


class ChannelAttention(nn.Module):
    """Scale each channel by what a small network makes of all channels' means, as in RCAN."""

    def __init__(self, dim: int, squeeze_factor: int) -> None:
        super().__init__()
        self.attention = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(dim, dim // squeeze_factor, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(dim // squeeze_factor, dim, 1),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, h, w) to the same shape."""
        return x * self.attention(x)


class CAB(nn.Module):
    """Channel attention block: two convolutions through a narrow layer, then channel attention (figure 4)."""

    def __init__(self, dim: int, compress_ratio: int, squeeze_factor: int) -> None:
        super().__init__()
        self.cab = nn.Sequential(
            nn.Conv2d(dim, dim // compress_ratio, 3, padding=1),
            nn.GELU(),
            nn.Conv2d(dim // compress_ratio, dim, 3, padding=1),
            ChannelAttention(dim, squeeze_factor),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, h, w) to the same shape."""
        return self.cab(x)


class HAB(nn.Module):
    """Hybrid attention block: window attention plus a little of a channel attention block, then a feed-forward layer.

    Args:
        dim: channels C.
        num_heads: heads of the attention.
        window_size: side M.
        shifted: whether the windows lie M // 2 off the grid.
        compress_ratio: C divided by the width inside the channel attention block.
        squeeze_factor: C divided by the width inside its channel attention.
        conv_scale: factor on that block's output.
        mlp_ratio: width of the feed-forward layer divided by C.
        drop_path: rate of stochastic depth.
    """

    def __init__(
        self,
        dim: int,
        *,
        num_heads: int,
        window_size: int,
        shifted: bool,
        compress_ratio: int,
        squeeze_factor: int,
        conv_scale: float,
        mlp_ratio: float,
        drop_path: float,
    ) -> None:
        super().__init__()
        self.window_size, self.conv_scale = window_size, conv_scale
        self.shift = window_size // 2 if shifted else 0
        self.norm1 = nn.LayerNorm(dim)
        self.attn = WindowAttention(dim, window_size, num_heads, keep_index=False)
        self.conv_block = CAB(dim, compress_ratio, squeeze_factor)
        self.drop_path = DropPath(drop_path)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = Mlp(dim, int(dim * mlp_ratio))

    def forward(self, feat: Tensor, index: Tensor, mask: Tensor) -> Tensor:
        """Map (B, h, w, C) to the same shape; index and mask as in ``WindowAttention``, mask for the shifted windows."""
        height, width = feat.shape[1:3]
        x = self.norm1(feat)
        channels = self.conv_block(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        if self.shift:
            x = x.roll((-self.shift, -self.shift), (1, 2))
        x = self.attn(to_windows(x, self.window_size), index, mask if self.shift else None)
        x = from_windows(x, self.window_size, height, width)
        if self.shift:
            x = x.roll((self.shift, self.shift), (1, 2))
        feat = feat + self.drop_path(x) + self.conv_scale * channels
        return feat + self.drop_path(self.mlp(self.norm2(feat)))


class OCAB(nn.Module):
    """Overlapping cross-attention block: a window's queries meet keys and values of a larger window around it (figure 4).

    What lies beyond the picture has key and value 0 and takes part in the softmax, as in the reference.

    Args:
        dim: channels C.
        num_heads: heads.
        window_size: side M of the queries' windows.
        overlap_ratio: by how much of M the keys' windows are larger.
        mlp_ratio: width of the feed-forward layer divided by C.

    Raises:
        UsageError: if the heads do not divide the channels.
    """

    def __init__(self, dim: int, *, num_heads: int, window_size: int, overlap_ratio: float, mlp_ratio: float) -> None:
        super().__init__()
        check_heads(dim, num_heads)
        self.num_heads, self.window_size = num_heads, window_size
        self.key_side = key_side(window_size, overlap_ratio)
        self.norm1 = nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.relative_position_bias_table = init_table((window_size + self.key_side - 1) ** 2, num_heads)
        self.proj = nn.Linear(dim, dim)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = Mlp(dim, int(dim * mlp_ratio))

    def forward(self, feat: Tensor, index: Tensor) -> Tensor:
        """Map (B, h, w, C) to the same shape; index (M², K²) is the table's row for every pair of query and key."""
        height, width, dim = feat.shape[1:]
        query, both = self.qkv(self.norm1(feat)).split((dim, 2 * dim), dim=-1)
        query = to_windows(query, self.window_size).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
        margin = (self.key_side - self.window_size) // 2
        around = F.unfold(both.permute(0, 3, 1, 2), self.key_side, padding=margin, stride=self.window_size)
        around = around.unflatten(1, (2, self.num_heads, -1, self.key_side**2))  # (B, 2, heads, d, K², n)
        key, value = around.permute(1, 0, 5, 2, 4, 3).flatten(1, 2).unbind(0)  # each (B * n, heads, K², d)
        mixed = attend(query, key, value, self.relative_position_bias_table[index])
        feat = feat + self.proj(from_windows(mixed, self.window_size, height, width))
        return feat + self.mlp(self.norm2(feat))


class AttenBlocks(nn.Module):
    """Hybrid attention blocks in a row, then one that attends across windows."""

    def __init__(self, blocks: Sequence[HAB], overlap_attn: OCAB) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.overlap_attn = overlap_attn

    def forward(self, feat: Tensor, index: Tensor, overlap_index: Tensor, mask: Tensor) -> Tensor:
        """Map (B, h, w, C) to the same shape."""
        for block in self.blocks:
            feat = block(feat, index, mask)
        return self.overlap_attn(feat, overlap_index)


class RHAG(nn.Module):
    """Residual hybrid attention group: blocks and a convolution under a skip (figure 4)."""

    def __init__(self, dim: int, residual_group: AttenBlocks) -> None:
        super().__init__()
        self.residual_group = residual_group
        self.conv = nn.Conv2d(dim, dim, 3, padding=1)

    def forward(self, feat: Tensor, index: Tensor, overlap_index: Tensor, mask: Tensor) -> Tensor:
        """Map (B, h, w, C) to the same shape."""
        x = self.residual_group(feat, index, overlap_index, mask)
        return feat + self.conv(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class HAT(nn.Module):
    """Hybrid attention transformer.

    Weight init, as in the reference: linear layers normal with deviation 0.02, cut at 2, biases 0, position tables likewise;
    convolutions PyTorch's default.

    Args:
        num_in_ch: channels of lq and of sr.
        upscale: 2, 3, 4 or 8.
        embed_dim: width C of the trunk.
        depths: hybrid attention blocks in each group.
        num_heads: heads of the attention in each group; they must divide C.
        window_size: side M of the windows.
        compress_ratio: C divided by the width inside the channel attention blocks.
        squeeze_factor: C divided by the width inside their channel attention.
        conv_scale: factor on the output of the channel attention blocks.
        overlap_ratio: by how much of M the keys' windows of the overlapping attention are larger.
        mlp_ratio: width of the feed-forward layers divided by C.
        num_feat: width of the tail.
        img_range: factor on the mean-shifted lq.
        drop_path_rate: stochastic depth of the last block; it grows to that from 0 at the first.

    Raises:
        UsageError: if the sizes do not go together.
    """

    def __init__(
        self,
        *,
        num_in_ch: int = 3,
        upscale: int = 4,
        embed_dim: int = 180,
        depths: Sequence[int] = (6,) * 6,
        num_heads: Sequence[int] = (6,) * 6,
        window_size: int = 16,
        compress_ratio: int = 3,
        squeeze_factor: int = 30,
        conv_scale: float = 0.01,
        overlap_ratio: float = 0.5,
        mlp_ratio: float = 2.0,
        num_feat: int = 64,
        img_range: float = 1.0,
        drop_path_rate: float = 0.1,
    ) -> None:
        super().__init__()
        check_trunk("HAT", depths, num_heads, window_size)
        _check_widths(embed_dim, compress_ratio, squeeze_factor, key_side(window_size, overlap_ratio) - window_size)
        self.num_in_ch, self.upscale, self.img_range, self.window_size = num_in_ch, upscale, img_range, window_size
        self.mean: Tensor
        self.register_buffer("mean", mean_of(num_in_ch), persistent=False)
        self.relative_position_index_SA: Tensor
        self.relative_position_index_OCA: Tensor
        self.register_buffer("relative_position_index_SA", window_index(window_size))
        self.register_buffer("relative_position_index_OCA", overlap_index(window_size, key_side(window_size, overlap_ratio)))
        self.conv_first = nn.Conv2d(num_in_ch, embed_dim, 3, padding=1)
        self.patch_embed = nn.ModuleDict({"norm": nn.LayerNorm(embed_dim)})  # the reference's place for it
        self.layers = nn.ModuleList()
        for heads, rates in zip(num_heads, drop_rates(depths, drop_path_rate), strict=True):
            blocks = [
                HAB(
                    embed_dim,
                    num_heads=heads,
                    window_size=window_size,
                    shifted=index % 2 == 1,
                    compress_ratio=compress_ratio,
                    squeeze_factor=squeeze_factor,
                    conv_scale=conv_scale,
                    mlp_ratio=mlp_ratio,
                    drop_path=rate,
                )
                for index, rate in enumerate(rates)
            ]
            across = OCAB(embed_dim, num_heads=heads, window_size=window_size, overlap_ratio=overlap_ratio, mlp_ratio=mlp_ratio)
            self.layers.append(RHAG(embed_dim, AttenBlocks(blocks, across)))
        self.norm = nn.LayerNorm(embed_dim)
        self.conv_after_body = nn.Conv2d(embed_dim, embed_dim, 3, padding=1)
        self.conv_before_upsample = nn.Sequential(nn.Conv2d(embed_dim, num_feat, 3, padding=1), nn.LeakyReLU(inplace=True))
        self.upsample = shuffle_upsampler(num_feat, upscale, network="HAT", scales=SCALES)
        self.conv_last = nn.Conv2d(num_feat, num_in_ch, 3, padding=1)
        self.apply(init_linear)

    def forward(self, lq: Tensor) -> Tensor:
        """Map lq (B, num_in_ch, h, w), RGB in [0, 1], to sr (B, num_in_ch, H, W), not clamped."""
        height, width = lq.shape[-2:]
        padded = reflected_to_multiple(lq, self.window_size)
        head = self.conv_first((padded - self.mean) * self.img_range)  # (B, C, h, w)
        deep = head + self.conv_after_body(self._deep(head))
        sr = self.conv_last(self.upsample(self.conv_before_upsample(deep))) / self.img_range + self.mean
        return sr if padded is lq else sr[:, :, : height * self.upscale, : width * self.upscale]

    def _deep(self, head: Tensor) -> Tensor:
        mask = shift_mask(head.shape[-2], head.shape[-1], self.window_size, head)
        feat = self.patch_embed["norm"](head.permute(0, 2, 3, 1))  # (B, h, w, C)
        for layer in self.layers:
            feat = layer(feat, self.relative_position_index_SA, self.relative_position_index_OCA, mask)
        return self.norm(feat).permute(0, 3, 1, 2)

    def facts(self) -> ArchFacts:
        """Return what tiling and the catalogue need to know."""
        return ArchFacts(
            scale=self.upscale,
            num_in_ch=self.num_in_ch,
            num_out_ch=self.num_in_ch,
            receptive_radius=None,
            size=SizeRequirements(multiple=self.window_size, minimum=self.window_size),
        )


def key_side(window: int, overlap_ratio: float) -> int:
    """Return the side of the keys' windows in overlapping attention."""
    return window + int(window * overlap_ratio)


def overlap_index(window: int, keys: int) -> Tensor:
    """Return the table's row for every pair of a query's and a key's pixel, (window², keys²).

    The reference subtracts one time too much, so the first rows are negative and count from the table's end; kept, because
    trained tables are laid out that way.
    """
    query, key = torch.arange(window), torch.arange(keys)
    return pair_index(key[None, :] - query[:, None] + window - keys + 1, window + keys - 1)


def _check_widths(embed_dim: int, compress_ratio: int, squeeze_factor: int, overlap: int) -> None:
    for name, value in (("compress_ratio", compress_ratio), ("squeeze_factor", squeeze_factor)):
        if not 1 <= value <= embed_dim:
            raise UsageError(f"{name} ({value}) of HAT must lie between 1 and embed_dim ({embed_dim})")
    if overlap < 0 or overlap % 2:
        raise UsageError(f"overlap_ratio of HAT must widen the windows by an even number of pixels, not {overlap}")
