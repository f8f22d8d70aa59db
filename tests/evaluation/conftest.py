"""Tiny test sets, and methods that count how often they are asked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from clearvision.evaluation.methods import Interpolation
from clearvision.imaging.io import write_picture
from clearvision.imaging.resize import resize_scale
from clearvision.types import Picture
from clearvision.zoo.cost import ModelCost

Pixels = NDArray[np.uint8]


def smooth_picture(seed: int, height: int = 48, width: int = 64, channels: int = 3) -> Pixels:
    """Return a picture with edges and gradients."""
    draw = np.random.default_rng(seed)
    coarse = draw.integers(0, 256, (6, 8, channels)).astype(np.float32)
    blown = resize_scale(coarse, 8.0)[:height, :width]
    return np.clip(blown + draw.normal(0, 4, blown.shape), 0, 255).astype(np.uint8)


def write_png(path: Path, pixels: Pixels) -> Path:
    """Write a picture, its folder too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_picture(Picture(pixels), path)
    return path


@pytest.fixture
def png() -> Callable[[Path, Pixels], Path]:
    """``write_png``."""
    return write_png


@pytest.fixture
def picture() -> Callable[..., Pixels]:
    """``smooth_picture``."""
    return smooth_picture


@pytest.fixture
def pairs_folder(tmp_path: Path) -> Path:
    """A set of four pairs, x2, in HR and LR."""
    folder = tmp_path / "Mine"
    for index in range(4):
        gt = smooth_picture(index)
        write_png(folder / "HR" / f"p{index}.png", gt)
        write_png(folder / "LR" / f"p{index}.png", resize_scale(gt, 1 / 2))
    return folder


class CountingMethod:
    """Bicubic plus a constant, which counts its calls and may refuse one input shape."""

    info = None
    cost = ModelCost(1000, 250.0)

    def __init__(
        self, label: str = "counting", offset: int = 3, scale: int | None = 2, refuse: BaseException | None = None
    ) -> None:
        self.label = label
        self.identity = f"{label}:{offset}"
        self.scale = scale
        self.sha256 = "ab" * 32
        self.retries: list[str] = []
        self.calls = 0
        self._offset = offset
        self._refuse = refuse
        self._bicubic = Interpolation("bicubic")

    def enlarge(self, lq: Pixels, scale: int) -> tuple[Pixels, float, str]:
        """Return the picture enlarged."""
        self.calls += 1
        if self._refuse is not None and self.calls == 2:
            raise self._refuse
        sr, _, _ = self._bicubic.enlarge(lq, scale)
        return np.clip(sr.astype(int) + self._offset, 0, 255).astype(np.uint8), 0.25, "test cpu f32"


@pytest.fixture
def counting() -> type[CountingMethod]:
    """The class ``CountingMethod``."""
    return CountingMethod
