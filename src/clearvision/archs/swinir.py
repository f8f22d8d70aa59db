"""SwinIR, the Swin transformer for image restoration: enlargement, denoising, removal of JPEG damage.

Paper: Liang et al., "SwinIR: Image Restoration Using Swin Transformer", ICCVW 2021, https://arxiv.org/abs/2108.10257
       -- section 3, figure 2; section 4.1 for the sizes.
Reference: JingyunLiang/SwinIR, models/network_swinir.py and main_test_swinir.py (Apache-2.0); x2 of ``nearest+conv`` after
           chaiNNer-org/spandrel, architectures/SwinIR (MIT). Keys and shapes of the state dict follow it, buffers included, so
           the official checkpoints load with ``strict=True``, whatever picture size they were trained at.

| variant                   | scale | upsampler          | embed_dim | depths | num_heads | window | parameters |
| classical                 |     2 | pixelshuffle       |       180 |    6x6 |         6 |      8 | 11,752,487 |
| classical                 |     3 | pixelshuffle       |       180 |    6x6 |         6 |      8 | 11,937,127 |
| classical                 |     4 | pixelshuffle       |       180 |    6x6 |         6 |      8 | 11,900,199 |
| classical                 |     8 | pixelshuffle       |       180 |    6x6 |         6 |      8 | 12,047,911 |
| light                     |     2 | pixelshuffledirect |        60 |    4x6 |         6 |      8 |    910,152 |
| light                     |     3 | pixelshuffledirect |        60 |    4x6 |         6 |      8 |    918,267 |
| light                     |     4 | pixelshuffledirect |        60 |    4x6 |         6 |      8 |    929,628 |
| real, medium              |     2 | nearest+conv       |       180 |    6x6 |         6 |      8 | 11,678,631 |
| real, medium              |     4 | nearest+conv       |       180 |    6x6 |         6 |      8 | 11,715,559 |
| real, large (3conv)       |     4 | nearest+conv       |       240 |    9x6 |         8 |      8 | 28,013,059 |
| denoise, grey             |     1 |                    |       180 |    6x6 |         6 |      8 | 11,497,681 |
| denoise, colour           |     1 |                    |       180 |    6x6 |         6 |      8 | 11,504,163 |
| JPEG, grey, img_range 255 |     1 |                    |       180 |    6x6 |         6 |      7 | 11,485,585 |
| JPEG, colour, img_range 255 |   1 |                    |       180 |    6x6 |         6 |      7 | 11,492,067 |

The paper's 878K, 886K and 897K for the light variant leave out the tables of relative positions, 1,350 numbers in each of 24
blocks; with them the counts are those above. The windows of JPEG models have 7 pixels because JPEG's blocks have 8 (section 4.1).

Shapes: B batch, C = embed_dim, M = window_size, h w of lq, H = h * scale, W = w * scale. Sides of lq that are no multiples of M
are padded by reflection at the right and bottom and the result is cut, as in cszn/KAIR, where the official weights were trained;
the reference's test script repeats the edge pixel and always adds a window.

Receptive radius: that of windows that alternate between two grids, half a window apart, and of 3x3 convolutions; see
``window_radius``. It is 103 for light, 153 for classical and medium, 133 for JPEG, 227 for large.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clearvision.archs.facts import ArchFacts
from clearvision.archs.layers import shuffle_upsampler
from clearvision.archs.windows import (
    DropPath,
    Mlp,
    WindowAttention,
    check_trunk,
    drop_rates,
    from_windows,
    init_linear,
    mean_of,
    reflected_to_multiple,
    shift_mask,
    to_windows,
    window_radius,
)
from clearvision.errors import UsageError
from clearvision.types import SizeRequirements

Upsampler = Literal["pixelshuffle", "pixelshuffledirect", "nearest+conv", ""]
ResiConnection = Literal["1conv", "3conv"]
SCALES = (2, 3, 4, 8)  # of ``pixelshuffle``


class SwinTransformerBlock(nn.Module):
    """Window attention and a feed-forward layer, each with normalisation before and a skip around it (figure 2b).

    Args:
        dim: channels C.
        img_size: side of the pictures trained on; gives the official shape of ``attn_mask``.
        num_heads: heads of the attention.
        window_size: side M.
        shifted: whether the windows lie M // 2 off the grid.
        mlp_ratio: width of the feed-forward layer divided by C.
        drop_path: rate of stochastic depth.
    """

    def __init__(
        self, dim: int, *, img_size: int, num_heads: int, window_size: int, shifted: bool, mlp_ratio: float, drop_path: float
    ) -> None:
        super().__init__()
        self.window_size = window_size
        self.shift = window_size // 2 if shifted else 0
        self.norm1 = nn.LayerNorm(dim)
        self.attn = WindowAttention(dim, window_size, num_heads, keep_index=True)
        self.drop_path = DropPath(drop_path)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = Mlp(dim, int(dim * mlp_ratio))
        # kept: official files hold it. It is not read, because it fits only pictures of img_size
        self.attn_mask: Tensor | None
        mask = shift_mask(img_size, img_size, window_size, torch.zeros(())) if shifted else None
        self.register_buffer("attn_mask", mask)
        self.register_load_state_dict_pre_hook(_keep_own_mask)

    def forward(self, feat: Tensor, mask: Tensor) -> Tensor:
        """Map (B, h, w, C) to the same shape; mask is that of the shifted windows, (n, M², M²)."""
        height, width = feat.shape[1:3]
        x = self.norm1(feat)
        if self.shift:
            x = x.roll((-self.shift, -self.shift), (1, 2))
        index = self.attn.get_buffer("relative_position_index")
        x = self.attn(to_windows(x, self.window_size), index, mask if self.shift else None)
        x = from_windows(x, self.window_size, height, width)
        if self.shift:
            x = x.roll((self.shift, self.shift), (1, 2))
        feat = feat + self.drop_path(x)
        return feat + self.drop_path(self.mlp(self.norm2(feat)))


def _keep_own_mask(block: SwinTransformerBlock, state: dict[str, Tensor], prefix: str, *_: object) -> None:
    """Let a state dict hold any ``attn_mask``, or none: a file that was trained at another size holds another."""
    if block.attn_mask is not None:
        state[prefix + "attn_mask"] = block.attn_mask


class SwinGroup(nn.Module):
    """Swin blocks in a row, with windows on and off the grid by turns."""

    def __init__(self, blocks: Sequence[SwinTransformerBlock]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)

    def forward(self, feat: Tensor, mask: Tensor) -> Tensor:
        """Map (B, h, w, C) to the same shape."""
        for block in self.blocks:
            feat = block(feat, mask)
        return feat


class RSTB(nn.Module):
    """Residual Swin transformer block: a group of blocks and a convolution under a skip (figure 2a)."""

    def __init__(self, dim: int, blocks: Sequence[SwinTransformerBlock], connection: ResiConnection) -> None:
        super().__init__()
        self.residual_group = SwinGroup(blocks)
        self.conv = _connection(dim, connection)

    def forward(self, feat: Tensor, mask: Tensor) -> Tensor:
        """Map (B, h, w, C) to the same shape."""
        return feat + self.conv(self.residual_group(feat, mask).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class SwinIR(nn.Module):
    """Swin transformer for image restoration.

    Weight init, as in the reference: linear layers and position tables normal with deviation 0.02, cut at 2, biases 0;
    convolutions PyTorch's default.

    Args:
        num_in_ch: channels of lq and of sr.
        upscale: scale; 1 with upsampler ``""``.
        embed_dim: width C of the trunk.
        depths: number of Swin blocks in each residual block.
        num_heads: heads of the attention in each residual block; they must divide C.
        window_size: side M of the windows.
        mlp_ratio: width of the feed-forward layers divided by C.
        upsampler: ``"pixelshuffle"`` (classical: 2, 3, 4, 8), ``"pixelshuffledirect"`` (light, any scale), ``"nearest+conv"``
            (real photographs: 2 or 4) or ``""`` (restoration: 1, with a skip around the whole network).
        num_feat: width of the tail of ``"pixelshuffle"`` and ``"nearest+conv"``.
        resi_connection: ``"1conv"``, or ``"3conv"`` for the large model.
        img_range: factor on the mean-shifted lq; 255 in the JPEG models.
        drop_path_rate: stochastic depth of the last block; it grows to that from 0 at the first.
        img_size: side of the pictures trained on; it sets the shape of a buffer that official files hold, and nothing else.

    Raises:
        UsageError: if the sizes do not go together, or the upsampler is unknown or has not that scale.
    """

    def __init__(
        self,
        *,
        num_in_ch: int = 3,
        upscale: int = 4,
        embed_dim: int = 180,
        depths: Sequence[int] = (6,) * 6,
        num_heads: Sequence[int] = (6,) * 6,
        window_size: int = 8,
        mlp_ratio: float = 2.0,
        upsampler: Upsampler = "pixelshuffle",
        resi_connection: ResiConnection = "1conv",
        num_feat: int = 64,
        img_range: float = 1.0,
        drop_path_rate: float = 0.1,
        img_size: int = 64,
    ) -> None:
        super().__init__()
        check_trunk("SwinIR", depths, num_heads, window_size, img_size)
        _check_forms(upsampler, upscale, resi_connection)
        self.num_in_ch, self.upscale, self.upsampler, self.img_range = num_in_ch, upscale, upsampler, img_range
        self.window_size, self.depths = window_size, tuple(depths)
        self.mean: Tensor
        self.register_buffer("mean", mean_of(num_in_ch), persistent=False)
        self.conv_first = nn.Conv2d(num_in_ch, embed_dim, 3, padding=1)
        self.patch_embed = nn.ModuleDict({"norm": nn.LayerNorm(embed_dim)})  # the reference's place for it
        self.layers = nn.ModuleList()
        for heads, rates in zip(num_heads, drop_rates(depths, drop_path_rate), strict=True):
            blocks = [
                SwinTransformerBlock(
                    embed_dim,
                    img_size=img_size,
                    num_heads=heads,
                    window_size=window_size,
                    shifted=index % 2 == 1,
                    mlp_ratio=mlp_ratio,
                    drop_path=rate,
                )
                for index, rate in enumerate(rates)
            ]
            self.layers.append(RSTB(embed_dim, blocks, resi_connection))
        self.norm = nn.LayerNorm(embed_dim)
        self.conv_after_body = _connection(embed_dim, resi_connection)
        self._build_tail(embed_dim, num_feat)
        self.apply(init_linear)

    def _build_tail(self, embed_dim: int, num_feat: int) -> None:
        if self.upsampler == "":
            self.conv_last = nn.Conv2d(embed_dim, self.num_in_ch, 3, padding=1)
            return
        if self.upsampler == "pixelshuffledirect":
            last = nn.Conv2d(embed_dim, self.num_in_ch * self.upscale**2, 3, padding=1)
            self.upsample = nn.Sequential(last, nn.PixelShuffle(self.upscale))
            return
        self.conv_before_upsample = nn.Sequential(nn.Conv2d(embed_dim, num_feat, 3, padding=1), nn.LeakyReLU(inplace=True))
        if self.upsampler == "pixelshuffle":
            self.upsample = shuffle_upsampler(num_feat, self.upscale, network="SwinIR", scales=SCALES)
        else:
            names = ["conv_up1", "conv_up2", "conv_hr"] if self.upscale == 4 else ["conv_up1", "conv_hr"]
            for name in names:
                self.add_module(name, nn.Conv2d(num_feat, num_feat, 3, padding=1))
        self.conv_last = nn.Conv2d(num_feat, self.num_in_ch, 3, padding=1)

    def forward(self, lq: Tensor) -> Tensor:
        """Map lq (B, num_in_ch, h, w), RGB in [0, 1], to sr (B, num_in_ch, H, W), not clamped."""
        height, width = lq.shape[-2:]
        padded = reflected_to_multiple(lq, self.window_size)
        shifted = (padded - self.mean) * self.img_range
        head = self.conv_first(shifted)  # (B, C, h, w)
        deep = head + self.conv_after_body(self._deep(head))
        sr = shifted + self.conv_last(deep) if self.upsampler == "" else self._enlarged(deep)
        sr = sr / self.img_range + self.mean
        return sr if padded is lq else sr[:, :, : height * self.upscale, : width * self.upscale]

    def _deep(self, head: Tensor) -> Tensor:
        mask = shift_mask(head.shape[-2], head.shape[-1], self.window_size, head)
        feat = self.patch_embed["norm"](head.permute(0, 2, 3, 1))  # (B, h, w, C)
        for layer in self.layers:
            feat = layer(feat, mask)
        return self.norm(feat).permute(0, 3, 1, 2)

    def _enlarged(self, deep: Tensor) -> Tensor:
        if self.upsampler == "pixelshuffledirect":
            return self.upsample(deep)
        feat = self.conv_before_upsample(deep)
        if self.upsampler == "pixelshuffle":
            return self.conv_last(self.upsample(feat))
        for name in ("conv_up1", "conv_up2")[: self.upscale // 2]:
            feat = _lrelu(self.get_submodule(name)(F.interpolate(feat, scale_factor=2.0, mode="nearest")))
        return self.conv_last(_lrelu(self.get_submodule("conv_hr")(feat)))

    def facts(self) -> ArchFacts:
        """Return what tiling and the catalogue need to know."""
        connection = 1 if isinstance(self.conv_after_body, nn.Conv2d) else 2
        path = [("conv", 1 if self.upsampler in ("", "pixelshuffledirect") else 3), ("conv", connection)]
        for depth in reversed(self.depths):
            path.append(("conv", connection))
            path += [("window", self.window_size // 2 * (index % 2)) for index in reversed(range(depth))]
        path.append(("conv", 1))
        return ArchFacts(
            scale=self.upscale,
            num_in_ch=self.num_in_ch,
            num_out_ch=self.num_in_ch,
            receptive_radius=window_radius(self.window_size, path),
            size=SizeRequirements(multiple=self.window_size, minimum=self.window_size),
        )


def _connection(dim: int, kind: ResiConnection) -> nn.Module:
    if kind == "1conv":
        return nn.Conv2d(dim, dim, 3, padding=1)
    return nn.Sequential(
        nn.Conv2d(dim, dim // 4, 3, padding=1),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(dim // 4, dim // 4, 1),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(dim // 4, dim, 3, padding=1),
    )


def _check_forms(upsampler: str, upscale: int, resi_connection: str) -> None:
    if upsampler not in get_args(Upsampler):
        known = ", ".join(f"'{name}'" for name in get_args(Upsampler))
        raise UsageError(f"unknown upsampler '{upsampler}' of SwinIR; known: {known}")
    if resi_connection not in get_args(ResiConnection):
        raise UsageError(f"unknown resi_connection '{resi_connection}' of SwinIR; known: {', '.join(get_args(ResiConnection))}")
    if upsampler == "nearest+conv" and upscale not in (2, 4):
        raise UsageError(f"upscale ({upscale}) of SwinIR with upsampler 'nearest+conv' must be 2 or 4")
    if upsampler == "" and upscale != 1:
        raise UsageError(f"upscale ({upscale}) of SwinIR with upsampler '' must be 1; choose another upsampler to enlarge")


def _lrelu(x: Tensor) -> Tensor:
    return F.leaky_relu(x, 0.2, inplace=True)
