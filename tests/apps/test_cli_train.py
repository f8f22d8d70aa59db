from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from clearvision.apps.cli.console import duration
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
    assert duration(text, "--max-time") == seconds


@pytest.mark.parametrize("text", ["", "m", "0s", "-3m", "soon", "1d"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(UsageError, match=r"--max-time '.*' is not a duration above zero; write it like 90s"):
        duration(text, "--max-time")


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
    step: int = 2
    total_steps: int = 3
    finished: bool = False
    stage: str = ""
    figures: dict = field(default_factory=lambda: {"val/psnr_y": 30.0, "val/ssim_y": 0.9})
    baseline: dict = field(default_factory=lambda: {"val/psnr_y": 28.4})
    decided_by: str | None = "val/psnr_y"
    best_value: float | None = 30.126
    best: Path = Path("runs/tiny/best.safetensors")
    report: Path = Path("runs/tiny/report.html")
    seconds: float = 90.0
    rollbacks: int = 0


def stand_in(monkeypatch: pytest.MonkeyPatch, outcome: Outcome, calls: list[dict[str, Any]]) -> None:
    """Put a trainer in the place of the real one, which takes seconds to import and is tested where it lives."""

    def train(recipe: Recipe, **options: Any) -> Outcome:  # noqa: ANN401
        calls.append({"steps": recipe.train.total_steps, **options})
        watch = options["watch"]
        watch(SimpleNamespace(stage="read", done=1, total=3, text="", seconds_left=None))
        watch(SimpleNamespace(stage="train", done=1, total=3, text="loss 0.1, 2.0 steps/s", seconds_left=1.0))
        watch(SimpleNamespace(stage="warn", done=2, total=3, text="the discriminator wins", seconds_left=None))
        watch(SimpleNamespace(stage="validate", done=2, total=3, text="PSNR-Y 30.13 dB", seconds_left=None))
        return outcome

    module = ModuleType("clearvision.training.run")
    module.train = train  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "clearvision.training.run", module)


def test_the_call_reaches_the_trainer_and_the_outcome_the_user(
    run: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[dict[str, Any]] = []
    stand_in(monkeypatch, Outcome(), calls)
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
    assert ran.err == "step 2: the discriminator wins\nstep 2 of 3: PSNR-Y 30.13 dB\n"
    assert ran.out == (
        "stopped at step 2 of 3; --resume goes on: best validation PSNR-Y 30.13 dB (bicubic 28.40); "
        "latest PSNR-Y 30.00 dB (bicubic 28.40), SSIM-Y 0.9000\n1.5 minutes, runs/tiny/best.safetensors, runs/tiny/report.html\n"
    )


def test_a_trial_has_a_folder_of_its_own(run: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[dict[str, Any]] = []
    stand_in(monkeypatch, Outcome(stage="gan", decided_by=None, figures={}), calls)
    (tmp_path / "tiny.yaml").write_text(RECIPE + "tiny: {train.total_steps: 1}\n")
    ran = run("train", tmp_path / "tiny.yaml", "--tiny", "--json")
    assert ran.code == 0, ran.err
    assert (calls[0]["steps"], calls[0]["out"]) == (1, Path("runs/tiny-tiny"))
    assert ran.json["best"] == "runs/tiny/best.safetensors"
    (tmp_path / "plain.yaml").write_text(RECIPE)
    assert "has no section 'tiny'; shrink it with --set" in run("train", tmp_path / "plain.yaml", "--tiny").err


def test_only_the_first_of_several_processes_tells(run: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, Outcome(), [])
    monkeypatch.setenv("RANK", "1")
    (tmp_path / "tiny.yaml").write_text(RECIPE)
    assert run("train", tmp_path / "tiny.yaml").out == ""


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
    assert "step 2 of 2: PSNR-Y" in ran.err
    assert run("models", "info", tmp_path / "run/best.safetensors", "--json").json["training"]["steps"] == 2
    again = run(*words)
    assert again.code == 1
    assert "already holds a run; continue it with --resume" in again.err
