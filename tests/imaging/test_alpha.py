"""Colour under transparency."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearvision.errors import ImageShapeError
from clearvision.imaging import alpha as alpha_module
from clearvision.imaging.alpha import bleed_colour

TYPES = [("uint8", 255), ("uint16", 65535), ("float32", 1)]


@pytest.mark.parametrize(("dtype", "full"), TYPES)
def test_one_colour_fills_everything(dtype: str, full: int) -> None:
    colour = (np.array([0.8, 0.4, 0.2]) * full).astype(dtype)
    pixels, alpha = np.zeros((37, 53, 3), dtype), np.zeros((37, 53), dtype)
    pixels[5, 7], alpha[5, 7] = colour, full
    result = bleed_colour(pixels, alpha)
    assert result.dtype == dtype
    np.testing.assert_allclose(result, np.broadcast_to(colour, pixels.shape), rtol=1e-6)
    assert pixels.sum() == pixels[5, 7].sum()  # the input is as it was


def test_each_side_takes_the_colour_next_to_it() -> None:
    pixels, alpha = np.zeros((64, 64, 3), np.uint8), np.zeros((64, 64), np.uint8)
    pixels[:, :8], alpha[:, :8] = (255, 0, 0), 255
    pixels[:, -8:], alpha[:, -8:] = (0, 0, 255), 255
    result = bleed_colour(pixels, alpha).astype(int)
    assert (result[:, 8:10, 0] > 240).all()
    assert (result[:, -10:-8, 2] > 240).all()
    assert (result[:, :, 1] == 0).all()
    assert (result.sum(axis=2) >= 254).all()  # a mixture of the two, never darkness
    assert (np.diff(result[32, :, 0]) <= 0).all()


def test_faint_pixels_keep_their_colour_and_hardly_count() -> None:
    pixels, alpha = np.zeros((32, 32, 3), np.uint8), np.zeros((32, 32), np.uint8)
    pixels[10:20, 10:20], alpha[10:20, 10:20] = (200, 200, 200), 255
    pixels[9, 10:20], alpha[9, 10:20] = (0, 255, 0), 1
    result = bleed_colour(pixels, alpha)
    np.testing.assert_array_equal(result[9, 10:20], pixels[9, 10:20])
    assert (result[8, 10:20] >= 190).all()


def test_grey_has_one_channel() -> None:
    pixels = np.array([[[9], [70], [0]]], np.uint8)
    np.testing.assert_array_equal(bleed_colour(pixels, np.array([[0, 255, 0]], np.uint8))[:, :, 0], [[70, 70, 70]])


def test_a_nan_that_nobody_sees_spreads_nowhere() -> None:
    pixels = np.full((4, 4, 3), np.nan, np.float32)
    alpha = np.zeros((4, 4), np.float32)
    pixels[0, 0], alpha[0, 0] = 0.5, 1
    np.testing.assert_array_equal(bleed_colour(pixels, alpha), np.full((4, 4, 3), 0.5, np.float32))


@pytest.mark.parametrize("value", [0, 1, 255])
def test_nothing_to_do_returns_the_same_object(value: int) -> None:
    pixels = np.ones((5, 6, 3), np.uint8)
    assert bleed_colour(pixels, np.full((5, 6), value, np.uint8)) is pixels


def test_strips_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.random((45, 33, 3), dtype=np.float32)
    alpha = (rng.random((45, 33)) > 0.9).astype(np.float32)
    whole = bleed_colour(pixels, alpha)
    monkeypatch.setattr(alpha_module, "_STRIP", 4)
    np.testing.assert_array_equal(bleed_colour(pixels, alpha), whole)


@settings(max_examples=30, deadline=None)
@given(height=st.integers(1, 20), width=st.integers(1, 20), seed=st.integers(0, 99))
def test_any_size_stays_between_the_visible_colours(height: int, width: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    alpha = rng.choice(np.array([0, 0, 0, 128, 255], np.uint8), (height, width))
    result = bleed_colour(pixels, alpha)
    seen = alpha > 0
    np.testing.assert_array_equal(result[seen], pixels[seen])
    if seen.any():
        assert (result >= pixels[seen].min(axis=0)).all()
        assert (result <= pixels[seen].max(axis=0)).all()


def test_arrays_that_do_not_belong_together() -> None:
    with pytest.raises(ImageShapeError, match=r"pixels \(4, 4, 3\) uint8 and alpha \(4, 5\) uint8 do not belong together"):
        bleed_colour(np.zeros((4, 4, 3), np.uint8), np.zeros((4, 5), np.uint8))
    with pytest.raises(ImageShapeError, match=r"alpha .* uint16"):
        bleed_colour(np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.uint16))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_what_lies_on_disk_is_filled_alike(dtype: Any) -> None:  # noqa: ANN401
    full = {np.uint8: 255, np.uint16: 65535, np.float32: 1}[dtype]
    draw = np.random.default_rng(0)
    pixels: Any = (draw.random((1025, 77, 3)) * full).astype(dtype)
    alpha: Any = (draw.random((1025, 77)) * full).astype(dtype)
    alpha[200:900] = 0
    found = bleed_colour(pixels, alpha, above=10)
    assert isinstance(found, np.memmap)
    np.testing.assert_array_equal(found, bleed_colour(pixels, alpha))
