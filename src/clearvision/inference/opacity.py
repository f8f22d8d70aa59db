"""Transparency that went through the network: put together with what interpolation makes of it."""

from __future__ import annotations

import numpy as np

from clearvision.imaging import canvas
from clearvision.imaging.vips import FULL
from clearvision.types import PixelArray

_ROWS = 256  # put together at once, so that memory does not grow with the picture


def blended(resized: PixelArray, network: PixelArray) -> PixelArray:
    """Return the network's opacity, but fully opaque and fully transparent where interpolation says so.

    A network leaves large even areas a level or two off, and a cut-out whose middle lets the background through is worse than
    soft edges. Interpolation leaves them exact.

    Args:
        resized: (H, W), enlarged by interpolation.
        network: (H, W) of the same type, enlarged by the network as a grey picture; it receives the result.
    """
    full = FULL[resized.dtype.name]
    for top in range(0, len(resized), _ROWS):
        strip = resized[top : top + _ROWS]
        np.copyto(network[top : top + _ROWS], strip, where=(strip <= 0) | (strip >= full))
        canvas.release(resized)
        canvas.release(network)
    return network
