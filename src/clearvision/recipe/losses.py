"""The section ``losses``: what the generator minimises besides its objective's own terms, each weighted and logged by itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PixelLoss(_Part):
    """A difference between the pixels of sr and gt, or with ``tv`` the roughness of sr alone."""

    kind: Literal["l1", "mse", "charbonnier", "psnr", "ssim", "tv", "frequency", "ripple"] = Field(
        ...,
        description="psnr counts decibels picture by picture; ssim is 1 - SSIM; tv the total variation of sr; "
        "frequency the L1 between spectra; ripple the finest detail that gt has not",
    )
    weight: float = Field(default=1.0, gt=0, description="factor on this term")


class MsSsimL1(_Part):
    """Multi-scale SSIM and a Gaussian-weighted L1 (Zhao et al., "Loss Functions for Image Restoration", 2017)."""

    kind: Literal["ms_ssim_l1"] = "ms_ssim_l1"
    weight: float = Field(default=1.0, gt=0, description="factor on this term")
    alpha: float = Field(default=0.84, ge=0, le=1, description="share of the MS-SSIM part")


class GridLoss(_Part):
    """What of the error repeats every few pixels, as sub-pixel convolutions leave it."""

    kind: Literal["grid"] = "grid"
    weight: float = Field(default=1.0, gt=0, description="factor on this term")
    period: int = Field(default=4, ge=2, description="of the pattern in pixels: the network's scale")


class FeatureLoss(_Part):
    """A difference between VGG19's features of sr and gt; ``style`` compares their Gram matrices."""

    kind: Literal["perceptual", "style"]
    weight: float = Field(default=1.0, gt=0, description="factor on this term")
    layers: dict[str, float] = Field(
        default={"conv5_4": 1.0},
        min_length=1,
        description="layer to weight: conv1_2 ... conv5_4 before the activation, relu1_2 ... relu5_4 after it",
    )
    criterion: Literal["l1", "mse", "unit"] = Field(
        default="l1",
        description="how features are compared; unit, for perceptual only, brings those of every place to length 1 first",
    )

    @model_validator(mode="after")
    def _criterion_fits(self) -> Self:
        if self.kind == "style" and self.criterion == "unit":
            raise ValueError("style compares by l1 or mse; criterion unit is for perceptual")
        return self


Loss = Annotated[PixelLoss | MsSsimL1 | GridLoss | FeatureLoss, Field(discriminator="kind")]


def loss_names(losses: Sequence[PixelLoss | MsSsimL1 | GridLoss | FeatureLoss]) -> list[str]:
    """Return the name under which each term is logged: ``loss/g_<kind>``, a second one of a kind ``loss/g_<kind>_2``."""
    seen: Counter[str] = Counter()
    names = []
    for loss in losses:
        seen[loss.kind] += 1
        names.append(f"loss/g_{loss.kind}" + (f"_{seen[loss.kind]}" if seen[loss.kind] > 1 else ""))
    return names
