"""``clearvision upscale --time``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.apps.conftest import tiny_span

from clearvision.apps.cli import hurry
from clearvision.zoo.checkpoint import write_checkpoint


@pytest.fixture
def siblings(run: Callable, bundled_apart: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a smaller sibling of clean-x4 be bundled; both pretend a speed."""
    info, weights = tiny_span("clean-x4-fast", 4)
    write_checkpoint(bundled_apart / "clean-x4-fast.safetensors", info, weights, half=True)  # a smaller file
    monkeypatch.setattr(hurry, "measure_speed", lambda upscaler: 2.0 if upscaler.info.name.endswith("fast") else 1.0)


@pytest.mark.parametrize(
    ("time", "model", "told"),
    [
        ("1m", "clean-x4", "60 seconds are enough for clean-x4: about 18 seconds"),
        ("12s", "clean-x4-fast", "chose clean-x4-fast, about 8.8 seconds, for 12 seconds: the larger models take 18 seconds"),
        (
            "2",
            "clean-x4-fast",
            "2.0 seconds are too few for any model; chose the fastest, clean-x4-fast, which will take about 8.8",
        ),
    ],
)
def test_the_model_is_chosen_for_all_pictures_together(
    run: Callable, siblings: None, tmp_path: Path, photo_writer: Callable[..., Path], time: str, model: str, told: str
) -> None:
    for name in ("a.png", "b.png"):
        photo_writer(tmp_path / "in" / name, 676, 676)
    ran = run("upscale", tmp_path / "in", "-o", tmp_path / "out", "--time", time, "--json", "--dry-run")
    assert told in ran.err
    assert {picture["model"] for picture in ran.json["pictures"]} == {model}


def test_resuming_does_not_redo_what_was_made_by_another_model(
    run: Callable, siblings: None, tmp_path: Path, photo_writer: Callable[..., Path]
) -> None:
    for name in ("a.png", "b.png"):
        photo_writer(tmp_path / "in" / name, 64, 64)
    words = ("upscale", tmp_path / "in", "-o", tmp_path / "out", "--time", "0.1s", "--resume", "--json")
    assert {picture["model"] for picture in run(*words).json["pictures"]} == {"clean-x4-fast"}
    (tmp_path / "out" / "a.png").unlink()
    again = run(*words)
    assert (again.json["done"], again.json["skipped"]) == (1, 1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--time", "soon"), "--time 'soon' is not a duration above zero; write it like 90s, 9m or 1.5h"),
        (("--time", "9s", "--model", "clean-x4"), "--time chooses the model; leave --model out"),
        (("--time", "9s", "--vividness", "1"), "--time chooses the model; leave --vividness out"),
        (("--time", "9s", "--watch"), "--time needs to know all pictures beforehand; it does not go with --watch"),
    ],
)
def test_what_does_not_go_together_is_told(
    run: Callable, tmp_path: Path, photo_writer: Callable[..., Path], words: tuple[str, ...], message: str
) -> None:
    photo_writer(tmp_path / "in" / "a.png")
    ran = run("upscale", tmp_path / "in", *words)
    assert ran.code == 2
    assert message in ran.err
