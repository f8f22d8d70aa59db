"""What SwinIR, DRCT and HAT have in common: windows, their shift, position tables, feed-forward layers.

Papers: Liu et al., "Swin Transformer: Hierarchical Vision Transformer using Shifted Windows", ICCV 2021,
        https://arxiv.org/abs/2103.14030 -- sections 3.1 and 3.2; stochastic depth: Huang et al., ECCV 2016,
        https://arxiv.org/abs/1603.09382.
Reference: JingyunLiang/SwinIR, models/network_swinir.py (Apache-2.0). Attribute names follow it.

Shapes: B batch, C channels, M side of a window, N = M * M its pixels, h w of the feature map, multiples of M, and
n = h * w / N windows a picture. Feature maps are (B, h, w, C) here: normalisation and linear layers work on the last axis.

A shifted window at the edge of the map holds pixels from opposite edges. Attention between them is suppressed by adding -100 to
its logits, as in the reference: their weights are at most e^-100 of the others' and vanish in float32, unless logits differ by
more than about 80.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clearvision.archs.layers import DIV2K_MEAN
from clearvision.errors import UsageError

SUPPRESSED = -100.0  # logit added between pixels that a shifted window brings together from opposite edges
_INIT_STD = 0.02


def reflected_to_multiple(lq: Tensor, multiple: int) -> Tensor:
    """Return lq (B, C, h, w) with both sides at the next multiple; what is added repeats by reflection.

    The very tensor comes back if its sides fit, so an exported graph, traced at such a size, holds no padding.
    """
    height, width = lq.shape[-2:]
    if height % multiple == 0 and width % multiple == 0:
        return lq
    rows, columns = (_reflected(side, -side % multiple, lq.device) for side in (height, width))
    return lq[:, :, rows][:, :, :, columns]


def _reflected(size: int, extra: int, device: torch.device) -> Tensor:
    index = torch.arange(size + extra, device=device) % max(2 * size - 2, 1)
    return torch.minimum(index, 2 * size - 2 - index)


def to_windows(feat: Tensor, window: int) -> Tensor:
    """Cut (B, h, w, C) into (B * n, N, C), picture by picture and row by row."""
    batch, height, width, channels = feat.shape
    cut = feat.reshape(batch, height // window, window, width // window, window, channels)
    return cut.transpose(2, 3).reshape(-1, window * window, channels)


def from_windows(windows: Tensor, window: int, height: int, width: int) -> Tensor:
    """Put (B * n, N, C) back together to (B, h, w, C)."""
    channels = windows.shape[-1]
    cut = windows.reshape(-1, height // window, width // window, window, window, channels)
    return cut.transpose(2, 3).reshape(-1, height, width, channels)


def shift_mask(height: int, width: int, window: int, like: Tensor) -> Tensor:
    """Return (n, N, N): what is added to the logits of shifted windows, 0 within a region and -100 across.

    Args:
        height: rows of the feature map.
        width: columns.
        window: side M; the shift is M // 2.
        like: gives dtype and device.
    """
    rows, columns = (_region(side, window, like.device) for side in (height, width))
    region = to_windows((3 * rows[:, None] + columns)[None, :, :, None], window)  # (n, N, 1)
    return (region != region.mT).to(like.dtype) * SUPPRESSED


def _region(side: int, window: int, device: torch.device) -> Tensor:
    place = torch.arange(side, device=device)
    return (place >= side - window).long() + (place >= side - window // 2).long()


def pair_index(offsets: Tensor, span: int) -> Tensor:
    """Return the table's row for every pair of a query's and a key's pixel, (Q * Q, K * K), int64.

    Args:
        offsets: (Q, K), number of the relative position along one axis, for squares of Q and K pixels a side.
        span: how many relative positions an axis has.
    """
    query_side, key_side = offsets.shape
    return (offsets[:, None, :, None] * span + offsets[None, :, None, :]).reshape(query_side**2, key_side**2)


def window_index(window: int) -> Tensor:
    """Return :func:`pair_index` within a window, (N, N): offsets are query minus key, from 0 up."""
    place = torch.arange(window)
    return pair_index(place[:, None] - place[None, :] + window - 1, 2 * window - 1)


class DropPath(nn.Module):
    """Stochastic depth: in training, skip a residual branch for whole pictures and scale the others up."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, ...) to the same shape; the identity outside training."""
        if self.rate == 0 or not self.training:
            return x
        keep = 1 - self.rate
        return x * (torch.rand(len(x), *[1] * (x.ndim - 1), device=x.device) < keep).to(x.dtype) / keep


class Mlp(nn.Module):
    """Two linear layers with a GELU between them."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., C) to the same shape."""
        return self.fc2(F.gelu(self.fc1(x)))


