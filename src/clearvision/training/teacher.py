"""A teacher: a network that holds still and says what can be known of gt from lq.

Most of what separates a good result from its ground truth cannot be guessed from lq and only shakes the gradient. A teacher's
result has none of it.

Paper: a better network teaches a smaller one: Hinton et al., "Distilling the Knowledge in a Neural Network", 2015,
       https://arxiv.org/abs/1503.02531. A network teaches itself, as the average of its eight views is better than any of them:
       Timofte et al., "Seven Ways to Improve Example-Based Single Image Super Resolution", CVPR 2016,
       https://arxiv.org/abs/1511.02228.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from clearvision.errors import RecipeError
from clearvision.recipe import Recipe, Teaching
from clearvision.training.arithmetic import Arithmetic
from clearvision.training.networks import check_sides
from clearvision.zoo.build import build_network
from clearvision.zoo.catalogue import find_model
from clearvision.zoo.checkpoint import read_checkpoint


class Teacher:
    """Moves ground truth towards a teacher's result; see the module.

    It sees every batch in one of the eight views, drawn: over the steps that teaches their average, at an eighth of its cost.

    Args:
        options: the recipe's section.
        arithmetic: precision.
        net: the teacher, in evaluation mode, compiled where the recipe says so.
    """

    def __init__(self, options: Teaching, arithmetic: Arithmetic, net: nn.Module) -> None:
        self._share, self._arithmetic, self._net = options.share, arithmetic, net

    @torch.no_grad()
    def aim(self, lq: Tensor, gt: Tensor) -> Tensor:
        """Return what to learn from lq (B, 3, h, w): gt (B, 3, h * scale, w * scale), a share of it the teacher's."""
        mirrored, turns = divmod(int(torch.randint(8, ())), 4)
        view = (lq.flip(-1) if mirrored else lq).rot90(turns, (-2, -1))
        with self._arithmetic.autocast():
            seen = self._net(view.contiguous(memory_format=torch.channels_last)).float()
        upright = seen.rot90(-turns, (-2, -1))
        return torch.lerp(gt, upright.flip(-1) if mirrored else upright, self._share)


def open_teacher(recipe: Recipe, options: Teaching, device: torch.device) -> nn.Module:
    """Return the teacher of a recipe, in evaluation mode.

    Raises:
        RecipeError: if it enlarges by another factor, sees other channels than the run's network, or does not take its crops.
        ModelError: if it is unknown or cannot be read.
    """
    model = options.model or recipe.init
    assert model is not None  # the recipe has been checked
    checkpoint = read_checkpoint(find_model(model))
    info = checkpoint.info
    if (info.scale, info.num_in_ch, info.num_out_ch) != (recipe.scale, 3, 3):
        raise RecipeError(
            f"objective.teacher: '{model}' makes {info.num_out_ch} channels of {info.num_in_ch} at scale {info.scale}; a teacher "
            f"for this run has 3 of 3 at scale {recipe.scale}"
        )
    check_sides(recipe, f"teacher '{model}'", info.size)
    return build_network(checkpoint).requires_grad_(False).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
