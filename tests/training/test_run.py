"""Runs from recipe to model: resuming, killing, stages, and what cannot start."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from clearvision.errors import DataError, ModelError, RecipeError, TrainingError
from clearvision.recipe import Recipe, recipe_from_plain
from clearvision.training.report import Progress
from clearvision.training.run import train
from clearvision.zoo.build import build_network
from clearvision.zoo.checkpoint import read_checkpoint


@pytest.mark.parametrize("kind", ["fidelity", "muon", "adversarial", "cycle"])
def test_stops_and_resumptions_change_nothing(tiny: Any, tmp_path: Path, data: Path, domains: Path, kind: str) -> None:  # noqa: ANN401
    """Bit for bit, whatever the objective, wherever the stop falls."""
    recipe, folder = {
        "fidelity": (tiny.recipe(accumulate=2), data),
        "muon": (tiny.recipe(optimizer={"kind": "muon", "rate": 1e-3}), data),
        "adversarial": (tiny.recipe(tiny.gan(noise=0.05, r1_weight=1.0, r1_every=3, d_every=2), precision="f32"), data),
        "cycle": (tiny.cycle(), domains),
    }[kind]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert train(recipe, data=folder, out=whole, device="cpu").finished
    first = train(recipe, data=folder, out=parts, device="cpu", max_seconds=0)
    assert (first.step, first.finished) == (1, False)
    second = train(recipe, data=folder, out=parts, device="cpu", resume=True)
    assert (second.step, second.finished) == (10, True)
    assert tiny.differences(whole, parts) == []
    steps = [int(row["step"]) for row in tiny.rows(parts)]
    assert steps == sorted(steps)
    assert steps[-1] == 10


KILLED = """
import sys, time
from pathlib import Path
import torch
torch.set_num_threads(1)
from clearvision.recipe import load_recipe
from clearvision.training import loop
from clearvision.training.run import train
out, pause = Path(sys.argv[3]), float(sys.argv[4])
step = loop.ema_update
loop.ema_update = lambda *a: (time.sleep(pause), step(*a))
train(load_recipe(Path(sys.argv[1])), data=Path(sys.argv[2]), out=out, device="cpu", resume=(out / "state.pt").exists())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_kill_9_and_resume_equals_an_uninterrupted_run(tiny: Any, tmp_path: Path, data: Path) -> None:  # noqa: ANN401
    recipe = tiny.recipe(total_steps=30)
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe.model_dump(mode="json")))
    out = tmp_path / "killed"
    words = [sys.executable, "-c", KILLED, str(tmp_path / "recipe.yaml"), str(data), str(out), "0.1"]
    victim = subprocess.Popen(words)
    deadline = time.monotonic() + 60
    while not (out / "state.pt").exists():
        assert victim.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(0.3)
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    assert 0 < tiny.state(out)["step"] < 30
    train(recipe, data=data, out=tmp_path / "whole", device="cpu")
    train(recipe, data=data, out=out, device="cpu", resume=True)
    assert tiny.differences(tmp_path / "whole", out) == []


def test_the_result_is_a_model_that_loads_and_beats_its_start(tiny: Any, tmp_path: Path, data: Path) -> None:  # noqa: ANN401
    out, told = tmp_path / "run", []
    recipe = tiny.recipe(total_steps=60, ema_decay=0.9, validate_every=20, keep_every=30)
    outcome = train(recipe, data=data, out=out, device="cpu", watch=told.append)
    checkpoint = read_checkpoint(outcome.best)
    assert checkpoint.info.receptive_radius == 6
    assert checkpoint.recipe is not None
    assert checkpoint.recipe["name"] == "tiny"
    assert build_network(checkpoint)(torch.rand(1, 3, 5, 7)).shape == (1, 3, 10, 14)
    assert outcome.decided_by == "val/psnr_y"
    assert outcome.figures["val/psnr_y"] > 20
    assert 0 < outcome.figures["val/ssim_y"] < 1
    rows = [float(row["val/psnr_y"]) for row in tiny.rows(out) if row["val/psnr_y"]]
    assert len(rows) == 3
    assert rows[-1] > rows[0]
    assert outcome.best_value == pytest.approx(max(rows), abs=1e-4)
    assert read_checkpoint(out / "last.safetensors").info.training["steps"] == 60
    assert sorted(path.name for path in (out / "kept").iterdir()) == ["step-00000030.safetensors", "step-00000060.safetensors"]
    assert json.loads((out / "run.json").read_text())["baseline"].keys() == {"val/psnr_y", "val/ssim_y"}
    assert outcome.report.is_file()
    assert len(list((out / "samples").glob("*/step-*.png"))) == 3
    shown = [each.text for each in told if each.stage == "validate"]
    assert shown[-1].startswith("PSNR-Y ")
    assert "dB (bicubic " in shown[-1]
    left = [each.seconds_left for each in told if each.stage == "train"]
    assert left[-1] == 0
    assert left[0] is not None
    assert left[0] > 0


