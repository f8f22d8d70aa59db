"""HEIC, the pictures of many telephones: read and written through pillow-heif, where it is installed.

libvips decodes them only where it was built with HEVC, which the usual builds are not.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearvision.errors import PictureError
from clearvision.imaging.exif import exif_dpi, upright_exif
from clearvision.imaging.formats import check_size
from clearvision.imaging.metadata import upright_xmp
from clearvision.imaging.vips import first_line, split_alpha
from clearvision.types import Picture, PixelArray

_SUFFIX_OF_DEEP = ";16"
_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


def read_heic(path: Path, *, max_pixels: int) -> Picture:
    """Read the primary picture of a HEIC file; more than 8 bits come out as 16.

    Raises:
        PictureError: if the file is damaged or has more than ``max_pixels``.
    """
    import pillow_heif

    try:
        file = pillow_heif.open_heif(path.read_bytes(), convert_hdr_to_8bit=False, bgr_mode=False)
        width, height = file.size
        check_size(path, width, height, max_pixels)
        samples: NDArray[Any] = np.array(file)  # pyright: ignore[reportCallIssue, reportArgumentType] - by its array interface
        info, premultiplied = file.info, file.premultiplied_alpha
        if samples.shape[:2] != (height, width):
            raise ValueError("the picture is not of the size that its header says")
    except PictureError:
        raise
    except Exception as error:  # what the reader raises on damaged files is not a closed set
        raise PictureError(f"{path} is damaged, cut short or not readable as heic: {first_line(error)}") from error
    pixels, alpha = split_alpha(samples if samples.ndim == 3 else samples[:, :, None])
    if alpha is not None and premultiplied:
        pixels = _divided(pixels, alpha)
    exif = upright_exif(info["exif"]) if info.get("exif") else None  # the container turns the pixels, whatever EXIF says
    xmp = info.get("xmp")
    return Picture(
        pixels,
        alpha,
        icc=info.get("icc_profile") or None,
        exif=exif,
        xmp=upright_xmp(xmp) if xmp else None,
        dpi=exif_dpi(exif or b""),
        format="heic",
    )


def save_heic(
    pixels: PixelArray,
    alpha: PixelArray | None,
    temporary: Path,
    *,
    quality: int,
    icc: bytes | None,
    exif: bytes | None,
    xmp: bytes | None,
) -> None:
    """Write a HEIC file with full chroma; 16 bits as 12.

    Args:
        pixels: (H, W, 1 or 3), uint8 or uint16.
        alpha: (H, W) of the same type, or None.
        temporary: where to.
        quality: 1 to 100.
        icc: profile or None.
        exif: EXIF block or None.
        xmp: XMP packet or None.

    Raises:
        OSError: if the file cannot be written or the encoder fails.
    """
    import pillow_heif

    pillow_heif.options.SAVE_HDR_TO_12_BIT = True
    samples: NDArray[Any] = pixels if alpha is None else np.concatenate([pixels, alpha[:, :, None]], axis=2)
    height, width, bands = samples.shape
    deep = samples.dtype == np.uint16
    if deep and bands == 2:  # pillow-heif knows no deep grey with alpha
        samples, bands = samples[:, :, [0, 0, 0, 1]], 4
    mode = "I;16" if bands == 1 and deep else _MODES[bands] + (_SUFFIX_OF_DEEP if deep else "")
    file = pillow_heif.from_bytes(mode, (width, height), np.ascontiguousarray(samples).tobytes())
    kept = {"exif": exif, "xmp": xmp, "icc_profile": icc, "icc_profile_type": "prof" if icc else None}
    told = {name: value for name, value in kept.items() if value is not None}
    try:
        file.save(temporary, quality=quality, chroma="444", **told)
    except (RuntimeError, ValueError) as error:
        raise OSError(f"the encoder failed: {error}") from error


def _divided(pixels: PixelArray, alpha: PixelArray) -> PixelArray:
    """Return colours that were stored multiplied with their opacity as they are."""
    full = np.iinfo(pixels.dtype).max  # type: ignore[type-var]
    straight = pixels.astype(np.float32) * (full / np.maximum(alpha[:, :, None], 1).astype(np.float32))
    return np.minimum(np.floor(straight + 0.5), full).astype(pixels.dtype)  # type: ignore[return-value] - as it came
