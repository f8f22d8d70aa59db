"""Reading and writing picture files: through libvips, and Pillow for the formats that its wheel lacks.

Bit depth follows from the file's type, never from its values; pixels come out upright; colours of grey and RGB pictures are
never converted, their ICC profile travels with them. Files appear by an atomic rename or not at all.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import logging
import os
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from clearvision.errors import PictureError, PictureWriteError, UsageError
from clearvision.imaging.convert import picture_from_array, picture_from_pil, picture_to_array, picture_to_pil, upright
from clearvision.imaging.exif import append_tiff_blocks, exif_dpi, fit_exif, read_tiff_blocks, upright_exif
from clearvision.imaging.formats import READABLE_SUFFIXES, WRITABLE_FORMATS, Format, check_size, check_writable, identify
from clearvision.imaging.metadata import fit_xmp, iptc_of_photoshop, jpeg_head, replace_jpeg_head, upright_xmp
from clearvision.imaging.netpbm import read_deep_netpbm, write_deep_netpbm
from clearvision.imaging.temporary import temporary_beside
from clearvision.imaging.vips import (
    FULL,
    SAMPLES,
    VipsImage,
    call,
    from_arrays,
    interruptible,
    libvips,
    reason,
    to_arrays,
    to_plain_colours,
)
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
    "ico": ("PIL.IcoImagePlugin", "IcoImageFile"),
}
_QUALITY = {"jpeg": 95, "webp": 95, "avif": 85}
# Pixels per mm that libvips puts for a PNG file that states none, so that it is read back as none; close to 72 dpi.
_UNKNOWN_RESOLUTION = 2.834


def read_picture(path: str | Path, *, max_pixels: int = 500_000_000, page: int | None = None) -> Picture:
    """Read a picture file.

    The format is recognised by the first bytes. Of several pages or frames one is read; CMYK and LAB are converted to
    sRGB; palettes and 1-bit pictures come out as 8-bit RGB and grey. Each of these is said in the log.

    Args:
        path: the file.
        max_pixels: most pixels (width times height) to accept, checked before anything is decoded.
        page: which page of a TIFF file to read, from 0; by default the first, with a word in the log if there are more.

    Returns:
        The picture, upright; its pixels are writable and belong to the caller.

    Raises:
        PictureError: if the file is missing, not a picture, damaged, cut short, too large, or of a kind that is not read.
    """
    path = Path(path)
    form = identify(path)
    if page is not None and form.name != "tiff":
        raise UsageError(f"{path} is a {form.name} file; pages are read from TIFF files only")
    return _read_with_libvips(path, form, max_pixels, page) if form.loader else _read_with_pillow(path, form, max_pixels)


def read_size(path: str | Path) -> tuple[int, int]:
    """Return (height, width) of a picture file, upright, by its header alone.

    Raises:
        PictureError: if the file is missing, not a picture, or its header damaged.
    """
    path = Path(path)
    form = identify(path)
    if not form.loader:
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
    sideways = "orientation" in image.get_fields() and image.get("orientation") > 4
    return (image.width, image.height) if sideways else (image.height, image.width)


def _read_with_libvips(path: Path, form: Format, max_pixels: int, page: int | None) -> Picture:
    vips = libvips()
    which = {} if page is None else {"page": page}
    try:
        image = call(form.loader, os.fsencode(path), access="sequential", fail_on="error", **which)
        check_size(path, image.width, image.height, max_pixels)
        fields = set(image.get_fields())
        if page is None and "n-pages" in fields and image.get("n-pages") > 1:
            logger.warning("%s has %d pages or frames; the first is read", path, image.get("n-pages"))
        orientation = image.get("orientation") if "orientation" in fields else 1
        image = to_plain_colours(image, str(path))
        picture = _with_metadata(path, form, image, *to_arrays(image, str(path)), first=not page)
    except vips.Error as error:
        raise PictureError(f"{path} is damaged, cut short or not readable as {form.name}: {reason(error)}") from error
    except MemoryError as error:
        raise PictureError(f"{path} does not fit in memory") from error
    return upright(picture, orientation)


def _with_metadata(
    path: Path,
    form: Format,
    image: VipsImage,
    pixels: Any,  # noqa: ANN401
    alpha: Any,  # noqa: ANN401
    *,
    first: bool,
) -> Picture:
    fields = set(image.get_fields())

    def blob(field: str) -> bytes | None:
        return bytes(image.get(field)) or None if field in fields else None

    exif, xmp, iptc = blob("exif-data"), blob("xmp-data"), blob("iptc-data")
    if form.name == "tiff":
        exif, iptc = read_tiff_blocks(path) if first else (None, None)
    exif = upright_exif(exif) if exif else None
    # a silent JPEG or TIFF file has no unit, a silent PNG file a value of libvips' own; the others state it in EXIF
    stated = {
        "jpeg": "resolution-unit" in fields,
        "tiff": "resolution-unit" in fields,
        "png": abs(image.xres - _UNKNOWN_RESOLUTION) > 1e-6,
    }.get(form.name, False)
    dpi = (round(image.xres * 25.4, 1), round(image.yres * 25.4, 1)) if stated else exif_dpi(exif or b"")
    return Picture(
        pixels,
        alpha,
        icc=blob("icc-profile-data"),
        exif=exif,
        xmp=upright_xmp(xmp) if xmp else None,
        iptc=iptc_of_photoshop(iptc) if iptc else None,
        dpi=dpi if dpi and min(dpi) > 0 else None,
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
    image.fp.seek(0)
    head = image.fp.read(4096)
    siz = head.find(b"\xff\x4f\xff\x51")  # start of codestream, then the SIZ marker: sample depth less one at offset 42
    return image.format == "JPEG2000" and 0 <= siz < len(head) - 42 and (head[siz + 42] & 0x7F) > 7


def write_picture(
    picture: Picture,
    path: str | Path,
    *,
    format: str | None = None,
    quality: int | None = None,
    strip_metadata: bool = False,
    page_height: int | None = None,
) -> None:
    """Write a picture file, whole or not at all; folders on the way are made, an existing file is replaced.

    What the format cannot hold is adapted, and the log says so: alpha is laid over white for JPEG, BMP and PPM; samples are
    rounded to 16 or 8 bits. JPEG is written with full chroma; PNG, TIFF (deflate), JPEG 2000, BMP, TGA and PPM without loss.

    Args:
        picture: what to write; it is not changed.
        path: where to.
        format: a key of ``WRITABLE_FORMATS``, or None to take the format of the path's suffix.
        quality: 1 to 100 for JPEG, WebP (100 is lossless) and AVIF; None for 95, 95 and 85.
        strip_metadata: leave EXIF, XMP and IPTC out; profile and resolution stay, because colours and size need them.
        page_height: write a picture that consists of pages one below the other as a TIFF file of pages of so many rows.

    Raises:
        UsageError: if the format is unknown or the quality out of range.
        PictureWriteError: if the file cannot be written; nothing is left then, and a file that was there is as it was.
    """
    path = Path(path)
    form = check_writable(path, format=format, height=picture.height, width=picture.width)
    if quality is not None and not 1 <= quality <= 100:
        raise UsageError(f"quality must lie between 1 and 100, not {quality}")
    if quality is not None and form.name not in _QUALITY:
        logger.warning("%s: quality has no effect on %s", path, form.name)
    if form.name == "gif":
        logger.warning("%s: gif holds 256 colours; webp or png keep them all", path)
    quality = _QUALITY.get(form.name, 0) if quality is None else quality
    image = _fit_samples(picture, form, path)
    page = picture if page_height is None else dataclasses.replace(picture, pixels=picture.pixels[:page_height])
    pages = {} if page_height is None else {"page_height": page_height}
    with replacing(path) as temporary:
        if form.saver.endswith("save"):
            _save_with_libvips(_attach(image, page, form, path, strip_metadata), form, quality, temporary, pages)
            _finish(page, form, temporary, path, strip_metadata)
        else:
            _save_with_pillow(image, picture, form, temporary, path)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a hidden name beside the path; afterwards rename the file there, or remove it if anything went wrong."""
    target = Path(os.path.realpath(path))  # a link is written through, not replaced
    temporary = temporary_beside(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(target)
    except (OSError, libvips().Error) as error:
        raise PictureWriteError(f"cannot write {path}: {getattr(error, 'strerror', None) or reason(error)}") from error
    except MemoryError as error:
        raise PictureWriteError(f"cannot write {path}: not enough memory") from error
    finally:
        with contextlib.suppress(OSError):  # gone after the rename, or never made
            temporary.unlink()


def _fit_samples(picture: Picture, form: Format, path: Path) -> VipsImage:
    """Wrap the picture for libvips, with alpha laid over white and samples rounded where the format asks for it.

    All of it is evaluated while the file is written, in pieces: no array is copied.
    """
    depth = picture.pixels.dtype.name
    full, alpha = FULL[depth], picture.alpha
    if alpha is not None and not form.alpha and alpha.min() >= full:
        alpha = None
    image = from_arrays(picture.pixels, alpha)
    if alpha is not None and not form.alpha:
        logger.warning("%s: transparency is laid over white; %s holds none", path, form.name)
        image = image.flatten(background=[full], max_alpha=full)
    if depth not in form.depths:
        deepest = form.depths[0]
        logger.warning("%s: %s samples are rounded to %s; %s holds no more", path, depth, deepest, form.name)
        # libvips' cast clips and cuts off, so a half makes it round
        image = image.linear(FULL[deepest] / full, 0.5).cast("ushort" if deepest == "uint16" else "uchar")
        grey = image.bands < 3
        space = ("grey16" if grey else "rgb16") if deepest == "uint16" else ("b-w" if grey else "srgb")
        image = image.copy(interpretation=space)
    return image


def _attach(image: VipsImage, picture: Picture, form: Format, path: Path, strip: bool) -> VipsImage:
    """Attach resolution, profile, XMP and EXIF, as far as libvips writes them right, to the image."""
    x, y = (value / 25.4 for value in picture.dpi) if picture.dpi else (_UNKNOWN_RESOLUTION, _UNKNOWN_RESOLUTION)
    image = image.copy(xres=x, yres=y)
    vips = libvips()
    image.set_type(vips.GValue.gstr_type, "resolution-unit", "in")
    if picture.icc and _profile_fits(picture, form, path):
        image.set_type(vips.GValue.blob_type, "icc-profile-data", picture.icc)
    if strip or form.name == "jpeg":
        return image
    if picture.xmp:
        image.set_type(vips.GValue.blob_type, "xmp-data", fit_xmp(picture.xmp, picture.width, picture.height))
    exif = _exif_to_write(picture, form, path) if form.name != "tiff" else None
    if exif:
        image.set_type(vips.GValue.blob_type, "exif-data", exif)
    if picture.iptc and form.name != "tiff":
        logger.info("%s: IPTC is left out; %s holds none", path, form.name)
    return image


def _profile_fits(picture: Picture, form: Format, path: Path) -> bool:
    # libvips would leave these out without a word; it stores grey as RGB in WebP and AVIF
    wanted = b"GRAY" if picture.pixels.shape[2] == 1 and form.name not in ("webp", "avif") else b"RGB "
    found = (picture.icc or b"")[16:20]
    if found != wanted:
        logger.warning("%s: the ICC profile is for %r and left out; %s needs %r here", path, found, form.name, wanted)
    return found == wanted


def _exif_to_write(picture: Picture, form: Format, path: Path) -> bytes | None:
    if picture.exif is None and form.name not in ("webp", "avif"):
        return None  # the others state the resolution themselves
    exif = fit_exif(picture.exif, picture.width, picture.height, picture.dpi)
    if exif is None and picture.exif is not None:
        logger.warning("%s: the EXIF block is damaged and left out", path)
    return exif


def _save_with_libvips(image: VipsImage, form: Format, quality: int, temporary: Path, pages: dict[str, int]) -> None:
    keep = libvips().ForeignKeep
    kept = keep.ICC
    for field, flag in (("exif-data", keep.EXIF), ("xmp-data", keep.XMP)):
        if field in image.get_fields():
            kept |= flag  # without the flag, rather than without the field: libvips makes an EXIF block up if it may write one
    options: dict[str, Any] = {
        "jpeg": {"Q": quality, "subsample_mode": "off"},
        "gif": {},
        "png": {"compression": 3, "filter": "paeth"},  # half the time of 6, which saves 3 % of a photograph
        "webp": {"Q": quality, "lossless": quality == 100, "exact": quality == 100, "smart_subsample": True},
        "tiff": {"compression": "deflate", "predictor": "float" if image.format == "float" else "horizontal"},
        "avif": {
            "Q": quality,
            "subsample_mode": "off",
            "compression": "av1",
            "effort": 3,
            "bitdepth": 12 if image.format == "ushort" else 8,
        },
    }[form.name]
    if (
        form.name == "tiff"
        and image.width * image.height * image.bands * np.dtype(SAMPLES[image.format]).itemsize > 3_900_000_000
    ):
        options["bigtiff"] = True
    interruptible(lambda: call(form.saver, image, os.fsencode(temporary), keep=kept, **options, **pages))


def _finish(picture: Picture, form: Format, temporary: Path, path: Path, strip: bool) -> None:
    """Add to a JPEG or TIFF file what libvips does not write there, or not right."""
    if form.name not in ("jpeg", "tiff"):
        return
    exif = None if strip else _exif_to_write(picture, form, path)
    iptc = None if strip else picture.iptc
    if form.name == "jpeg":
        xmp = fit_xmp(picture.xmp, picture.width, picture.height) if picture.xmp and not strip else None
        replace_jpeg_head(temporary, jpeg_head(dpi=picture.dpi, exif=exif, xmp=xmp, iptc=iptc, name=str(path)))
    elif not append_tiff_blocks(temporary, exif, iptc, resolution_known=picture.dpi is not None) and (exif or iptc):
        logger.warning("%s: EXIF and IPTC are left out; a TIFF file of more than 4 GB does not take them", path)


def _save_with_pillow(image: VipsImage, picture: Picture, form: Format, temporary: Path, path: Path) -> None:
    if picture.icc or picture.exif or picture.xmp or picture.iptc:
        logger.warning("%s: profile and metadata are left out; %s is written without them", path, form.name)
    pixels, alpha = to_arrays(image, str(path))
    if pixels.dtype == np.uint16:  # PPM alone holds 16 bits here
        write_deep_netpbm(pixels.astype(np.uint16, copy=False), temporary)
        return
    options = {"dpi": picture.dpi} if picture.dpi and form.name == "bmp" else {}
    buffer = BytesIO()  # Pillow's JPEG 2000 encoder never returns when the disk is full
    picture_to_pil(Picture(pixels, alpha)).save(buffer, format=form.saver, **options)
    temporary.write_bytes(buffer.getbuffer())
