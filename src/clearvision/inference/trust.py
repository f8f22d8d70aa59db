"""Where a result is to be trusted: how much it changes when nothing but the network's point of view does.

A network sees the picture in eight views, turned and mirrored, and, where the model has twins, with faithful and with vivid
weights. What is in the picture comes out alike each time; what the network made up does not. A small spread is no proof, since
all views can be wrong together; a large one is a warning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from clearvision.imaging.resize import resize
from clearvision.inference.ensemble import VIEWS, look, look_back
from clearvision.inference.plan import count_passes
from clearvision.types import Picture

if TYPE_CHECKING:
    from clearvision.inference.upscaler import Upscaler

FULL_SCALE = 32.0  # grey levels of spread that the map shows as white

Floats = NDArray[np.float32]


def spread(pixels: Floats, enlargers: Iterable[Callable[[Floats], Floats]]) -> Floats:
    """Return the standard deviation of the results over all views and enlargers.

    Args:
        pixels: (h, w, C) float32 in [0, 1].
        enlargers: each maps such a picture to (h * scale, w * scale, C).

    Returns:
        (h * scale, w * scale) float32, in grey levels of 255; of the channels the largest.
    """
    count, mean, squares = 0, None, None
    for enlarge in enlargers:
        for view in VIEWS:
            seen = np.ascontiguousarray(look(pixels.transpose(2, 0, 1), view).transpose(1, 2, 0))
            result = look_back(enlarge(seen).transpose(2, 0, 1), view).transpose(1, 2, 0)
            count += 1
            if mean is None or squares is None:
                mean, squares = result.astype(np.float32), np.zeros(result.shape, np.float32)
                continue
            step = result - mean  # Welford's method: no difference of large sums
            mean += step / np.float32(count)
            squares += step * (result - mean)
    assert squares is not None
    return np.sqrt(squares / np.float32(count)).max(axis=2) * np.float32(255)


def spread_of(upscalers: Sequence[Upscaler], picture: Picture, height: int, width: int) -> Floats:
    """Return the spread of a picture's enlargement over eight views and over models.

    Args:
        upscalers: the model that is asked about, and its twins if it has any; of one scale.
        picture: the picture.
        height: rows of the result.
        width: columns of the result.

    Returns:
        (height, width) float32 in grey levels of 255.
    """
    full = {"uint8": 255, "uint16": 65535, "float32": 1}[picture.pixels.dtype.name]
    floats = np.divide(picture.pixels, np.float32(full), dtype=np.float32)
    native = upscalers[0].info.scale
    factor = native ** count_passes(native, max(height / picture.height, width / picture.width))

    def by(upscaler: Upscaler) -> Callable[[Floats], Floats]:
        return lambda lq: upscaler(lq, scale=factor)

    levels = spread(floats, [by(upscaler) for upscaler in upscalers])
    return np.clip(resize(levels, height, width, kernel="bilinear"), 0, None)


def as_picture(spread: Floats) -> NDArray[np.uint8]:
    """Return a spread as a grey picture (H, W, 1): black where all views agree, white from 32 grey levels on."""
    return np.floor(np.clip(spread / FULL_SCALE, 0, 1) * 255 + 0.5).astype(np.uint8)[:, :, None]
