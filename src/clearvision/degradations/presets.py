"""Named degradations: tuples of steps, and nothing but data.

Sources: Wang et al., "Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure Synthetic Data", ICCVW 2021,
https://arxiv.org/abs/2107.10833, section 3 and the authors' published training options; Zhang et al., "Designing a Practical
Degradation Model for Deep Blind Image Super-Resolution", ICCV 2021, https://arxiv.org/abs/2103.14006.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clearvision.degradations.notation import step_from_data, step_to_data
from clearvision.degradations.steps import (
    Amount,
    Banding,
    Blur,
    Defocus,
    Fill,
    Jpeg,
    Noise,
    OneOf,
    Patches,
    Poisson,
    Resize,
    Round,
    Shuffle,
    Sinc,
    Step,
)
from clearvision.errors import UsageError

TO_TARGET = Resize()
_MODES = (("area", 1), ("bilinear", 1), ("bicubic", 1))
_KINDS = (
    ("iso", 0.45),
    ("aniso", 0.25),
    ("gen-iso", 0.12),
    ("gen-aniso", 0.03),
    ("plateau-iso", 0.12),
    ("plateau-aniso", 0.03),
)


@dataclass(frozen=True)
class Preset:
    """A degradation with a name.

    Attributes:
        name: what it is called.
        steps: what happens, in this order. Where no step brings the picture to the result's size, MATLAB's bicubic does after
            the last one; at the end it is always rounded to 8 bits.
        summary: one sentence for people.
    """

    name: str
    steps: tuple[Step, ...]
    summary: str = ""

    def to_data(self) -> list[dict[str, Any]]:
        """Return the steps as plain data."""
        return [step_to_data(step) for step in self.steps]


Degradation = str | Preset | Sequence[Step]


def _first_order(sigma: Amount, blur_prob: float) -> OneOf:
    """Blur as in Real-ESRGAN: sizes 7, 9 ... 21 alike; one kernel in ten a low-pass, milder for the small ones."""
    branches: tuple[tuple[Step, ...], ...] = (
        (Blur(kind=_KINDS, size=(7, 21), sigma=sigma, beta=(0.5, 4), plateau=(1, 2)),),
        (Sinc(size=(7, 11), cutoff=(1 / 3, 1)),),
        (Sinc(size=(13, 21), cutoff=(1 / 5, 1)),),
    )
    return OneOf(branches=branches, weights=(0.9, 0.1 * 3 / 8, 0.1 * 5 / 8), prob=blur_prob)


def _sensor(sigma: Amount, scale: Amount) -> OneOf:
    return OneOf(branches=((Noise(sigma=sigma, grey=0.4),), (Poisson(scale=scale, grey=0.4, levels=0),)), weights=(0.5, 0.5))


_FINAL_SIZE = (Resize(mode=_MODES), Sinc(size=(7, 21), cutoff=(1 / 3, 1), prob=0.8))
_REALESRGAN = (
    _first_order(sigma=(0.2, 3), blur_prob=1.0),
    OneOf(
        branches=((Resize(factor=(1, 1.5), mode=_MODES),), (Resize(factor=(0.15, 1), mode=_MODES),), ()),
        weights=(0.2, 0.7, 0.1),
    ),
    _sensor(sigma=(1, 30), scale=(0.05, 3)),
    Jpeg(quality=(30, 95)),
    _first_order(sigma=(0.2, 1.5), blur_prob=0.8),
    OneOf(
        branches=(
            (Resize(factor=(1, 1.2), of="target", mode=_MODES),),
            (Resize(factor=(0.3, 1), of="target", mode=_MODES),),
            (Resize(factor=1, of="target", mode=_MODES),),
        ),
        weights=(0.3, 0.4, 0.3),
    ),
    _sensor(sigma=(1, 25), scale=(0.05, 2.5)),
    OneOf(branches=((*_FINAL_SIZE, Jpeg(quality=(30, 95))), (Jpeg(quality=(30, 95)), *_FINAL_SIZE)), weights=(0.5, 0.5)),
)

_BSRGAN_BLUR = OneOf(
    branches=((Blur(kind="iso", size=(7, 25), sigma=(0.1, 2.8)),), (Blur(kind="aniso", size=(7, 25), sigma=(0.1, 2.8)),))
)
_BSRGAN = (
    Shuffle(
        steps=(
            _BSRGAN_BLUR,
            _BSRGAN_BLUR,
            Resize(factor=(0.125, 1), mode=_MODES, prob=0.75),
            Resize(mode=_MODES),
            Noise(sigma=(2, 25), grey=0.4),
            Jpeg(quality=(30, 95), prob=0.9),
        )
    ),
    Jpeg(quality=(30, 95)),
)


def _clearvision(sigma: Amount, blur: Amount, quality: Amount) -> tuple[Step, ...]:
    return (TO_TARGET, Noise(sigma=sigma), Round(), Blur(kind="iso", size=5, sigma=blur), Jpeg(quality=quality))


_LIGHT = (
    Blur(kind=(("iso", 1), ("aniso", 1)), size=(7, 13), sigma=(0.2, 1.2), prob=0.5),
    Resize(mode=_MODES),
    OneOf(
        branches=((Noise(sigma=(0.5, 25), grey=0.3),), (Poisson(scale=(0.05, 2), grey=0.3, levels=0),)),
        weights=(0.5, 0.5),
        prob=0.7,
    ),
    Jpeg(quality=(45, 97), prob=0.8),
)

PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset("bicubic", (TO_TARGET,), "Shrunk by MATLAB's antialiased bicubic and nothing else: the literature's clean task."),
        Preset(
            "clearvision",
            _clearvision(25, 1.0, 30),
            "Shrunk, then noise of 25 grey levels, a 5x5 blur of sigma 1, JPEG at 30; at scale 1 the same without shrinking.",
        ),
        Preset(
            "clearvision-app",
            _clearvision(10, 0.5, 70),
            "As clearvision, milder: noise of 10 grey levels, sigma 0.5, JPEG at 70.",
        ),
        Preset(
            "clearvision-patches",
            (
                TO_TARGET,
                Patches(steps=(Noise(sigma=50),), count=2, size=1 / 3),
                Patches(steps=(Fill(value=0),), size=1 / 2),
                Patches(steps=(Banding(levels=10),), size=1 / 5),
            ),
            "Shrunk, then damage in places: two patches of strong noise, a black mask, a banded patch.",
        ),
        Preset("realesrgan", _REALESRGAN, "Real-ESRGAN's second-order degradation with all its published parameters."),
        Preset(
            "photo",
            (OneOf(branches=(_REALESRGAN, _LIGHT), weights=(1, 1)),),
            "For photographs: Real-ESRGAN's damage or, one time in two, light blur, noise up to 25 and one JPEG at 45 to 97.",
        ),
        Preset(
            "restore",
            (
                OneOf(
                    branches=(_clearvision(25, 1.0, 30), _clearvision((0, 25), (0.2, 1.2), (30, 95)), _REALESRGAN, _LIGHT, ()),
                    weights=(3, 2, 3, 2, 1),
                ),
            ),
            "For restoring at one size: clearvision's damage, milder of its kind, Real-ESRGAN's, photo's light one or none.",
        ),
        Preset(
            "bsrgan",
            _BSRGAN,
            "After BSRGAN: two blurs, two resizes, noise and JPEG in a random order, then JPEG; without its camera model.",
        ),
        Preset(
            "camera",
            (
                Defocus(radius=(0.3, 1.0), prob=0.5),
                TO_TARGET,
                Poisson(scale=(0.1, 0.5)),
                Noise(sigma=(0.5, 3)),
                Jpeg(quality=(80, 96)),
            ),
            "A mild, honest camera: a slightly soft lens, photon and read-out noise, JPEG at 80 to 96.",
        ),
    )
}


def preset_from(degradation: Degradation) -> Preset:
    """Return the preset that is meant: a name, a preset, or steps (which become a preset called ``steps``).

    Raises:
        UsageError: if there is no preset of that name, or no step at all.
    """
    if isinstance(degradation, Preset):
        return degradation
    if isinstance(degradation, str):
        found = PRESETS.get(degradation)
        if found is None:
            raise UsageError(f"unknown preset '{degradation}'; known: {', '.join(PRESETS)}")
        return found
    steps = tuple(degradation)
    if not steps or not all(isinstance(step, Step) for step in steps):
        raise UsageError("a degradation is the name of a preset or a sequence of one step or more")
    return Preset("steps", steps)


def preset_from_data(data: Any, name: str = "steps") -> Preset:  # noqa: ANN401 - whatever a YAML file holds
    """Return the preset that a list of steps as plain data describes, such as :meth:`Preset.to_data` returns.

    Raises:
        UsageError: if it is no such list, or a step in it is wrong.
    """
    if not isinstance(data, Sequence) or isinstance(data, str | Mapping) or not data:
        raise UsageError(f"the degradation '{name}' must be a list of steps, such as [{{step: noise, sigma: 25}}]")
    return Preset(name, tuple(step_from_data(item) for item in data))


def read_preset(path: Path) -> Preset:
    """Read a YAML file that holds a list of steps.

    Raises:
        UsageError: if the file cannot be read or a step in it is wrong.
    """
    import yaml

    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        what = " ".join((getattr(error, "strerror", None) or str(error)).split())
        raise UsageError(f"the steps in '{path}' cannot be read: {what}") from error
    try:
        return preset_from_data(data, path.stem)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error
