"""DRCT, the dense residual connected transformer: SwinIR's blocks, densely connected in groups of five.

Paper: Hsu, Lee, Chou, "DRCT: Saving Image Super-resolution away from Information Bottleneck", CVPRW 2024,
       https://arxiv.org/abs/2404.00722 -- section 3, figure 4.
Reference: ming053l/DRCT, drct/archs/DRCT_arch.py (MIT); sizes from options/train. Keys and shapes of the state dict follow it,
           buffers included, so the official checkpoints load with ``strict=True``.

| variant | scale | depths | parameters |
| DRCT    |     2 |    6x6 | 13,991,867 |
| DRCT    |     3 |    6x6 | 14,176,507 |
| DRCT    |     4 |    6x6 | 14,139,579 |
| DRCT-L  |     2 |   12x6 | 27,433,007 |
| DRCT-L  |     3 |   12x6 | 27,617,647 |
| DRCT-L  |     4 |   12x6 | 27,580,719 |

All have embed_dim 180, num_heads 6, window_size 16 and mlp_ratio 2. A group holds five blocks whatever ``depths`` says: its
numbers only set how stochastic depth grows along the network, and they stay because every official option file has them.

Shapes: B batch, C = embed_dim, G = num_grow_ch, M = window_size, h w of lq, H = h * scale, W = w * scale. Sides of lq that are no
multiples of M are padded by reflection at the right and bottom, and the result is cut.

Receptive radius: see ``window_radius``; 212 for DRCT and 404 for DRCT-L.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clearvision.archs.facts import ArchFacts
from clearvision.archs.layers import shuffle_upsampler
from clearvision.archs.swinir import SwinTransformerBlock
from clearvision.archs.windows import (
    check_trunk,
    drop_rates,
    init_linear,
    mean_of,
    reflected_to_multiple,
    shift_mask,
    window_radius,
)
from clearvision.types import SizeRequirements

RESIDUAL_SCALE = 0.2  # of the reference, as in RRDB
SCALES = (2, 3, 4, 8)
BLOCKS = 5  # in a group; figure 4


class RDG(nn.Module):
    """Residual dense group: five Swin blocks, each of which sees the outputs of all before it (figure 4).

    Args:
        dim: channels C.
        num_grow_ch: channels G that each block adds.
        img_size: side of the pictures trained on; gives the official shape of a buffer.
        num_heads: heads of the first block; the others have that less the remainder of their channels divided by it.
        window_size: side M.
        mlp_ratio: width of the first three feed-forward layers divided by the channels; the last two have 1.
        drop_path: rate of stochastic depth.

    Raises:
        UsageError: if a block's heads do not divide its channels.
    """

    def __init__(
        self,
        dim: int,
        *,
        num_grow_ch: int,
        img_size: int,
        num_heads: int,
        window_size: int,
        mlp_ratio: float,
        drop_path: float,
    ) -> None:
        super().__init__()
        for block in range(1, BLOCKS + 1):
            width = dim + (block - 1) * num_grow_ch
            swin = SwinTransformerBlock(
                width,
                img_size=img_size,
                num_heads=num_heads - width % num_heads if block > 1 else num_heads,
                window_size=window_size,
                shifted=block % 2 == 0,
                mlp_ratio=mlp_ratio if block <= 3 else 1.0,
                drop_path=drop_path,
            )
            self.add_module(f"swin{block}", swin)
            self.add_module(f"adjust{block}", nn.Conv2d(width, num_grow_ch if block < BLOCKS else dim, 1))

    def forward(self, feat: Tensor, mask: Tensor) -> Tensor:
        """Map (B, h, w, C) to the same shape; mask is that of the shifted windows, (n, M², M²)."""
        seen = feat
        for block in range(1, BLOCKS):
            seen = torch.cat([seen, F.leaky_relu(self._added(block, seen, mask), 0.2)], dim=-1)  # grows by G channels
        return feat + RESIDUAL_SCALE * self._added(BLOCKS, seen, mask)

    def _added(self, block: int, seen: Tensor, mask: Tensor) -> Tensor:
        x = self.get_submodule(f"swin{block}")(seen, mask).permute(0, 3, 1, 2)
        return self.get_submodule(f"adjust{block}")(x).permute(0, 2, 3, 1)


class DRCT(nn.Module):
    """Dense residual connected transformer.

    Weight init, as in the reference: linear layers and position tables normal with deviation 0.02, cut at 2, biases 0;
    convolutions PyTorch's default.

    Args:
        num_in_ch: channels of lq and of sr.
        upscale: 2, 3, 4 or 8.
        embed_dim: width C of the trunk.
        depths: one entry a group; see the head of this file.
        num_heads: heads of each group's first block.
        num_grow_ch: channels G that each block adds; ``gc`` of the reference.
        window_size: side M of the windows.
        mlp_ratio: width of the feed-forward layers divided by their channels.
        num_feat: width of the tail.
        img_range: factor on the mean-shifted lq.
        drop_path_rate: stochastic depth at the end of the network; it grows to that from 0.
        img_size: side of the pictures trained on; it sets the shape of a buffer that official files hold, and nothing else.

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
        num_grow_ch: int = 32,
        window_size: int = 16,
        mlp_ratio: float = 2.0,
        num_feat: int = 64,
        img_range: float = 1.0,
        drop_path_rate: float = 0.1,
        img_size: int = 64,
    ) -> None:
        super().__init__()
        check_trunk("DRCT", depths, num_heads, window_size, img_size)
        self.num_in_ch, self.upscale, self.img_range, self.window_size = num_in_ch, upscale, img_range, window_size
        self.mean: Tensor
        self.register_buffer("mean", mean_of(num_in_ch), persistent=False)
        self.conv_first = nn.Conv2d(num_in_ch, embed_dim, 3, padding=1)
        self.patch_embed = nn.ModuleDict({"norm": nn.LayerNorm(embed_dim)})  # the reference's place for it
        self.layers = nn.ModuleList(
            RDG(
                embed_dim,
                num_grow_ch=num_grow_ch,
                img_size=img_size,
                num_heads=heads,
                window_size=window_size,
                mlp_ratio=mlp_ratio,
                drop_path=rates[0],  # the reference gives all blocks of a group the first one's rate
            )
            for heads, rates in zip(num_heads, drop_rates(depths, drop_path_rate), strict=True)
        )
        self.norm = nn.LayerNorm(embed_dim)
        self.conv_after_body = nn.Conv2d(embed_dim, embed_dim, 3, padding=1)
        self.conv_before_upsample = nn.Sequential(nn.Conv2d(embed_dim, num_feat, 3, padding=1), nn.LeakyReLU(inplace=True))
        self.upsample = shuffle_upsampler(num_feat, upscale, network="DRCT", scales=SCALES)
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
            feat = layer(feat, mask)
        return self.norm(feat).permute(0, 3, 1, 2)

    def facts(self) -> ArchFacts:
        """Return what tiling and the catalogue need to know."""
        group = [("window", self.window_size // 2 * (block % 2)) for block in reversed(range(BLOCKS))]
        path = [("conv", 4), *group * len(self.layers), ("conv", 1)]  # the tail and the convolution after the body read 4
        return ArchFacts(
            scale=self.upscale,
            num_in_ch=self.num_in_ch,
            num_out_ch=self.num_in_ch,
            receptive_radius=window_radius(self.window_size, path),
            size=SizeRequirements(multiple=self.window_size, minimum=self.window_size),
        )
