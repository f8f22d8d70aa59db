"""What a run ships: the moving average as a model with its card."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from clearvision.recipe import Recipe
from clearvision.training.state import TrainState
from clearvision.training.validate import PSNR, SSIM, VGG
from clearvision.types import ModelInfo
from clearvision.zoo.build import network_weights
from clearvision.zoo.checkpoint import write_checkpoint

_NAMES = {PSNR: ("validation PSNR-Y", 3), SSIM: ("validation SSIM-Y", 4), VGG: ("validation VGG distance", 4)}


def write_model(path: Path, state: TrainState, recipe: Recipe, figures: Mapping[str, float], *, net: str = "g") -> None:
    """Write a generator's average with card and recipe, by atomic rename.

    Args:
        path: the ``.safetensors`` file.
        state: whose average; it is left as it is.
        recipe: what the card and the file's metadata tell.
        figures: of the validation at this step; empty where there was none.
        net: ``g``, or ``g_back`` for the way back of a cycle.
    """
    average = state.ema[net]
    average.train().eval()  # leaving training folds re-parameterised convolutions
    facts = average.facts()  # type: ignore[operator]
    info = ModelInfo(
        name=recipe.name if net == "g" else f"{recipe.name}-back",
        task=recipe.task,
        scale=recipe.scale,
        arch=recipe.network["arch"],
        hyper={key: value for key, value in recipe.network.items() if key not in ("arch", "reparam")},
        num_in_ch=facts.num_in_ch,
        num_out_ch=facts.num_out_ch,
        receptive_radius=facts.receptive_radius,
        size=facts.size,
        precisions=facts.precisions,
        description=recipe.card.description,
        training={
            "recipe": recipe.name,
            "data": recipe.card.data,
            "steps": state.step,
            "hours": round(state.seconds / 3600, 2),
            "hardware": recipe.card.hardware,
        },
        figures={_NAMES[name][0]: round(value, _NAMES[name][1]) for name, value in figures.items() if name in _NAMES},
        licence=recipe.card.licence,
        intended_use=recipe.card.intended_use,
    )
    write_checkpoint(path, info, network_weights(average), recipe.model_dump(mode="json"))
