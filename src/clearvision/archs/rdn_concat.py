"""RDNConcat: RDN's dense blocks with every addition replaced by a concatenation, enlarged by transposed convolutions.

Paper: after Zhang et al., "Residual Dense Network for Image Super-Resolution", CVPR 2018, https://arxiv.org/abs/1802.08797.
Reference: a Keras network that goes by the name "RDN" and differs from the paper (which is rdn.py): a block fuses its input *and*
           its dense stack, which begins with that input, so that the input comes twice; nothing is added to it. The features of
           the first layer are concatenated with the global fusion instead of added. ReLU also follows the local fusion, the
           enlargement is two transposed convolutions with ReLU, and a sigmoid ends it. It is here so that such files load.

| variant                    | num_block | num_layer | num_grow_ch | num_first | num_feat | x4      | radius |
| RDNConcat                  |         4 |         3 |          16 |        32 |       64 | 314,115 |     15 |

Shapes: B batch, F = num_first, G = num_grow_ch, C = num_feat, h w of lq, H = h * upscale, W = w * upscale.
A Keras kernel (kh, kw, in, out) transposed to (out, in, kh, kw) is ours; that of a transposed convolution, (kh, kw, out, in), to
(in, out, kh, kw). Keras' padding "same" of the latter cuts the last row and column off, so it is done here by cutting too.
Receptive radius: num_block * num_layer + 3 pixels of lq. conv_first and merge reach 1 each, a block one for each of its layers.
In the tail the output row 4q reads row 4q - 1 (conv_last), that is row 2q - 1 at x2 and q - 1 of lq; row 4q + 3 reads 4q + 4,
that is 2q + 2 at x2, which lies over q + 1. So the tail adds 1, at every scale.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clearvision.archs.facts import ArchFacts
from clearvision.errors import UsageError

STAGES = ("first", "dense", "local", "global", "merge", "up")


class ConcatBlock(nn.Module):
    """Dense layers, fused with the block's input by a 1x1 convolution."""

    def __init__(self, in_ch: int, num_grow_ch: int, num_layer: int, num_feat: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Conv2d(in_ch + index * num_grow_ch, num_grow_ch, 3, padding=1) for index in range(num_layer)
        )
        self.fuse = nn.Conv2d(2 * in_ch + num_layer * num_grow_ch, num_feat, 1)


class RDNConcat(nn.Module):
    """Dense blocks joined by concatenations.

    Weight init, as Keras does by default: every convolution uniform after Glorot, with zero bias.

    Args:
        num_in_ch: channels of lq.
        num_out_ch: channels of sr.
        num_first: channels F of the first convolution.
        num_feat: width C of each fusion and of the tail.
        num_grow_ch: channels G that each layer of a block adds.
        num_block: dense blocks.
        num_layer: layers of a block.
        upscale: 2, 4 or 8, by one transposed convolution for each doubling.
        relu_after: the stages that a ReLU follows, of ``first`` (the first convolution), ``dense`` (layers of a block), ``local``
            (fusion of a block), ``global`` (fusion of all blocks), ``merge`` (3x3 after it) and ``up`` (transposed convolutions).

    Raises:
        UsageError: if upscale or a stage is none of these.
    """

    def __init__(
        self,
        *,
        num_in_ch: int = 3,
        num_out_ch: int = 3,
        num_first: int = 32,
        num_feat: int = 64,
        num_grow_ch: int = 16,
        num_block: int = 4,
        num_layer: int = 3,
        upscale: int = 4,
        relu_after: Sequence[str] = ("dense", "local", "up"),
    ) -> None:
        super().__init__()
        if upscale not in (2, 4, 8):
            raise UsageError(f"upscale ({upscale}) of RDNConcat must be 2, 4 or 8")
        if unknown := [stage for stage in relu_after if stage not in STAGES]:
            raise UsageError(f"relu_after of RDNConcat has no stage {', '.join(map(repr, unknown))}; stages: {', '.join(STAGES)}")
        self.num_in_ch, self.num_out_ch, self.scale = num_in_ch, num_out_ch, upscale
        self.num_block, self.num_layer, self.relu_after = num_block, num_layer, frozenset(relu_after)
        self.conv_first = nn.Conv2d(num_in_ch, num_first, 3, padding=1)
        self.blocks = nn.ModuleList(
            ConcatBlock(num_feat if index else num_first, num_grow_ch, num_layer, num_feat) for index in range(num_block)
        )
        self.fuse = nn.Conv2d(num_feat * num_block, num_feat, 1)
        self.merge = nn.Conv2d(num_feat + num_first, num_feat, 3, padding=1)
        steps = upscale.bit_length() - 1
        self.up = nn.ModuleList(nn.ConvTranspose2d(num_feat, num_feat, 3, stride=2) for _ in range(steps))
        self.conv_last = nn.Conv2d(num_feat, num_out_ch, 3, padding=1)
        self._init_weights()

    @torch.no_grad()
    def _init_weights(self) -> None:
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, lq: Tensor) -> Tensor:
        """Map lq (B, num_in_ch, h, w), RGB in [0, 1], to sr (B, num_out_ch, H, W) in [0, 1]."""
        shallow = x = self._relu("first", self.conv_first(lq))  # (B, F, h, w)
        local = []
        for block in self.blocks:
            x = self._block(block, x)  # type: ignore[arg-type]
            local.append(x)
        x = self._relu("global", self.fuse(torch.cat(local, dim=1)))
        x = self._relu("merge", self.merge(torch.cat([x, shallow], dim=1)))
        for enlarge in self.up:
            x = self._relu("up", enlarge(x)[..., :-1, :-1])
        return torch.sigmoid(self.conv_last(x))

    def _block(self, block: ConcatBlock, x: Tensor) -> Tensor:
        """Map (B, F or C, h, w) to (B, C, h, w)."""
        stack = x
        for layer in block.layers:
            stack = torch.cat([stack, self._relu("dense", layer(stack))], dim=1)
        return self._relu("local", block.fuse(torch.cat([x, stack], dim=1)))

    def _relu(self, stage: str, x: Tensor) -> Tensor:
        return F.relu(x) if stage in self.relu_after else x

    def facts(self) -> ArchFacts:
        """Return what tiling and the catalogue need to know."""
        return ArchFacts(
            scale=self.scale,
            num_in_ch=self.num_in_ch,
            num_out_ch=self.num_out_ch,
            receptive_radius=self.num_block * self.num_layer + 3,
        )
