"""The section ``train``: the loop, its rate over time, and what it does when numbers go wrong."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Phase(_Part):
    """A stretch of the run with one crop size and batch size."""

    until: float = Field(default=1.0, gt=0, le=1, description="share of total_steps at which the phase ends")
    gt_size: int = Field(..., ge=8, description="side of the ground-truth crop in pixels")
    batch_size: int = Field(..., ge=1, description="crops a batch and process; see accumulate")


class Optimizer(_Part):
    """Adam, AdamW or Muon."""

    kind: Literal["adam", "adamw", "muon"] = Field(
        default="adamw",
        description="adam adds weight decay to the gradient, adamw apart from it; muon moves kernels by their orthogonalised "
        "momentum and the rest as adamw, at the same rate: better for the end of a long run",
    )
    rate: float = Field(default=2e-3, gt=0, description="peak learning rate")
    betas: tuple[float, float] = Field(
        default=(0.9, 0.99), description="decay of the two moments; kernels under muon have a momentum of 0.95"
    )
    weight_decay: float = Field(default=0.0, ge=0, description="pull of the weights towards zero")


class _Scheduled(_Part):
    warmup_steps: int = Field(default=0, ge=0, description="steps of a straight rise from zero to the peak")


class CosineSchedule(_Scheduled):
    """Half a cosine from the peak to ``final`` times the peak."""

    kind: Literal["cosine"] = "cosine"
    final: float = Field(default=0.0, ge=0, le=1, description="last rate as a share of the peak")


class CosineRestartsSchedule(_Scheduled):
    """Half a cosine again and again, each time from the peak times a weight."""

    kind: Literal["cosine_restarts"] = "cosine_restarts"
    periods: tuple[Annotated[int, Field(ge=1)], ...] = Field(..., min_length=1, description="steps of each; the last one repeats")
    weights: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        default=(1.0,), min_length=1, description="factor on the peak of each; the last one repeats"
    )
    final: float = Field(default=0.0, ge=0, le=1, description="lowest rate as a share of the peak")


class MultiStepSchedule(_Scheduled):
    """Multiply by ``gamma`` at each milestone."""

    kind: Literal["multistep"] = "multistep"
    milestones: tuple[int, ...] = Field(..., description="steps")
    gamma: float = Field(default=0.5, gt=0, lt=1, description="factor at each milestone")


class TrapezoidSchedule(_Scheduled):
    """Constant, then a straight line down: the end may be moved on resuming as long as the decay has not begun."""

    kind: Literal["trapezoid"] = "trapezoid"
    decay_fraction: float = Field(default=0.3, gt=0, le=1, description="share of total_steps spent decaying")
    final: float = Field(default=0.0, ge=0, le=1, description="last rate as a share of the peak")


class LinearSchedule(_Scheduled):
    """Constant until a step, then a straight line to ``final``, as CycleGAN does over its second half."""

    kind: Literal["linear"] = "linear"
    decay_from: int = Field(..., ge=0, description="step at which the descent begins; it ends at total_steps")
    final: float = Field(default=0.0, ge=0, le=1, description="last rate as a share of the peak")


Schedule = Annotated[
    CosineSchedule | CosineRestartsSchedule | MultiStepSchedule | TrapezoidSchedule | LinearSchedule, Field(discriminator="kind")
]


class Freeze(_Part):
    """Parameters of the generator that do not learn for a while."""

    names: tuple[str, ...] = Field(..., min_length=1, description="patterns of parameter names, such as 'body.*'")
    until: int | None = Field(default=None, ge=1, description="step from which they learn; none: never")


class Guard(_Part):
    """What happens when a loss or a weight is no longer finite: back to the last good state, with a lower rate."""

    factor: float = Field(
        default=0.5, gt=0, lt=1, description="factor on the learning rate at each return, for the rest of the run"
    )
    give_up_after: int = Field(default=3, ge=0, description="returns after which the run ends with an error; 0 ends at the first")


class Train(_Part):
    """The loop."""

    total_steps: int = Field(..., ge=1, description="updates of the generator's weights")
    phases: tuple[Phase, ...] = Field(..., min_length=1, description="in order; the last ends at 1.0")
    accumulate: int = Field(default=1, ge=1, description="batches whose gradients are averaged for one update")
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = CosineSchedule()
    ema_decay: float = Field(
        default=0.999, ge=0, lt=1, description="of the moving average that is validated and shipped; 0: none"
    )
    clip_norm: float | None = Field(default=1.0, gt=0, description="gradients are scaled down to this norm; none: never")
    precision: Literal["f32", "bf16", "fp16"] = Field(
        default="bf16", description="arithmetic of forward and backward; weights stay float32, fp16 scales its loss"
    )
    channels_last: bool = Field(default=True, description="memory layout in which convolutions are fastest")
    compile: bool = Field(default=False, description="torch.compile the networks: minutes at the start, faster steps on a GPU")
    freeze: tuple[Freeze, ...] = Field(default=(), description="what does not learn at first")
    guard: Guard = Guard()
    log_every: int = Field(default=200, ge=1, description="steps between two rows of the log; numbers are checked there too")
    validate_every: int = Field(default=5000, ge=1, description="steps between two validations")
    save_every: int = Field(default=2000, ge=1, description="steps between two saved states")
    keep_every: int = Field(default=0, ge=0, description="steps between two checkpoints that are kept for good; 0 keeps none")
    best_by: Literal["auto", "psnr_y", "ssim_y", "vgg"] = Field(
        default="auto", description="figure that decides best.safetensors; auto: vgg for a GAN with VGG19 at hand, else psnr_y"
    )

    @model_validator(mode="before")
    @classmethod
    def _without_the_old_loss(cls, data: Any) -> Any:  # noqa: ANN401
        if isinstance(data, dict) and "loss" in data:
            raise ValueError(f"'loss' has moved: write losses: [{{kind: {data['loss']}}}] beside train and delete train.loss")
        return data
