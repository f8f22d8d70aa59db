from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from clearvision.apps.cli.train import parse_duration
from clearvision.errors import UsageError

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
