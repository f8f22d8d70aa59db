"""Tiny runs: soft pictures, recipes of every objective that take a second, and what runs leave behind."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from clearvision.recipe import Recipe, recipe_from_plain

SPAN = {"arch": "span", "feature_channels": 16, "num_block": 1, "upscale": 2, "img_range": 1.0, "skip": "bilinear"}
PATCHGAN = {"arch": "patchgan", "num_feat": 8, "num_layer": 1}

OWN = ("seconds", "balance")  # of a resumed run: the clock, and means over rows of the log, of which a stop adds one

Plain = dict[str, Any]


class Tiny:
    """Makes recipes of ten steps, and reads what runs leave."""

    def recipe(self, objective: Plain | None = None, sections: Plain | None = None, **train: object) -> Recipe:
        """Return a recipe for a tiny SPAN x2; ``train`` and ``sections`` replace entries."""
        plain: Plain = {
            "name": "tiny",
            "task": "clean",
            "scale": 2,
            "network": SPAN,
            "data": {"val_count": 1, "val_size": 32},
            "objective": objective or {"kind": "fidelity"},
        }
        options: Plain = {
            "total_steps": 10,
            "phases": [{"until": 0.5, "gt_size": 16, "batch_size": 2}, {"gt_size": 24, "batch_size": 1}],
            "schedule": {"kind": "trapezoid", "warmup_steps": 3, "decay_fraction": 0.3},
            "log_every": 4,
            "validate_every": 5,
            "save_every": 3,
        }
        return recipe_from_plain(plain | {"train": options | train} | (sections or {}), "test")

    def gan(self, **options: object) -> Plain:
        """Return the section ``objective`` of a GAN."""
        return {"kind": "adversarial", "discriminator": PATCHGAN, "cold_start": "a test of ten steps"} | options

    def cycle(self, options: Plain | None = None, sections: Plain | None = None, **train: object) -> Recipe:
        """Return a recipe for a tiny CycleGAN."""
        objective = {"kind": "cycle", "discriminator": PATCHGAN, "pool": 3} | (options or {})
        unpaired = {"layout": "unpaired", "val_count": 1, "val_size": 32}
        own: Plain = {"scale": 1, "network": SPAN | {"upscale": 1}, "data": unpaired}
        return self.recipe(objective, own | (sections or {}), **({"phases": [{"gt_size": 16, "batch_size": 1}]} | train))

    def state(self, out: Path) -> Plain:
        """Return the saved state of a run."""
        return torch.load(out / "state.pt", weights_only=True)

    def rows(self, out: Path) -> list[dict[str, str]]:
        """Return the log of a run."""
        with (out / "log.csv").open(newline="") as file:
            return list(csv.DictReader(file))

    def differences(self, a: Path, b: Path) -> list[str]:
        """Return where the saved states of two runs are not the same to the bit."""
        return _differences(self.state(a), self.state(b), "state")


def _differences(a: object, b: object, place: str) -> list[str]:
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        return [] if torch.equal(a, b) else [place]
    if isinstance(a, dict) and isinstance(b, dict):
        if a.keys() != b.keys():
            return [f"{place}: {a.keys()} and {b.keys()}"]
        return [text for key in a if key not in OWN for text in _differences(a[key], b[key], f"{place}.{key}")]
    if isinstance(a, list) and isinstance(b, list):
        return [text for index, (x, y) in enumerate(zip(a, b, strict=True)) for text in _differences(x, y, f"{place}.{index}")]
    return [] if a == b else [f"{place}: {a} and {b}"]


def write_pictures(folder: Path, count: int, *, seed: int = 0) -> None:
    """Write soft 48x48 pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for index in range(count):
        small = rng.integers(0, 255, (12, 12, 3), dtype=np.uint8)
        Image.fromarray(small).resize((48, 48), Image.Resampling.BICUBIC).save(folder / f"{index}.png")


@pytest.fixture
def tiny() -> Tiny:
    """Give the maker of tiny runs."""
    return Tiny()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Give a folder of four pictures."""
    write_pictures(tmp_path / "pictures", 4)
    return tmp_path / "pictures"


@pytest.fixture
def domains(tmp_path: Path) -> Path:
    """Give a folder with two domains of three pictures each."""
    write_pictures(tmp_path / "domains/trainA", 3, seed=1)
    write_pictures(tmp_path / "domains/trainB", 3, seed=2)
    return tmp_path / "domains"


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Keep PyTorch from splitting work that is too small for it."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
