"""What a picture has been through, from the picture alone, and which family of models suits it.

Everything is measured on at most 20 parts of 256x256 pixels, so it takes about as long for a large picture as for a small one.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from clearvision.imaging.jpeg_quality import quality_from_pixels, quality_from_tables
from clearvision.imaging.sharpness import edge_width, interpolation_peak, spectral_fall
from clearvision.imaging.vips import FULL
from clearvision.types import Picture

Family = Literal["clean", "photo"]
Samples = NDArray[np.float32]

# The rule: any of these makes a picture a ``photo``. Set on training pictures; docs/diagnosis.md says how well they do.
JPEG_BELOW = 90
NOISE_FROM = 2.0  # grey levels
SOFT_FROM = 1.95  # spectral fall + half of the edge width; sharp pictures have about 1.1
PATTERN_FROM = 25.0  # peak of the interpolation pattern; other pictures stay below 15

_SIDE = 256
_PARTS = 20
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_LEAST_SIDE = 64  # below, a picture is too small for its spectrum
_EDGE_WIDTH = 2.0  # what a picture without edges counts as
_NOISE_BLOCK = 16
_LEAST_BLOCKS = 8
_CLIPPED = 0.1  # share of black and white pixels from which on a block does not count, since noise is cut off there
# The tenth of the blocks with the least roughness show less than the noise: this share of the variance, of pure Gaussian noise.
_QUIETEST = 0.81
# Texture in a picture of half the size is this much rougher, in variance; noise is a quarter as rough.
_TEXTURE = 1.5


@dataclass(frozen=True)
class Diagnosis:
    """What a picture shows of its past.

    Attributes:
        jpeg_quality: of its strongest JPEG compression, 1 to 100, or None where there are no traces of any.
        noise: standard deviation in grey levels of 255.
        edge_width: pixels that the sharpest edges take, 1 to 5, or None where there are none.
        fall: steepest fall of the spectrum, powers of ten between neighbouring bands; None for pictures below 64 pixels.
        detail: where that fall lies, as a share of the finest detail that pixels can hold; None likewise.
        pattern: strength of the pattern that interpolation leaves; None likewise.
    """

    jpeg_quality: int | None = None
    noise: float = 0.0
    edge_width: float | None = None
    fall: float | None = None
    detail: float | None = None
    pattern: float | None = None

    @property
    def compressed(self) -> bool:
        """Whether it was compressed by JPEG so strongly that it shows."""
        return self.jpeg_quality is not None and self.jpeg_quality < JPEG_BELOW

    @property
    def noisy(self) -> bool:
        """Whether there is noise that enlarging would show."""
        return self.noise >= NOISE_FROM

    @property
    def soft(self) -> bool:
        """Whether it holds less detail than its pixels could: it is blurred, or was enlarged."""
        width = _EDGE_WIDTH if self.edge_width is None else self.edge_width
        return self.fall is not None and self.fall + width / 2 >= SOFT_FROM

    @property
    def enlarged(self) -> bool:
        """Whether interpolation left its pattern; doubling leaves none, and is found by its softness alone."""
        return self.pattern is not None and self.pattern >= PATTERN_FROM

    @property
    def family(self) -> Family:
        """``photo`` if anything was found that enlarging would show, else ``clean``."""
        return "photo" if self.compressed or self.noisy or self.soft or self.enlarged else "clean"

    @property
    def text(self) -> str:
        """What was found, in plain words: ``JPEG quality about 35, noise about 12 grey levels``."""
        found = []
        if self.compressed:
            found.append(f"JPEG quality about {self.jpeg_quality}")
        if self.noisy:
            found.append(f"noise about {self.noise:.0f} grey levels")
        if self.enlarged:
            found.append("enlarged before")
        if self.soft and self.detail is not None:
            cause = "soft" if self.enlarged else "blurred or enlarged before"
            found.append(f"{cause}, with detail up to {self.detail:.0%} of what its pixels could hold")
        return ", ".join(found) or "no compression, noise or blur to be seen"

    def as_plain(self) -> dict[str, Any]:
        """Return the diagnosis as plain data for JSON."""
        measured = {key: round(value, 3) if isinstance(value, float) else value for key, value in vars(self).items()}
        return {"family": self.family, "text": self.text, **measured}


def diagnose(picture: Picture, source: bytes | str | Path | None = None) -> Diagnosis:
    """Find out what a picture has been through.

    Args:
        picture: its pixels, of any type; they do not change.
        source: the file it was read from, or that file's bytes: a JPEG file states its compression itself.

    Raises:
        OSError: if the source cannot be opened.
    """
    samples = _samples(picture.pixels)
    luma = samples @ _LUMA if samples.shape[3] == 3 else samples[..., 0]
    stated = None if source is None else quality_from_tables(source)
    seen = quality_from_pixels(luma)
    quality = min((each for each in (stated, seen) if each is not None), default=None)
    noise = noise_level(samples)
    width = edge_width(luma, noise)
    if min(luma.shape[1:]) < _LEAST_SIDE:
        return Diagnosis(quality, noise, width)
    fall, frequency = spectral_fall(luma)
    pattern, _ = interpolation_peak(luma)
    return Diagnosis(quality, noise, width, fall, 2 * frequency, pattern)


def noise_level(samples: Samples) -> float:
    """Return the standard deviation of noise in grey levels, from the blocks with the least detail.

    Second differences along rows and columns leave little of a picture and 36 times the variance of white noise (Immerkaer,
    "Fast Noise Variance Estimation", CVIU 1996). What is left of a picture is told from noise by halving: the mean of 2x2 pixels
    has a quarter of the noise's variance, but more of the picture's.

    Args:
        samples: (N, H, W, C), parts of the picture in grey levels; what comes out is the root mean square of the channels.

    Returns:
        0 where there are fewer than 8 blocks of 16x16 pixels to judge by.
    """
    count, height, width, channels = samples.shape
    even = samples[:, : height // 2 * 2, : width // 2 * 2]
    halved = even.reshape(count, height // 2, 2, width // 2, 2, channels).mean(axis=(2, 4))
    whole, half = _roughness(samples, _NOISE_BLOCK), _roughness(halved, _NOISE_BLOCK // 2)
    if whole is None or half is None:
        return 0.0
    return float(max(0.0, (whole - half / _TEXTURE) / (1 - 1 / (4 * _TEXTURE))) ** 0.5)


def _roughness(samples: Samples, side: int) -> float | None:
    """Return the variance of white noise that would leave the quietest blocks as rough as they are; None for too few blocks."""
    count, height, width, channels = samples.shape
    rows, columns = (height - 2) // side, (width - 2) // side
    if rows < 1 or columns < 1:
        return None
    variances = []
    for channel in range(channels):
        plane = samples[..., channel]
        rough = plane[:, :, 2:] - 2 * plane[:, :, 1:-1] + plane[:, :, :-2]
        rough = rough[:, 2:] - 2 * rough[:, 1:-1] + rough[:, :-2]
        middle = plane[:, 1:-1, 1:-1]
        power, clipped = (
            each[:, : rows * side, : columns * side].reshape(count, rows, side, columns, side).mean(axis=(2, 4))
            for each in (rough * rough / 36, (middle <= 0) | (middle >= 255))
        )
        usable = power[clipped <= _CLIPPED]
        if len(usable) >= _LEAST_BLOCKS:
            variances.append(float(np.percentile(usable, 10)))
    return sum(variances) / len(variances) / _QUIETEST if variances else None


def _samples(pixels: NDArray[Any]) -> Samples:
    """Return up to 20 parts, evenly spread, (N, h, w, C) in grey levels; corners lie at multiples of 8, like JPEG's blocks."""
    height, width = pixels.shape[:2]
    side = min(height, _SIDE), min(width, _SIDE)
    down = min(max(1, height // _SIDE), max(1, round((_PARTS * height / width) ** 0.5)))
    across = min(max(1, width // _SIDE), _PARTS // down if down < _PARTS else 1)
    down = min(down, _PARTS)
    corners = [
        [round(place * (whole - part) / max(count - 1, 1)) // 8 * 8 for place in range(count)]
        if count > 1
        else [(whole - part) // 2 // 8 * 8]
        for whole, part, count in zip((height, width), side, (down, across), strict=True)
    ]
    parts = np.stack([pixels[top : top + side[0], left : left + side[1]] for top in corners[0] for left in corners[1]])
    if parts.dtype == np.float32:  # which may hold anything: what is shown is black to white
        parts = np.nan_to_num(parts, nan=0.0).clip(0, 1)
    return parts.astype(np.float32) * np.float32(255 / FULL[pixels.dtype.name])
