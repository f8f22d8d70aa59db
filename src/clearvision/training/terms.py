"""The terms of ``losses`` in a recipe, as one function of sr and gt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from clearvision.archs.vgg import VGGFeatures, vgg_index
from clearvision.errors import RecipeError
from clearvision.losses import FEATURE_LOSSES, LOSSES
from clearvision.losses.inputs import displayed
from clearvision.losses.perceptual import REAL_ESRGAN_LAYERS
from clearvision.losses.pixel import grid
from clearvision.losses.structural import ms_ssim_l1
from clearvision.metrics.backbones import find_backbone
from clearvision.recipe import FeatureLoss, GridLoss, Loss, MsSsimL1, PixelLoss, Recipe, loss_names

Term = Callable[[Tensor, Tensor], Tensor]


class Terms:
    """The weighted losses of a recipe; ``weighted`` has each as a function of sr and gt, by the name it is logged under.

    Args:
        losses: the recipe's section.
        features: VGG19 for perceptual and style losses; None where there are none.
    """

    def __init__(self, losses: Sequence[Loss], features: VGGFeatures | None) -> None:
        pairs = zip(loss_names(losses), losses, strict=True)
        self.weighted: dict[str, Term] = {name: _weighted(loss.weight, _term(loss, features)) for name, loss in pairs}

    def __call__(self, sr: Tensor, gt: Tensor) -> dict[str, Tensor]:
        """Return each term times its weight, of sr against gt, (B, 3, H, W), RGB, float32, nominally in [0, 1]."""
        return {name: term(sr, gt) for name, term in self.weighted.items()}

    @property
    def names(self) -> tuple[str, ...]:
        """Under what each term is logged."""
        return tuple(self.weighted)


def open_features(recipe: Recipe, device: torch.device) -> VGGFeatures | None:
    """Return VGG19 where the recipe needs it or names its file, else None.

    Raises:
        ModelError: if its file is missing or is not VGG19's; the text says how to get it.
        RecipeError: if a loss names a layer that it does not have.
    """
    if not recipe.needs_vgg and recipe.vgg is None:
        return None
    layers = {layer for loss in recipe.losses if isinstance(loss, FeatureLoss) for layer in loss.layers}
    index = vgg_index("vgg19")
    if unknown := [layer for layer in layers if layer not in index]:
        raise RecipeError(f"losses: VGG19 has no layer '{unknown[0]}'; it has {', '.join(index)}")
    last = max((*layers, *REAL_ESRGAN_LAYERS), key=lambda layer: index[layer])
    # gradients through features in bf16 point where those in float32 do (cosine 0.993 to 0.996 on 18 patches)
    dtype = torch.bfloat16 if recipe.train.precision == "bf16" else torch.float32
    return VGGFeatures(find_backbone("vgg19", recipe.vgg), last=last, dtype=dtype).to(device)


def _weighted(weight: float, term: Term) -> Term:
    return lambda sr, gt: weight * term(sr, gt)


def _term(loss: Loss, features: VGGFeatures | None) -> Term:
    match loss:
        case PixelLoss():
            return LOSSES[loss.kind]
        case MsSsimL1():
            return partial(ms_ssim_l1, alpha=loss.alpha)
        case GridLoss():
            return partial(grid, period=loss.period)
        case FeatureLoss():
            assert features is not None  # opened because a loss needs it
            term = FEATURE_LOSSES[loss.kind](features, loss.layers, loss.criterion)
            return lambda sr, gt: term(displayed(sr), gt)
