"""Sharpening steepens edges without halos, leaves hues alone, and works on every type of sample."""

from __future__ import annotations

import numpy as np
import pytest

from clearvision.errors import UsageError
from clearvision.imaging.sharpen import REACH, sharpen

TYPES = [(np.uint8, 255), (np.uint16, 65535), (np.float32, 1)]


def ramp(dtype: type, full: int, channels: int = 3) -> np.ndarray:
    """A soft edge from a quarter to three quarters of the range, (20, 40, C)."""
    values = 0.5 + 0.25 * np.tanh((np.arange(40) - 19.5) / 3)
    return np.repeat(np.repeat((values * full)[None, :, None], 20, 0), channels, 2).astype(dtype)


@pytest.mark.parametrize(("dtype", "full"), TYPES)
@pytest.mark.parametrize("channels", [1, 3])
def test_edges_become_steeper_and_overshoot_nowhere(dtype: type, full: int, channels: int) -> None:
    soft = ramp(dtype, full, channels)
    sharp = sharpen(soft, 1.0)
    assert (sharp.shape, sharp.dtype) == (soft.shape, soft.dtype)
    steepest = [float(np.diff(each[10, :, 0].astype(float)).max()) for each in (soft, sharp)]
    assert steepest[1] > 1.1 * steepest[0]
    assert soft.min() <= sharp.min()
    assert sharp.max() <= soft.max()


def test_strength_grows_with_the_amount() -> None:
    soft = ramp(np.float32, 1)
    moved = [float(np.abs(sharpen(soft, amount) - soft).mean()) for amount in (0.0, 0.25, 0.5, 1.0)]
    assert moved[0] == 0
    assert moved == sorted(moved)
    assert moved[1] > 0


def test_no_pixel_leaves_the_range_around_it() -> None:
    draw = np.random.default_rng(3).random((40, 50, 1), np.float32)
    around = np.stack([np.pad(draw[:, :, 0], 1, mode="edge")[y : y + 40, x : x + 50] for y in range(3) for x in range(3)])
    sharp = sharpen(draw, 1.0)[:, :, 0]
    assert (sharp >= around.min(0) - 1e-6).all()
    assert (sharp <= around.max(0) + 1e-6).all()


def test_channels_move_together() -> None:
    draw = np.random.default_rng(4).uniform(0.3, 0.7, (30, 30, 3)).astype(np.float32)
    moved = sharpen(draw, 0.7) - draw
    assert np.abs(moved - moved[:, :, :1]).max() < 1e-6
    assert np.abs(moved).max() > 0.01


def test_flat_pictures_stay_as_they_are() -> None:
    flat = np.full((16, 16, 3), (10, 200, 90), np.uint8)
    assert (sharpen(flat, 1.0) == flat).all()


def test_a_pixel_reaches_no_further_than_told() -> None:
    plain = np.random.default_rng(5).random((48, 48, 1), np.float32)
    other = plain.copy()
    other[24, 24] += 0.5
    changed = np.argwhere(np.abs(sharpen(other, 1.0) - sharpen(plain, 1.0))[:, :, 0] > 0)
    assert np.abs(changed - 24).max() <= REACH


@pytest.mark.parametrize("amount", [-0.1, 1.1, float("nan")])
def test_amounts_outside_are_refused(amount: float) -> None:
    with pytest.raises(UsageError, match=r"sharpen \(.*\) must be at least 0, which changes nothing, and at most 1"):
        sharpen(ramp(np.uint8, 255), amount)


def test_large_results_lie_on_disk_and_are_the_same() -> None:
    soft = np.random.default_rng(6).integers(0, 256, (300, 200, 3), np.uint8)
    assert (np.asarray(sharpen(soft, 0.5, above=1000)) == sharpen(soft, 0.5)).all()
