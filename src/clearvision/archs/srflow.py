"""SRFlow, a normalising flow: it learns the distribution of sharp pictures given a small one, and draws from it.

Paper: Lugmayr et al., "SRFlow: Learning the Super-Resolution Space with Normalizing Flow", ECCV 2020,
       https://arxiv.org/abs/2006.14200 -- section 3, figure 2; the flow is Glow's, https://arxiv.org/abs/1807.03039.
Reference: andreas128/SRFlow, code/models/modules (CC BY-NC-SA 4.0; read for its structure, not copied). Keys and shapes of the
           state dict follow it in full, so the official files of SRFlow_DF2K_4X, SRFlow_DF2K_8X and SRFlow_CelebA_8X load
           with ``strict=True``. Four of its layers (two of the RRDB net's tail, its last upconv, ``flowUpsamplerNet.f``)
           compute nothing that the flow reads; they are kept, frozen, because the files hold them.

| variant    | scale | num_block | stacked      | parameters | of them used |
| DF2K 4X    |     4 |        23 | 1, 8, 15, 22 | 39,541,811 |   39,189,648 |
| DF2K 8X    |     8 |        23 | 1, 8, 15, 22 | 50,821,891 |   50,469,728 |
| CelebA 8X  |     8 |         8 | 1, 3, 5, 7   | 40,030,531 |   39,678,368 |

``loss(lq, gt)`` is what training minimises: minus the log-likelihood of gt given lq, in bits a value. ``forward`` and ``sample``
draw a picture: the latents are normal with deviation ``heat`` (the paper's temperature; 0 gives a soft picture without noise) and
follow from ``seed`` alone, so that the same seed gives the same picture, alone or in a batch.

Shapes: B batch, C = num_feat, S = (len(stacked) + 1) * C channels of the conditions, h w of lq, H = h * scale, W = w * scale.
Level l of L = log2(scale) + 1 works on (H / 2^l, W / 2^l): the deepest has half of lq's sides; odd ones are padded by reflection.

Receptive radius: none, because latents are drawn for the picture as a whole: a window of it would get others. There is no export:
ONNX has no matrix inverse, which every step needs, and a file that draws its own numbers would not repeat.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clearvision.archs.facts import ArchFacts
from clearvision.archs.glow import ActNorm, InvertibleConv, LastConv, NormedConv, Split, Squeeze
from clearvision.archs.rrdbnet import ResidualDenseBlock
from clearvision.archs.windows import reflected_to_multiple
from clearvision.errors import UsageError
from clearvision.types import SizeRequirements

LEVELS_OF_GREY = 255  # gt is spread evenly over the width of one of its steps before its density is asked for
AFFINE_FLOOR = 1e-4  # keeps the couplings' scales from 0
PLAIN_STEPS = 2  # transition steps without coupling at the start of each level, section 3.3
RESIDUAL_SCALE = 0.2
_SPARE_CHANNELS = 96  # of the layer f that the reference holds and does not use


class RRDB(nn.Module):
    """Residual in residual dense block, with the keys of ESRGAN's first files."""

    def __init__(self, num_feat: int, num_grow_ch: int) -> None:
        super().__init__()
        self.RDB1 = ResidualDenseBlock(num_feat, num_grow_ch)
        self.RDB2 = ResidualDenseBlock(num_feat, num_grow_ch)
        self.RDB3 = ResidualDenseBlock(num_feat, num_grow_ch)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, h, w) to the same shape."""
        return x + RESIDUAL_SCALE * self.RDB3(self.RDB2(self.RDB1(x)))


class RRDBFeatures(nn.Module):
    """RRDB net that hands out what it sees on the way, as conditions of the flow's levels.

    Args:
        scale: 2, 4 or 8.
        num_feat: width C.
        num_block: number of blocks.
        num_grow_ch: channels that each convolution of a dense block adds.
        stacked: blocks whose outputs join every condition.
    """

    def __init__(self, *, scale: int, num_feat: int, num_block: int, num_grow_ch: int, stacked: Sequence[int]) -> None:
        super().__init__()
        self.scale, self.stacked = scale, tuple(stacked)
        self.conv_first = nn.Conv2d(3, num_feat, 3, padding=1)
        self.RRDB_trunk = nn.Sequential(*(RRDB(num_feat, num_grow_ch) for _ in range(num_block)))
        self.trunk_conv = nn.Conv2d(num_feat, num_feat, 3, padding=1)
        upconvs = max(2, scale.bit_length() - 1)
        for name in (*(f"upconv{index}" for index in range(1, upconvs + 1)), "HRconv"):
            self.add_module(name, nn.Conv2d(num_feat, num_feat, 3, padding=1))
        self.conv_last = nn.Conv2d(num_feat, 3, 3, padding=1)
        used = scale.bit_length() - 2  # the flow begins at half the result's size
        for name in (*(f"upconv{index}" for index in range(used + 1, upconvs + 1)), "HRconv", "conv_last"):
            self.get_submodule(name).requires_grad_(False)
        for layer in self.RRDB_trunk.modules():
            if isinstance(layer, nn.Conv2d):
                with torch.no_grad():
                    nn.init.kaiming_normal_(layer.weight).mul_(0.1)
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, lq: Tensor) -> list[Tensor]:
        """Map lq (B, 3, h, w) to the conditions of levels 1 to L, (B, S, H / 2^l, W / 2^l)."""
        feat = self.conv_first(lq)
        kept = []
        for index, block in enumerate(self.RRDB_trunk):
            feat = block(feat)
            if index in self.stacked:
                kept.append(feat)
        feat = feat + self.trunk_conv(feat)
        found = [F.avg_pool2d(feat, 2), feat]
        for index in range(1, self.scale.bit_length() - 1):
            feat = self.get_submodule(f"upconv{index}")(F.interpolate(feat, scale_factor=2.0, mode="nearest"))
            found.append(feat)
            feat = F.leaky_relu(feat, 0.2)
        joined = torch.cat(kept, dim=1)
        return [torch.cat([each, F.interpolate(joined, each.shape[-2:])], dim=1) for each in reversed(found)]


class CondAffine(nn.Module):
    """Affine injector and conditional affine coupling (section 3.3): all channels by the condition, then half by the others."""

    def __init__(self, channels: int, num_cond: int, num_hidden: int) -> None:
        super().__init__()
        self.held = channels // 2  # channels that the coupling reads and leaves
        self.fAffine = _condition_net(self.held + num_cond, num_hidden, 2 * (channels - self.held))
        self.fFeatures = _condition_net(num_cond, num_hidden, 2 * channels)

    def forward(self, x: Tensor, cond: Tensor) -> tuple[Tensor, Tensor]:
        """Map x (B, channels, H, W) to the same shape and the log-determinant (B,)."""
        injected, shift = _scale_and_shift(self.fFeatures(cond))
        x = (x + shift) * injected
        held, moved = x[:, : self.held], x[:, self.held :]
        coupled, shift = _scale_and_shift(self.fAffine(torch.cat([held, cond], dim=1)))
        x = torch.cat([held, (moved + shift) * coupled], dim=1)
        return x, injected.log().sum((1, 2, 3)) + coupled.log().sum((1, 2, 3))

    def inverse(self, x: Tensor, cond: Tensor) -> Tensor:
        """Undo ``forward``."""
        held, moved = x[:, : self.held], x[:, self.held :]
        coupled, shift = _scale_and_shift(self.fAffine(torch.cat([held, cond], dim=1)))
        x = torch.cat([held, moved / coupled - shift], dim=1)
        injected, shift = _scale_and_shift(self.fFeatures(cond))
        return x / injected - shift


def _condition_net(channels_in: int, num_hidden: int, channels: int) -> nn.Sequential:
    first, second = NormedConv(channels_in, num_hidden, 3), NormedConv(num_hidden, num_hidden, 1)
    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), LastConv(num_hidden, channels))


def _scale_and_shift(both: Tensor) -> tuple[Tensor, Tensor]:
    return torch.sigmoid(both[:, 1::2] + 2) + AFFINE_FLOOR, both[:, 0::2]


class FlowStep(nn.Module):
    """Normalisation, mixing of channels and, but for transition steps, the couplings (figure 2)."""

    def __init__(self, channels: int, num_cond: int, num_hidden: int, *, coupled: bool) -> None:
        super().__init__()
        self.actnorm = ActNorm(channels)
        self.invconv = InvertibleConv(channels)
        self.affine = CondAffine(channels, num_cond, num_hidden) if coupled else None

    def forward(self, x: Tensor, cond: Tensor) -> tuple[Tensor, Tensor]:
        """Map x (B, channels, H, W) to the same shape and the log-determinant (B,)."""
        x = self.invconv(self.actnorm(x))
        # of the matrix and the scales, at every pixel; after actnorm, whose first batch sets its scales
        plain = (self.actnorm.logs.sum() + self.invconv.weight.slogdet().logabsdet) * x.shape[-2] * x.shape[-1]
        if self.affine is None:
            return x, plain.expand(len(x))
        x, log_det = self.affine(x, cond)
        return x, log_det + plain

    def inverse(self, x: Tensor, cond: Tensor) -> Tensor:
        """Undo ``forward``."""
        x = x if self.affine is None else self.affine.inverse(x, cond)
        return self.actnorm.inverse(self.invconv.inverse(x))


class Flow(nn.Module):
    """The levels of the flow, from gt to latents and back.

    As in the reference, the last two levels do not split, whatever the paper's figure 2 shows of the last but one.
    """

    def __init__(self, num_level: int, num_step: int, num_cond: int, num_hidden: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for level in range(1, num_level + 1):
            channels *= 4
            layers.append(Squeeze())
            for index in range(PLAIN_STEPS + num_step):
                layers.append(FlowStep(channels, num_cond, num_hidden, coupled=index >= PLAIN_STEPS))
            if level < num_level - 1:
                layers.append(split := Split(channels))
                channels = split.num_pass
        self.layers = nn.ModuleList(layers)
        self.num_latent = channels
        self.f = nn.Sequential(nn.Conv2d(num_cond, _SPARE_CHANNELS, 3, padding=1)).requires_grad_(False)

    def encode(self, gt: Tensor, conditions: Sequence[Tensor]) -> tuple[list[Tensor], Tensor]:
        """Map gt (B, 3, H, W) to the latents, in the order they leave, and the log-determinant (B,)."""
        x, level, log_det = gt, -1, gt.new_zeros(len(gt))
        latents = []
        for layer in self.layers:
            if isinstance(layer, Squeeze):
                x, level = layer(x), level + 1
            elif isinstance(layer, Split):
                x, latent, more = layer(x)
                latents.append(latent)
                log_det = log_det + more
            else:
                x, more = layer(x, conditions[level])
                log_det = log_det + more
        return [*latents, x], log_det

    def decode(self, latents: Sequence[Tensor], conditions: Sequence[Tensor]) -> Tensor:
        """Undo ``encode``."""
        left, level = list(latents), len(conditions) - 1
        x = left.pop()
        for layer in reversed(self.layers):
            if isinstance(layer, Squeeze):
                x, level = layer.inverse(x), level - 1
            elif isinstance(layer, Split):
                x = layer.inverse(x, left.pop())
            elif isinstance(layer, FlowStep):
                x = layer.inverse(x, conditions[level])
        return x

    def latent_shapes(self, height: int, width: int) -> Iterator[tuple[int, int, int]]:
        """Yield (channels, rows, columns) of the latents of a picture of height x width, in the order of ``encode``."""
        for layer in self.layers:
            if isinstance(layer, Squeeze):
                height, width = height // 2, width // 2
            elif isinstance(layer, Split):
                yield layer.conv.out_channels // 2, height, width
        yield self.num_latent, height, width


class SRFlow(nn.Module):
    """Conditional normalising flow over the features of an RRDB net.

    Weight init, as in the reference: the last convolution of every net in the flow 0, the others normal with deviation 0.05,
    mixing matrices random rotations, normalisation from the first batch that ``loss`` sees; the RRDB net like ESRGAN's. One
    process should see that first batch, and the others start from its weights.

    Args:
        scale: 2, 4 or 8; the paper has 4 and 8.
        num_feat: width C of the RRDB net.
        num_block: its blocks.
        num_grow_ch: channels that each convolution of a dense block adds.
        stacked: its blocks, counted from 0, whose outputs join the conditions.
        num_step: flow steps K of each level.
        num_hidden: width of the small nets in the flow.
        heat: deviation of the latents that ``forward`` draws, 0 or more.
        seed: what they follow from.

    Raises:
        UsageError: if the scale is another, heat is negative, or stacked is empty, out of order or names an absent block.
    """

    def __init__(
        self,
        *,
        scale: int = 4,
        num_feat: int = 64,
        num_block: int = 23,
        num_grow_ch: int = 32,
        stacked: Sequence[int] = (1, 8, 15, 22),
        num_step: int = 16,
        num_hidden: int = 64,
        heat: float = 0.9,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if scale not in (2, 4, 8):
            raise UsageError(f"scale ({scale}) of SRFlow must be 2, 4 or 8")
        if not stacked or list(stacked) != sorted(set(stacked) & set(range(num_block))):
            raise UsageError(f"stacked ({list(stacked)}) of SRFlow must name blocks between 0 and {num_block - 1}, in order")
        _check_heat(heat)
        self.scale, self.heat, self.seed = scale, heat, seed
        self.RRDB = RRDBFeatures(scale=scale, num_feat=num_feat, num_block=num_block, num_grow_ch=num_grow_ch, stacked=stacked)
        self.flowUpsamplerNet = Flow(scale.bit_length(), num_step, num_feat * (len(stacked) + 1), num_hidden)

    def loss(self, lq: Tensor, gt: Tensor) -> Tensor:
        """Return minus the mean log-likelihood of gt given lq, in bits a value; noise of PyTorch's generator is added to gt.

        Args:
            lq: (B, 3, h, w), RGB in [0, 1], with even sides.
            gt: (B, 3, H, W), likewise.
        """
        spread = gt.float() + (torch.rand_like(gt, dtype=torch.float32) - 0.5) / LEVELS_OF_GREY
        conditions = self._conditions(lq)
        with _in_float32(lq.device):
            latents, log_det = self.flowUpsamplerNet.encode(spread, conditions)
        densities = [-0.5 * (each.square() + math.log(2 * math.pi)).sum((1, 2, 3)) for each in latents]
        likelihood = log_det + torch.stack(densities).sum(0)
        return math.log2(LEVELS_OF_GREY) - likelihood.mean() / (math.log(2) * gt[0].numel())

    def forward(self, lq: Tensor) -> Tensor:
        """Map lq (B, 3, h, w), RGB in [0, 1], to sr (B, 3, H, W), not clamped, drawn with the network's own heat and seed.

        Raises:
            UsageError: when exported; see the head of this file.
        """
        if torch.compiler.is_exporting():
            raise UsageError("srflow cannot be exported: it draws random numbers and inverts matrices; run it with PyTorch")
        return self.sample(lq, heat=self.heat, seed=self.seed)

    def sample(self, lq: Tensor, *, heat: float, seed: int) -> Tensor:
        """Draw sr (B, 3, H, W), not clamped; every picture of the batch gets the same latents.

        Args:
            lq: (B, 3, h, w), RGB in [0, 1].
            heat: deviation of the latents, 0 or more.
            seed: what they follow from, on every device alike.

        Raises:
            UsageError: if heat is negative.
        """
        _check_heat(heat)
        height, width = (side * self.scale for side in lq.shape[-2:])
        padded = reflected_to_multiple(lq, 2)
        conditions = self._conditions(padded)
        generator = torch.Generator().manual_seed(seed)
        shapes = self.flowUpsamplerNet.latent_shapes(*(side * self.scale for side in padded.shape[-2:]))
        dtype = conditions[0].dtype
        latents = [
            (torch.randn(shape, generator=generator) * heat).to(lq.device, dtype).expand(len(lq), -1, -1, -1) for shape in shapes
        ]
        with _in_float32(lq.device):
            return self.flowUpsamplerNet.decode(latents, conditions)[:, :, :height, :width]

    def _conditions(self, lq: Tensor) -> list[Tensor]:
        least = torch.float64 if lq.dtype == torch.float64 else torch.float32
        return [each.to(least) for each in self.RRDB(lq)]

    def facts(self) -> ArchFacts:
        """Return what tiling and the catalogue need to know."""
        return ArchFacts(self.scale, 3, 3, None, SizeRequirements(multiple=2, minimum=2), precisions=("f32",))


def _check_heat(heat: float) -> None:
    if not 0 <= heat < math.inf:
        raise UsageError(f"heat ({heat}) of SRFlow must be 0 or more")


def _in_float32(device: torch.device) -> AbstractContextManager[object]:
    """Keep autocast out of the flow: an inverse undoes its step only as far as the arithmetic is fine."""
    kind = device.type
    known = torch.amp.is_autocast_available(kind)  # not on "meta", where networks are only counted
    return torch.autocast(kind, enabled=False) if known and torch.is_autocast_enabled(kind) else nullcontext()
