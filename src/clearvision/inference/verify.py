"""The proof that no cut shows: what lies beside every cut is computed again from a window that has the cut in its middle."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clearvision.imaging.tiling import Tile

# The most by which float32 sums may differ for the order they were added in; results lie in about [0, 1]. Seen: 2e-7 for trained
# SPAN, 4e-5 for 94 convolutions with random weights on an AMD EPYC. A grey level of 8 bits is 4e-3.
EXACT = 1e-4

Region = tuple[int, int, int, int]  # y0, y1, x0, x1, in pixels of the input


class SeamCheck:
    """Keeps one input pixel's breadth of float output on either side of every cut, to be compared with witnesses.

    Args:
        tiles: the windows of a plan, all of one size.
        scale: the network's.
        multiple: witnesses begin at multiples of this, as the windows do.

    Attributes:
        error: largest absolute difference found so far.
    """

    def __init__(self, tiles: tuple[Tile, ...], scale: int, multiple: int) -> None:
        self.error = 0.0
        self._scale, self._multiple = scale, multiple
        self._height, self._width = tiles[-1].y1, tiles[-1].x1
        self._window = (tiles[0].y1 - tiles[0].y0, tiles[0].x1 - tiles[0].x0)
        self._strips: dict[tuple[int, int], list[tuple[Region, NDArray[np.float32]]]] = {}  # by the witness's corner

    def keep(self, tile: Tile, image: NDArray[np.float32]) -> None:
        """Copy what lies beside a window's cuts from its output (h * scale, w * scale, C)."""
        for cut, row in ((tile.core_y0, tile.core_y0), (tile.core_y1, tile.core_y1 - 1)):
            if 0 < cut < self._height:
                corner = (self._centred(cut, self._window[0], self._height), tile.x0)
                self._add(corner, (row, row + 1, tile.core_x0, tile.core_x1), tile, image)
        for cut, column in ((tile.core_x0, tile.core_x0), (tile.core_x1, tile.core_x1 - 1)):
            if 0 < cut < self._width:
                corner = (tile.y0, self._centred(cut, self._window[1], self._width))
                self._add(corner, (tile.core_y0, tile.core_y1, column, column + 1), tile, image)

    def witnesses(self) -> tuple[Tile, ...]:
        """Return windows of the plan's size that have the cuts in their middle."""
        height, width = self._window
        return tuple(Tile(y, y + height, x, x + width, y, y + height, x, x + width) for y, x in self._strips)

    def compare(self, witness: Tile, image: NDArray[np.float32]) -> None:
        """Measure how far the output of a witness is from what was kept."""
        for region, values in self._strips[witness.y0, witness.x0]:
            self.error = max(self.error, float(np.abs(self._part(witness, region, image) - values).max()))

    def _add(self, corner: tuple[int, int], region: Region, tile: Tile, image: NDArray[np.float32]) -> None:
        self._strips.setdefault(corner, []).append((region, self._part(tile, region, image).copy()))

    def _part(self, tile: Tile, region: Region, image: NDArray[np.float32]) -> NDArray[np.float32]:
        y0, y1, x0, x1 = (edge * self._scale for edge in region)
        top, left = tile.y0 * self._scale, tile.x0 * self._scale
        return image[y0 - top : y1 - top, x0 - left : x1 - left]

    def _centred(self, cut: int, side: int, length: int) -> int:
        start = (cut - side // 2) // self._multiple * self._multiple
        return min(max(start, 0), length - side)
