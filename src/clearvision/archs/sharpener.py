"""A learned sharpener: a few 5x5 convolutions that add detail to a picture of any size, after enlarging or by itself.

Paper: none. It is the "Deblurrer" that SRGAN projects put behind their generator, three residual pairs of 5x5 convolutions, set
       right: every pair is wider inside than the picture, starts near zero, so that the untrained sharpener hardly changes
       anything, and nothing follows the last sum, so that black stays reachable from both sides.

| variant                                  | num_feat | num_block | parameters | radius |
| Sharpener                                |       32 |         3 |     14,505 |     12 |
| of the width of the picture, as the first |       3 |         3 |      1,368 |     12 |

Shapes: B batch, F = num_feat, h w of lq and of sr: the scale is 1.
Receptive radius: 4 * num_block pixels, as each pair has two 5x5 convolutions.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clearvision.archs.facts import ArchFacts

INIT_SCALE = 0.1  # of each pair's second convolution


class SharpenBlock(nn.Module):
    """Two 5x5 convolutions with a leaky ReLU between, dropped out and added to their input."""

    def __init__(self, num_ch: int, num_feat: int, dropout: float) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(num_ch, num_feat, 5, padding=2)
        self.conv2 = nn.Conv2d(num_feat, num_ch, 5, padding=2)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, h, w) to the same shape."""
        return x + self.dropout(self.conv2(F.leaky_relu(self.conv1(x), 0.2)))


class Sharpener(nn.Module):
    """Residual sharpener.

    Weight init: PyTorch's, but the second convolution of each pair times 0.1 with zero bias.

    Args:
        num_in_ch: channels of lq and of sr.
        num_feat: channels F inside a pair.
        num_block: pairs of convolutions.
        dropout: share of a pair's output that is dropped in training.
    """

    def __init__(self, *, num_in_ch: int = 3, num_feat: int = 32, num_block: int = 3, dropout: float = 0.0) -> None:
        super().__init__()
        self.num_in_ch, self.num_block = num_in_ch, num_block
        self.body = nn.Sequential(*(SharpenBlock(num_in_ch, num_feat, dropout) for _ in range(num_block)))
        self._init_weights()

    @torch.no_grad()
    def _init_weights(self) -> None:
        for block in self.body:
            assert isinstance(block, SharpenBlock)
            block.conv2.weight.mul_(INIT_SCALE)
            nn.init.zeros_(block.conv2.bias)  # type: ignore[arg-type]

    def forward(self, lq: Tensor) -> Tensor:
        """Map lq (B, num_in_ch, h, w), RGB in [0, 1], to sr of the same shape, not clamped."""
        return self.body(lq)

    def facts(self) -> ArchFacts:
        """Return what tiling and the catalogue need to know."""
        return ArchFacts(
            scale=1,
            num_in_ch=self.num_in_ch,
            num_out_ch=self.num_in_ch,
            receptive_radius=4 * self.num_block,
            precisions=("bf16", "f16", "f32"),
        )
