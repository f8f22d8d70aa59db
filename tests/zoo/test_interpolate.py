from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from clearvision.errors import ModelError, UsageError
from clearvision.inference.upscaler import Upscaler
from clearvision.types import ModelInfo
from clearvision.zoo import catalogue
from clearvision.zoo.checkpoint import Checkpoint, write_checkpoint
from clearvision.zoo.interpolate import at_vividness, check_alike, interpolate, mix_name, similarity, twins

HYPER = {"num_feat": 4, "num_conv": 1, "upscale": 2}


def compact(name: str, seed: int, *, near: Checkpoint | None = None, **hyper: int) -> Checkpoint:
    """Return a tiny SRVGG, random or near another one."""
    draw = np.random.default_rng(seed)
    settings = {**HYPER, **hyper}
    feat, scale = settings["num_feat"], settings["upscale"]
    shapes = {"body.0.weight": (feat, 3, 3, 3), "body.0.bias": (feat,), "body.1.weight": (feat,)}
    shapes |= {"body.2.weight": (feat, feat, 3, 3), "body.2.bias": (feat,), "body.3.weight": (feat,)}
    shapes |= {"body.4.weight": (3 * scale**2, feat, 3, 3), "body.4.bias": (3 * scale**2,)}
    weights = {key: draw.normal(0, 0.1, side).astype(np.float32) for key, side in shapes.items()}
    if near is not None:
        weights = {key: near.weights[key] + np.float32(0.3) * value for key, value in weights.items()}
    info = ModelInfo(name, "photo", scale, "srvgg", settings, receptive_radius=3, licence="CC0-1.0", precisions=("f32",))
    return Checkpoint(info, weights, None, f"{seed:064d}")


A = compact("a", 1)
B = compact("b", 2, near=A)


def test_the_ends_are_the_two_networks_bit_for_bit() -> None:
    a, b = replace(A, weights=dict(A.weights)), replace(B, weights=dict(B.weights))
    a.weights["body.0.bias"] = np.array([-0.0, 1e-45, 0.1, 3e38], np.float32)  # a sum with 0 * B would turn -0 into 0
    b.weights["body.0.bias"] = np.array([0.0, -1e-45, 1 / 3, -3e38], np.float32)
    for alpha, end in ((0, a), (0.0, a), (1, b), (1.0, b)):
        mixed = interpolate(a, b, alpha)
        for name, value in end.weights.items():
            assert mixed.weights[name].tobytes() == value.tobytes()
            assert mixed.weights[name] is not value


@pytest.mark.parametrize("alpha", [0.25, 0.5, 0.8])
def test_between_the_ends_every_value_is_the_float64_mix(alpha: float) -> None:
    mixed = interpolate(A, B, alpha)
    for name, value in mixed.weights.items():
        exact = (1 - alpha) * A.weights[name].astype(np.float64) + alpha * B.weights[name].astype(np.float64)
        np.testing.assert_array_equal(value, exact.astype(np.float32))
        assert value.dtype == np.float32
        assert (value >= np.minimum(A.weights[name], B.weights[name])).all()
        assert (value <= np.maximum(A.weights[name], B.weights[name])).all()


def test_the_picture_of_a_half_lies_between() -> None:
    picture = np.random.default_rng(0).random((12, 14, 3)).astype(np.float32)
    first, half, last = (Upscaler(interpolate(A, B, alpha), precision="f32")(picture) for alpha in (0, 0.5, 1))
    whole = np.abs(last - first).mean()
    assert whole > 0.01
    assert np.abs(half - first).mean() < 0.8 * whole
    assert np.abs(half - last).mean() < 0.8 * whole
    np.testing.assert_array_equal(first, Upscaler(A, precision="f32")(picture))
    np.testing.assert_array_equal(last, Upscaler(B, precision="f32")(picture))


