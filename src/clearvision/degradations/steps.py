"""The steps that a degradation is made of: values that say what may happen, in which order and with which numbers.

An amount is a number or a pair (low, high) from which one is drawn for each picture, evenly. Nothing here needs PyTorch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

from clearvision.errors import UsageError

Amount = float | tuple[float, float]
Mix = str | tuple[tuple[str, float], ...]

BLUR_KINDS = ("iso", "aniso", "gen-iso", "gen-aniso", "plateau-iso", "plateau-aniso")
RESIZE_MODES = ("area", "bilinear", "bicubic", "nearest", "matlab")
CHROMA = ("4:2:0", "4:4:4")
LARGEST_KERNEL = 101


def _amount(default: Any, low: float, high: float, *, whole: bool = False, odd: bool = False, fixed: bool = False) -> Any:  # noqa: ANN401
    """Declare a field that holds a number or, unless ``fixed``, a range within [low, high]."""
    return field(default=default, metadata={"low": low, "high": high, "whole": whole or odd, "odd": odd, "fixed": fixed})


def _one_of_words(default: Any, words: Sequence[str]) -> Any:  # noqa: ANN401
    """Declare a field that holds one of some words, or several with weights."""
    return field(default=default, metadata={"words": tuple(words)})


@dataclass(frozen=True, kw_only=True)
class Step:
    """One thing that happens to a picture.

    Attributes:
        prob: how often it happens, in [0, 1].
    """

    name: ClassVar[str] = ""
    prob: float = _amount(1.0, 0, 1, fixed=True)

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            where = f"{self.name}.{item.name}"
            if "low" in item.metadata:
                _check_amount(where, value, item.metadata)
            elif "words" in item.metadata:
                _check_words(where, value, item.metadata["words"])


@dataclass(frozen=True, kw_only=True)
class Blur(Step):
    """A blur by a Gaussian, a generalised Gaussian or a plateau-shaped kernel.

    Attributes:
        kind: ``iso``, ``aniso``, ``gen-iso``, ``gen-aniso``, ``plateau-iso`` or ``plateau-aniso``, or several with weights.
        size: side of the kernel, odd.
        sigma: standard deviation in pixels; for the ``aniso`` kinds one is drawn for each axis.
        angle: direction of the first axis in degrees, for the ``aniso`` kinds.
        beta: exponent of the ``gen`` kinds; of a range, half of the draws lie below 1.
        plateau: exponent of the ``plateau`` kinds; of a range, half of the draws lie below 1, or are 1 where it starts at 1.
    """

    name: ClassVar[str] = "blur"
    kind: Mix = _one_of_words("iso", BLUR_KINDS)
    size: Amount = _amount(21, 3, LARGEST_KERNEL, odd=True)
    sigma: Amount = _amount(1.0, 0.01, 50)
    angle: Amount = _amount((-180.0, 180.0), -360, 360)
    beta: Amount = _amount((0.5, 4.0), 0.05, 20)
    plateau: Amount = _amount((1.0, 2.0), 0.05, 20)


@dataclass(frozen=True, kw_only=True)
class Sinc(Step):
    """An ideal circular low-pass, cut off at a kernel's size: it rings, as sharpened and recompressed pictures do.

    Attributes:
        size: side of the kernel, odd.
        cutoff: the highest frequency let through, as a share of the highest there is.
    """

    name: ClassVar[str] = "sinc"
    size: Amount = _amount(21, 3, LARGEST_KERNEL, odd=True)
    cutoff: Amount = _amount(0.5, 0.01, 1)


@dataclass(frozen=True, kw_only=True)
class Motion(Step):
    """A blur along a straight line of ``length`` pixels at ``angle`` degrees."""

    name: ClassVar[str] = "motion"
    length: Amount = _amount(9.0, 1, LARGEST_KERNEL - 2)
    angle: Amount = _amount((-180.0, 180.0), -360, 360)


@dataclass(frozen=True, kw_only=True)
class Defocus(Step):
    """A blur by a disc of ``radius`` pixels, as a lens out of focus makes."""

    name: ClassVar[str] = "defocus"
    radius: Amount = _amount(2.0, 0.1, LARGEST_KERNEL // 2 - 1)


@dataclass(frozen=True, kw_only=True)
class Box(Step):
    """The mean over a square of ``size`` pixels a side, odd."""

    name: ClassVar[str] = "box"
    size: Amount = _amount(15, 3, LARGEST_KERNEL, odd=True)


@dataclass(frozen=True, kw_only=True)
class Noise(Step):
    """Gaussian noise.

    Attributes:
        sigma: standard deviation in grey levels of 255.
        grey: how often it is the same in the three channels, in [0, 1].
    """

    name: ClassVar[str] = "noise"
    sigma: Amount = _amount(10.0, 0, 255)
    grey: float = _amount(0.0, 0, 1, fixed=True)


@dataclass(frozen=True, kw_only=True)
class Poisson(Step):
    """Poisson noise, stronger in light than in dark, as photons are counted.

    Attributes:
        scale: how many times the noise of a sensor that counts ``levels`` photons at white.
        grey: how often it is the same in the three channels, in [0, 1].
        levels: photons at white; 0 takes the number of 8-bit levels in the picture, up to the next power of 2, as Real-ESRGAN
            does, which makes the noise of flat pictures the strongest.
    """

    name: ClassVar[str] = "poisson"
    scale: Amount = _amount(1.0, 0, 100)
    grey: float = _amount(0.0, 0, 1, fixed=True)
    levels: float = _amount(256.0, 0, 1e9, fixed=True)


@dataclass(frozen=True, kw_only=True)
class Resize(Step):
    """Another size, by a factor or, without one, the size that the result must have.

    Attributes:
        factor: new side divided by old side, or None for the result's size.
        of: what the factor multiplies: ``current`` size or the ``target`` (the result's).
        mode: ``area``, ``bilinear``, ``bicubic`` (a = -0.75, no antialiasing), ``nearest``, ``matlab`` (antialiased bicubic of
            the literature), or several with weights.
    """

    name: ClassVar[str] = "resize"
    factor: Amount | None = _amount(None, 0.01, 8)
    of: str = _one_of_words("current", ("current", "target"))
    mode: Mix = _one_of_words("matlab", RESIZE_MODES)


@dataclass(frozen=True, kw_only=True)
class Jpeg(Step):
    """Compression as JPEG by libjpeg's tables of a ``quality`` from 1 to 100, ``chroma`` halved (4:2:0) or whole (4:4:4)."""

    name: ClassVar[str] = "jpeg"
    quality: Amount = _amount(75, 1, 100, whole=True)
    chroma: str = _one_of_words("4:2:0", CHROMA)


@dataclass(frozen=True, kw_only=True)
class Webp(Step):
    """Compression as lossy WebP of a ``quality`` from 1 to 100."""

    name: ClassVar[str] = "webp"
    quality: Amount = _amount(75, 1, 100, whole=True)


@dataclass(frozen=True, kw_only=True)
class Round(Step):
    """Clamping and rounding to 8 bits, as a file between two steps does."""

    name: ClassVar[str] = "round"


@dataclass(frozen=True, kw_only=True)
class Fill(Step):
    """One grey ``value`` everywhere (0 to 255): inside ``patches``, masks."""

    name: ClassVar[str] = "fill"
    value: Amount = _amount(0.0, 0, 255)


@dataclass(frozen=True, kw_only=True)
class Banding(Step):
    """Only so many ``levels`` a channel, so that soft gradients turn into bands."""

    name: ClassVar[str] = "banding"
    levels: Amount = _amount(10, 2, 256, whole=True)


@dataclass(frozen=True, kw_only=True)
class Patches(Step):
    """Steps that happen only inside rectangles at random places.

    Attributes:
        steps: what happens there; no step may change the size.
        count: how many rectangles.
        size: their sides, as a share of the picture's.
    """

    name: ClassVar[str] = "patches"
    steps: tuple[Step, ...]
    count: Amount = _amount(1, 1, 100, whole=True)
    size: Amount = _amount(0.33, 0.01, 1)

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_steps("patches.steps", self.steps)
        if any(changes_size(step) for step in self.steps):
            raise UsageError("patches.steps must not hold 'resize': only a whole picture can change its size")


@dataclass(frozen=True, kw_only=True)
class OneOf(Step):
    """One of several sequences of steps; a sequence may be empty.

    Attributes:
        branches: the sequences.
        weights: how often each is taken, in proportion; empty for all alike.
    """

    name: ClassVar[str] = "one-of"
    branches: tuple[tuple[Step, ...], ...]
    weights: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.branches) < 2:
            raise UsageError(f"one-of.branches needs two sequences of steps or more, got {len(self.branches)}")
        for branch in self.branches:
            if branch:
                _check_steps("one-of.branches", branch)
        if self.weights and (len(self.weights) != len(self.branches) or min(self.weights) < 0 or sum(self.weights) <= 0):
            raise UsageError(
                f"one-of.weights {list(self.weights)} must be {len(self.branches)} numbers, one a branch, none below 0, not all 0"
            )