class WindowAttention(nn.Module):
    """Multi-head self-attention within windows, with a learned bias for each relative position.

    Args:
        dim: channels C.
        window: side M.
        num_heads: heads; they must divide C.
        keep_index: hold the pairs' table rows as a buffer, as SwinIR's and DRCT's files do.

    Raises:
        UsageError: if the heads do not divide the channels.
    """

    def __init__(self, dim: int, window: int, num_heads: int, *, keep_index: bool) -> None:
        super().__init__()
        check_heads(dim, num_heads)
        self.num_heads = num_heads
        self.relative_position_bias_table = init_table((2 * window - 1) ** 2, num_heads)
        if keep_index:
            self.register_buffer("relative_position_index", window_index(window))
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor, index: Tensor, mask: Tensor | None) -> Tensor:
        """Map windows (B * n, N, C) to the same shape.

        Args:
            x: the windows.
            index: (N, N), row of the position table for every pair.
            mask: (n, N, N), added to the logits, or None.
        """
        query, key, value = self.qkv(x).unflatten(-1, (3, self.num_heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        mixed = attend(query, key, value, self.relative_position_bias_table[index], mask)
        return self.proj(mixed)


def attend(query: Tensor, key: Tensor, value: Tensor, bias: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return softmax(query key^T / sqrt(d) + bias + mask) value with the heads side by side, (B * n, N, C).

    Args:
        query: (B * n, heads, N, d).
        key: (B * n, heads, K, d).
        value: like key.
        bias: (N, K, heads).
        mask: (n, N, K) or None.
    """
    logits = (query * query.shape[-1] ** -0.5) @ key.mT + bias.permute(2, 0, 1)
    if mask is not None:
        logits = (logits.unflatten(0, (-1, mask.shape[0])) + mask[:, None]).flatten(0, 1)
    return (logits.softmax(-1) @ value).transpose(1, 2).flatten(2)


def mean_of(num_in_ch: int) -> Tensor:
    """Return what is subtracted from lq, (1, C, 1, 1): the mean of DIV2K for RGB, 0 for other channels, as in the references."""
    return torch.tensor(DIV2K_MEAN).view(1, 3, 1, 1) if num_in_ch == 3 else torch.zeros(1, 1, 1, 1)


def init_table(num_positions: int, num_heads: int) -> nn.Parameter:
    """Return a table of position biases, (num_positions, num_heads), normal with deviation 0.02, cut at 2."""
    return nn.Parameter(nn.init.trunc_normal_(torch.zeros(num_positions, num_heads), std=_INIT_STD))


def init_linear(module: nn.Module) -> None:
    """Draw a linear layer's weights from a normal distribution of deviation 0.02, cut at 2; set its bias to 0. For ``apply``."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=_INIT_STD)
        nn.init.zeros_(module.bias)


def drop_rates(depths: Sequence[int], rate: float) -> list[list[float]]:
    """Return the rate of each block, group by group: it grows evenly from 0 to ``rate`` along the network."""
    total = sum(depths)
    rates = [rate * index / max(total - 1, 1) for index in range(total)]
    return [rates[sum(depths[:group]) : sum(depths[: group + 1])] for group in range(len(depths))]


def check_trunk(
    name: str, depths: Sequence[int], num_heads: Sequence[int], window_size: int, img_size: int | None = None
) -> None:
    """Refuse sizes that do not go together.

    Raises:
        UsageError: with the network's name, the values and what is allowed.
    """
    if len(depths) != len(num_heads) or not depths:
        raise UsageError(f"depths ({len(depths)} entries) and num_heads ({len(num_heads)}) of {name} must be equally long")
    if window_size < 2:
        raise UsageError(f"window_size ({window_size}) of {name} must be at least 2")
    if img_size is not None and (img_size <= window_size or img_size % window_size):
        raise UsageError(f"img_size ({img_size}) of {name} must be a multiple of window_size ({window_size}) and larger")


def check_heads(dim: int, num_heads: int) -> None:
    """Refuse heads that do not divide the channels.

    Raises:
        UsageError: if they do not.
    """
    if num_heads < 1 or dim % num_heads:
        raise UsageError(f"num_heads ({num_heads}) must divide the {dim} channels that they share")


def window_radius(window: int, path: Sequence[tuple[str, int]]) -> int:
    """Return how far an output pixel looks through windows and convolutions, in pixels of the map.

    A window pixel reads its whole window, so the reach depends on where in its window a pixel lies: the worst is returned.

    Args:
        window: side M.
        path: the longest path from output to input: ``("conv", r)`` reads r pixels further on each side, ``("window", s)`` reads
            to the edges of windows that begin at s plus multiples of M.
    """
    radius = 0
    for place in range(window):
        low = high = place
        for kind, value in path:
            if kind == "conv":
                low, high = low - value, high + value
            else:
                low = (low - value) // window * window + value
                high = (high - value) // window * window + value + window - 1
        radius = max(radius, place - low, high - place)
    return radius
