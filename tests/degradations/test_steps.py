"""Steps as values: what is allowed, and the two ways to write them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from clearvision.degradations.notation import parse_step, step_from_data, step_to_data
from clearvision.degradations.presets import PRESETS, preset_from, preset_from_data, read_preset
from clearvision.degradations.steps import STEPS, Blur, Jpeg, Noise, OneOf, Patches, Poisson, Resize, Shuffle, Sinc
from clearvision.errors import UsageError


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ("noise:sigma=25", Noise(sigma=25)),
        ("noise:sigma=1..30,grey=0.4", Noise(sigma=(1, 30), grey=0.4)),
        (" jpeg : quality=30..95 , chroma=4:4:4", Jpeg(quality=(30, 95), chroma="4:4:4")),
        ("blur:kind=iso*3+aniso*1,size=7..21,prob=0.8", Blur(kind=(("iso", 3), ("aniso", 1)), size=(7, 21), prob=0.8)),
        ("resize:factor=0.5,mode=area+bilinear", Resize(factor=0.5, mode=(("area", 1), ("bilinear", 1)))),
        ("round", STEPS["round"]()),
    ],
)
def test_a_word_says_a_step(text: str, step: object) -> None:
    assert parse_step(text) == step


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_presets_survive_being_written_as_data(preset: object) -> None:
    assert preset_from_data(preset.to_data(), preset.name).steps == preset.steps  # type: ignore[attr-defined]


def test_data_leave_defaults_out() -> None:
    assert step_to_data(Noise(sigma=(1.0, 2.0))) == {"step": "noise", "sigma": [1.0, 2.0]}
    assert step_from_data({"step": "resize", "mode": ["area", "bilinear"]}) == Resize(mode=(("area", 1), ("bilinear", 1)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rain", r"unknown step 'rain'; known: blur, sinc"),
        ("noise:strength=3", r"the step 'noise' has no 'strength'; it has: prob, sigma, grey"),
        ("noise:sigma", r"'sigma' in the step 'noise:sigma' is not key=value"),
        ("noise:sigma=300", r"noise.sigma \(300.0\) must lie between 0 and 255"),
        ("noise:sigma=30..1", r"noise.sigma \(30.0..1.0\) must be a number or a range of two, the lower first"),
        ("noise:sigma=loud", r"noise.sigma \(loud\) must be a number or a range of two"),
        ("noise:grey=0..1", r"noise.grey \(0.0..1.0\) must be a number$"),
        ("noise:prob=1.5", r"noise.prob \(1.5\) must lie between 0 and 1"),
        ("jpeg:quality=30.5", r"jpeg.quality \(30.5\) must be whole"),
        ("blur:size=8", r"blur.size \(8.0\) must be odd"),
        ("blur:kind=round", r"blur.kind \(round\) must be one of iso, aniso"),
        ("blur:kind=iso*x", r"blur.kind has the weights \['x'\]"),
        ("jpeg:chroma=4:2:0+4:4:4", r"jpeg.chroma takes one word, not several"),
        ("patches:count=2", r"the step 'patches' holds other steps and can only be written in a YAML file"),
    ],
)
def test_a_wrong_word_is_told(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_step(text)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("noise", r"a step is written like"),
        ({"sigma": 3}, r"a step is written like"),
        ({"step": "patches"}, r"the step 'patches' needs 'steps'"),
        ({"step": "patches", "steps": []}, r"patches.steps must hold one step or more"),
        ({"step": "patches", "steps": [{"step": "resize"}]}, r"patches.steps must not hold 'resize'"),
        ({"step": "one-of", "branches": [[{"step": "round"}]]}, r"one-of.branches needs two sequences of steps or more, got 1"),
        ({"step": "one-of", "branches": [{"step": "round"}, []]}, r"one-of.branches is a list of lists of steps"),
        ({"step": "one-of", "branches": [[], [{"step": "round"}]], "weights": [1]}, r"one-of.weights \[1\] must be 2 numbers"),
        ({"step": "shuffle", "steps": [{"step": "noise", "sigma": True}]}, r"noise.sigma \(True\) must be a number"),
    ],
)
def test_wrong_data_are_told(data: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        step_from_data(data)


def test_a_file_of_steps_is_a_preset(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("- {step: resize}\n- step: patches\n  count: 2\n  steps: [{step: noise, sigma: [5, 1e1]}]\n")
    preset = read_preset(file)
    assert preset.name == "mine"
    assert preset.steps == (Resize(), Patches(steps=(Noise(sigma=(5, 10)),), count=2))
    file.write_text("- {step: resize}\n- {step: rain}\n")
    with pytest.raises(UsageError, match=r"mine.yaml: unknown step 'rain'"):
        read_preset(file)
    file.write_text("[}")
    with pytest.raises(UsageError, match=r"the steps in '.*mine.yaml' cannot be read"):
        read_preset(file)
    with pytest.raises(UsageError, match=r"absent.yaml' cannot be read: No such file"):
        read_preset(tmp_path / "absent.yaml")


def test_presets_by_name() -> None:
    assert preset_from("bicubic").steps == (Resize(),)
    assert preset_from([Noise()]).name == "steps"
    with pytest.raises(UsageError, match=r"unknown preset 'realesgran'; known: bicubic, clearvision"):
        preset_from("realesgran")
    with pytest.raises(UsageError, match=r"a sequence of one step or more"):
        preset_from([])


def test_steps_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Noise().sigma = 3  # type: ignore[misc]


def test_realesrgan_is_the_published_one() -> None:
    """Every number of the authors' training options, second order included."""
    blur, size, noise, jpeg, blur2, size2, noise2, final = PRESETS["realesrgan"].steps
    assert isinstance(blur, OneOf)
    ((gaussian,), (small,), (large,)) = blur.branches
    assert blur.weights == (0.9, pytest.approx(0.0375), pytest.approx(0.0625))
    kinds = (
        *(("iso", 0.45), ("aniso", 0.25), ("gen-iso", 0.12), ("gen-aniso", 0.03)),
        *(("plateau-iso", 0.12), ("plateau-aniso", 0.03)),
    )
    assert gaussian == Blur(kind=kinds, size=(7, 21), sigma=(0.2, 3), angle=(-180, 180), beta=(0.5, 4), plateau=(1, 2))
    assert (small, large) == (Sinc(size=(7, 11), cutoff=(1 / 3, 1)), Sinc(size=(13, 21), cutoff=(1 / 5, 1)))
    assert isinstance(size, OneOf)
    assert size.weights == (0.2, 0.7, 0.1)
    modes = (("area", 1), ("bilinear", 1), ("bicubic", 1))
    assert size.branches == ((Resize(factor=(1, 1.5), mode=modes),), (Resize(factor=(0.15, 1), mode=modes),), ())
    pair = ((Noise(sigma=(1, 30), grey=0.4),), (Poisson(scale=(0.05, 3), grey=0.4, levels=0),))
    assert noise == OneOf(branches=pair, weights=(0.5, 0.5))
    assert jpeg == Jpeg(quality=(30, 95))
    assert isinstance(blur2, OneOf)
    assert (blur2.prob, blur2.branches[0][0].sigma) == (0.8, (0.2, 1.5))  # type: ignore[attr-defined]
    assert isinstance(size2, OneOf)
    assert size2.weights == (0.3, 0.4, 0.3)
    factors = [branch[0] for branch in size2.branches]
    assert factors == [Resize(factor=factor, of="target", mode=modes) for factor in ((1, 1.2), (0.3, 1), 1)]
    pair = ((Noise(sigma=(1, 25), grey=0.4),), (Poisson(scale=(0.05, 2.5), grey=0.4, levels=0),))
    assert noise2 == OneOf(branches=pair, weights=(0.5, 0.5))
    last = Resize(mode=modes), Sinc(size=(7, 21), cutoff=(1 / 3, 1), prob=0.8)
    assert final == OneOf(branches=((*last, jpeg), (jpeg, *last)), weights=(0.5, 0.5))


def test_shuffle_holds_steps_only() -> None:
    with pytest.raises(UsageError, match=r"shuffle.steps must hold one step or more"):
        Shuffle(steps=("noise",))  # type: ignore[arg-type]
