"""The section ``objective``: who is trained against whom."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from clearvision.recipe.loop import Optimizer

Gan = Literal["vanilla", "ragan", "lsgan", "hinge"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Discriminator(BaseModel):
    """``arch`` and, beside it, the keyword arguments of the discriminator's constructor."""

    model_config = ConfigDict(frozen=True, extra="allow")

    arch: str = Field(..., description="key of clearvision.archs.DISCRIMINATORS: vgg, unet or patchgan")

    @property
    def arguments(self) -> dict[str, Any]:
        """Keyword arguments of the constructor."""
        return dict(self.model_extra or {})


class Teaching(_Part):
    """Who says what can be known of gt, and how much that counts; see ``clearvision/training/teacher.py``."""

    model: str | None = Field(
        default=None, description="name or file of a better model for the same task; none: init, whose eight views are averaged"
    )
    share: float = Field(default=0.5, gt=0, le=1, description="of the teacher's result in the ground truth")


class Fidelity(_Part):
    """One network, brought close to gt by ``losses``."""

    kind: Literal["fidelity"] = "fidelity"
    teacher: Teaching | None = Field(default=None, description="a network whose result is mixed into gt; none: gt alone")


class Likelihood(_Part):
    """A conditional flow, made to find gt likely given lq (Lugmayr et al., SRFlow, ECCV 2020); ``losses`` has no part in it."""

    kind: Literal["likelihood"] = "likelihood"


class _Against(_Part):
    """What every objective with discriminators may set."""

    discriminator: Discriminator = Field(..., description="arch and its arguments")
    optimizer: Optimizer | None = Field(
        default=None, description="of the discriminators; none: as train.optimizer. The schedule is shared"
    )
    real_label: float = Field(
        default=1.0, gt=0.5, le=1, description="what the discriminator is asked to say of real pictures; below 1 smooths (0.95)"
    )
    noise: float = Field(
        default=0.0, ge=0, le=1, description="deviation of the Gaussian noise on what the discriminator sees (0.01)"
    )
    r1_weight: float = Field(
        default=0.0, ge=0, description="factor on the squared gradient of D at real pictures (Mescheder 2018)"
    )
    r1_every: int = Field(default=16, ge=1, description="steps from one R1 penalty to the next, which is scaled up by as many")
    d_every: int = Field(default=1, ge=1, description="the discriminator learns on every n-th step only: for one that wins")
    g_every: int = Field(
        default=1, ge=1, description="the generator learns on every n-th step only: for a discriminator that lags"
    )


class Adversarial(_Against):
    """A generator against a discriminator."""

    kind: Literal["adversarial"] = "adversarial"
    gan: Gan = Field(default="vanilla", description="ragan is relativistic on both sides, with both terms")
    weight: float = Field(default=0.1, gt=0, description="factor on the generator's adversarial term")
    start: int = Field(default=0, ge=0, description="step before which neither the adversarial term nor the discriminator act")
    cold_start: str | None = Field(
        default=None,
        min_length=12,
        description="why this GAN may start from random weights, in words; without it init or a stage before is demanded",
    )


class Cycle(_Against):
    """Two generators and two discriminators between two unpaired domains (Zhu et al., CycleGAN, ICCV 2017); scale 1."""

    kind: Literal["cycle"] = "cycle"
    gan: Gan = Field(default="lsgan", description="ragan is relativistic on both sides, with both terms")
    weight: float = Field(default=1.0, gt=0, description="factor on the generators' adversarial terms")
    cycle_weight: float = Field(default=10.0, gt=0, description="factor on 'losses' between a picture and its round trip")
    identity_weight: float = Field(
        default=5.0, ge=0, description="factor on the L1 change of a picture that is already in the target domain"
    )
    pool: int = Field(default=50, ge=0, description="made pictures of each domain kept for the discriminators; 0 keeps none")


Objective = Annotated[Fidelity | Likelihood | Adversarial | Cycle, Field(discriminator="kind")]
