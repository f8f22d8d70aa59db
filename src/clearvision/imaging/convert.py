"""Pictures from numpy arrays and Pillow images, and back."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from clearvision.errors import ImageShapeError
from clearvision.imaging import canvas
from clearvision.imaging.exif import exif_dpi, plausible_dpi, upright_exif
from clearvision.imaging.metadata import upright_xmp
from clearvision.imaging.vips import FULL, from_array, libvips, split_alpha, to_arrays, to_plain_colours
from clearvision.types import Picture, PixelArray

if TYPE_CHECKING:
    from PIL.Image import Image as PilImage

logger = logging.getLogger(__name__)

_WORD_MODES = ("I;16", "I;16L", "I;16B", "I;16N")
_CONVERTED_MODES = {"1": "L", "P": "RGB", "PA": "RGBA", "La": "LA", "RGBa": "RGBA", "RGBX": "RGB", "YCbCr": "RGB", "HSV": "RGB"}


def picture_from_array(array: NDArray[Any]) -> Picture:
    """Take an array as a picture in sRGB; what need not be copied is shared with it.

    Args:
        array: (H, W) or (H, W, 1) grey, (H, W, 2) grey and alpha, (H, W, 3) RGB, (H, W, 4) RGB and alpha;
            uint8, uint16 or float32 nominally in [0, 1].

    Raises:
        ImageShapeError: if the shape or the type is none of these.
    """
    if not isinstance(array, np.ndarray):
        raise ImageShapeError(f"a picture needs a numpy array, not {type(array).__name__}; use numpy.asarray first")
    if array.dtype.name not in FULL:
        raise ImageShapeError(
            f"a picture cannot have samples of type {array.dtype}; allowed: {', '.join(FULL)} "
            "(float in [0, 1]: array.astype('float32'))"
        )
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 2, 3, 4)) or 0 in array.shape:
        raise ImageShapeError(
            f"a picture cannot have shape {array.shape}; allowed: (H, W) or (H, W, C) with C from 1 to 4, not empty"
        )
    # the byte order of the machine, which libvips and the engines expect
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    pixels, alpha = split_alpha(array if array.ndim == 3 else array[:, :, None])
    return Picture(pixels, alpha)


def picture_to_array(picture: Picture) -> PixelArray:
    """Return (H, W) grey, (H, W, 2) grey and alpha, (H, W, 3) RGB or (H, W, 4) RGB and alpha, of the picture's type.

    Without an alpha the array shares the picture's pixels.
    """
    if picture.alpha is not None:
        joined: NDArray[Any] = np.concatenate([picture.pixels, picture.alpha[:, :, None]], axis=2)
        return joined
    return picture.pixels[:, :, 0] if picture.pixels.shape[2] == 1 else picture.pixels


def picture_from_pil(image: PilImage) -> Picture:
    """Take a Pillow image as a picture, upright, with the profile, EXIF, XMP and resolution in its ``info``.

    CMYK is converted to sRGB, palettes to RGB (with alpha where the palette has transparency); ``I;16`` stays 16-bit, ``F``
    float, and ``I`` counts as 16-bit.

    Raises:
        ImageShapeError: if the mode is none that can be taken, or a value of mode ``I`` is outside 16 bits.
    """
    if 0 in image.size:
        raise ImageShapeError(f"a picture cannot be empty, and this Pillow image is {image.width}x{image.height}")
    image.load()
    info = dict(image.info)
    exif = image.getexif()
    orientation = exif.get(0x0112, 1)
    block = info.get("exif") or (exif.tobytes() if len(exif) else None)
    xmp = info.get("xmp")
    dpi = info.get("dpi")
    picture = _colours_of_pil(image)
    picture = Picture(
        picture.pixels,
        picture.alpha,
        icc=picture.icc,
        exif=upright_exif(block) if isinstance(block, bytes) else None,
        xmp=upright_xmp(xmp) if isinstance(xmp, bytes) else None,
        dpi=plausible_dpi(float(dpi[0]), float(dpi[1])) if dpi else None,
        format=(image.format or "").lower(),
    )
    if picture.dpi is None and picture.exif is not None:
        picture = replace(picture, dpi=exif_dpi(picture.exif))
    return upright(picture, orientation)


def _colours_of_pil(image: PilImage) -> Picture:
    """Return the pixels, alpha and profile of a Pillow image as they stand, not turned."""
    icc = image.info.get("icc_profile") or None
    if image.mode == "CMYK":
        cmyk = from_array(np.asarray(image)).copy(interpretation="cmyk")
        if icc:
            cmyk.set_type(libvips().GValue.blob_type, "icc-profile-data", icc)
        pixels, alpha = to_arrays(to_plain_colours(cmyk, "Pillow image"), "Pillow image")
        return Picture(pixels, alpha)
    if image.mode in _WORD_MODES:
        array: NDArray[Any] = np.array(image).astype(np.uint16, copy=False)
    elif image.mode == "I":
        wide = np.asarray(image)
        low, high = int(wide.min()), int(wide.max())
        if low < 0 or high > 65_535:
            raise ImageShapeError(f"a Pillow image of mode I holds 16-bit values here (0 to 65535), and this one {low} to {high}")
        array = wide.astype(np.uint16)
    elif image.mode == "F":
        array = np.array(image, dtype=np.float32)
    else:
        mode = _CONVERTED_MODES.get(image.mode, image.mode)
        if image.has_transparency_data:
            mode = {"L": "LA", "RGB": "RGBA"}.get(mode, mode)
        if mode not in ("L", "LA", "RGB", "RGBA"):
            raise ImageShapeError(f"a Pillow image of mode {image.mode!r} cannot be taken; convert it: image.convert('RGB')")
        array = np.array(image if image.mode == mode else image.convert(mode))
    pixels, alpha = split_alpha(array if array.ndim == 3 else array[:, :, None])
    return Picture(pixels, alpha, icc=icc)


def upright(picture: Picture, orientation: int) -> Picture:
    """Turn and mirror a picture as the EXIF orientation 2 to 8 asks; 1 and unknown values leave it."""
    if orientation not in range(2, 9):
        return picture

    def turn(array: NDArray[Any]) -> NDArray[Any]:
        if orientation >= 5:
            array = array.swapaxes(0, 1)
        if orientation in (2, 3, 6, 7):
            array = array[:, ::-1]
        if orientation in (3, 4, 7, 8):
            array = array[::-1]
        return canvas.contiguous(array)

    return replace(
        picture,
        pixels=turn(picture.pixels),
        alpha=None if picture.alpha is None else turn(picture.alpha),
        dpi=picture.dpi[::-1] if picture.dpi and orientation >= 5 else picture.dpi,
    )


def picture_to_pil(picture: Picture) -> PilImage:
    """Return a Pillow image: L, LA, RGB, RGBA, I;16 for opaque 16-bit grey, F for opaque float grey.

    Pillow has no other type of more than 8 bits, so the rest is rounded to 8 bits, with a warning in the log. Profile, EXIF, XMP
    and resolution are put in ``info``.
    """
    from PIL import Image

    array = picture_to_array(picture)
    if array.dtype != np.uint8 and array.ndim == 3:
        logger.warning("%s of %d channels rounded to 8 bits; Pillow holds no more", array.dtype, array.shape[2])
        array = np.floor(array.clip(0, FULL[array.dtype.name]) * np.float32(255 / FULL[array.dtype.name]) + 0.5).astype(np.uint8)
    image = Image.fromarray(array)
    for key, value in (("icc_profile", picture.icc), ("exif", picture.exif), ("xmp", picture.xmp), ("dpi", picture.dpi)):
        if value is not None:
            image.info[key] = value
    return image
