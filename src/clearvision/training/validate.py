"""Validation during training, on held-out pictures whose lq was made once: the literature's figures, and what GANs add."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from clearvision.data.decode import Pair
from clearvision.errors import RecipeError
from clearvision.imaging.color import rgb_to_y
from clearvision.imaging.resize import resize_scale
from clearvision.losses.perceptual import PerceptualLoss
from clearvision.metrics.psnr import psnr
from clearvision.metrics.ssim import ssim
from clearvision.training.samples import COUNT, Sample

PSNR, SSIM, VGG, CYCLE = "val/psnr_y", "val/ssim_y", "val/vgg", "val/cycle_psnr"
HIGHER_IS_BETTER = {PSNR: True, SSIM: True, VGG: False}
_WINDOW, _SMALLEST_FEATURES = 11, 32  # pixels that SSIM's window and VGG19's last block need
# dB of an error that rounding to 8 bits makes, of variance 1/12: no result is closer to what the ground truth was rounded from,
# and a restorer that leaves an undamaged picture alone would score infinity
_ROUNDING = 10 * np.log10(255**2 * 12)

Pixels = NDArray[np.uint8]
Figures = dict[str, float]


@dataclass(frozen=True)
class Validator:
    """Scores networks on held-out pictures.

    Args:
        pairs: the pictures; the two of a pair show one scene unless ``paired`` is false.
        scale: ground-truth side divided by low-quality side.
        device: where networks run, in float32.
        distance: between VGG19's features, the same in every run; None without VGG19.
        paired: whether lq and gt of a pair show one scene.
    """

    pairs: Sequence[Pair]
    scale: int
    device: torch.device
    distance: PerceptualLoss | None = None
    paired: bool = True

    def figures(self, nets: Mapping[str, nn.Module]) -> tuple[Figures, list[Sample]]:
        """Return the mean figures of the networks (``g``, for unpaired pictures also ``g_back``) and some of the results.

        Paired pictures give PSNR-Y (58.9 dB at most) and SSIM-Y after the literature's protocol, and the VGG distance where VGG19
        is at hand.
        Unpaired ones have no truth: the PSNR of the round trip to the other domain and back is all that can be measured, and it
        says nothing of how well the other domain was met.
        """
        for net in nets.values():
            net.train().eval()  # leaving training folds re-parameterised convolutions
        scored, samples = [], []
        for pair in self.pairs:
            sr = self._run(nets["g"], pair.lq)
            if self.paired:
                scored.append(self._scored(sr, pair.gt))
            else:
                scored.append({CYCLE: psnr(self._run(nets["g_back"], sr), pair.lq)})
            if len(samples) < COUNT:
                samples.append(Sample(pair.path.stem, pair.lq, sr, pair.gt if self.paired else None))
        return _means(scored), samples

    def baseline(self) -> Figures:
        """Return the figures of bicubic enlargement (at scale 1: of the input as it is), which results are read against."""
        if not self.paired:
            return {}
        return _means([self._scored(self._enlarged(pair.lq), pair.gt) for pair in self.pairs])

    def _enlarged(self, lq: Pixels) -> Pixels:
        return lq if self.scale == 1 else resize_scale(lq, self.scale)

    def _scored(self, sr: Pixels, gt: Pixels) -> Figures:
        border = slice(self.scale, -self.scale)
        y, y_gt = (rgb_to_y(image[border, border] / 255.0) * 255.0 for image in (sr, gt))
        figures = {PSNR: min(psnr(y, y_gt), float(_ROUNDING))}
        if min(y.shape[:2]) >= _WINDOW:
            figures[SSIM] = ssim(y, y_gt)
        if self.distance is not None and min(gt.shape[:2]) >= _SMALLEST_FEATURES:
            with torch.inference_mode():
                figures[VGG] = float(self.distance(_tensor(sr, self.device), _tensor(gt, self.device)))
        return figures

    def _run(self, net: nn.Module, lq: Pixels) -> Pixels:
        multiple = net.facts().size.multiple  # type: ignore[operator]
        height, width = lq.shape[:2]
        with torch.inference_mode():
            padded = F.pad(_tensor(lq, self.device), (0, -width % multiple, 0, -height % multiple), mode="reflect")
            sr = net(padded)[0, :, : height * self.scale, : width * self.scale]
            return sr.clamp_(0, 1).mul_(255).round_().permute(1, 2, 0).to("cpu", torch.uint8).numpy()


def deciding(best_by: str, kind: str, validator: Validator) -> str | None:
    """Return the figure that decides which checkpoint is the best, None where nothing does and the last one counts.

    Args:
        best_by: ``train.best_by`` of the recipe.
        kind: of the objective.
        validator: whose pictures and distance decide what ``auto`` means.

    Raises:
        RecipeError: if the figure is the VGG distance and there is no VGG19.
    """
    if not validator.paired:
        return None
    if best_by == "vgg" and validator.distance is None:
        raise RecipeError("train.best_by is vgg, which needs VGG19's weights: name their file in vgg, or choose psnr_y")
    if best_by == "auto":
        return VGG if kind == "adversarial" and validator.distance is not None else PSNR
    return f"val/{best_by}"


def _tensor(image: Pixels, device: torch.device) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(image)).to(device).permute(2, 0, 1)[None].float().div_(255)


def _means(rows: Sequence[Figures]) -> Figures:
    names = [name for name in rows[0] if all(name in row for row in rows)]
    return {name: float(np.mean([row[name] for row in rows])) for name in names}
