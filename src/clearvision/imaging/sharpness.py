"""How sharp a picture is for its size: edges, the end of its spectrum, and the pattern that interpolation leaves."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]

_EDGE = 40.0  # grey levels across five pixels that make an edge
_EDGES = 50  # that many are needed to judge
_WINDOW = 64  # samples of a spectrum
# borders of the bands in cycles a pixel; 0.5 is the finest detail that pixels can hold
_BANDS = (0.06, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.501)
_FLOOR = 0.05  # power of the rounding to whole grey levels


def edge_width(luma: Plane, noise: float) -> float | None:
    """Return how many pixels the sharpest tenth of the strong edges take, 1 to 5, or None where there are too few edges.

    Args:
        luma: (N, H, W), in grey levels.
        noise: its standard deviation; edges must stand out from it.
    """
    ratios = []
    for lines in _both_ways(luma):
        height = np.abs(lines[..., 5:] - lines[..., :-5])
        strong = height > max(_EDGE, 8 * noise)
        steepest = np.abs(lines[..., 3:-2] - lines[..., 2:-3])
        ratios.append(steepest[strong] / height[strong])
    found = np.concatenate(ratios)
    if len(found) < _EDGES:
        return None
    return float(np.clip(1 / max(np.percentile(found, 90), 1e-3), 1, 5))


def spectral_fall(luma: Plane) -> tuple[float, float]:
    """Return the steepest fall of the spectrum between neighbouring bands, and where it is.

    Natural detail fades evenly, about 0.3 a band; past the end of what a blurred or enlarged picture holds it drops.

    Args:
        luma: (N, H, W), in grey levels, at least 64 wide and high.

    Returns:
        Powers of ten, 0 or above; and cycles a pixel, up to 0.5. Of rows and columns, the less steep.
    """
    falls = []
    taper = np.hanning(_WINDOW).astype(np.float32)
    taper /= np.sqrt((taper**2).sum())
    frequency = np.linspace(0, 0.5, _WINDOW // 2 + 1)
    for lines in _both_ways(luma):
        count = lines.shape[2] // _WINDOW
        pieces = lines[:, :, : count * _WINDOW].reshape(-1, _WINDOW)
        power = (np.abs(np.fft.rfft((pieces - pieces.mean(axis=1, keepdims=True)) * taper)) ** 2).mean(axis=0)
        level = np.array([power[(frequency >= low) & (frequency < high)].mean() for low, high in pairwise(_BANDS)])
        drop = -np.diff(np.log10(level + _FLOOR))
        falls.append((float(max(drop.max(), 0)), _BANDS[int(drop.argmax()) + 1]))
    return min(falls)


def interpolation_peak(luma: Plane) -> tuple[float, float]:
    """Return how strongly second differences come and go with a period along rows and columns alike, and that frequency.

    Interpolated pixels are smoother the farther they lie from a source pixel, which repeats with the factor of enlargement
    (Gallagher, "Detection of Linear and Cubic Interpolation in JPEG Compressed Images", CRV 2005).

    Args:
        luma: (N, H, W), in grey levels.

    Returns:
        Peak over the spectrum's median, at least 0; and cycles a pixel. Multiples of 1/8 are left out, where JPEG's blocks are.
    """
    side = min(luma.shape[1:])
    spectra = []
    for lines in _both_ways(luma[:, :side, :side]):
        rough = np.minimum(np.abs(2 * lines[..., 1:-1] - lines[..., 2:] - lines[..., :-2]), 30).mean(axis=1)
        rough -= rough.mean(axis=1, keepdims=True)
        spectra.append((np.abs(np.fft.rfft(rough * np.hanning(rough.shape[1]))) ** 2).mean(axis=0))
    frequency = np.linspace(0, 0.5, len(spectra[0]))
    eighths = np.abs(frequency * 8 - np.rint(frequency * 8)) / 8
    usable = (frequency > 0.1) & (eighths > 2.5 / side)
    if not usable.any():
        return 0.0, 0.0
    both = np.minimum(*(power / max(float(np.median(power[usable])), 1e-9) for power in spectra))
    best = int(np.argmax(np.where(usable, both, 0)))
    return float(both[best]), float(frequency[best])


def _both_ways(luma: Plane) -> Iterator[Plane]:
    yield luma
    yield luma.swapaxes(1, 2)
