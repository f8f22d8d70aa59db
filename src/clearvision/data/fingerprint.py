"""What a picture looks like in a few numbers: a hash that survives rescaling and recompression, and how fine its detail is.

Nothing here needs PyTorch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from clearvision.imaging.resize import resize

THUMB, HASH = 32, 8  # sides of the thumbnail, and of the block of its low frequencies that makes the hash
SPECTRUM_SIDE = 128
WINDOWS = 12  # of a picture, of which the liveliest are measured
ENERGY = 0.97
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Fingerprint:
    """A picture for comparison.

    Attributes:
        bits: (63,), 1 or -1: signs of the low frequencies against their median.
        thumb: (1024,), a grey thumbnail of mean 0 and length 1, or all 0 for a picture without structure.
    """

    bits: NDArray[np.float32]
    thumb: NDArray[np.float32]


def grey_plane(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return luma, (H, W) float32 in grey levels, of (H, W, 3) RGB."""
    return pixels.astype(np.float32) @ LUMA


def fingerprint(grey: NDArray[np.float32]) -> Fingerprint:
    """Return the fingerprint of a grey picture, the whole of it squeezed into a square."""
    if min(grey.shape) < THUMB:
        return _of_thumb(resize(np.ascontiguousarray(grey), THUMB, THUMB))
    rows, columns = (np.linspace(0, side, THUMB, endpoint=False).astype(int) for side in grey.shape)
    sums = np.add.reduceat(np.add.reduceat(grey, rows, axis=0), columns, axis=1)
    lengths = (np.diff(edges, append=side) for edges, side in ((rows, grey.shape[0]), (columns, grey.shape[1])))
    return _of_thumb(sums / np.outer(*lengths))


def mirrored(print_: Fingerprint) -> Fingerprint:
    """Return the fingerprint of the picture seen in a mirror."""
    thumb = print_.thumb.reshape(THUMB, THUMB)[:, ::-1]
    return Fingerprint(_signs(thumb), np.ascontiguousarray(thumb).ravel())


def cut_off(grey: NDArray[np.float32]) -> float | None:
    """Return up to which share of the highest frequency a picture's detail reaches, or None if it is too small to tell.

    It is where 97 % of the gradient energy of the liveliest windows is passed, going outwards from the lowest frequency. Sharp
    photographs come to 0.9 and more, the same enlarged by 2 to about 0.7, blurred by 1.5 pixels to below 0.4. Noise and JPEG
    blocks count as detail.

    Args:
        grey: (H, W) in grey levels.
    """
    side = min(SPECTRUM_SIDE, *grey.shape)
    if side < 32:
        return None
    power = _radial_power(_lively_windows(grey, side))[1 : side // 2]
    frequency = np.arange(1, side // 2) / (side // 2)
    energy = np.cumsum(power * frequency**3)  # a ring's length grows with the frequency, a gradient's power with its square
    return float(frequency[np.searchsorted(energy, ENERGY * energy[-1])]) if energy[-1] > 1e-6 else None


def shift_between(first: NDArray[np.float32], second: NDArray[np.float32]) -> tuple[float, float, float]:
    """Return by how many pixels (down, right) the second picture lies off the first, and how sure that is (0 to 1).

    Phase correlation of two pictures of one size, to fractions of a pixel. Paper: Kuglin and Hines, "The Phase Correlation Image
    Alignment Method", 1975; Foroosh et al., "Extension of Phase Correlation to Subpixel Registration", IEEE TIP 2002.
    """
    window = np.hanning(first.shape[0])[:, None] * np.hanning(first.shape[1])
    spectra = [np.fft.rfft2((plane - plane.mean()) * window) for plane in (first, second)]
    cross = spectra[1] * np.conj(spectra[0])
    # Both pictures are low in the corners of the spectrum, where the phase is noise: the amplitude's root weighs it down
    surface = np.fft.irfft2(cross / np.sqrt(np.abs(cross) + 1e-6), first.shape)
    peak = np.unravel_index(int(surface.argmax()), surface.shape)
    energy = float(np.sqrt(np.abs(cross)).sum() * 2 / surface.size) + 1e-9
    down, right = (_vertex(surface, peak, axis) for axis in (0, 1))
    return down, right, min(1.0, float(surface[peak]) / energy)


def _vertex(surface: NDArray[np.float64], peak: tuple[np.intp, ...], axis: int) -> float:
    """Return the peak's place along an axis, by the parabola through it and its neighbours, wrapped to both sides of 0."""
    length = surface.shape[axis]
    before, at, after = (
        surface[tuple((int(place) + (step if own == axis else 0)) % surface.shape[own] for own, place in enumerate(peak))]
        for step in (-1, 0, 1)
    )
    bend = before - 2 * at + after
    place = int(peak[axis]) + (float(0.5 * (before - after) / bend) if bend < 0 else 0.0)
    return place - length if place > length / 2 else place


def _of_thumb(small: NDArray[np.floating]) -> Fingerprint:
    level = small - small.mean()
    length = float(np.linalg.norm(level))
    flat = length < THUMB  # less than one grey level of deviation
    thumb = np.zeros(THUMB * THUMB, np.float32) if flat else (level / length).ravel().astype(np.float32)
    return Fingerprint(_signs(level), thumb)


def _signs(thumb: NDArray[np.floating]) -> NDArray[np.float32]:
    low = (_cosines() @ thumb @ _cosines().T).ravel()[1:]
    return np.where(low > np.median(low), 1, -1).astype(np.float32)


@cache
def _cosines() -> NDArray[np.float64]:
    place = np.arange(THUMB)
    return np.cos(math.pi / THUMB * np.arange(HASH)[:, None] * (place + 0.5))


def _lively_windows(grey: NDArray[np.float32], side: int) -> list[NDArray[np.float32]]:
    """Return the quarter of a grid of windows that varies most from pixel to pixel."""
    height, width = grey.shape
    rows = max(1, min(round(math.sqrt(WINDOWS * height / width)), height // side))
    columns = max(1, min(math.ceil(WINDOWS / rows), width // side))
    tops = np.linspace(0, height - side, rows).astype(int)
    lefts = np.linspace(0, width - side, columns).astype(int)
    windows = [grey[top : top + side, left : left + side] for top in tops for left in lefts]
    windows.sort(key=lambda window: -float(np.abs(np.diff(window, axis=1)).mean()))
    return windows[: max(1, len(windows) // 4)]


def _radial_power(windows: list[NDArray[np.float32]]) -> NDArray[np.float64]:
    """Return the mean power at each distance from frequency 0."""
    side = windows[0].shape[0]
    taper = np.hanning(side)[:, None] * np.hanning(side)
    power = np.mean([np.abs(np.fft.fft2((window - window.mean()) * taper)) ** 2 for window in windows], axis=0) / taper.size
    y, x = np.meshgrid(*(np.fft.fftfreq(side) * side,) * 2, indexing="ij")
    ring = np.round(np.hypot(y, x)).astype(int).ravel()
    return np.bincount(ring, power.ravel()) / np.bincount(ring)
