"""Recipe: the one value that describes a training run, read from YAML, checked whole, carried in every checkpoint.

``whole.py`` has the recipe itself, ``losses.py``, ``objectives.py`` and ``loop.py`` its sections (``data`` is described in
``clearvision/data/options.py``), ``reading.py`` the way from a file with overrides to a value.
"""

from clearvision.data.options import DataOptions
from clearvision.recipe.loop import (
    CosineRestartsSchedule,
    CosineSchedule,
    Freeze,
    Guard,
    LinearSchedule,
    MultiStepSchedule,
    Optimizer,
    Phase,
    Schedule,
    Train,
    TrapezoidSchedule,
)
from clearvision.recipe.losses import FeatureLoss, GridLoss, Loss, MsSsimL1, PixelLoss, loss_names
from clearvision.recipe.objectives import Adversarial, Cycle, Discriminator, Fidelity, Likelihood, Objective, Teaching
from clearvision.recipe.reading import check_discriminator, check_network, load_recipe, recipe_from_plain, stage_recipes
from clearvision.recipe.whole import Card, Recipe, Stage

__all__ = [
    "Adversarial",
    "Card",
    "CosineRestartsSchedule",
    "CosineSchedule",
    "Cycle",
    "DataOptions",
    "Discriminator",
    "FeatureLoss",
    "Fidelity",
    "Freeze",
    "GridLoss",
    "Guard",
    "Likelihood",
    "LinearSchedule",
    "Loss",
    "MsSsimL1",
    "MultiStepSchedule",
    "Objective",
    "Optimizer",
    "Phase",
    "PixelLoss",
    "Recipe",
    "Schedule",
    "Stage",
    "Teaching",
    "Train",
    "TrapezoidSchedule",
    "check_discriminator",
    "check_network",
    "load_recipe",
    "loss_names",
    "recipe_from_plain",
    "stage_recipes",
]
