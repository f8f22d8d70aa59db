"""RRDBNet, the generator of ESRGAN and Real-ESRGAN.

Paper: Wang et al., "ESRGAN: Enhanced Super-Resolution Generative Adversarial Networks", ECCVW 2018,
       https://arxiv.org/abs/1809.00219 -- section 3.1, figures 3 and 4. The x1 and x2 forms, which fold the input by
       pixel-unshuffle, are those of Real-ESRGAN, ICCVW 2021, https://arxiv.org/abs/2107.10833, section 3.4.
Reference: XPixelGroup/BasicSR, basicsr/archs/rrdbnet_arch.py (Apache-2.0). Parameter names follow it, so the official
           checkpoints load with ``strict=True``.

| variant                          | num_block | scale | parameters | radius | size multiple |
| ESRGAN, RealESRGAN_x4plus        |        23 |     4 | 16,697,987 |    349 |             1 |
| RealESRGAN_x2plus                |        23 |     2 | 16,703,171 |    698 |             2 |
| RRDBNet x1                       |        23 |     1 | 16,723,907 |  1,396 |             4 |
| RealESRGAN_x4plus_anime_6B       |         6 |     4 |  4,467,779 |     94 |             1 |
| RRDBNet 6B x2                    |         6 |     2 |  4,472,963 |    188 |             2 |
| RRDBNet 6B x1                    |         6 |     1 |  4,493,699 |    376 |             4 |

Shapes: B batch, C = num_feat, G = num_grow_ch, h w of lq, H = h * scale, W = w * scale; the trunk works on (h/f, w/f), where
f = 4 / scale is the fold of the pixel-unshuffle, and the tail enlarges that four times. ESRGAN's first code (its files have names
such as `model.1.sub.0.RDB1.conv1.0.weight`) folds nothing (f = 1) and has log2(scale) steps in the tail instead of two.

Receptive radius: f * (15 * num_block + 4) pixels of lq. On the trunk's grid conv_first and conv_body reach 1 each and a block
15 (three dense blocks whose longest path has five convolutions). In the tail the output row 4q + 3 reads 3 rows further at x4
(conv_last, conv_hr, conv_up2), that is row 2q + 3 at x2, then 2q + 4 (conv_up1), that is row q + 2 of the trunk; row 4q reaches
q - 2 by symmetry. So the tail adds 2, with any number of steps, and each row of the trunk is f rows of lq.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clearvision.archs.facts import ArchFacts
from clearvision.errors import UsageError
from clearvision.types import SizeRequirements

RESIDUAL_SCALE = 0.2  # section 3.1: residuals are scaled down before they are added, which keeps deep training stable
INIT_SCALE = 0.1  # section 3.1, "smaller initialization"; the value is that of the reference


class ResidualDenseBlock(nn.Module):
    """Five convolutions, each of which sees the outputs of all before it (figure 4)."""

    def __init__(self, num_feat: int, num_grow_ch: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(num_feat, num_grow_ch, 3, padding=1)
        self.conv2 = nn.Conv2d(num_feat + num_grow_ch, num_grow_ch, 3, padding=1)
        self.conv3 = nn.Conv2d(num_feat + 2 * num_grow_ch, num_grow_ch, 3, padding=1)
        self.conv4 = nn.Conv2d(num_feat + 3 * num_grow_ch, num_grow_ch, 3, padding=1)
        self.conv5 = nn.Conv2d(num_feat + 4 * num_grow_ch, num_feat, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, h, w) to the same shape."""
        seen = x
        for conv in (self.conv1, self.conv2, self.conv3, self.conv4):
            seen = torch.cat([seen, _lrelu(conv(seen))], dim=1)  # grows by G channels
        return x + RESIDUAL_SCALE * self.conv5(seen)


