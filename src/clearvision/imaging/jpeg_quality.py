"""How strongly a picture was compressed by JPEG: from the file's quantisation tables, or from the traces in decoded pixels.

Quality is the number that libjpeg's ``cjpeg -quality`` and Pillow take, 1 to 100, which scales the example tables of ITU-T T.81,
annex K. Other programs' tables are matched with the nearest of these. In pixels, the cosine coefficients of 8x8 blocks lie near
multiples of the table's steps, as long as the picture was neither resized nor changed much since (Fan and de Queiroz,
"Identification of Bitmap Compression History", IEEE TIP 2003, use the same trace).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]

# ITU-T T.81, table K.1, rows from the top
_LUMA = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
)
_QUALITIES = np.arange(1, 101)
_HEAD = 1 << 20  # bytes in which the tables must come; they stand before the pixels
_STEP = 0.25  # width of a bin of coefficients
_REACH = 160.0  # largest coefficient looked at
_LEAST_STEP, _LARGEST_STEP = 3, 121  # steps below 3 drown in the rounding of pixels
_LEAST_COUNT = 200  # coefficients that must not be 0 to say anything
_PART = 32  # rows of weights multiplied at once
_LEAST_MATCH = 0.3  # of 1, which is all coefficients exactly on multiples; without JPEG it stays below 0.2


def quality_from_tables(source: bytes | str | Path) -> int | None:
    """Return the quality that a JPEG file's luma table stands for, or None if the source is no JPEG file.

    Args:
        source: the file's path or its bytes, of which the part before the pixels suffices.
    """
    if isinstance(source, bytes):
        head = source
    else:
        with Path(source).open("rb") as file:
            head = file.read(_HEAD)
    zigzag = _table(head)
    if zigzag is None:
        return None
    table = np.empty(64)
    table[_zigzag_order()] = zigzag
    apart = np.abs(_scaled_tables().reshape(100, 64) - table).sum(axis=1)
    return int(_QUALITIES[apart.argmin()])


def quality_from_pixels(luma: Plane) -> int | None:
    """Return the quality of an earlier JPEG compression that decoded pixels show, or None if they show none.

    Args:
        luma: (N, H, W), parts of the picture's full-range luma in grey levels, whose corners lie at multiples of 8.
    """
    rows, columns = _grid(luma), _grid(luma.swapaxes(1, 2))
    found = [_estimate(luma[:, top:, left:]) for top, left in dict.fromkeys(((0, 0), (rows, columns)))]
    match, quality = max(found)
    return quality if match >= _LEAST_MATCH else None


def _table(head: bytes) -> NDArray[np.float64] | None:
    """Return the 64 steps of table 0, in zigzag order, as they stand in the file."""
    if not head.startswith(b"\xff\xd8"):
        return None
    at = 2
    while at + 4 <= len(head) and head[at] == 0xFF:
        marker, length = head[at + 1], int.from_bytes(head[at + 2 : at + 4])
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        if marker == 0xDA:  # the pixels begin
            return None
        part, at = head[at + 4 : at + 2 + length], at + 2 + length
        while marker == 0xDB and part:
            wide, name = part[0] >> 4, part[0] & 15
            size = 128 if wide else 64
            if name == 0 and len(part) > size:
                return np.frombuffer(part[1 : 1 + size], ">u2" if wide else "u1").astype(np.float64)
            part = part[1 + size :]
    return None


@cache
def _zigzag_order() -> NDArray[np.intp]:
    """Return for every place in the file its index in the 8x8 table."""
    cells = [(row, column) for row in range(8) for column in range(8)]
    # along the diagonals, upwards on even ones
    cells.sort(key=lambda cell: (sum(cell), cell[0] if sum(cell) % 2 else cell[1]))
    return np.array([row * 8 + column for row, column in cells])


@cache
def _scaled_tables() -> NDArray[np.float64]:
    """Return libjpeg's luma tables of the qualities 1 to 100, (100, 8, 8)."""
    percent = np.where(_QUALITIES < 50, 5000 // _QUALITIES, 200 - 2 * _QUALITIES)
    return np.clip((_LUMA * percent[:, None, None] + 50) // 100, 1, 255).astype(np.float64)


def _grid(luma: Plane) -> int:
    """Return the row, 0 to 7, at which blocks begin, by the jumps between rows."""
    jump = np.abs(np.diff(luma, axis=1)).mean(axis=(0, 2))
    excess = jump[1:-1] - (jump[:-2] + jump[2:]) / 2
    phases = [float(excess[phase::8].mean()) for phase in range(8)] if len(excess) >= 8 else [0.0] * 8
    return (int(np.argmax(phases)) + 2) % 8


def _estimate(luma: Plane) -> tuple[float, int]:
    """Return how well the best quality explains the coefficients, up to 1, and that quality."""
    count, height, width = luma.shape
    rows, columns = height // 8, width // 8
    if not (rows and columns):
        return 0.0, 0
    blocks = luma[:, : rows * 8, : columns * 8].reshape(count, rows, 8, columns, 8).swapaxes(2, 3).reshape(-1, 8, 8)
    cosines = _cosines()
    bins = np.rint((cosines @ blocks @ cosines.T).reshape(-1, 64) / _STEP).astype(np.int32) + int(_REACH / _STEP)
    width_of_histogram = 2 * int(_REACH / _STEP) + 1
    np.clip(bins, 0, width_of_histogram - 1, out=bins)
    bins += np.arange(64, dtype=np.int32) * width_of_histogram
    histogram = np.bincount(bins.ravel(), minlength=64 * width_of_histogram).reshape(64, -1)
    histogram[:, [0, -1]] = 0  # beyond the reach
    agreeing, counted = (_product(histogram, weights) for weights in _combs())

    steps = _scaled_tables().reshape(100, 64).astype(np.intp)
    usable = (steps >= _LEAST_STEP) & (steps <= _LARGEST_STEP)
    usable[:, 0] = False  # the mean of a block
    place = np.arange(64), np.clip(steps, 1, _LARGEST_STEP) - 1
    total = np.where(usable, counted[place], 0).sum(axis=1)
    match = np.where(usable, agreeing[place], 0).sum(axis=1) / np.maximum(total, 1)
    match[total < _LEAST_COUNT] = 0
    best = int(match.argmax())
    return float(match[best]), int(_QUALITIES[best])


def _product(histogram: NDArray[np.intp], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the matrix product, in parts so small that BLAS starts no threads, which are slow beside a network."""
    total = np.zeros((len(histogram), weights.shape[1]))
    for first in range(0, len(weights), _PART):
        total += histogram[:, first : first + _PART] @ weights[first : first + _PART]
    return total


@cache
def _cosines() -> Plane:
    """Return the orthonormal 8-point DCT-II, (frequency, sample)."""
    index = np.arange(8)
    basis = np.cos((2 * index[None] + 1) * index[:, None] * np.pi / 16) * np.sqrt(np.where(index == 0, 1, 2)[:, None] / 8)
    return basis.astype(np.float32)


@cache
def _combs() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return for every bin and step 1, 2 ... how near a multiple it lies (1 on it, -1 between two), and whether it counts."""
    value = np.arange(-_REACH, _REACH + _STEP / 2, _STEP)[:, None]
    step = np.arange(1, _LARGEST_STEP + 1)[None]
    counts = (np.abs(value) > step / 2).astype(np.float64)  # zeros are there in every picture
    return np.cos(2 * np.pi * value / step) * counts, counts
