"""Networks chosen by a wished time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clearvision.inference.timing import MARGIN, choose_haste, hurried, variants_of
from clearvision.types import ModelInfo
from clearvision.zoo.checkpoint import write_checkpoint

MODELS = {  # values, task, scale
    "clean-x2": (4000, "clean", 2),
    "clean-x4": (4000, "clean", 4),
    "clean-x4-fast": (2000, "clean", 4),
    "clean-x4-faster": (1000, "clean", 4),
    "clean-x4-vivid": (3000, "clean", 4),
    "photo-x4": (4000, "photo", 4),
    "photo-x4-fast": (2000, "photo", 4),
}
SPEEDS = {
    "clean-x2": 10.0,
    "clean-x4": 10.0,
    "clean-x4-fast": 20.0,
    "clean-x4-faster": 50.0,
    "photo-x4": 10.0,
    "photo-x4-fast": 20.0,
}


@pytest.fixture(autouse=True)
def bundled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, (count, task, scale) in MODELS.items():
        info = ModelInfo(name, task, scale, "span", {})
        write_checkpoint(tmp_path / f"{name}.safetensors", info, {"weight": np.zeros(count, np.float32)})
    monkeypatch.setattr("clearvision.zoo.catalogue.WEIGHTS_DIR", tmp_path)


def test_siblings_are_smaller_networks_of_the_same_task_and_scale() -> None:
    assert variants_of("clean-x4") == ["clean-x4", "clean-x4-fast", "clean-x4-faster"]
    assert variants_of("clean-x4-fast") == ["clean-x4-fast", "clean-x4-faster"]
    assert variants_of("photo-x4") == ["photo-x4", "photo-x4-fast"]
    assert variants_of("clean-x2") == ["clean-x2"]
    assert variants_of("clean-x4-vivid") == ["clean-x4-vivid"]
    assert variants_of("some/file.pth") == ["some/file.pth"]
    assert [hurried("photo-x4", haste) for haste in (0, 1, 2)] == ["photo-x4", "photo-x4-fast", "photo-x4-fast"]


@pytest.mark.parametrize(
    ("seconds", "models", "expected"),
    [
        (31, ("clean-x4", "photo-x4"), 30),
        (29, ("clean-x4-fast", "photo-x4-fast"), 15),
        (14, ("clean-x4-faster", "photo-x4-fast"), 9),
        (1, ("clean-x4-faster", "photo-x4-fast"), 9),  # none is in time: the fastest
    ],
)
def test_the_largest_networks_that_are_in_time_are_taken(seconds: float, models: tuple[str, ...], expected: float) -> None:
    hurry = choose_haste({"clean-x4": 200, "photo-x4": 100}, seconds * MARGIN, SPEEDS.__getitem__)
    assert hurry.models == models
    assert hurry.seconds == pytest.approx(expected * MARGIN)
    assert hurry.plain_seconds == pytest.approx(30 * MARGIN)


def test_no_network_is_timed_twice_or_without_need() -> None:
    asked: list[str] = []

    def speed(name: str) -> float:
        asked.append(name)
        return SPEEDS[name]

    choose_haste({"clean-x2": 100, "clean-x4": 100}, 16 * MARGIN, speed)
    assert asked == ["clean-x2", "clean-x4", "clean-x4-fast"]


def test_a_small_network_that_is_slower_is_not_taken() -> None:
    speeds = SPEEDS | {"clean-x4-fast": 5.0, "clean-x4-faster": 4.0}
    assert choose_haste({"clean-x4": 100}, 1, speeds.__getitem__).models == ("clean-x4",)
