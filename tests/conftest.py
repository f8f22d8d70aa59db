"""What every test gets: a fixed seed. What several ask for: a picture and its worse copy by formula, made-up weights."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file

Pictures = Callable[[int, int], tuple[NDArray[np.uint8], NDArray[np.uint8]]]
Weights = Callable[[str, Mapping[str, tuple[int, ...]]], Path]


@pytest.fixture(autouse=True)
def fixed_seed() -> None:
    """Seed the global generators, so that a test does not depend on those that ran before it."""
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 - libraries under test may still draw from the legacy generator
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture
def pictures() -> Pictures:
    """Give (H, W, 3) uint8 pictures of integer arithmetic alone, so that every machine has the same."""

    def make(height: int, width: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        y, x, c = np.indices((height, width, 3))
        gt = ((x * x + 3 * y * y + 40 * c) // 16 + x * y % 17 * 3) % 256
        sr = np.clip(gt + (x * 31 + y * 17 + c * 5) % 41 - 20, 0, 255)
        return gt.astype(np.uint8), sr.astype(np.uint8)

    return make


@pytest.fixture
def make_weights(tmp_path: Path) -> Iterator[Weights]:
    """Give a function that writes a file of weights: uniform numbers of variance 2 / fan-in, the same on every machine.

    The networks are so small that PyTorch's threads would wait for each other longer than they compute.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)

    def make(name: str, shapes: Mapping[str, tuple[int, ...]]) -> Path:
        numbers = np.random.default_rng(7).random(100_003) - 0.5
        state = {}
        for index, key in enumerate(sorted(shapes)):
            shape = shapes[key]
            values = np.resize(np.roll(numbers, 997 * index), shape)
            spread = np.sqrt(24 / np.prod(shape[1:])) if len(shape) > 1 else 0.2
            centre = 1.0 if key.endswith(("running_var", "bn.weight")) else 0.0
            state[key] = (centre + spread * values).astype(np.float32)
        path = tmp_path / f"{name}.safetensors"
        save_file(state, path)
        return path

    yield make
    torch.set_num_threads(threads)
