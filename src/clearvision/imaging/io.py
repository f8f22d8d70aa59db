"""Reading picture files: through libvips, and Pillow for the formats that its wheel lacks; writing is in ``writing.py``.

Bit depth follows from the file's type, never from its values; pixels come out upright; colours of grey and RGB pictures are
never converted, their ICC profile travels with them.
"""

from __future__ import annotations

import importlib
import logging
import os
from pathlib import Path
from typing import Any

from clearvision.errors import PictureError, UsageError
from clearvision.imaging.canvas import LARGEST_IN_MEMORY
from clearvision.imaging.convert import picture_from_array, picture_from_pil, picture_to_array, picture_to_pil, upright
from clearvision.imaging.exif import exif_dpi, plausible_dpi, read_tiff_blocks, tiff_pages, upright_exif
from clearvision.imaging.formats import (
    READABLE_SUFFIXES,
    WRITABLE_FORMATS,
    Format,
    check_size,
    check_writable,
    identify,
    is_installed,
)
from clearvision.imaging.heic import read_heic
from clearvision.imaging.jxl import read_jxl, read_jxl_head
from clearvision.imaging.metadata import iptc_of_photoshop, upright_xmp
from clearvision.imaging.netpbm import deep_netpbm_size, read_deep_netpbm
from clearvision.imaging.vips import UNKNOWN_RESOLUTION, VipsImage, call, has_field, libvips, reason, to_arrays, to_plain_colours
from clearvision.imaging.writing import write_picture
from clearvision.types import Picture

__all__ = [
    "READABLE_SUFFIXES",
    "WRITABLE_FORMATS",
    "check_writable",
    "picture_from_array",
    "picture_from_pil",
    "picture_to_array",
    "picture_to_pil",
    "read_picture",
    "read_size",
    "write_picture",
]

logger = logging.getLogger(__name__)

# Pillow's reader of each format; called directly, so that neither its guess of the format nor its process-wide limit on
# sizes comes in between.
_PILLOW_READERS = {
    "jp2": ("PIL.Jpeg2KImagePlugin", "Jpeg2KImageFile"),
    "bmp": ("PIL.BmpImagePlugin", "BmpImageFile"),
    "tga": ("PIL.TgaImagePlugin", "TgaImageFile"),
    "ppm": ("PIL.PpmImagePlugin", "PpmImageFile"),
    "ico": ("clearvision.imaging.icons", "open_icon"),
}
# Further packages that formats are read with, and the extra that brings each.
_PACKAGES = {"heic": ("pillow_heif", "heif"), "jxl": ("pillow_jxl", "jxl")}


def read_picture(
    path: str | Path,
    *,
    max_pixels: int = 500_000_000,
    page: int | None = None,
    in_memory: int = LARGEST_IN_MEMORY,
) -> Picture:
    """Read a picture file.

    The format is recognised by the first bytes. Of several pages or frames one is read; CMYK and LAB are converted to
    sRGB; palettes and 1-bit pictures come out as 8-bit RGB and grey. Each of these is said in the log.

    Args:
        path: the file.
        max_pixels: most pixels (width times height) to accept, checked before anything is decoded.
        page: which page of a TIFF file to read, from 0; by default the first, with a word in the log if there are more.
        in_memory: bytes of pixels up to which they are held in memory; larger pictures are decoded to disk, strip by strip.

    Returns:
        The picture, upright; its pixels are writable and belong to the caller.

    Raises:
        PictureError: if the file is missing, not a picture, damaged, cut short, too large, or of a kind that is not read.
    """
    path = Path(path)
    form = identify(path)
    if page is not None and form.name != "tiff":
        raise UsageError(f"{path} is a {form.name} file; pages are read from TIFF files only")
    if form.name == "heic" and is_installed("pillow_heif"):
        return read_heic(path, max_pixels=max_pixels)
    if form.name == "jxl":
        if not is_installed("pillow_jxl"):
            raise _lacking(path, form)
        return read_jxl(path, max_pixels=max_pixels)
    return (
        _read_with_libvips(path, form, max_pixels, page, in_memory) if form.loader else _read_with_pillow(path, form, max_pixels)
    )


def read_size(path: str | Path) -> tuple[int, int]:
    """Return (height, width) of a picture file, upright, by its header alone.

    Raises:
        PictureError: if the file is missing, not a picture, or its header damaged.
    """
    path = Path(path)
    form = identify(path)
    if not form.loader:
        if form.name == "ppm" and (size := deep_netpbm_size(path)) is not None:
            return size
        if form.name == "jxl":
            head = read_jxl_head(path)
            return head.height, head.width
        module, name = _PILLOW_READERS[form.name]
        try:
            with path.open("rb") as file, getattr(importlib.import_module(module), name)(file) as image:
                return image.height, image.width
        except Exception as error:  # what Pillow's readers raise on damaged files is not a closed set
            raise PictureError(f"{path} is damaged, cut short or not readable as {form.name}: {error}") from error
    try:
        image = call(form.loader, os.fsencode(path), access="sequential")
    except libvips().Error as error:
        raise PictureError(f"{path} is damaged, cut short or not readable as {form.name}: {reason(error)}") from error
    sideways = has_field(image, "orientation") and image.get("orientation") > 4
    return (image.width, image.height) if sideways else (image.height, image.width)


