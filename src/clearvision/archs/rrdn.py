"""RRDN: RDN's dense blocks in ESRGAN's residual-in-residual arrangement, as Keras users know it.

Paper: Wang et al., "ESRGAN: Enhanced Super-Resolution Generative Adversarial Networks", ECCVW 2018,
       https://arxiv.org/abs/1809.00219 -- section 3.1; dense blocks after Zhang et al., CVPR 2018,
       https://arxiv.org/abs/1802.08797.
Reference: idealo/image-super-resolution, ISR/models/rrdn.py (Apache-2.0). Layer names follow it, so a Keras kernel (kh, kw, in,
           out) transposed to (out, in, kh, kw) goes under its own name. One thing differs: TensorFlow's ``depth_to_space`` orders
           channels (row, column, colour), PyTorch's shuffle (colour, row, column), so the output channels of `PreShuffle` must be
           reordered: ours c * x * x + i is theirs i * num_out_ch + c, with i in 0 ... x * x - 1.

| variant            | C = num_layer | D = num_dense | G = num_grow_ch | G0 = num_feat | T = num_block | x4        | radius |
| RRDN "GANS"        |             4 |             3 |              32 |            32 |            10 | 4,176,100 |    154 |

Shapes: B batch, G0 = num_feat, h w of lq, H = h * upscale, W = w * upscale.
Receptive radius: num_block * num_dense * (num_layer + 1) + 4 pixels of lq. Pre_blocks_conv, post_blocks_conv and PreShuffle reach
1 each, a dense block one for each of its layers and one for its 3x3 fusion; SR works on enlarged pixels, where its 1 reaches into
the next pixel of lq.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clearvision.archs.facts import ArchFacts
from clearvision.errors import UsageError

RESIDUAL_SCALE = 0.2  # "beta" of the reference
INIT_BOUND = 0.05  # weights start uniform in +- this


class RRDN(nn.Module):
    """Residual in residual dense network.

    Weight init, as in the reference: every convolution uniform in [-0.05, 0.05], with zero bias.

    Args:
        num_in_ch: channels of lq.
        num_out_ch: channels of sr.
        num_feat: width G0 between the dense blocks.
        num_grow_ch: channels G that each layer of a dense block adds.
        num_block: residual-in-residual blocks T.
        num_dense: dense blocks D in each of them.
        num_layer: layers C of a dense block.
        upscale: 1, 2, 3, 4 or 8, by one pixel shuffle.

    Raises:
        UsageError: if upscale is none of these.
    """

    def __init__(
        self,
        *,
        num_in_ch: int = 3,
        num_out_ch: int = 3,
        num_feat: int = 32,
        num_grow_ch: int = 32,
        num_block: int = 10,
        num_dense: int = 3,
        num_layer: int = 4,
        upscale: int = 4,
    ) -> None:
        super().__init__()
        if upscale not in (1, 2, 3, 4, 8):
            raise UsageError(f"upscale ({upscale}) of RRDN must be 1, 2, 3, 4 or 8")
        self.num_in_ch, self.num_out_ch, self.upscale = num_in_ch, num_out_ch, upscale
        self.num_block, self.num_dense, self.num_layer = num_block, num_dense, num_layer
        # one flat list of layers, numbered from 1: the names are those of the Keras model
        self.Pre_blocks_conv = nn.Conv2d(num_in_ch, num_feat, 3, padding=1)
        for t in range(1, num_block + 1):
            for d in range(1, num_dense + 1):
                for c in range(1, num_layer + 1):
                    width = num_feat + (c - 1) * num_grow_ch
                    self.add_module(f"F_{t}_{d}_{c}", nn.Conv2d(width, num_grow_ch, 3, padding=1))
                self.add_module(f"LFF_{t}_{d}", nn.Conv2d(num_feat + num_layer * num_grow_ch, num_feat, 3, padding=1))
        self.post_blocks_conv = nn.Conv2d(num_feat, num_feat, 3, padding=1)
        self.PreShuffle = nn.Conv2d(num_feat, num_out_ch * upscale**2, 3, padding=1)
        self.SR = nn.Conv2d(num_out_ch, num_out_ch, 3, padding=1)
        self._init_weights()

    @torch.no_grad()
    def _init_weights(self) -> None:
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.uniform_(layer.weight, -INIT_BOUND, INIT_BOUND)
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, lq: Tensor) -> Tensor:
        """Map lq (B, num_in_ch, h, w), RGB in [0, 1], to sr (B, num_out_ch, H, W), not clamped."""
        shallow = feat = self.Pre_blocks_conv(lq)  # (B, G0, h, w)
        for t in range(1, self.num_block + 1):
            inner = feat
            for d in range(1, self.num_dense + 1):
                inner = inner + RESIDUAL_SCALE * self._dense_block(inner, t, d)
            feat = feat + RESIDUAL_SCALE * inner
        feat = self.post_blocks_conv(feat) + shallow
        return self.SR(F.pixel_shuffle(self.PreShuffle(feat), self.upscale))

    def _dense_block(self, x: Tensor, t: int, d: int) -> Tensor:
        """Return the fused output (B, G0, h, w) of the layers ``F_t_d_*``, without its residual."""
        for c in range(1, self.num_layer + 1):
            x = torch.cat([x, F.relu(self.get_submodule(f"F_{t}_{d}_{c}")(x), inplace=True)], dim=1)
        return self.get_submodule(f"LFF_{t}_{d}")(x)

    def facts(self) -> ArchFacts:
        """Return what tiling and the catalogue need to know."""
        return ArchFacts(
            scale=self.upscale,
            num_in_ch=self.num_in_ch,
            num_out_ch=self.num_out_ch,
            receptive_radius=self.num_block * self.num_dense * (self.num_layer + 1) + 4,
            precisions=("bf16", "f16", "f32"),
        )