class RRDB(nn.Module):
    """Residual in residual dense block: three dense blocks under one more scaled skip (figure 4)."""

    def __init__(self, num_feat: int, num_grow_ch: int) -> None:
        super().__init__()
        self.rdb1 = ResidualDenseBlock(num_feat, num_grow_ch)
        self.rdb2 = ResidualDenseBlock(num_feat, num_grow_ch)
        self.rdb3 = ResidualDenseBlock(num_feat, num_grow_ch)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, h, w) to the same shape."""
        return x + RESIDUAL_SCALE * self.rdb3(self.rdb2(self.rdb1(x)))


class RRDBNet(nn.Module):
    """Network of residual-in-residual dense blocks, without normalisation.

    Weight init, as in the reference: convolutions of the dense blocks Kaiming normal times 0.1 with zero bias, the others
    PyTorch's default.

    Args:
        num_in_ch: channels of lq.
        num_out_ch: channels of sr.
        scale: 1, 2 or 4, without unshuffle also 8.
        num_feat: width C.
        num_block: number of RRDBs.
        num_grow_ch: channels G that each convolution of a dense block adds.
        unshuffle: whether the tail always enlarges four times and scales below 4 fold lq first, as in Real-ESRGAN; height and
            width of lq must then be multiples of 4 / scale. Otherwise, as in ESRGAN's first code, nothing is folded, and the tail
            has one step ``conv_up1`` ... for each doubling. For scale 4 it makes no difference.

    Raises:
        UsageError: if scale is none of these.
    """

    def __init__(
        self,
        *,
        num_in_ch: int = 3,
        num_out_ch: int = 3,
        scale: int = 4,
        num_feat: int = 64,
        num_block: int = 23,
        num_grow_ch: int = 32,
        unshuffle: bool = True,
    ) -> None:
        super().__init__()
        if scale not in ((1, 2, 4) if unshuffle else (1, 2, 4, 8)):
            raise UsageError(f"scale ({scale}) of RRDBNet must be 1, 2 or 4" + ("" if unshuffle else ", or 8"))
        self.num_in_ch, self.num_out_ch, self.scale, self.num_block = num_in_ch, num_out_ch, scale, num_block
        self.fold = 4 // scale if unshuffle else 1
        self.num_up = (scale * self.fold).bit_length() - 1
        self.conv_first = nn.Conv2d(num_in_ch * self.fold**2, num_feat, 3, padding=1)
        self.body = nn.Sequential(*(RRDB(num_feat, num_grow_ch) for _ in range(num_block)))
        self.conv_body = nn.Conv2d(num_feat, num_feat, 3, padding=1)
        for step in range(1, self.num_up + 1):
            self.add_module(f"conv_up{step}", nn.Conv2d(num_feat, num_feat, 3, padding=1))
        self.conv_hr = nn.Conv2d(num_feat, num_feat, 3, padding=1)
        self.conv_last = nn.Conv2d(num_feat, num_out_ch, 3, padding=1)
        self._init_weights()

    @torch.no_grad()
    def _init_weights(self) -> None:
        for layer in self.body.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight).mul_(INIT_SCALE)
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, lq: Tensor) -> Tensor:
        """Map lq (B, num_in_ch, h, w), RGB in [0, 1], to sr (B, num_out_ch, H, W), not clamped."""
        feat = self.conv_first(F.pixel_unshuffle(lq, self.fold) if self.fold > 1 else lq)  # (B, C, h/f, w/f)
        feat = feat + self.conv_body(self.body(feat))
        for step in range(1, self.num_up + 1):
            feat = _lrelu(self.get_submodule(f"conv_up{step}")(F.interpolate(feat, scale_factor=2.0, mode="nearest")))
        return self.conv_last(_lrelu(self.conv_hr(feat)))  # (B, num_out_ch, H, W)

    def facts(self) -> ArchFacts:
        """Return what tiling and the catalogue need to know."""
        return ArchFacts(
            scale=self.scale,
            num_in_ch=self.num_in_ch,
            num_out_ch=self.num_out_ch,
            receptive_radius=self.fold * (15 * self.num_block + 4),
            size=SizeRequirements(multiple=self.fold, minimum=self.fold),
            precisions=("bf16", "f16", "f32"),
        )


def _lrelu(x: Tensor) -> Tensor:
    return F.leaky_relu(x, 0.2, inplace=True)
