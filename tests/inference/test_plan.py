from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearvision.errors import UsageError
from clearvision.inference.plan import (
    TILE_MEMORY,
    bytes_per_pixel,
    count_passes,
    halo_for,
    padded_size,
    plan_pass,
    plan_picture,
    target_size,
)
from clearvision.types import ModelInfo, SizeRequirements

SPAN_X2 = ModelInfo("clean-x2", "clean", 2, "span", {"feature_channels": 48, "upscale": 2}, receptive_radius=21)
RRDB = ModelInfo("rrdb", "photo", 2, "rrdbnet", {"scale": 2}, receptive_radius=698, size=SizeRequirements(multiple=2, minimum=2))


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        ({}, (400, 600)),
        ({"scale": 1.5}, (150, 225)),
        ({"scale": 0.333}, (33, 50)),
        ({"scale": 0.0001}, (1, 1)),
        ({"to_width": 301}, (201, 301)),
        ({"to_height": 1600}, (1600, 2400)),
        ({"megapixels": 0.06}, (200, 300)),
    ],
)
def test_target_sizes(wish: dict[str, float], expected: tuple[int, int]) -> None:
    assert target_size(100, 150, native=4, **wish) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"scale": 0}, r"^scale \(0\) must be above 0 and at most 16$"),
        ({"scale": 99}, r"^scale \(99\) must be above 0 and at most 16$"),
        ({"scale": float("nan")}, r"^scale \(nan\) must be above 0 and at most 16$"),
        ({"to_width": -3}, r"^width \(-3\) must be above 0$"),
        ({"to_height": 1601}, r"^height \(1601\) would enlarge the picture of 150x100 pixels 16\.0 times; at most 16 times$"),
        ({"megapixels": 5}, r"^megapixels \(5\) would enlarge .* 18\.3 times"),
        ({"scale": 2, "to_width": 9}, "^give only one of scale, width, height and megapixels, not scale and width$"),
    ],
)
def test_wishes_out_of_bounds_are_told(wish: dict[str, float], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        target_size(100, 150, native=4, **wish)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("native", "factor", "passes"),
    [(4, 0.99, 0), (4, 1.0, 1), (4, 4.0, 1), (4, 4.1, 1), (4, 5.0, 2), (4, 16.0, 2), (2, 16.0, 2), (1, 0.5, 1), (1, 3.0, 1)],
)
def test_passes(native: int, factor: float, passes: int) -> None:
    assert count_passes(native, factor) == passes


def test_halo_is_the_radius_until_that_is_absurd() -> None:
    assert halo_for(SPAN_X2) == (21, True)
    assert halo_for(RRDB) == (64, False)
    assert halo_for(replace(SPAN_X2, receptive_radius=None)) == (64, False)
    assert halo_for(replace(SPAN_X2, arch="swinir", receptive_radius=103)) == (103, True)
    assert halo_for(replace(SPAN_X2, arch="swinir", receptive_radius=153)) == (32, False)
    assert halo_for(replace(SPAN_X2, arch="hat", receptive_radius=None)) == (32, False)


@pytest.mark.parametrize(
    ("arch", "hyper", "scale", "measured"),
    [
        ("swinir", {}, 4, 13_002),
        ("swinir", {"embed_dim": 60, "num_heads": [6] * 4}, 4, 6_497),
        ("drct", {}, 4, 26_720),
        ("hat", {}, 4, 44_172),
        ("srflow", {}, 4, 19_922),
        ("srflow", {"stacked": [1, 3, 5, 7]}, 8, 92_709),
    ],
)
def test_memory_of_other_networks_is_what_pytorch_took(arch: str, hyper: dict[str, object], scale: int, measured: int) -> None:
    """Bytes a pixel at the peak, float32 on the processor, with few blocks, which come one after another."""
    estimate = bytes_per_pixel(replace(SPAN_X2, arch=arch, hyper=hyper, scale=scale), "f32")
    assert estimate == pytest.approx(measured, rel=0.2)


def test_padding_goes_to_the_next_size_taken() -> None:
    assert padded_size(RRDB, 1, 5) == (2, 6)
    assert padded_size(replace(SPAN_X2, size=SizeRequirements(multiple=4, minimum=10)), 3, 12) == (12, 12)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 9000), st.integers(1, 9000), st.sampled_from(["bf16", "f32"]))
def test_automatic_windows_stay_within_the_memory(height: int, width: int, precision: str) -> None:
    for info in (SPAN_X2, RRDB):
        tiles = plan_pass(info, precision, height, width, None)
        window = (tiles[0].y1 - tiles[0].y0) * (tiles[0].x1 - tiles[0].x0)
        assert window * bytes_per_pixel(info, precision) <= 1.1 * TILE_MEMORY
        if len(tiles) > 1:
            whole = height * width * bytes_per_pixel(info, precision)
            assert whole > TILE_MEMORY


def test_a_picture_that_fits_is_not_cut() -> None:
    assert len(plan_pass(SPAN_X2, "bf16", 900, 1000, None)) == 1
    assert len(plan_pass(SPAN_X2, "bf16", 900, 1000, 300)) == 12


def test_large_windows_are_of_a_width_that_convolutions_like() -> None:
    (tile, *_) = plan_pass(SPAN_X2, "bf16", 4001, 6001, None)
    assert (tile.x1 - tile.x0) % 16 == 0


def test_too_small_tiles_are_refused() -> None:
    with pytest.raises(UsageError, match=r"tile \(15\) must be at least 16"):
        plan_pass(SPAN_X2, "bf16", 100, 100, 15)


def test_plan_of_24_megapixels_stays_below_two_gigabytes() -> None:
    for precision in ("bf16", "f32"):
        plan = plan_picture(SPAN_X2, precision, height=4000, width=6000, sample_bytes=1, target=(8000, 12000), tile=None)
        assert (plan.height, plan.width, plan.passes, plan.exact) == (8000, 12000, 1, True)
        pictures = 3 * (4000 * 6000 + 8000 * 12000)
        assert pictures < plan.memory < 2e9
        assert plan.tiles > 1


def test_plan_counts_both_passes_and_none() -> None:
    beyond = plan_picture(SPAN_X2, "f32", height=100, width=100, sample_bytes=1, target=(300, 300), tile=64)
    assert (beyond.passes, beyond.tiles, beyond.tile) == (2, 1 + 9, 100)
    smaller = plan_picture(SPAN_X2, "f32", height=100, width=100, sample_bytes=2, target=(50, 50), tile=64)
    assert (smaller.passes, smaller.tiles, smaller.tile, smaller.memory) == (0, 0, 0, 2 * 3 * (10_000 + 2_500))