def _read_with_libvips(path: Path, form: Format, max_pixels: int, page: int | None, in_memory: int) -> Picture:
    vips = libvips()
    which = {} if page is None else {"page": page}
    try:
        image = call(form.loader, os.fsencode(path), access="sequential", fail_on="error", **which)
        check_size(path, image.width, image.height, max_pixels)
        if page is None and has_field(image, "n-pages") and image.get("n-pages") > 1:
            count = len(tiff_pages(path)) if form.name == "tiff" else image.get("n-pages")
            if count > 1:
                logger.warning("%s has %d pages or frames; the first is read", path, count)
        orientation = image.get("orientation") if has_field(image, "orientation") else 1
        image = to_plain_colours(image, str(path))
        picture = _with_metadata(path, form, image, *to_arrays(image, str(path), above=in_memory), first=not page)
    except vips.Error as error:
        if form.name == "heic":
            raise _lacking(path, form) from error
        raise PictureError(f"{path} is damaged, cut short or not readable as {form.name}: {reason(error)}") from error
    except MemoryError as error:
        raise PictureError(f"{path} does not fit in memory") from error
    return upright(picture, orientation)


def _lacking(path: Path, form: Format) -> PictureError:
    package, extra = _PACKAGES[form.name]
    return PictureError(
        f"{path} is a {form.name} file, which is read with {package} only; install it with: pip install 'clearvision[{extra}]', "
        "or convert the file to PNG or TIFF"
    )


def _with_metadata(
    path: Path,
    form: Format,
    image: VipsImage,
    pixels: Any,  # noqa: ANN401
    alpha: Any,  # noqa: ANN401
    *,
    first: bool,
) -> Picture:
    def blob(field: str) -> bytes | None:
        return bytes(image.get(field)) or None if has_field(image, field) else None

    exif, xmp, iptc = blob("exif-data"), blob("xmp-data"), blob("iptc-data")
    if form.name == "tiff":
        exif, iptc = read_tiff_blocks(path) if first else (None, None)
    exif = upright_exif(exif) if exif else None
    # a silent JPEG or TIFF file has no unit, a silent PNG file a value of libvips' own; the others state it in EXIF
    stated = {
        "jpeg": has_field(image, "resolution-unit"),
        "tiff": has_field(image, "resolution-unit"),
        "png": abs(image.xres - UNKNOWN_RESOLUTION) > 1e-6,
    }.get(form.name, False)
    dpi = plausible_dpi(image.xres * 25.4, image.yres * 25.4) if stated else exif_dpi(exif or b"")
    return Picture(
        pixels,
        alpha,
        icc=blob("icc-profile-data"),
        exif=exif,
        xmp=upright_xmp(xmp) if xmp else None,
        iptc=iptc_of_photoshop(iptc) if iptc else None,
        dpi=dpi,
        format=form.name,
    )


def _read_with_pillow(path: Path, form: Format, max_pixels: int) -> Picture:
    if form.name == "ppm" and (deep := read_deep_netpbm(path, max_pixels=max_pixels)) is not None:
        return Picture(deep, format=form.name)
    module, name = _PILLOW_READERS[form.name]
    reader = getattr(importlib.import_module(module), name)
    try:
        with path.open("rb") as file, reader(file) as image:
            check_size(path, image.width, image.height, max_pixels)
            if image.mode in ("L", "LA", "RGB", "RGBA") and _is_deep(image):
                logger.warning(
                    "%s holds more than 8 bits a sample and is read with 8; convert it to PNG or TIFF to keep them", path
                )
            picture = picture_from_pil(image)
    except PictureError:
        raise
    except Exception as error:  # what Pillow's readers raise on damaged files is not a closed set
        raise PictureError(f"{path} is damaged, cut short or not readable as {form.name}: {error}") from error
    return Picture(**{**vars(picture), "format": form.name})


def _is_deep(image: Any) -> bool:  # noqa: ANN401 - a Pillow reader
    """Whether a JPEG 2000 or text PPM file holds more bits than the 8-bit mode that Pillow chose for it."""
    if image.format == "PPM":
        arguments = image.tile[0][3]
        return isinstance(arguments, tuple) and isinstance(arguments[-1], int) and arguments[-1] > 255
    if image.format != "JPEG2000":
        return False
    image.fp.seek(0)
    head = image.fp.read(4096)
    siz = head.find(b"\xff\x4f\xff\x51")  # start of codestream, then the SIZ marker: sample depth less one at offset 42
    return 0 <= siz < len(head) - 42 and (head[siz + 42] & 0x7F) > 7