def test_stages_follow_each_other_and_resume(tiny: Any, tmp_path: Path, data: Path) -> None:  # noqa: ANN401
    stages = [
        {"name": "psnr"},
        {"name": "gan", "set": {"objective": {"kind": "adversarial", "discriminator": {"arch": "patchgan", "num_feat": 8}}}},
    ]
    stages[1]["set"] |= {"train.total_steps": 4, "train.phases": [{"gt_size": 32, "batch_size": 1}]}
    recipe = tiny.recipe(sections={"stages": stages})
    out = tmp_path / "run"
    first = train(recipe, data=data, out=out, device="cpu", max_seconds=0)
    assert (first.stage, first.step, first.finished) == ("psnr", 1, False)
    second = train(recipe, data=data, out=out, device="cpu", resume=True)
    assert (second.stage, second.step, second.finished) == ("gan", 4, True)
    assert second.best == out / "gan/best.safetensors"
    psnr, gan = (yaml.safe_load((out / name / "recipe.yaml").read_text()) for name in ("psnr", "gan"))
    assert psnr["init"] is None
    assert gan["init"] == str(out / "psnr/best.safetensors")
    assert gan["objective"]["kind"] == "adversarial"
    again = train(recipe, data=data, out=out, device="cpu", resume=True)  # nothing is left, and nothing is done again
    assert (again.step, again.finished) == (4, True)


def test_init_takes_what_fits(tiny: Any, tmp_path: Path, data: Path) -> None:  # noqa: ANN401
    first = train(tiny.recipe(total_steps=2), data=data, out=tmp_path / "a", device="cpu")
    sections = {"init": str(first.best), "seed": 9}
    recipe = tiny.recipe(sections=sections, total_steps=1, optimizer={"rate": 1e-12})
    second = train(recipe, data=data, out=tmp_path / "b", device="cpu")
    a, b = read_checkpoint(first.best).weights, read_checkpoint(second.best).weights
    for name, value in a.items():
        np.testing.assert_allclose(b[name], value, atol=1e-6)
    with pytest.raises(ModelError, match="unknown model 'nowhere"):
        train(tiny.recipe(sections={"init": "nowhere"}), data=data, out=tmp_path / "c", device="cpu")


def test_unpaired_runs_say_what_they_cannot_measure(tiny: Any, tmp_path: Path, domains: Path) -> None:  # noqa: ANN401
    outcome = train(tiny.cycle(total_steps=4), data=domains, out=tmp_path / "run", device="cpu")
    assert outcome.decided_by is None
    assert outcome.figures.keys() == {"val/cycle_psnr"}
    assert outcome.baseline == {}
    for name in ("best", "last", "last_back"):
        read_checkpoint(tmp_path / f"run/{name}.safetensors")
    row = tiny.rows(tmp_path / "run")[0]
    assert all(row[column] for column in ("loss/g_l1", "loss/g_gan", "loss/g_identity", "loss/d_gan", "d/accuracy"))


def test_what_cannot_start(tiny: Any, tmp_path: Path, data: Path) -> None:  # noqa: ANN401
    def start(recipe: Recipe, out: str, **options: Any) -> None:  # noqa: ANN401
        train(recipe, out=tmp_path / out, **({"data": data, "device": "cpu"} | options))

    recipe = tiny.recipe(total_steps=1)
    with pytest.raises(TrainingError, match=r"nothing to resume: .* start without --resume"):
        start(recipe, "none", resume=True)
    start(recipe, "run")
    with pytest.raises(TrainingError, match="already holds a run; continue it with --resume"):
        start(recipe, "run")
    other = recipe_from_plain(recipe.model_dump(mode="json") | {"seed": 3}, "test")
    with pytest.raises(TrainingError, match="trained with another seed; resume with the same recipe"):
        start(other, "run", resume=True)
    with pytest.raises(TrainingError, match="device 'tpu' is not available here; usable: auto, cpu"):
        start(recipe, "tpu", device="tpu")
    (tmp_path / "run/state.pt").write_bytes(b"no state")
    with pytest.raises(TrainingError, match=r"training state .* cannot be read .*start anew with another --out"):
        start(recipe, "run", resume=True)


