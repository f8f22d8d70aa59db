"""Which crops are drawn: flat ones again, lively ones more often, small pictures never."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clearvision.data.decode import Pair
from clearvision.data.draw import Chooser
from clearvision.data.shelves import MemoryShelf
from clearvision.errors import DataError


def chooser(*pictures: np.ndarray, **options: object) -> Chooser:
    pairs = [Pair(Path(f"{number}.png"), pixels, pixels) for number, pixels in enumerate(pictures)]
    return Chooser(MemoryShelf(pairs, 1), tuple(pair.path for pair in pairs), seed=0, **options)  # type: ignore[arg-type]


def half_flat() -> np.ndarray:
    """Black on the left, noise on the right."""
    pixels = np.zeros((64, 640, 3), np.uint8)
    pixels[:, 320:] = np.random.default_rng(0).integers(0, 255, (64, 320, 3))
    return pixels


def share_of_flat(**options: object) -> float:
    drawer = chooser(half_flat(), **options)
    return float(np.mean([np.asarray(drawer.sample(0, place, 16)[1]).std() < 1 for place in range(300)]))


def test_flat_crops_are_drawn_again() -> None:
    assert share_of_flat() > 0.4
    assert share_of_flat(flat_below=10) < 0.15


def test_detail_draws_what_has_gradients() -> None:
    assert share_of_flat(detail=True) < 0.15


def test_giants_do_not_rule_and_small_pictures_are_never_drawn() -> None:
    giant, usual = np.full((100, 400, 3), 200, np.uint8), np.full((20, 20, 3), 50, np.uint8)
    drawer = chooser(giant, *[usual] * 4, np.zeros((15, 90, 3), np.uint8))
    drawn = [int(np.asarray(drawer.sample(0, place, 16)[1]).flat[0]) for place in range(400)]
    assert set(drawn) == {50, 200}
    assert 0.4 < drawn.count(200) / 400 < 0.6  # capped at 4 of 8 shares; by area it would be 40,000 of 41,600
    with pytest.raises(DataError, match="no training picture is 101 low-quality pixels or more"):
        drawer.sample(0, 0, 101)
