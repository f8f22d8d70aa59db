"""RDN, the residual dense network: every layer of a block sees all before it, and the last stage sees every block.

Paper: Zhang et al., "Residual Dense Network for Image Super-Resolution", CVPR 2018, https://arxiv.org/abs/1802.08797 --
       figures 2 and 3, sections 3 and 4.
Reference: yjn870/RDN-pytorch, models.py (MIT), whose parameter names mmagic took over, so the checkpoints of both load with
           ``strict=True``. The authors' files for sanghyun-son/EDSR-PyTorch say `SFENet1`, `SFENet2` for `sfe1`, `sfe2`,
           `RDBs.N.convs.M.conv.0` and `RDBs.N.LFF` for `rdbs.N.layers.M.conv` and `rdbs.N.lff`, `GFF.N` for `gff.N`, `UPNet.0`
           (at x4 also `.2`) for `upscale.0` (`.2`) and the last `UPNet.N` for `output`. They take and give 0 to 255: dividing
           every bias by 255 makes them take and give 0 to 1, exactly, as the network is otherwise homogeneous.

| variant                    | D = num_block | C = num_layer | G = num_grow_ch | x2         | x3         | x4         | radius |
| RDN                        |            16 |             8 |              64 | 22,123,395 | 22,308,035 | 22,271,107 |    133 |

Shapes: B batch, G0 = num_feat, h w of lq, H = h * upscale, W = w * upscale.
Receptive radius: num_block * num_layer + 5 pixels of lq. sfe1, sfe2 and the 3x3 of gff reach 1 each, a block one for each of its
layers, and the upsampler with the last convolution 2 (as in edsr.py).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clearvision.archs.facts import ArchFacts
from clearvision.archs.layers import shuffle_upsampler


class DenseLayer(nn.Module):
    """A convolution whose output is appended to its input."""

    def __init__(self, in_ch: int, num_grow_ch: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_ch, num_grow_ch, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_ch, h, w) to (B, in_ch + G, h, w)."""
        return torch.cat([x, F.relu(self.conv(x), inplace=True)], dim=1)


class ResidualDenseBlock(nn.Module):
    """Dense layers, fused by a 1x1 convolution and added to the block's input (figure 3)."""

    def __init__(self, num_feat: int, num_grow_ch: int, num_layer: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(DenseLayer(num_feat + index * num_grow_ch, num_grow_ch) for index in range(num_layer)))
        self.lff = nn.Conv2d(num_feat + num_layer * num_grow_ch, num_feat, 1)  # local feature fusion

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, G0, h, w) to the same shape."""
        return x + self.lff(self.layers(x))


class RDN(nn.Module):
    """Residual dense network.

    All convolutions keep PyTorch's initialisation, as in the reference.

    Args:
        num_in_ch: channels of lq.
        num_out_ch: channels of sr.
        num_feat: width G0 between the blocks.
        num_grow_ch: channels G that each layer of a block adds.
        num_block: residual dense blocks D.
        num_layer: layers C of a block.
        upscale: 2, 3, 4 or 8.

    Raises:
        UsageError: if upscale is none of these.
    """

    def __init__(
        self,
        *,
        num_in_ch: int = 3,
        num_out_ch: int = 3,
        num_feat: int = 64,
        num_grow_ch: int = 64,
        num_block: int = 16,
        num_layer: int = 8,
        upscale: int = 4,
    ) -> None:
        super().__init__()
        self.num_in_ch, self.num_out_ch, self.scale = num_in_ch, num_out_ch, upscale  # `upscale` is the upsampler's key
        self.num_block, self.num_layer = num_block, num_layer
        self.sfe1 = nn.Conv2d(num_in_ch, num_feat, 3, padding=1)  # shallow feature extraction
        self.sfe2 = nn.Conv2d(num_feat, num_feat, 3, padding=1)
        self.rdbs = nn.ModuleList(ResidualDenseBlock(num_feat, num_grow_ch, num_layer) for _ in range(num_block))
        self.gff = nn.Sequential(  # global feature fusion
            nn.Conv2d(num_feat * num_block, num_feat, 1), nn.Conv2d(num_feat, num_feat, 3, padding=1)
        )
        self.upscale = shuffle_upsampler(num_feat, upscale, network="RDN", scales=(2, 3, 4, 8))
        self.output = nn.Conv2d(num_feat, num_out_ch, 3, padding=1)

    def forward(self, lq: Tensor) -> Tensor:
        """Map lq (B, num_in_ch, h, w), RGB in [0, 1], to sr (B, num_out_ch, H, W), not clamped."""
        shallow = self.sfe1(lq)  # (B, G0, h, w)
        feat = self.sfe2(shallow)
        local = []
        for block in self.rdbs:
            feat = block(feat)
            local.append(feat)
        feat = self.gff(torch.cat(local, dim=1)) + shallow
        return self.output(self.upscale(feat))

    def facts(self) -> ArchFacts:
        """Return what tiling and the catalogue need to know."""
        return ArchFacts(
            scale=self.scale,
            num_in_ch=self.num_in_ch,
            num_out_ch=self.num_out_ch,
            receptive_radius=self.num_block * self.num_layer + 5,
        )
