"""The spread of a result over points of view, against its plain definition."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from clearvision.imaging.resize import resize
from clearvision.inference import trust
from clearvision.inference.trust import FULL_SCALE, as_picture, spread, spread_of
from clearvision.inference.upscaler import Upscaler
from clearvision.types import Picture
from clearvision.zoo.checkpoint import Checkpoint

MakeCheckpoint = Callable[..., Checkpoint]
Floats = NDArray[np.float32]


def noise(height: int, width: int, channels: int = 3) -> Floats:
    return np.random.default_rng(height).random((height, width, channels), dtype=np.float32)


def one_sided(lq: Floats) -> Floats:
    """Double a picture so that brightness flows to the right: what a view shows depends on how it was turned."""
    large = lq.repeat(2, axis=0).repeat(2, axis=1)
    return (large + 0.5 * np.roll(large, 1, axis=1)).astype(np.float32)


def bilinear(lq: Floats) -> Floats:
    return resize(lq, 2 * lq.shape[0], 2 * lq.shape[1], kernel="bilinear")


def test_it_is_the_standard_deviation_over_eight_turns_and_mirror_images_of_every_network() -> None:
    pixels = noise(6, 9)

    def darker(lq: Floats) -> Floats:
        return one_sided(lq) * np.float32(0.9)

    results = []
    for enlarge in (one_sided, darker):
        for turns in range(4):
            for mirrored in (False, True):
                seen = np.rot90(pixels[:, ::-1] if mirrored else pixels, turns)
                back = np.rot90(enlarge(seen), -turns)
                results.append(back[:, ::-1] if mirrored else back)
    expected = np.std(np.array(results, np.float64), axis=0).max(axis=2) * 255
    found = spread(pixels, [one_sided, darker])
    assert (found.shape, found.dtype) == ((12, 18), np.float32)
    np.testing.assert_allclose(found, expected, atol=1e-3)
    assert expected.max() > 20
    assert (spread(pixels, [one_sided]) != found).any()


def test_it_is_zero_where_turning_makes_no_difference() -> None:
    assert spread(noise(7, 5), [bilinear]).max() < 1e-3  # grey levels
    twins = [bilinear, lambda lq: bilinear(lq) + np.float32(0.1)]
    np.testing.assert_allclose(spread(noise(7, 5), twins), 0.05 * 255, atol=1e-3)


def test_the_map_is_black_at_none_and_white_from_the_full_scale_on() -> None:
    levels = np.array([[0, FULL_SCALE / 2, FULL_SCALE, 4 * FULL_SCALE]], np.float32)
    found = as_picture(levels)
    assert (found.shape, found.dtype) == ((1, 4, 1), np.uint8)
    assert found[0, :, 0].tolist() == [0, 128, 255, 255]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_pictures_map_has_its_results_size_and_does_not_depend_on_its_type(checkpoint_of: MakeCheckpoint, dtype: type) -> None:
    checkpoint = checkpoint_of("span", feature_channels=16, num_block=1, upscale=2, skip="bilinear", img_range=1.0)
    upscaler = Upscaler(checkpoint, precision="f32")
    eight = (noise(10, 14) * 255).round()
    pixels = (eight * {np.uint8: 1, np.uint16: 257, np.float32: np.float32(1 / 255)}[dtype]).astype(dtype)
    floats = eight.astype(np.float32) / np.float32(255)
    plain = spread(floats, [upscaler])
    np.testing.assert_allclose(spread_of([upscaler], Picture(pixels), 20, 28), plain, atol=1e-2)
    assert plain.mean() > 1
    twin = replace(checkpoint, weights={name: value * np.float32(0.9) for name, value in checkpoint.weights.items()})
    both = spread_of([upscaler, Upscaler(twin, precision="f32")], Picture(pixels), 30, 42)
    assert both.shape == (30, 42)
    assert both.mean() != pytest.approx(plain.mean(), rel=0.01)


@pytest.mark.parametrize("size", [(110, 146), (220, 292), (330, 438)])
def test_windows_give_the_map_of_the_whole(
    checkpoint_of: MakeCheckpoint, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    checkpoint = checkpoint_of("span", feature_channels=16, num_block=1, upscale=2, skip="bilinear", img_range=1.0)
    upscalers, picture = [Upscaler(checkpoint, precision="f32")], Picture((noise(110, 146) * 255).astype(np.uint8))
    whole = spread_of(upscalers, picture, *size)
    monkeypatch.setattr(trust, "WINDOW", 64 * 64)
    windows = spread_of(upscalers, picture, *size, above=100)
    assert isinstance(windows, np.memmap)
    np.testing.assert_allclose(windows, whole, atol=1e-2)
    assert whole.mean() > 1
