"""ClearVision's generator: dense blocks that weigh all they have computed by channel attention before they fuse it.

Paper: none; the blocks combine the residual dense block of Zhang et al., CVPR 2018, https://arxiv.org/abs/1802.08797, with the
       channel attention of Woo et al., "CBAM", ECCV 2018, https://arxiv.org/abs/1807.06521, section 3.1.
Reference: the first ClearVision, a notebook for faces of 32 to 128 pixels. Parameter names and shapes are its own, so its files
           load with ``strict=True`` into ``ClearVisionNet(dense_act="none", output="tanh")``. The defaults differ where that was
           wrong: its tanh cannot be trained against pictures in [0, 1] without wasting half its range, so the output is linear;
           its dense layers had nothing between them and so were one convolution, so a leaky ReLU follows each. It takes any size,
           and scales 1, 2, 4.

| variant                  | num_feat | num_grow_ch | num_block | scale | parameters | radius |
| ClearVision x4           |       64 |          32 |         6 |     4 |    674,565 | global |
| ClearVision x2           |       64 |          32 |         6 |     2 |    526,852 | global |
| ClearVision restore      |       64 |          32 |         6 |     1 |    379,139 | global |

Shapes: B batch, C = num_feat, G = num_grow_ch, D = C + 2 G, h w of lq, H = h * scale, W = w * scale.
Receptive radius: none below the whole picture, because channel attention takes averages and maxima over it. A tile therefore
differs from the same window of the whole, the more the smaller it is.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clearvision.archs.facts import ArchFacts
from clearvision.errors import UsageError

NUM_LAYER = 2  # dense layers of a block
SQUEEZE = 16  # attention works on a sixteenth of the channels

DenseAct = Literal["leakyrelu", "none"]
Output = Literal["linear", "tanh"]


class ChannelAttention(nn.Module):
    """Weigh each channel by a function of all channels' averages and of all their maxima."""

    def __init__(self, num_ch: int) -> None:
        super().__init__()
        squeezed = max(num_ch // SQUEEZE, 1)
        self.fc = nn.Sequential(nn.Conv2d(num_ch, squeezed, 1, bias=False), nn.ReLU(), nn.Conv2d(squeezed, num_ch, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, D, h, w) to the same shape."""
        return x * torch.sigmoid(self.fc(x.mean((2, 3), keepdim=True)) + self.fc(x.amax((2, 3), keepdim=True)))


class ResidualDenseBlock(nn.Module):
    """Two dense layers, channel attention over all, a fusing 1x1 convolution, added to the input."""

    def __init__(self, num_feat: int, num_grow_ch: int, dense_act: DenseAct) -> None:
        super().__init__()
        self.dense_act = dense_act
        self.layers = nn.ModuleList(
            nn.Conv2d(num_feat + index * num_grow_ch, num_grow_ch, 3, padding=1) for index in range(NUM_LAYER)
        )
        self.ca = ChannelAttention(num_feat + NUM_LAYER * num_grow_ch)
        self.reduce = nn.Conv2d(num_feat + NUM_LAYER * num_grow_ch, num_feat, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, h, w) to the same shape."""
        seen = x
        for layer in self.layers:
            grown = layer(seen)
            seen = torch.cat([seen, F.leaky_relu(grown, 0.2) if self.dense_act == "leakyrelu" else grown], dim=1)  # (B, D, h, w)
        return x + self.reduce(self.ca(seen))


class ClearVisionNet(nn.Module):
    """Dense blocks with channel attention, then pixel shuffle.

    All convolutions keep PyTorch's initialisation, slopes start at 0.25: both as in the reference.

    Args:
        num_in_ch: channels of lq.
        num_out_ch: channels of sr.
        num_feat: width C.
        num_grow_ch: channels G that each dense layer adds.
        num_block: blocks.
        scale: 1, 2 or 4.
        dense_act: what follows a dense layer; ``none`` for files of the reference.
        output: ``linear``, or ``tanh`` for files of the reference.

    Raises:
        UsageError: if scale, dense_act or output is none of these.
    """

    def __init__(
        self,
        *,
        num_in_ch: int = 3,
        num_out_ch: int = 3,
        num_feat: int = 64,
        num_grow_ch: int = 32,
        num_block: int = 6,
        scale: int = 4,
        dense_act: DenseAct = "leakyrelu",
        output: Output = "linear",
    ) -> None:
        super().__init__()
        if scale not in (1, 2, 4):
            raise UsageError(f"scale ({scale}) of ClearVisionNet must be 1, 2 or 4")
        if dense_act not in get_args(DenseAct):
            raise UsageError(f"unknown dense_act '{dense_act}' of ClearVisionNet; known: {', '.join(get_args(DenseAct))}")
        if output not in get_args(Output):
            raise UsageError(f"unknown output '{output}' of ClearVisionNet; known: {', '.join(get_args(Output))}")
        self.num_in_ch, self.num_out_ch, self.scale, self.output = num_in_ch, num_out_ch, scale, output
        self.conv1 = nn.Conv2d(num_in_ch, num_feat, 3, padding=1)
        self.rrdb = nn.Sequential(*(ResidualDenseBlock(num_feat, num_grow_ch, dense_act) for _ in range(num_block)))
        self.conv2 = nn.Conv2d(num_feat, num_feat, 3, padding=1)
        self.upsample = nn.Sequential()
        for _ in range(scale // 2):
            self.upsample.extend((nn.Conv2d(num_feat, num_feat * 4, 3, padding=1), nn.PixelShuffle(2), nn.PReLU()))
        self.conv3 = nn.Conv2d(num_feat, num_out_ch, 3, padding=1)

    def forward(self, lq: Tensor) -> Tensor:
        """Map lq (B, num_in_ch, h, w), RGB in [0, 1], to sr (B, num_out_ch, H, W), not clamped."""
        feat = self.conv1(lq)  # (B, C, h, w)
        feat = feat + self.conv2(self.rrdb(feat))
        sr = self.conv3(self.upsample(feat))
        return torch.tanh(sr) if self.output == "tanh" else sr

    def facts(self) -> ArchFacts:
        """Return what tiling and the catalogue need to know."""
        return ArchFacts(scale=self.scale, num_in_ch=self.num_in_ch, num_out_ch=self.num_out_ch, receptive_radius=None)
