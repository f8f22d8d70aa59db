"""SPAN, the Swift Parameter-free Attention Network: the default family of this project.

Paper: Wan et al., "Swift Parameter-free Attention Network for Efficient Super-Resolution", CVPRW 2024.
       https://arxiv.org/abs/2311.12770 -- figure 2 (network), figure 3 (block), section 3.3 (re-parameterised convolution).
Reference: hongyuanyu/SPAN, basicsr/archs/span_arch.py (Apache-2.0). Parameter names follow it, so official checkpoints
           load with ``strict=True`` into ``SPAN(reparam=True)``.

| variant        | feature_channels | num_block | scale | parameters, folded | with ``reparam`` |
| SPAN standard  |               48 |         6 |     4 |            426,288 |        2,236,728 |
| SPAN fast      |               32 |         6 |     4 |            194,608 |        1,001,704 |
| SPAN large     |               64 |         6 |     4 |            747,568 |        3,961,224 |
| SPAN restore, unshuffle 2 |   48 |         6 |     1 |            414,588 |        2,241,300 |

Three options are ours. ``skip="bilinear"`` adds the bilinearly enlarged input to the output, so that an untrained network already
interpolates; the paper has no such skip. ``reparam=False`` (the default) trains the folded 3x3 convolutions directly.
``unshuffle=2`` folds 2x2 pixels of lq into channels first, so that the trunk costs a quarter and sees twice as far.

Shapes: B batch, C = feature_channels, h w of lq, H = h * scale, W = w * scale.
Receptive radius: 3 * num_block + 3 pixels of lq (21 with six blocks), as every operation is a 3x3 convolution or pointwise;
with pixels folded by f, f * (3 * num_block + 3) + f - 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clearvision.archs.facts import ArchFacts
from clearvision.errors import UsageError
from clearvision.types import SizeRequirements

DIV2K_MEAN = (0.4488, 0.4371, 0.4040)
_GAINS = {"c1_r": 2.6, "c2_r": 1.5, "c3_r": 1.2}  # on unit variance: three times that within a block, 2.5 before the gate


class Conv3XC(nn.Module):
    """A 3x3 convolution that may be trained as 1x1 -> 3x3 -> 1x1 plus a 1x1 shortcut (section 3.3)."""

    def __init__(self, in_ch: int, out_ch: int, *, bias: bool, reparam: bool, gain: int = 2) -> None:
        super().__init__()
        self.eval_conv = nn.Conv2d(in_ch, out_ch, 3, padding=1, bias=bias)
        self.reparam = reparam
        if reparam:
            self.sk = nn.Conv2d(in_ch, out_ch, 1, bias=bias)
            self.conv = nn.Sequential(
                nn.Conv2d(in_ch, in_ch * gain, 1, bias=bias),
                nn.Conv2d(in_ch * gain, out_ch * gain, 3, bias=bias),
                nn.Conv2d(out_ch * gain, out_ch, 1, bias=bias),
            )
            self.eval_conv.requires_grad_(False)
            self.fold()

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_ch, h, w) to (B, out_ch, h, w)."""
        if self.reparam and self.training:
            # padded before the first 1x1, so that its bias reaches the border as it does in the folded form
            return self.conv(F.pad(x, (1, 1, 1, 1))) + self.sk(x)
        return self.eval_conv(x)

    def train(self, mode: bool = True) -> Conv3XC:
        """Switch mode; leaving training folds the branches into ``eval_conv``."""
        if self.reparam and self.training and not mode:
            self.fold()
        return super().train(mode)

    @torch.no_grad()
    def fold(self) -> None:
        """Write the branches' exact equivalent into ``eval_conv``."""
        first, middle, last = (layer.weight.double() for layer in self.conv if isinstance(layer, nn.Conv2d))
        weight = torch.einsum("om,mikl,ij->ojkl", last[:, :, 0, 0], middle, first[:, :, 0, 0])
        weight[:, :, 1, 1] += self.sk.weight.double()[:, :, 0, 0]
        self.eval_conv.weight.copy_(weight)
        if self.eval_conv.bias is not None and self.sk.bias is not None:
            bias_1, bias_2, bias_3 = (layer.bias.double() for layer in self.conv if isinstance(layer, nn.Conv2d))  # type: ignore[union-attr]
            inner = torch.einsum("mikl,i->m", middle, bias_1) + bias_2
            self.eval_conv.bias.copy_(last[:, :, 0, 0] @ inner + bias_3 + self.sk.bias.double())


class SPAB(nn.Module):
    """Swift parameter-free attention block: three convolutions whose output also gates itself (figure 3)."""

    def __init__(self, num_feat: int, *, bias: bool, reparam: bool) -> None:
        super().__init__()
        self.c1_r = Conv3XC(num_feat, num_feat, bias=bias, reparam=reparam)
        self.c2_r = Conv3XC(num_feat, num_feat, bias=bias, reparam=reparam)
        self.c3_r = Conv3XC(num_feat, num_feat, bias=bias, reparam=reparam)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map (B, C, h, w) to the block's output and its first activation, both (B, C, h, w)."""
        first = F.silu(self.c1_r(x))
        out = self.c3_r(F.silu(self.c2_r(first)))
        return (out + x) * (torch.sigmoid(out) - 0.5), first


