"""The recipe itself, and the rules that hold across its sections."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from clearvision.data.options import DataOptions
from clearvision.recipe.loop import Train
from clearvision.recipe.losses import FeatureLoss, Loss, PixelLoss
from clearvision.recipe.objectives import Adversarial, Cycle, Fidelity, Objective


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Card(_Part):
    """What the resulting model's card says beyond what the run itself knows."""

    description: str = Field(default="", description="one sentence for people")
    data: str = Field(default="", description="which pictures, how many, under which terms")
    hardware: str = Field(default="", description="what the run needs or used")
    licence: str = Field(default="", description="terms of the weights")
    intended_use: str = Field(default="", description="what the model is for, and what it is not for")


class Stage(_Part):
    """A part of a run of several: the recipe with some entries changed, begun from the best weights of the stage before."""

    name: str = Field(..., pattern=r"^[a-z0-9_-]+$", description="also the name of its folder inside the run's")
    set: dict[str, Any] = Field(
        default={}, description="dotted key to value, such as train.total_steps: 1000; whole sections too"
    )


class Recipe(_Part):
    """A complete training run."""

    name: str = Field(..., pattern=r"^[a-z0-9_-]+$", description="name of the resulting model")
    task: Literal["clean", "photo", "restore", "face"] = Field(..., description="what the model is for, as its card says")
    scale: int = Field(..., ge=1, le=8, description="output side divided by input side")
    seed: int = Field(default=0, ge=0, description="decides weights, crops and degradations")
    init: str | None = Field(
        default=None, description="checkpoint to start the weights from; tensors that do not fit keep their start values"
    )
    network: dict[str, Any] = Field(..., description="'arch' and the keyword arguments of its constructor")
    data: DataOptions = DataOptions()
    losses: tuple[Loss, ...] = Field(default=(PixelLoss(kind="l1"),), min_length=1, description="terms of the generator's loss")
    vgg: str | None = Field(
        default=None, description="file of VGG19's weights for perceptual and style losses; none: the official file in the cache"
    )
    objective: Objective = Fidelity()
    train: Train
    stages: tuple[Stage, ...] = Field(default=(), description="parts of the run in order, each a change of what is written above")
    tiny: dict[str, Any] = Field(default={}, description="dotted key to value: what --tiny changes to try the recipe in a minute")
    card: Card = Card()

    @property
    def needs_vgg(self) -> bool:
        """Whether a loss is measured between VGG19's features."""
        return any(isinstance(loss, FeatureLoss) for loss in self.losses)

    @model_validator(mode="after")
    def _consistent(self) -> Recipe:
        if faults := [*_phase_faults(self), *_objective_faults(self)]:
            raise ValueError("; ".join(faults))
        return self


def _phase_faults(recipe: Recipe) -> list[str]:
    faults = []
    ends = [phase.until for phase in recipe.train.phases]
    if ends != sorted(set(ends)) or ends[-1] != 1.0:
        faults.append(f"train.phases must have rising 'until' that end at 1.0, got {ends}")
    for index, phase in enumerate(recipe.train.phases):
        if phase.gt_size % recipe.scale:
            faults.append(f"train.phases.{index}.gt_size ({phase.gt_size}) must be divisible by scale ({recipe.scale})")
    if recipe.data.val_size % recipe.scale:
        faults.append(f"data.val_size ({recipe.data.val_size}) must be divisible by scale ({recipe.scale})")
    if "arch" not in recipe.network:
        faults.append("network.arch is missing: the name of a network, such as span or rrdbnet")
    return faults


def _objective_faults(recipe: Recipe) -> list[str]:
    faults = []
    if isinstance(recipe.objective, Cycle):
        if recipe.scale != 1:
            faults.append(f"objective cycle maps between pictures of one size: scale must be 1, got {recipe.scale}")
        if recipe.data.layout == "hr":
            faults.append("objective cycle needs two domains: set data.layout to unpaired")
        if len({phase.gt_size for phase in recipe.train.phases}) > 1:
            faults.append("objective cycle keeps made pictures in a pool of one size: give all train.phases the same gt_size")
    elif recipe.data.layout == "unpaired":
        faults.append(f"data.layout unpaired has no ground truth for objective {recipe.objective.kind}: use cycle, or pairs")
    if isinstance(recipe.objective, Adversarial | Cycle) and recipe.objective.d_every > 1 and recipe.objective.g_every > 1:
        faults.append("objective.d_every and objective.g_every slow each other down: set one of them to 1")
    if isinstance(recipe.objective, Adversarial | Cycle) and recipe.objective.gan == "hinge" and recipe.objective.real_label != 1:
        faults.append("objective.real_label must be 1 for gan hinge, which has a margin instead of labels")
    first = not recipe.stages  # with stages, each is checked as it is resolved
    if isinstance(recipe.objective, Adversarial) and first and recipe.init is None and recipe.objective.cold_start is None:
        faults.append(
            "objective adversarial starts from random weights, which rarely ends well: give a PSNR-trained checkpoint in init, "
            "put a stage with objective fidelity before it, or say in objective.cold_start why not"
        )
    teacher = recipe.objective.teacher if isinstance(recipe.objective, Fidelity) else None
    if teacher is not None and teacher.model is None and first and recipe.init is None:
        faults.append("objective.teacher has no model and the run no init to teach itself by: give one of the two")
    return faults
