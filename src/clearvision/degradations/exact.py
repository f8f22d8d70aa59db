"""The operations that files know, done as files do them, on 8-bit pictures and without PyTorch.

JPEG and WebP go through the encoders themselves (libjpeg and libwebp in Pillow), resizing through MATLAB's bicubic.

Facts: ITU-T T.81 (JPEG), annex K.1, and libjpeg's rule that scales its tables to a quality.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearvision.degradations.draw import Operation
from clearvision.imaging.resize import resize

LUMA = (
    *(16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55),
    *(14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62),
    *(18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92),
    *(49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99),
)
CHROMA = (
    *(17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99),
    *(24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99, 99, 99, 99),
    *(99,) * 32,
)


def quantisation_tables(quality: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return libjpeg's tables for luma and chroma, each (8, 8), at a quality from 1 to 100."""
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    luma, chroma = (np.clip((np.array(table).reshape(8, 8) * percent + 50) // 100, 1, 255) for table in (LUMA, CHROMA))
    return luma, chroma


def estimate_quality(table: Iterable[int]) -> int:
    """Return the libjpeg quality whose luma table is nearest to a file's, by the sum of absolute differences."""
    found = np.fromiter(table, np.int64, 64).reshape(8, 8)
    return min(range(1, 101), key=lambda quality: int(np.abs(quantisation_tables(quality)[0] - found).sum()))


def is_exact(operation: Operation) -> bool:
    """Whether an operation is one of those here."""
    return operation["step"] in ("skip", "round", "jpeg", "webp") or (
        operation["step"] == "resize" and operation["mode"] == "matlab"
    )


def apply_exact(pixels: NDArray[np.uint8], operation: Operation) -> NDArray[np.uint8]:
    """Return the picture after one operation for which :func:`is_exact` holds.

    Args:
        pixels: (H, W, 3) RGB.
        operation: the operation.
    """
    step = operation["step"]
    if step == "resize":
        return resize(pixels, operation["height"], operation["width"])
    if step == "jpeg":
        return _through(pixels, "JPEG", quality=operation["quality"], subsampling=operation["chroma"])
    if step == "webp":
        return _through(pixels, "WEBP", quality=operation["quality"], method=4)
    return pixels


def _through(pixels: NDArray[np.uint8], format: str, **options: Any) -> NDArray[np.uint8]:  # noqa: ANN401
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, format, **options)
    with Image.open(file) as decoded:
        return np.asarray(decoded.convert("RGB"))
