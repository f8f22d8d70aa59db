"""What a recipe may say about its data: validated values, light to import."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from clearvision.degradations.presets import Preset, preset_from, preset_from_data

Layout = Literal["hr", "pairs", "unpaired"]
Storage = Literal["auto", "ram", "device", "stream"]


class _Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Augment(_Options):
    """What happens to a crop by chance; a pure function of (seed, step, place in the batch)."""

    flips: bool = Field(default=True, description="mirror left and right, half of the time")
    turns: bool = Field(default=True, description="turn by a random number of quarters; with flips, all eight orientations")
    mixup: float = Field(default=0.0, ge=0, le=1, description="share of samples blended with another (Feng et al., CVPRW 2019)")
    cutblur: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="share of samples with a rectangle of gt in lq or the reverse; scale 1 only (CutBlur)",
    )


class DataOptions(_Options):
    """Where the pictures are and how they become pairs."""

    layout: Layout = Field(
        default="hr",
        description="hr: ground truth only; pairs: lq beside gt, matched by name; unpaired: lq is one domain, gt another",
    )
    folders: tuple[str, ...] = Field(
        default=("",),
        min_length=1,
        description="folders of ground truth below --data, searched recursively; '' is --data itself. "
        "With pairs or unpaired and no lq_folders: folders that hold both, such as low_res and high_res, or trainA and trainB",
    )
    lq_folders: tuple[str, ...] = Field(default=(), description="folders of low-quality pictures, one for each of folders")
    degradation: str | tuple[dict[str, Any], ...] = Field(
        default="bicubic", description="how lq is made from gt: a preset's name or a list of steps; layout hr only"
    )
    usm: bool = Field(
        default=False,
        description="as Real-ESRGAN: lq is made from, and losses compare with, a sharpened gt; discriminators see the plain one",
    )
    shrink_gt: float = Field(
        default=1.0, ge=1, le=16, description="ground truth is first made this many times smaller, by antialiased bicubic"
    )
    short_side: int | None = Field(
        default=None, ge=8, description="ground truth is first shrunk until its shorter side has this many pixels, shape kept"
    )
    val_count: int = Field(default=24, ge=1, description="pictures held out for validation, chosen by a hash of their names")
    val_share: float | None = Field(default=None, gt=0, lt=1, description="instead of val_count: this share of the pictures")
    val_list: str | None = Field(
        default=None, description="instead: a text file below --data with a picture's name or relative path a line"
    )
    val_folders: tuple[str, ...] = Field(default=(), description="instead: folders like those of folders, held out as a whole")
    val_size: int = Field(default=384, ge=16, description="validation uses the centre crop of at most this many gt pixels a side")
    flat_below: float = Field(
        default=0.0, ge=0, description="draw again, up to 4 times, crops whose deviation in grey levels is lower"
    )
    sampling: Literal["area", "detail"] = Field(
        default="area",
        description="area: anywhere alike; detail: one of four places of a picture, in proportion to its gradients",
    )
    augment: Augment = Augment()
    storage: Storage = Field(
        default="auto",
        description="ram: decoded once; device: on the GPU; stream: files are read as they are needed; auto: ram if it fits",
    )
    memory_gb: float = Field(default=4.0, gt=0, description="most gigabytes of decoded pictures to hold")
    workers: int = Field(default=2, ge=1, le=64, description="threads that decode pictures")
    most_unreadable: float = Field(default=0.05, ge=0, le=1, description="share of unreadable pictures that ends the run")

    @field_validator("degradation")
    @classmethod
    def _known_degradation(cls, value: str | tuple[dict[str, Any], ...]) -> str | tuple[dict[str, Any], ...]:
        preset_of(value)
        return value

    @model_validator(mode="after")
    def _consistent(self) -> DataOptions:
        faults = []
        if self.lq_folders and len(self.lq_folders) != len(self.folders):
            faults.append(
                f"data.lq_folders has {len(self.lq_folders)} entries and data.folders {len(self.folders)}; give one for each"
            )
        if self.layout == "hr" and self.lq_folders:
            faults.append("data.lq_folders is for the layouts pairs and unpaired; set data.layout")
        if self.layout != "hr" and self.degradation != "bicubic":
            faults.append(f"data.degradation ({self.degradation}) is for the layout hr; {self.layout} brings its own lq")
        if self.layout == "pairs" and (self.shrink_gt != 1 or self.short_side):
            faults.append("data.shrink_gt and data.short_side would part gt from the lq of its pair; shrink the files instead")
        if self.shrink_gt != 1 and self.short_side:
            faults.append("data.shrink_gt and data.short_side exclude each other")
        chosen = [
            name for name, value in (("share", self.val_share), ("list", self.val_list), ("folders", self.val_folders)) if value
        ]
        if len(chosen) > 1:
            faults.append(f"data.val_{' and data.val_'.join(chosen)} exclude each other; give one")
        if self.layout == "unpaired" and (self.augment.mixup or self.augment.cutblur):
            faults.append("data.augment.mixup and cutblur need lq and gt of one scene, not the layout unpaired")
        if faults:
            raise ValueError("; ".join(faults))
        return self


def preset_of(degradation: str | tuple[dict[str, Any], ...]) -> Preset:
    """Return the preset that ``data.degradation`` means.

    Raises:
        UsageError: if there is no such preset, or a step is wrong.
    """
    return preset_from(degradation) if isinstance(degradation, str) else preset_from_data(list(degradation), "data.degradation")
