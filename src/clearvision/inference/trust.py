"""Where a result is to be trusted: how much it changes when nothing but the network's point of view does.

A network sees the picture in eight views, turned and mirrored, and, where the model has twins, with faithful and with vivid
weights. What is in the picture comes out alike each time; what the network made up does not. A small spread is no proof, since
all views can be wrong together; a large one is a warning.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from clearvision.imaging import canvas
from clearvision.imaging.canvas import LARGEST_IN_MEMORY
from clearvision.imaging.resize import resize
from clearvision.imaging.tiling import Tile, plan_tiles, take_window
from clearvision.imaging.vips import FULL
from clearvision.inference.ensemble import VIEWS, look, look_back
from clearvision.inference.plan import MIN_TILE, count_passes, halo_for, padded_size
from clearvision.types import ModelInfo, Picture

if TYPE_CHECKING:
    from clearvision.inference.upscaler import Upscaler

WINDOW = 1 << 20  # pixels of the results that are compared at once
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


def spread_of(
    upscalers: Sequence[Upscaler], picture: Picture, height: int, width: int, *, above: int = LARGEST_IN_MEMORY
) -> Floats:
    """Return the spread of a picture's enlargement over eight views and over models.

    The picture is taken window by window, with as much around each as the network can see, so memory does not grow with it.

    Args:
        upscalers: the model that is asked about, and its twins if it has any; of one scale.
        picture: the picture.
        height: rows of the result.
        width: columns of the result.
        above: bytes of the result beyond which it lies on disk.

    Returns:
        (height, width) float32 in grey levels of 255.
    """
    info = upscalers[0].info
    passes = count_passes(info.scale, max(height / picture.height, width / picture.width))
    factor = info.scale**passes

    def by(upscaler: Upscaler) -> Callable[[Floats], Floats]:
        return lambda lq: upscaler(lq, scale=factor)

    enlargers = [by(upscaler) for upscaler in upscalers]
    full = np.float32(FULL[picture.pixels.dtype.name])
    levels = canvas.empty((picture.height * factor, picture.width * factor), np.float32, above=above)
    for tile in _windows(info, picture, passes):
        window = np.divide(take_window(picture.pixels, tile), full, dtype=np.float32)
        core = levels[tile.core(factor)]
        core[:] = spread(window, enlargers)[tile.core_in_window(factor)][: core.shape[0], : core.shape[1]]
        canvas.release(levels)
        canvas.release(picture.pixels)
    if levels.shape == (height, width):
        return levels
    resized = resize(levels, height, width, kernel="bilinear", above=above)
    for rows in canvas.bands(resized):
        np.clip(resized[rows], 0, None, out=resized[rows])
    return resized


def _windows(info: ModelInfo, picture: Picture, passes: int) -> list[Tile]:
    """Return windows with results of about a megapixel, each with what passes of the network look at around it."""
    side = max(MIN_TILE, math.isqrt(WINDOW) // info.scale**passes)
    halo = sum(math.ceil(halo_for(info)[0] / info.scale**index) for index in range(passes))
    multiple = info.size.multiple
    return plan_tiles(*padded_size(info, picture.height, picture.width), tile=side, halo=halo, multiple=multiple)


def as_picture(spread: Floats, *, above: int = LARGEST_IN_MEMORY) -> NDArray[np.uint8]:
    """Return a spread as a grey picture (H, W, 1): black where all views agree, white from 32 grey levels on."""
    grey = canvas.empty((*spread.shape, 1), np.uint8, above=above)
    for rows in canvas.bands(spread, grey):
        grey[rows, :, 0] = np.floor(np.clip(spread[rows] / FULL_SCALE, 0, 1) * 255 + 0.5)
    return grey