class SPAN(nn.Module):
    """Swift Parameter-free Attention Network.

    Args:
        num_in_ch: channels of lq, 1 or 3.
        num_out_ch: channels of sr.
        feature_channels: width C; multiples of 16 suit the processor.
        num_block: attention blocks.
        upscale: integer scale.
        bias: whether the blocks' convolutions have a bias.
        img_range: factor on the mean-shifted input; 255 in the official files.
        rgb_mean: subtracted from lq, one value a channel; a single-channel network uses their mean.
        skip: ``"bilinear"`` adds the enlarged input to the output, ``"none"`` is the paper's network.
        reparam: train the re-parameterised branches; they fold when training ends.
        unshuffle: side of the square of lq's pixels folded into channels; lq's sides must be multiples of it.

    Raises:
        UsageError: if ``unshuffle`` is less than 1.
    """

    def __init__(
        self,
        *,
        num_in_ch: int = 3,
        num_out_ch: int = 3,
        feature_channels: int = 48,
        num_block: int = 6,
        upscale: int = 4,
        bias: bool = True,
        img_range: float = 255.0,
        rgb_mean: Sequence[float] = DIV2K_MEAN,
        skip: Literal["none", "bilinear"] = "none",
        reparam: bool = False,
        unshuffle: int = 1,
    ) -> None:
        super().__init__()
        if unshuffle < 1:
            raise UsageError(f"unshuffle ({unshuffle}) of SPAN must be 1 or more")
        self.unshuffle = unshuffle
        self.upscale, self.num_block, self.img_range, self.skip = upscale, num_block, img_range, skip
        self.num_in_ch, self.num_out_ch = num_in_ch, num_out_ch
        mean = torch.tensor(tuple(rgb_mean))
        mean = mean.mean(0, keepdim=True) if num_in_ch == 1 else mean
        self.mean: Tensor
        self.register_buffer("mean", mean.view(1, -1, 1, 1), persistent=False)
        width = feature_channels
        self.conv_1 = Conv3XC(num_in_ch * unshuffle**2, width, bias=True, reparam=reparam)
        for index in range(1, num_block + 1):
            self.add_module(f"block_{index}", SPAB(width, bias=bias, reparam=reparam))
        self.conv_cat = nn.Conv2d(width * 4, width, 1)
        self.conv_2 = Conv3XC(width, width, bias=True, reparam=reparam)
        factor = upscale * unshuffle
        self.upsampler = nn.Sequential(nn.Conv2d(width, num_out_ch * factor**2, 3, padding=1), nn.PixelShuffle(factor))
        self._init_weights()

    def _init_weights(self) -> None:
        """Keep PyTorch's initialisation; with a skip, start from a small residual and from blocks that all take part.

        A block multiplies its features with each other and passes nothing around itself, so weights of PyTorch's size make it
        pass on about the square of little: the blocks behind the first one are then silent and stay so (docs/LOG.md). With
        these, features leave every block as large as they came in, about 1.
        """
        if self.skip == "none":
            return
        for name, module in self.named_modules():
            if isinstance(module, Conv3XC) and not module.reparam:
                conv = module.eval_conv
                gain = _GAINS.get(name.rpartition(".")[2], 1.0)
                if name == "conv_1":
                    gain *= 4 / self.img_range  # pixels deviate from their mean by about a quarter
                nn.init.normal_(conv.weight, std=gain * (conv.in_channels * 9) ** -0.5)
                if conv.bias is not None:
                    nn.init.zeros_(conv.bias)
        last = self.upsampler[0]
        assert isinstance(last, nn.Conv2d)
        with torch.no_grad():
            last.weight.mul_(0.01)
            nn.init.zeros_(last.bias)  # type: ignore[arg-type]

    def forward(self, lq: Tensor) -> Tensor:
        """Map lq (B, 3, h, w), RGB in [0, 1], to sr (B, 3, H, W), not clamped."""
        shifted = (lq - self.mean) * self.img_range
        head = self.conv_1(F.pixel_unshuffle(shifted, self.unshuffle) if self.unshuffle > 1 else shifted)
        feat = first = after_first = head
        for index in range(1, self.num_block + 1):
            feat, first = self.get_submodule(f"block_{index}")(feat)
            if index == 1:
                after_first = feat
        fused = self.conv_cat(torch.cat([head, self.conv_2(feat), after_first, first], dim=1))
        sr = self.upsampler(fused)
        if self.skip == "bilinear":
            sr = sr + F.interpolate(lq, scale_factor=float(self.upscale), mode="bilinear", align_corners=False)
        return sr

    def facts(self) -> ArchFacts:
        """Return what tiling and the catalogue need to know."""
        return ArchFacts(
            scale=self.upscale,
            num_in_ch=self.num_in_ch,
            num_out_ch=self.num_out_ch,
            receptive_radius=self.unshuffle * (3 * self.num_block + 4) - 1,
            size=SizeRequirements(multiple=self.unshuffle, minimum=self.unshuffle),
        )