@pytest.mark.parametrize(
    ("sections", "train_options", "error", "message"),
    [
        ({"network": {"arch": "spam"}}, {}, RecipeError, "network: unknown arch 'spam'; known: "),
        ({"network": {"arch": "span", "upscale": 4}}, {}, RecipeError, "scale is 2, but the network .* enlarges by 4"),
        ({"network": {"arch": "srvgg", "upscale": 2, "num_conv": "six"}}, {}, RecipeError, "network: srvgg cannot be built"),
        ({}, {"phases": [{"gt_size": 64, "batch_size": 1}]}, DataError, "no training picture is 64 pixels or more"),
        ({"data": {"val_count": 4}}, {}, DataError, r"val_count \(4\) must be below the number of pictures \(4\)"),
        ({"data": {"folders": ["absent"]}}, {}, DataError, "training folder '.*absent' does not exist"),
        ({"data": {"layout": "pairs", "val_count": 1}}, {}, DataError, "holds no pairs: it needs two folders"),
        ({"losses": [{"kind": "perceptual"}], "vgg": "vgg.pth"}, {}, ModelError, "weights of vgg19 are not at 'vgg.pth'"),
        ({"losses": [{"kind": "style", "layers": {"conv9_9": 1}}]}, {}, RecipeError, "VGG19 has no layer 'conv9_9'; it has"),
        ({}, {"best_by": "vgg"}, RecipeError, "best_by is vgg, which needs VGG19's weights"),
        ({}, {"freeze": [{"names": ["nose.*"]}]}, RecipeError, r"train.freeze: 'nose\.\*' fits no parameter"),
        ({"objective": {"kind": "adversarial", "cold_start": "for the test", "discriminator": {"arch": "unet", "depth": 3}}}, {},
         RecipeError, "objective.discriminator: unet has no argument 'depth'; known: num_in_ch"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told_in_a_sentence(
    tiny: Any,  # noqa: ANN401
    tmp_path: Path,
    data: Path,
    sections: dict,
    train_options: dict,
    error: type[Exception],
    message: str,
) -> None:
    objective = sections.pop("objective", None)
    with pytest.raises(error, match=message) as raised:
        train(tiny.recipe(objective, sections, **train_options), data=data, out=tmp_path / "run", device="cpu")
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "run/state.pt").exists()


def test_a_broken_picture_is_left_out_and_named(tiny: Any, tmp_path: Path, data: Path) -> None:  # noqa: ANN401
    (data / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nand then nothing")
    recipe = tiny.recipe(sections={"data": {"val_count": 1, "val_size": 32, "most_unreadable": 0.5}}, total_steps=5)
    told: list[Progress] = []
    train(recipe, data=data, out=tmp_path / "run", device="cpu", watch=told.append)
    warnings = [each.text for each in told if each.stage == "warn"]
    assert len(warnings) == 1
    assert "broken.png" in warnings[0]
    (event,) = [json.loads(line) for line in (tmp_path / "run/events.jsonl").read_text().splitlines()]
    assert event["kind"] == "skipped"


def test_a_full_disk_leaves_what_was_saved(
    tiny: Any,  # noqa: ANN401
    tmp_path: Path,
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The disk fills up while the state of step 6 is written; the state of step 3 stays, and the run goes on from it."""
    recipe, out, calls = tiny.recipe(), tmp_path / "run", []

    def fsync(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 4:  # after state and last at step 3, best at step 5
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("clearvision.training.state.os.fsync", fsync)
    with pytest.raises(TrainingError, match=r"run' cannot be written \(No space left on device\).*go on with --resume"):
        train(recipe, data=data, out=out, device="cpu")
    monkeypatch.undo()
    assert tiny.state(out)["step"] == 3
    assert not list(out.glob(".*.partial"))
    train(recipe, data=data, out=out, device="cpu", resume=True)
    train(recipe, data=data, out=tmp_path / "whole", device="cpu")
    assert tiny.differences(out, tmp_path / "whole") == []
