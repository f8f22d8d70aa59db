"""Other people's weight files, and networks between networks, on the command line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from clearvision.imaging.io import read_picture
from clearvision.zoo.checkpoint import read_checkpoint, read_info, write_checkpoint
from clearvision.zoo.interpolate import interpolate


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """A file of SRVGG weights under ``params``."""
    from clearvision.archs import SRVGGNetCompact

    torch.manual_seed(0)
    path = tmp_path / "theirs.pth"
    torch.save({"params": SRVGGNetCompact(num_feat=8, num_conv=2, upscale=2).state_dict()}, path)
    return path


@pytest.fixture
def other(bundled: Path, tmp_path: Path) -> Path:
    """A relative of the bundled clean-x2."""
    checkpoint = read_checkpoint(bundled / "clean-x2.safetensors")
    weights = {name: value * np.float32(1.2) for name, value in checkpoint.weights.items()}
    path = tmp_path / "other.safetensors"
    write_checkpoint(path, replace(checkpoint.info, name="other"), weights)
    return path


def test_info_of_another_files_network(run: Callable, foreign: Path) -> None:
    ran = run("models", "info", foreign)
    assert ran.code == 0, ran.err
    shown = [line.split(maxsplit=1) for line in ran.out.splitlines()]
    assert ["licence", "not known"] in shown
    assert "network           srvgg (num_in_ch 3, num_out_ch 3, num_feat 8, num_conv 2, upscale 2, act_type prelu)" in ran.out
    assert "receptive radius  4 pixels" in ran.out
    assert "multiply-adds     558 for each pixel of the result" in ran.out  # (3*8 + 8*8*2 + 8*12) * 9 / 4
    assert "note              the weights lie under 'params'" in ran.out
    assert run("models", "info", foreign, "--json").json["notes"] == ["the weights lie under 'params'"]


def test_info_lists_what_does_not_fit(run: Callable, foreign: Path) -> None:
    state = torch.load(foreign, weights_only=True)["params"]
    state["body.2.bias"] = torch.zeros(9)
    torch.save(state, foreign)
    ran = run("models", "info", foreign)
    assert ran.code == 1
    assert "another shape     body.2.bias 9 for 8" in ran.out
    assert ran.err.startswith(f"clearvision: model file '{foreign}' cannot be used: it is SRVGGNetCompact")
    document = run("models", "info", foreign, "--json").json
    assert (document["misshapen"], document["missing"]) == (["body.2.bias 9 for 8"], [])


def test_a_converted_file_upscales_as_its_source_does(run: Callable, foreign: Path, photo: Path, tmp_path: Path) -> None:
    before = foreign.read_bytes()
    ours = tmp_path / "ours.safetensors"
    ran = run("models", "convert", foreign, "-o", ours, "--licence", "MIT", "--task", "photo")
    assert ran.code == 0, ran.err
    assert ran.out == (
        f"{ours}: srvgg x2 (num_in_ch 3, num_out_ch 3, num_feat 8, num_conv 2, upscale 2, act_type prelu), licence MIT\n"
    )
    info = read_info(ours)
    assert (info.name, info.task, info.licence, info.training["read from"]) == ("ours", "photo", "MIT", "theirs.pth")
    assert foreign.read_bytes() == before
    pictures = []
    for model in (foreign, ours):
        target = tmp_path / f"{model.stem}.png"
        done = run("upscale", photo, "--model", model, "-o", target)
        assert done.code == 0, done.err
        pictures.append(read_picture(target).pixels)
    assert pictures[0].shape == (32, 48, 3)
    np.testing.assert_array_equal(*pictures)


def test_convert_touches_nothing_it_should_not(run: Callable, foreign: Path, bundled: Path, tmp_path: Path) -> None:
    ours = tmp_path / "ours.safetensors"
    ours.write_bytes(b"precious")
    refused = run("models", "convert", foreign, "-o", ours)
    assert (refused.code, ours.read_bytes()) == (2, b"precious")
    assert refused.err == f"clearvision: '{ours}' exists; name another file, or give --overwrite\n"
    assert run("models", "convert", foreign, "-o", ours, "--overwrite").code == 0
    assert read_info(ours).arch == "srvgg"
    assert "must end in .safetensors" in run("models", "convert", foreign, "-o", tmp_path / "ours.pth").err
    assert "is a model file of ours already" in run("models", "convert", "clean-x2", "-o", tmp_path / "new.safetensors").err
    same = run("models", "convert", ours, "-o", ours, "--overwrite")
    assert same.err == f"clearvision: '{ours}' is the input itself; inputs are never changed, so name another file\n"


def test_a_foreign_file_without_pytorch(
    run: Callable, foreign: Path, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    ran = run("upscale", photo, "--model", foreign, "-o", tmp_path / "out.png")
    assert ran.code == 2
    assert "needs PyTorch, because it is a PyTorch file; pip install 'clearvision[torch]', or convert it" in ran.err


def test_families_are_listed(run: Callable) -> None:
    ran = run("models", "families")
    assert ran.code == 0
    assert "rrdbnet_2018" in ran.out
    assert "swinir" in run("models", "families", "--json").json


def test_interpolate_writes_a_file_for_each_alpha(run: Callable, bundled: Path, other: Path, tmp_path: Path) -> None:
    ran = run(
        "models", "interpolate", "clean-x2", other, "--alpha", ".8", "--alpha", ".85", "--alpha", "0.80", "-o", tmp_path / "mix"
    )
    assert ran.code == 0, ran.err
    files = [tmp_path / "mix" / f"clean-x2+other@{alpha}.safetensors" for alpha in ("0.8", "0.85")]
    assert ran.out.splitlines() == [str(path) for path in files]
    assert sorted(path.name for path in (tmp_path / "mix").iterdir()) == [path.name for path in files]
    ends = read_checkpoint(bundled / "clean-x2.safetensors"), read_checkpoint(other)
    for alpha, path in zip((0.8, 0.85), files, strict=True):
        made, expected = read_checkpoint(path), interpolate(*ends, alpha)
        assert made.info == expected.info
        for name, value in expected.weights.items():
            np.testing.assert_array_equal(made.weights[name], value)
    again = run("models", "interpolate", "clean-x2", other, "--alpha", ".8", "-o", tmp_path / "mix")
    assert again.err == f"clearvision: '{files[0]}' exists; name another place, or give --overwrite\n"


def test_interpolate_draws_a_strip(run: Callable, other: Path, photo: Path, tmp_path: Path) -> None:
    out = tmp_path / "half.safetensors"
    ran = run("models", "interpolate", "clean-x2", other, "--alpha", ".5", "-o", out, "--strip", photo, "--json")
    assert ran.json["files"] == [str(out), str(tmp_path / "half-strip.png")]
    assert ran.json["cosine"] == pytest.approx(1)
    assert read_picture(tmp_path / "half-strip.png").width > 6 * 48


def test_interpolate_refuses(run: Callable, bundled: Path, other: Path, tmp_path: Path) -> None:
    def err(*words: object) -> str:
        ran = run("models", "interpolate", *words)
        assert ran.code == 2
        return ran.err

    assert "differ in upscale 2 and 4" in err("clean-x2", "clean-x4", "--alpha", ".5", "-o", tmp_path)
    assert "alpha (1.5) must be at least 0 (A) and at most 1 (B)" in err("clean-x2", other, "--alpha", "1.5", "-o", tmp_path)
    file = tmp_path / "mix.safetensors"
    assert "2 alphas make 2 files, so -o must name a folder" in err(
        "clean-x2", other, "--alpha", ".5", "--alpha", ".6", "-o", file
    )
    assert "is one of the two models" in err("clean-x2", other, "--alpha", ".5", "-o", other, "--overwrite")


def test_interpolating_strangers_is_warned_of(run: Callable, bundled: Path, other: Path, tmp_path: Path) -> None:
    checkpoint = read_checkpoint(other)
    draw = np.random.default_rng(5)
    weights = {name: draw.normal(0, 0.1, value.shape).astype(np.float32) for name, value in checkpoint.weights.items()}
    write_checkpoint(other, checkpoint.info, weights)
    ran = run("models", "interpolate", "clean-x2", other, "--alpha", ".5", "-o", tmp_path / "mix")
    assert ran.code == 0
    assert "were probably trained apart (cosine of their weights" in ran.err


def test_upscale_in_eight_views(run: Callable, photo: Path, tmp_path: Path) -> None:
    from clearvision.inference.upscaler import Upscaler

    ran = run("upscale", photo, "--model", "clean-x2", "--tta", "-o", tmp_path / "out.png", "--json")
    assert ran.json["pictures"][0]["views"] == 8
    expected = Upscaler("clean-x2", tta=True).run(read_picture(photo))[0]
    np.testing.assert_array_equal(read_picture(tmp_path / "out.png").pixels, expected.pixels)


def test_upscale_with_vividness(
    run: Callable, bundled: Path, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = run("upscale", photo, "--vividness", "0.5", "-o", tmp_path / "out.png")
    assert refused.code == 2
    assert "vividness needs twins, and 'clean-x4' has none" in refused.err
    checkpoint = read_checkpoint(bundled / "clean-x2.safetensors")
    vivid = {name: value * np.float32(1.5) for name, value in checkpoint.weights.items()}
    for name, weights in (("photo-x2", checkpoint.weights), ("photo-x2-vivid", vivid)):
        write_checkpoint(tmp_path / f"{name}.safetensors", replace(checkpoint.info, name=name, task="photo"), weights)
    clean = read_checkpoint(bundled / "clean-x4.safetensors")
    write_checkpoint(tmp_path / "clean-x4.safetensors", clean.info, clean.weights)
    monkeypatch.setattr("clearvision.zoo.catalogue.WEIGHTS_DIR", tmp_path)
    ran = run("upscale", photo, "--model", "photo-x2", "--vividness", "0.5", "-o", tmp_path / "out.png", "--json")
    assert ran.code == 0, ran.err
    assert ran.json["pictures"][0]["model"] == "photo-x2+photo-x2-vivid@0.5"
    ran = run("upscale", photo, "--vividness", "0.5", "-o", tmp_path / "unnamed.png", "--scale", "2", "--json")
    assert ran.json["pictures"][0]["choice"].endswith(": chose photo-x2+photo-x2-vivid@0.5, since vividness needs twins")
    assert (tmp_path / "unnamed.png").read_bytes() == (tmp_path / "out.png").read_bytes()
    assert "vividness (2) must be at least 0" in run("upscale", photo, "--model", "photo-x2", "--vividness", "2").err


def test_evaluate_in_eight_views(run: Callable, photo_writer: Callable, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    photo_writer(folder / "a.png", 64, 48)
    plain = run("evaluate", "--model", "clean-x2", "--data", folder, "--json")
    assert plain.code == 0, plain.err
    views = run("evaluate", "--model", "clean-x2", "--data", folder, "--tta", "--json")
    assert "clean-x2 tta" in views.out
    assert "clean-x2 tta" not in plain.out


def test_info_does_not_call_tiles_exact_that_are_not(run: Callable, tmp_path: Path) -> None:
    from clearvision.archs import RCAN, RRDBNet

    torch.save(RRDBNet(num_feat=4, num_grow_ch=2, num_block=2, scale=1).state_dict(), tmp_path / "far.pth")
    assert "receptive radius  136 pixels: tiles overlap by 64 pixels only" in run("models", "info", tmp_path / "far.pth").out
    torch.save(RCAN(num_feat=8, num_group=1, num_block=1, squeeze_factor=4).state_dict(), tmp_path / "all.pth")
    assert "receptive radius  the whole picture: tiles overlap by 64 pixels" in run("models", "info", tmp_path / "all.pth").out
