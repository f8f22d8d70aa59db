"""Cut a picture into overlapping windows and say which part of each result counts. Pure arithmetic on sizes.

All windows of a plan have the same size, because an engine compiles once per size: those at the right and bottom are shifted
inward rather than cut short. A window's edge is either the picture's own edge, where a network pads as it would for the whole
picture, or lies at least the halo away from the core, the part whose result is kept. With a halo of the network's receptive
radius the stitched result is therefore equal to that of the whole picture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearvision.errors import UsageError


@dataclass(frozen=True)
class Tile:
    """One window of the input, ``[y0:y1, x0:x1]``, and the core inside it whose result is kept, in pixels of the picture."""

    y0: int
    y1: int
    x0: int
    x1: int
    core_y0: int
    core_y1: int
    core_x0: int
    core_x1: int

    @property
    def window(self) -> tuple[slice, slice]:
        """Index of the window in the picture."""
        return slice(self.y0, self.y1), slice(self.x0, self.x1)

    def core(self, scale: int = 1) -> tuple[slice, slice]:
        """Index of the core in a picture enlarged by an integer scale."""
        return slice(self.core_y0 * scale, self.core_y1 * scale), slice(self.core_x0 * scale, self.core_x1 * scale)

    def core_in_window(self, scale: int = 1) -> tuple[slice, slice]:
        """Index of the core in the window's own enlarged result."""
        return (
            slice((self.core_y0 - self.y0) * scale, (self.core_y1 - self.y0) * scale),
            slice((self.core_x0 - self.x0) * scale, (self.core_x1 - self.x0) * scale),
        )


def plan_tiles(
    height: int, width: int, *, tile: int | tuple[int, int], halo: int, multiple: int = 1, width_step: int = 1
) -> list[Tile]:
    """Cover a picture with windows of one size, row by row.

    Args:
        height: rows of the picture, a multiple of ``multiple``.
        width: columns likewise.
        tile: largest side of a window without its halo, for both directions or as (rows, columns); the windows are made as
            even and as small as their number allows, and never leave the picture.
        halo: least distance from a core to an edge of its window that is not the picture's; rounded up to ``multiple``.
        multiple: windows begin and end at multiples of this.
        width_step: windows are as wide as a multiple of this too, unless that is wider than the picture.

    Raises:
        UsageError: if a side is below 1, the halo is negative, or the picture is not aligned to ``multiple``.
    """
    tile_height, tile_width = (tile, tile) if isinstance(tile, int) else tile
    if min(height, width, tile_height, tile_width, multiple) < 1 or halo < 0:
        raise UsageError(f"cannot cut {width}x{height} pixels into tiles of {tile_width}x{tile_height} with halo {halo}")
    if height % multiple or width % multiple:
        raise UsageError(f"picture of {width}x{height} pixels must be padded to multiples of {multiple} before it is tiled")
    halo = _round_up(halo, multiple)
    rows = _spans(height, tile_height, halo, multiple, multiple)
    columns = _spans(width, tile_width, halo, multiple, math.lcm(multiple, width_step))
    return [Tile(y0, y1, x0, x1, *core_y, *core_x) for y0, y1, *core_y in rows for x0, x1, *core_x in columns]


def window_side(length: int, count: int, halo: int, step: int = 1) -> int:
    """Return the least side, a multiple of ``step`` or all of ``length``, with which ``count`` windows cover ``length``."""
    even = -(-(length + 2 * halo * (count - 1)) // count)
    return min(length, _round_up(max(even, 2 * halo + 1), step))


def take_window(pixels: NDArray[Any], tile: Tile) -> NDArray[Any]:
    """Return the window of a picture (H, W, C); what lies beyond the right and bottom edge repeats by reflection.

    A picture whose size is no multiple of what the network needs is planned at the next multiple and padded here.
    """
    height, width = pixels.shape[:2]
    if tile.y1 <= height and tile.x1 <= width:
        return pixels[tile.window]
    return pixels[np.ix_(_reflected(tile.y0, tile.y1, height), _reflected(tile.x0, tile.x1, width))]


def _spans(length: int, tile: int, halo: int, multiple: int, step: int) -> list[tuple[int, int, int, int]]:
    """Return (start, end, core start, core end) of every window along one axis."""
    core = max(tile // multiple * multiple, multiple)
    if length <= core + 2 * halo:
        return [(0, length, 0, length)]
    count = max(2, -(-(length - 2 * halo) // core))  # the first and last core reach an edge, so they gain a halo each
    window = window_side(length, count, halo, step)
    if window == length:
        return [(0, length, 0, length)]
    count = -(-(length - 2 * halo) // (window - 2 * halo))  # rounding up may have made one superfluous
    starts = [index * (length - window) // (count - 1) // multiple * multiple for index in range(count)]
    cuts = [0, *((before + window + after) // 2 for before, after in pairwise(starts)), length]
    return [(start, start + window, cuts[index], cuts[index + 1]) for index, start in enumerate(starts)]


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple


def _reflected(start: int, end: int, size: int) -> NDArray[np.intp]:
    """Return indices that run on beyond ``size - 1`` as in a mirror on the last pixel."""
    if size == 1:
        return np.zeros(end - start, np.intp)
    folded = np.arange(start, end) % (2 * size - 2)
    return np.minimum(folded, 2 * size - 2 - folded)
