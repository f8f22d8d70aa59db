"""The proof that no cut shows: what lies beside every cut is computed again from a window that has the cut in its middle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clearvision.imaging.tiling import Tile

EXACT = 1e-5  # the most by which float32 sums may differ for the order they were added in; results lie in about [0, 1]


@dataclass(frozen=True)
class _Strip:
    """Output beside a cut: where it lies in the input, the window to compute it again from, and its values."""

    y0: int
    y1: int
    x0: int
    x1: int
    values: NDArray[np.float32]


class SeamCheck:
    """Keeps one input pixel's breadth of float output on both sides of every cut, and compares it with witnesses.

    Args:
        tiles: the plan's windows.
        scale: the network's.

    Attributes:
        error: largest absolute difference seen so far.
    """

    def __init__(self, tiles: tuple[Tile, ...], scale: int) -> None:
        self.error = 0.0
        self._scale = scale
        self._height, self._width = max(tile.y1 for tile in tiles), max(tile.x1 for tile in tiles)
        self._strips: dict[tuple[int, int, int, int], list[_Strip]] = {}

    def keep(self, tile: Tile, image: NDArray[np.float32]) -> None:
        """Copy what lies beside the cuts of a window from its output (h * scale, w * scale, C)."""
        for y0, y1, x0, x1 in self._sides(tile):
            window = self._witness(tile, (y0 + y1) // 2 if y1 - y0 == 1 else None, (x0 + x1) // 2 if x1 - x0 == 1 else None)
            strip = _Strip(y0, y1, x0, x1, self._values(image, tile, y0, y1, x0, x1).copy())
            self._strips.setdefault(window, []).append(strip)
