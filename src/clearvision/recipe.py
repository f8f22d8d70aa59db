"""Recipe: the one value that describes a training run, read from YAML, checked whole, carried in every checkpoint."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from clearvision.errors import RecipeError


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Data(_Part):
    """Where the pictures are and how they become pairs."""

    folders: tuple[str, ...] = Field(default=("",), description="folders below --data, searched recursively; '' is --data itself")
    degradation: Literal["bicubic"] = Field(default="bicubic", description="how lq is made from gt: MATLAB's antialiased bicubic")
    val_count: int = Field(default=24, ge=1, description="pictures held out for validation, chosen by a hash of their names")
    val_size: int = Field(default=384, ge=16, description="validation uses the centre crop of at most this many gt pixels a side")
    flat_below: float = Field(
        default=0.0, ge=0, description="draw again, up to 4 times, crops whose deviation in grey levels is lower"
    )


class Phase(_Part):
    """A stretch of the run with one crop size and batch size."""

    until: float = Field(default=1.0, gt=0, le=1, description="share of total_steps at which the phase ends")
    gt_size: int = Field(..., ge=8, description="side of the ground-truth crop in pixels")
    batch_size: int = Field(..., ge=1, description="crops a step")


class Optimizer(_Part):
    """Adam or AdamW."""

    kind: Literal["adam", "adamw"] = "adamw"
    rate: float = Field(default=2e-3, gt=0, description="peak learning rate")
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = Field(default=0.0, ge=0)


class CosineSchedule(_Part):
    """Half a cosine from the peak to ``final`` times the peak."""

    kind: Literal["cosine"] = "cosine"
    warmup_steps: int = Field(default=0, ge=0)
    final: float = Field(default=0.0, ge=0, le=1, description="last rate as a share of the peak")


class MultiStepSchedule(_Part):
    """Multiply by ``gamma`` at each milestone."""

    kind: Literal["multistep"] = "multistep"
    warmup_steps: int = Field(default=0, ge=0)
    milestones: tuple[int, ...] = Field(..., description="steps")
    gamma: float = Field(default=0.5, gt=0, lt=1)


class TrapezoidSchedule(_Part):
    """Constant, then a straight line down: the end may be moved on resuming as long as the decay has not begun."""

    kind: Literal["trapezoid"] = "trapezoid"
    warmup_steps: int = Field(default=0, ge=0)
    decay_fraction: float = Field(default=0.3, gt=0, le=1, description="share of total_steps spent decaying")
    final: float = Field(default=0.0, ge=0, le=1, description="last rate as a share of the peak")


Schedule = Annotated[CosineSchedule | MultiStepSchedule | TrapezoidSchedule, Field(discriminator="kind")]


class Train(_Part):
    """The loop."""

    total_steps: int = Field(..., ge=1)
    phases: tuple[Phase, ...] = Field(..., min_length=1, description="in order; the last ends at 1.0")
    loss: Literal["l1", "mse", "charbonnier"] = "l1"
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = CosineSchedule()
    ema_decay: float = Field(default=0.999, ge=0, lt=1)
    clip_norm: float = Field(default=1.0, gt=0, description="gradients are scaled down to this norm")
    precision: Literal["f32", "bf16"] = Field(
        default="bf16", description="arithmetic of forward and backward; weights stay float32"
    )
    log_every: int = Field(default=200, ge=1)
    validate_every: int = Field(default=5000, ge=1)
    save_every: int = Field(default=2000, ge=1)


class Card(_Part):
    """What the resulting model's card says beyond what the run itself knows."""

    description: str = Field(default="", description="one sentence for people")
    data: str = Field(default="", description="which pictures, how many, under which terms")
    hardware: str = Field(default="", description="what the run needs or used")
    licence: str = Field(default="", description="terms of the weights")
    intended_use: str = Field(default="", description="what the model is for, and what it is not for")


class Recipe(_Part):
    """A complete training run."""

    name: str = Field(..., pattern=r"^[a-z0-9_-]+$", description="name of the resulting model")
    task: Literal["clean", "photo", "restore", "face"]
    scale: int = Field(..., ge=1, le=8)
    seed: int = Field(default=0, ge=0)
    init: str | None = Field(
        default=None, description="checkpoint to start the weights from; tensors that do not fit keep their start values"
    )
    network: dict[str, Any] = Field(..., description="'arch' and the keyword arguments of its constructor")
    data: Data = Data()
    train: Train
    card: Card = Card()

    @model_validator(mode="after")
    def _consistent(self) -> Recipe:
        faults = []
        ends = [phase.until for phase in self.train.phases]
        if ends != sorted(set(ends)) or ends[-1] != 1.0:
            faults.append(f"train.phases must have rising 'until' that end at 1.0, got {ends}")
        for index, phase in enumerate(self.train.phases):
            if phase.gt_size % self.scale:
                faults.append(f"train.phases.{index}.gt_size ({phase.gt_size}) must be divisible by scale ({self.scale})")
        if self.data.val_size % self.scale:
            faults.append(f"data.val_size ({self.data.val_size}) must be divisible by scale ({self.scale})")
        if "arch" not in self.network:
            faults.append("network.arch is missing; known: rrdbnet, span, srvgg")
        if faults:
            raise ValueError("; ".join(faults))
        return self


def load_recipe(path: Path, overrides: list[str] | tuple[str, ...] = ()) -> Recipe:
    """Read a YAML recipe, apply ``key=value`` overrides with dotted keys, and check everything.

    Raises:
        RecipeError: listing every fault, with the place of each.
    """
    try:
        plain = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"recipe '{path}' cannot be read ({error})") from error
    except yaml.YAMLError as error:
        raise RecipeError(f"recipe '{path}' is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(plain, dict):
        raise RecipeError(f"recipe '{path}' must be a mapping of sections, got {type(plain).__name__}")
    for override in overrides:
        _apply(plain, override)
    return recipe_from_plain(plain, str(path))


def recipe_from_plain(plain: dict[str, Any], origin: str) -> Recipe:
    """Validate a recipe given as plain data; ``origin`` names it in errors.

    Raises:
        RecipeError: listing every fault, with the place of each.
    """
    try:
        return Recipe.model_validate(plain)
    except ValidationError as error:
        faults = [f"{'.'.join(str(part) for part in fault['loc']) or 'recipe'}: {fault['msg']}" for fault in error.errors()]
        raise RecipeError(f"recipe '{origin}' has {len(faults)} fault(s): " + "; ".join(faults)) from error


def check_network(recipe: Recipe, archs: dict[str, type]) -> None:
    """Check ``network`` against the constructor's signature, which is its schema.

    Raises:
        RecipeError: for an unknown arch or argument, listing what is known.
    """
    arch = recipe.network["arch"]
    if arch not in archs:
        raise RecipeError(f"unknown arch '{arch}'; known: {', '.join(sorted(archs))}")
    known = [name for name in inspect.signature(archs[arch]).parameters if name != "self"]
    unknown = [name for name in recipe.network if name != "arch" and name not in known]
    if unknown:
        raise RecipeError(f"network: {arch} has no argument {', '.join(map(repr, unknown))}; known: {', '.join(known)}")


def _apply(plain: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise RecipeError(f"override '{override}' must read key=value, such as train.total_steps=1000")
    *parents, last = key.split(".")
    place = plain
    for parent in parents:
        nested = place.setdefault(parent, {}) if isinstance(place, dict) else None
        if not isinstance(nested, dict):
            raise RecipeError(f"override '{override}': '{parent}' is not a section of the recipe")
        place = nested
    place[last] = yaml.safe_load(text)
