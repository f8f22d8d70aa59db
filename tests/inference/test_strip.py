from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from clearvision.errors import UsageError
from clearvision.inference.strip import ALPHAS, GAP, SIDE, interpolation_strip
from clearvision.inference.upscaler import Upscaler
from clearvision.types import Picture
from clearvision.zoo.checkpoint import Checkpoint
from clearvision.zoo.interpolate import interpolate

SPAN = {"feature_channels": 16, "num_block": 1, "upscale": 2, "skip": "bilinear", "img_range": 1.0}


@pytest.fixture(scope="module")
def pair(checkpoint_of: Callable[..., Checkpoint]) -> tuple[Checkpoint, Checkpoint]:
    first = checkpoint_of("span", **SPAN)
    weights = {name: value + np.float32(0.02) * np.sign(value) for name, value in first.weights.items()}
    return first, replace(first, info=replace(first.info, name="other"), weights=weights)


def test_both_rows_hold_the_results_in_order(pair: tuple[Checkpoint, Checkpoint]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    sheet = interpolation_strip(*pair, Picture(pixels), precision="f32").pixels
    width, height = 120, 80
    assert sheet.shape[1] == len(ALPHAS) * (width + GAP) + GAP
    expected = [Upscaler(interpolate(*pair, alpha), precision="f32")(pixels) for alpha in ALPHAS]
    block = (sheet.shape[0] - GAP) // 2
    for column, (alpha, cell) in enumerate(zip(ALPHAS, expected, strict=True)):
        left = GAP + column * (width + GAP)
        upper = sheet[block - height : block, left : left + width].astype(int)
        lower = sheet[2 * block - height : 2 * block, left : left + width].astype(int)
        assert np.abs(upper - cell).max() <= 1
        mixed = (1 - alpha) * expected[0].astype(float) + alpha * expected[-1].astype(float)
        assert np.abs(lower - mixed).max() <= 1.01
        labels = sheet[:block, left : left + width][: block - height]
        assert labels.min() < 100  # letters are there


def test_of_a_large_picture_the_middle_is_shown(pair: tuple[Checkpoint, Checkpoint]) -> None:
    strip = interpolation_strip(*pair, Picture(np.zeros((300, 500, 1), np.uint16)), alphas=[0.5], precision="f32")
    assert strip.pixels.shape[1] == 2 * SIDE + 2 * GAP
    assert strip.pixels.dtype == np.uint8


def test_no_alpha(pair: tuple[Checkpoint, Checkpoint]) -> None:
    with pytest.raises(UsageError, match="a strip needs at least one alpha"):
        interpolation_strip(*pair, Picture(np.zeros((8, 8, 3), np.uint8)), alphas=[])
