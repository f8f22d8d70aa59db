from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearvision.errors import UsageError
from clearvision.imaging.tiling import Tile, plan_tiles, take_window

sizes = st.integers(1, 400)


@settings(max_examples=100, deadline=None)
@given(
    sizes,
    sizes,
    st.integers(1, 90),
    st.integers(1, 90),
    st.integers(0, 40),
    st.sampled_from([1, 2, 3, 4, 8]),
    st.sampled_from([1, 16]),
)
def test_any_plan_covers_once_with_halo_and_one_window_size(
    rows: int, columns: int, tile_rows: int, tile_columns: int, halo: int, multiple: int, step: int
) -> None:
    height, width = rows * multiple, columns * multiple
    tiles = plan_tiles(height, width, tile=(tile_rows, tile_columns), halo=halo, multiple=multiple, width_step=step)
    written = np.zeros((height, width), np.uint8)
    for tile in tiles:
        written[tile.core()] += 1
        assert 0 <= tile.y0 <= tile.core_y0 < tile.core_y1 <= tile.y1 <= height
        assert 0 <= tile.x0 <= tile.core_x0 < tile.core_x1 <= tile.x1 <= width
        assert tile.y0 == 0 or tile.core_y0 - tile.y0 >= halo
        assert tile.x0 == 0 or tile.core_x0 - tile.x0 >= halo
        assert tile.y1 == height or tile.y1 - tile.core_y1 >= halo
        assert tile.x1 == width or tile.x1 - tile.core_x1 >= halo
        assert not any(edge % multiple for edge in (tile.y0, tile.y1, tile.x0, tile.x1))
    assert (written == 1).all()
    shapes = {(tile.y1 - tile.y0, tile.x1 - tile.x0) for tile in tiles}
    assert len(shapes) == 1
    (window,) = shapes
    aligned_halo = -(-halo // multiple) * multiple
    assert window[0] <= max(tile_rows, multiple) + 2 * aligned_halo
    assert window[1] <= max(tile_columns, multiple) + 2 * aligned_halo + step * multiple
    assert window[1] == width or window[1] % step == 0


def test_one_window_where_the_picture_fits() -> None:
    assert plan_tiles(100, 90, tile=64, halo=18) == [Tile(0, 100, 0, 90, 0, 100, 0, 90)]


def test_golden_plan_of_one_row() -> None:
    spans = [(tile.x0, tile.x1, tile.core_x0, tile.core_x1) for tile in plan_tiles(16, 101, tile=40, halo=10)]
    assert spans == [(0, 47, 0, 37), (27, 74, 37, 64), (54, 101, 64, 101)]


def test_window_beyond_the_edge_is_the_mirror_image() -> None:
    pixels = np.arange(5 * 3).reshape(5, 3, 1)
    padded = take_window(pixels, Tile(0, 8, 0, 4, 0, 8, 0, 4))
    np.testing.assert_array_equal(padded, np.pad(pixels, ((0, 3), (0, 1), (0, 0)), mode="reflect"))


def test_a_single_pixel_can_be_padded() -> None:
    padded = take_window(np.full((1, 1, 3), 7, np.uint8), Tile(0, 4, 0, 4, 0, 4, 0, 4))
    assert padded.shape == (4, 4, 3)
    assert (padded == 7).all()


def test_windows_inside_are_views_not_copies() -> None:
    pixels = np.zeros((20, 20, 3), np.uint8)
    assert np.shares_memory(take_window(pixels, Tile(2, 12, 3, 13, 4, 10, 5, 11)), pixels)


@pytest.mark.parametrize("arguments", [{"tile": 0, "halo": 0}, {"tile": 8, "halo": -1}, {"tile": (8, 0), "halo": 0}])
def test_senseless_tiles_are_refused(arguments: dict[str, int]) -> None:
    with pytest.raises(UsageError, match="cannot cut 10x9 pixels into tiles"):
        plan_tiles(9, 10, **arguments)


def test_unaligned_pictures_are_refused() -> None:
    with pytest.raises(UsageError, match="must be padded to multiples of 4"):
        plan_tiles(10, 12, tile=8, halo=2, multiple=4)