@dataclass(frozen=True, kw_only=True)
class Shuffle(Step):
    """Steps in a random order; those that change the size keep their order among themselves."""

    name: ClassVar[str] = "shuffle"
    steps: tuple[Step, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_steps("shuffle.steps", self.steps)


STEPS: dict[str, type[Step]] = {
    kind.name: kind
    for kind in (
        *(Blur, Sinc, Motion, Defocus, Box, Noise, Poisson, Resize, Jpeg, Webp, Round, Fill, Banding),
        *(Patches, OneOf, Shuffle),
    )
}


def changes_size(step: Step) -> bool:
    """Whether a step, or one inside it, may change a picture's size."""
    return isinstance(step, Resize) or any(changes_size(inner) for inner in inner_steps(step))


def inner_steps(step: Step) -> tuple[Step, ...]:
    """Return the steps that a step holds, of all branches."""
    if isinstance(step, OneOf):
        return tuple(inner for branch in step.branches for inner in branch)
    return step.steps if isinstance(step, Patches | Shuffle) else ()


def _check_amount(where: str, value: Any, allowed: Mapping[str, Any]) -> None:  # noqa: ANN401
    if value is None and where == "resize.factor":
        return
    fixed = allowed["fixed"]
    numbers: tuple[Any, ...] = value if isinstance(value, tuple) and not fixed else (value,)
    if not all(isinstance(number, int | float) and not isinstance(number, bool) and math.isfinite(number) for number in numbers):
        raise UsageError(f"{where} ({_shown(value)}) must be a number{'' if fixed else ' or a range of two'}")
    if len(numbers) not in (1, 2) or list(numbers) != sorted(numbers):
        raise UsageError(f"{where} ({_shown(value)}) must be a number or a range of two, the lower first")
    if numbers[0] < allowed["low"] or numbers[-1] > allowed["high"]:
        raise UsageError(f"{where} ({_shown(value)}) must lie between {allowed['low']:g} and {allowed['high']:g}")
    if allowed["whole"] and any(number != int(number) for number in numbers):
        raise UsageError(f"{where} ({_shown(value)}) must be whole")
    if allowed["odd"] and any(number % 2 == 0 for number in numbers):
        raise UsageError(f"{where} ({_shown(value)}) must be odd")


def _check_words(where: str, value: Any, words: Sequence[str]) -> None:  # noqa: ANN401
    mixed = isinstance(value, tuple) and all(isinstance(item, tuple) and len(item) == 2 for item in value)
    chosen = [item[0] for item in value] if mixed else [value]
    unknown = next((word for word in chosen if word not in words), None)
    if unknown is not None or not chosen:
        raise UsageError(f"{where} ({unknown if chosen else 'nothing'}) must be one of {', '.join(words)}")
    if mixed and where.rpartition(".")[2] not in ("kind", "mode"):
        raise UsageError(f"{where} takes one word, not several; one of {', '.join(words)}")
    weights = [item[1] for item in value] if mixed else [1]
    if not all(isinstance(weight, int | float) and weight >= 0 for weight in weights) or sum(weights) <= 0:
        raise UsageError(f"{where} has the weights {weights}; none may be below 0, and not all 0")


def _check_steps(where: str, steps: Any) -> None:  # noqa: ANN401
    if not isinstance(steps, tuple) or not steps or not all(isinstance(step, Step) for step in steps):
        raise UsageError(f"{where} must hold one step or more")


def _shown(value: Any) -> str:  # noqa: ANN401
    return "..".join(map(str, value)) if isinstance(value, tuple) else str(value)
