from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from clearvision.apps.cli.train import parse_duration
from clearvision.errors import UsageError
from clearvision.recipe import Recipe

RECIPE = """\
name: tiny
task: clean
scale: 2
network: {arch: span, feature_channels: 16, num_block: 1, upscale: 2, skip: bilinear}
data: {val_count: 1, val_size: 32}
train: {total_steps: 3, phases: [{gt_size: 16, batch_size: 2}], precision: f32, log_every: 1}
"""


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("9m", 540), ("1.5h", 5400), ("20", 20), (" 2 M ", 120)])
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "m", "0s", "-3m", "soon", "1d"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(UsageError, match=r"--max-time '.*' is not a duration above zero; write it like 90s"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--set", "train.total_steps=0"), "train.total_steps"),
        (("--set", "nonsense"), "override 'nonsense' must read key=value"),
        (("--max-time", "soon"), "--max-time 'soon' is not a duration"),
    ],
)
def test_faults_of_the_call_exit_2(run: Callable, tmp_path: Path, words: tuple[str, ...], expected: str) -> None:
    (tmp_path / "tiny.yaml").write_text(RECIPE)
    ran = run("train", tmp_path / "tiny.yaml", "--out", tmp_path / "run", *words)
    assert ran.code == 2
    assert expected in ran.err
    assert ran.err.count("\n") == 1
    assert run("train", tmp_path / "missing.yaml").code == 2


@dataclass(frozen=True)
class Outcome:
    step: int
    finished: bool
    psnr: float = 30.126
    bicubic: float = 28.4
    best: Path = Path("runs/tiny/best.safetensors")
    seconds: float = 90.0


def test_the_call_reaches_the_trainer_and_the_outcome_the_user(
    run: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[dict[str, Any]] = []

    def train(recipe: Recipe, **options: Any) -> Outcome:  # noqa: ANN401
        calls.append({"steps": recipe.train.total_steps, **options})
        watch = options["watch"]
        watch(SimpleNamespace(stage="read", done=1, total=3, loss=None, steps_per_second=None, psnr=None, bicubic=None))
        watch(SimpleNamespace(stage="validate", done=2, total=3, loss=None, steps_per_second=None, psnr=30.126, bicubic=28.4))
        return Outcome(2, finished=False)

    stand_in = ModuleType("clearvision.training.run")  # the trainer takes seconds to import and is tested where it lives
    stand_in.train = train  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "clearvision.training.run", stand_in)
    (tmp_path / "tiny.yaml").write_text(RECIPE)
    words = ("--data", tmp_path, "--set", "train.total_steps=2", "--max-time", "1.5m", "--resume", "--device", "cpu")
    ran = run("train", tmp_path / "tiny.yaml", *words)
    assert ran.code == 0, ran.err
    (call,) = calls
    del call["watch"]
    assert call == {
        "steps": 2,
        "data": tmp_path,
        "out": Path("runs/tiny"),
        "resume": True,
        "max_seconds": 90.0,
        "device": "cpu",
    }
    assert ran.err == "reading pictures [1/3]\ntraining, PSNR-Y 30.13 dB (bicubic 28.40) [2/3]\n"
    assert ran.out == (
        "stopped at step 2 of 2; --resume goes on: best validation PSNR-Y 30.13 dB (bicubic 28.40), 1.5 minutes, "
        "runs/tiny/best.safetensors\n"
    )


def test_without_its_extra_it_says_what_to_install(run: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "clearvision.training.run", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    (tmp_path / "tiny.yaml").write_text(RECIPE)
    ran = run("train", tmp_path / "tiny.yaml", "--out", tmp_path / "run")
    assert ran.code == 2
    assert ran.err == "clearvision: training needs torch, not installed; pip install 'clearvision[train]'\n"


@pytest.mark.slow
def test_a_run_ends_with_a_model_that_can_be_shown(run: Callable, tmp_path: Path, photo_writer: Callable[..., Path]) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("tensorboard")
    (tmp_path / "tiny.yaml").write_text(RECIPE)
    for index in range(3):
        photo_writer(tmp_path / f"data/{index}.png", 40, 48 + index)
    words = ("train", tmp_path / "tiny.yaml", "--data", tmp_path / "data", "--out", tmp_path / "run", "--device", "cpu")
    ran = run(*words, "--set", "train.total_steps=2")
    assert ran.code == 0, ran.err
    assert ran.out.startswith("finished: best validation PSNR-Y ")
    assert str(tmp_path / "run/best.safetensors") in ran.out
    assert "training, PSNR-Y" in ran.err
    assert run("models", "info", tmp_path / "run/best.safetensors", "--json").json["training"]["steps"] == 2
    again = run(*words)
    assert again.code == 1
    assert "already holds a run; continue it with --resume" in again.err
