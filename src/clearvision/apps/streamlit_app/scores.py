"""How near a result comes to the original that was damaged, beside what bicubic interpolation makes of the same input."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clearvision.degradations.folder import plain_pixels
from clearvision.evaluation.protocols import PROTOCOLS, score
from clearvision.imaging.resize import resize
from clearvision.types import Picture

PROTOCOL = PROTOCOLS["y"]
_METRICS = ("psnr", "ssim")


@dataclass(frozen=True)
class Scores:
    """Figures of a result.

    Attributes:
        psnr: in dB against the original, by protocol y.
        ssim: likewise.
        consistency: PSNR in dB of the result made small again against its input; None where the two have one size.
    """

    psnr: float
    ssim: float
    consistency: float | None = None


def scored(result: Picture, original: Picture, damaged: Picture, scale: int) -> Scores:
    """Score a result of the original's size.

    Args:
        result: what was made of the damaged picture.
        original: the picture before, of which what the damage cut off on the right and at the bottom does not count.
        damaged: the picture that the result was made of.
        scale: how many times larger the result is.

    Raises:
        ImageShapeError: if the pictures are too small for the metrics.
    """
    pixels = plain_pixels(result)
    metrics = _METRICS if scale == 1 else (*_METRICS, "lr_consistency")
    values = score(pixels, _cut(original, pixels), scale, PROTOCOL, metrics, lq=plain_pixels(damaged))
    return Scores(values["psnr"], values["ssim"], values.get("lr_consistency"))


def scored_bicubic(original: Picture, damaged: Picture, scale: int) -> Scores:
    """Score bicubic enlargement of the damaged picture, or at scale 1 that picture itself; see :func:`scored`."""
    pixels = plain_pixels(damaged)
    return scored(Picture(resize(pixels, pixels.shape[0] * scale, pixels.shape[1] * scale)), original, damaged, scale)


def _cut(original: Picture, like: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return plain_pixels(original)[: like.shape[0], : like.shape[1]]
