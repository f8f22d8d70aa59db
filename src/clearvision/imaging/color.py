"""Colour conversion by BT.601, as the literature's PSNR uses it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clearvision.errors import ImageShapeError

# MATLAB rgb2ycbcr, first row, for RGB in [0, 1] and Y in [16, 235]
Y_WEIGHTS = (65.481, 128.553, 24.966)
Y_OFFSET = 16.0


def rgb_to_y(image: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the luma of BT.601 studio range, as MATLAB ``rgb2ycbcr`` does, without rounding.

    Args:
        image: (..., 3), RGB, float in [0, 1].

    Returns:
        (...), float64 in [16/255, 235/255].

    Raises:
        ImageShapeError: if the last axis is not 3.
    """
    if image.shape[-1] != 3:
        raise ImageShapeError(f"rgb_to_y needs three channels on the last axis, got an array of shape {image.shape}")
    return (image.astype(np.float64) @ np.array(Y_WEIGHTS) + Y_OFFSET) / 255.0