def test_the_card_says_what_was_mixed() -> None:
    a = replace(A, info=replace(A.info, figures={"Set5": 30.0}, precisions=("bf16", "f32")))
    b = replace(B, info=replace(B.info, licence="MIT"))
    info = interpolate(a, b, 0.8).info
    assert info.name == "a+b@0.8"
    assert info.figures == {}
    assert info.licence == "CC0-1.0; MIT"
    assert info.precisions == ("f32",)
    assert info.training == {"A": "a", "sha256 of A": a.sha256, "B": "b", "sha256 of B": b.sha256, "alpha": 0.8}


def test_names_do_not_collide() -> None:
    alphas = [0.8, 0.85, 0.08, 0.801, 1.0, 0.1, 0.1 + 1e-12]
    assert len({mix_name(A.info, B.info, alpha) for alpha in alphas}) == len(alphas)


@pytest.mark.parametrize("alpha", [-0.01, 1.01, float("nan")])
def test_alphas_outside_are_refused(alpha: float) -> None:
    with pytest.raises(UsageError, match=r"alpha \(.*\) must be at least 0, which is 'a', and at most 1, which is 'b'"):
        interpolate(A, B, alpha)


def test_unlike_networks_are_refused_with_the_difference() -> None:
    other = replace(B, info=replace(B.info, arch="span"))
    with pytest.raises(ModelError, match="'a' and 'b' cannot be interpolated: one is network srvgg, the other span"):
        check_alike(A, other)
    with pytest.raises(ModelError, match="they differ in num_feat 4 and 6, upscale 2 and 4"):
        check_alike(A, compact("c", 1, num_feat=6, upscale=4))
    lacking = replace(B, weights={name: value for name, value in B.weights.items() if name != "body.3.weight"})
    with pytest.raises(ModelError, match=r"they differ in the tensors body\.3\.weight$"):
        check_alike(A, lacking)


def test_a_default_that_is_spelt_out_is_no_difference() -> None:
    check_alike(A, replace(B, info=replace(B.info, hyper={**HYPER, "act_type": "prelu", "num_in_ch": 3})))


def test_similarity_tells_relatives_from_strangers() -> None:
    assert similarity(A, A) == pytest.approx(1)
    assert similarity(A, B) > 0.9
    assert abs(similarity(A, compact("c", 9))) < 0.3


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Bundle twins and a model without one."""
    for name, checkpoint in (("photo-x2", A), ("photo-x2-vivid", B), ("clean-x2", A)):
        write_checkpoint(tmp_path / f"{name}.safetensors", replace(checkpoint.info, name=name), checkpoint.weights)
    monkeypatch.setattr(catalogue, "WEIGHTS_DIR", tmp_path)
    return tmp_path


def test_twins_are_found_from_either_and_beside_a_file(folder: Path) -> None:
    pair = (folder / "photo-x2.safetensors", folder / "photo-x2-vivid.safetensors")
    assert twins("photo-x2") == twins("photo-x2-vivid") == twins(pair[0]) == twins(str(pair[1])) == pair
    for vividness, end in ((0.0, A), (1.0, B)):
        mixed = at_vividness("photo-x2", vividness)
        assert all(mixed.weights[name].tobytes() == value.tobytes() for name, value in end.weights.items())


def test_a_model_without_a_twin_says_so(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"vividness needs twins, and 'clean-x2' has none.*bundled models with twins: photo-x2"):
        at_vividness("clean-x2", 0.5)
    alone = tmp_path / "elsewhere" / "mine.safetensors"
    write_checkpoint(alone, A.info, A.weights)
    with pytest.raises(ModelError, match=r"'mine' has none: there is no 'mine-vivid\.safetensors'"):
        at_vividness(alone, 0.5)
    with pytest.raises(UsageError, match=r"vividness \(1\.5\) must be at least 0 \(faithful\) and at most 1 \(vivid\)"):
        at_vividness("photo-x2", 1.5)


def test_the_upscaler_takes_a_vividness(folder: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (9, 8, 3), dtype=np.uint8)
    between = Upscaler("photo-x2", vividness=0.5, precision="f32")
    np.testing.assert_array_equal(between(picture), Upscaler(interpolate(A, B, 0.5), precision="f32")(picture))
    with pytest.raises(UsageError, match="vividness needs a model's name or file"):
        Upscaler(A, vividness=0.5)
