"""Separable filtering of planes as the metrics need it: fast, in float64, with numpy alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float64]

_BLOCK = 32  # outputs a matrix product; wider blocks multiply more zeros, narrower ones call more often


def gaussian_taps(size: int, sigma: float) -> Plane:
    """Return the ``size`` weights of a Gaussian centred on the middle tap, with sum 1."""
    offsets = np.arange(size) - (size - 1) / 2
    weights = np.exp(-(offsets**2) / (2 * sigma**2))
    return weights / weights.sum()


def filter_valid(planes: Plane, taps: Plane) -> Plane:
    """Filter rows and columns of planes (..., H, W) with the same taps, keeping only windows that lie wholly inside.

    Returns:
        (..., H - n + 1, W - n + 1) for n taps; neither side may be shorter than n.
    """
    rows = _along_last(planes.swapaxes(-1, -2), taps).swapaxes(-1, -2)
    return _along_last(rows, taps)


def _along_last(values: Plane, taps: Plane) -> Plane:
    length = values.shape[-1] - len(taps) + 1
    out = np.empty((*values.shape[:-1], length))
    for start in range(0, length, _BLOCK):
        stop = min(start + _BLOCK, length)
        np.matmul(values[..., start : stop + len(taps) - 1], _band(taps, stop - start), out=out[..., start:stop])
    return out


def _band(taps: Plane, outputs: int) -> Plane:
    """Return the (outputs + n - 1, outputs) matrix that holds the taps along its diagonals."""
    band = np.zeros((outputs + len(taps) - 1, outputs))
    for offset, weight in enumerate(taps):
        np.fill_diagonal(band[offset:], weight)
    return band
