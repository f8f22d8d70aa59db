"""Writing picture files: through libvips, and Pillow for the formats that its wheel lacks; by an atomic rename or not at all."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from clearvision.errors import PictureWriteError, UsageError
from clearvision.imaging import canvas
from clearvision.imaging.convert import picture_to_pil
from clearvision.imaging.exif import fit_exif, tiff_blocks
from clearvision.imaging.flow import Flow
from clearvision.imaging.formats import FORMATS, Format, check_writable
from clearvision.imaging.heic import save_heic
from clearvision.imaging.metadata import fit_xmp, jpeg_head, replace_jpeg_head
from clearvision.imaging.netpbm import write_deep_netpbm
from clearvision.imaging.provenance import holds_only_note
from clearvision.imaging.temporary import temporary_beside
from clearvision.imaging.tiff import Page, write_tiff
from clearvision.imaging.vips import (
    FULL,
    UNKNOWN_RESOLUTION,
    VipsImage,
    call,
    from_arrays,
    from_flow,
    has_field,
    interruptible,
    libvips,
    reason,
    to_arrays,
)
from clearvision.types import Picture

logger = logging.getLogger(__name__)

_FULL_DISK = 64 << 10  # bytes free; libvips writes in pieces, of which the last one may have failed in part
_QUALITY = {"jpeg": 95, "webp": 95, "avif": 85, "heic": 90}


def write_picture(
    picture: Picture,
    path: str | Path,
    *,
    format: str | None = None,
    quality: int | None = None,
    strip_metadata: bool = False,
    pyramid: bool = False,
    flow: Flow | None = None,
) -> None:
    """Write a picture file, whole or not at all; folders on the way are made, an existing file is replaced.

    What the format cannot hold is adapted, and the log says so: alpha is laid over white for JPEG, BMP and PPM; samples are
    rounded to 16 or 8 bits. JPEG is written with full chroma; PNG, TIFF (deflate), JPEG 2000, BMP, TGA and PPM without loss.

    Args:
        picture: what to write; it is not changed.
        path: where to.
        format: a key of ``WRITABLE_FORMATS``, or None to take the format of the path's suffix.
        quality: 1 to 100 for JPEG, WebP (100 is lossless), AVIF and HEIC; None for 95, 95, 85 and 90.
        strip_metadata: leave EXIF, XMP and IPTC out; profile and resolution stay, because colours and size need them.
        pyramid: write TIFF in tiles of 256 pixels with halved copies down to one tile, for viewers of very large pictures.
        flow: says how much of the pixels there is, for a picture that is still being made; its alpha is complete. The file
            appears after the last row.

    Raises:
        UsageError: if the format is unknown or the quality out of range.
        PictureWriteError: if the file cannot be written; nothing is left then, and a file that was there is as it was.
        AbandonedError: if the picture will not be completed; likewise.
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
    if pyramid and form.name != "tiff":
        raise UsageError(f"{path}: a pyramid is written as TIFF only, not {form.name}")
    with replacing(path) as temporary, canvas.released_meanwhile(picture.pixels, picture.alpha):
        if form.name == "tiff":
            save_pages([picture], temporary, path, strip=strip_metadata, pyramid=pyramid, flow=flow)
        elif form.saver.endswith("save"):
            image = _attach(_fit_samples(picture, form, path, flow), picture, form, path, strip_metadata)
            try:
                _save_with_libvips(image, form, quality, temporary)
            except libvips().Error:
                if flow is not None:
                    flow.wait(0)  # raises if the rows ended early
                raise
            _finish(picture, form, temporary, path, strip_metadata)
        else:
            if flow is not None:
                flow.wait(picture.height)
            image = _fit_samples(picture, form, path, None)
            if form.name == "heic":
                _save_heic(image, picture, form, quality, temporary, path, strip_metadata)
            else:
                _save_with_pillow(image, picture, form, temporary, path)


def save_pages(
    pictures: Sequence[Picture],
    temporary: Path,
    path: Path,
    *,
    strip: bool = False,
    pyramid: bool = False,
    flow: Flow | None = None,
) -> None:
    """Write pictures as the pages of a TIFF file; EXIF and IPTC go to the first.

    Args:
        pictures: the pages.
        temporary: where to.
        path: what to call the file in the log.
        strip: as ``strip_metadata`` of :func:`write_picture`.
        pyramid: as there.
        flow: as there, for a single page.
    """
    form = FORMATS["tiff"]

    def page_of(picture: Picture, first: bool) -> Page:
        icc = picture.icc if picture.icc and _profile_fits(picture, form, path) else None
        xmp = fit_xmp(picture.xmp, picture.width, picture.height) if picture.xmp and not strip else None
        told = tiff_blocks(_exif_to_write(picture, form, path), picture.iptc) if first and not strip else {}
        return Page(picture.pixels, picture.alpha, dpi=picture.dpi, icc=icc, xmp=xmp, extra=told)

    size = sum(picture.pixels.nbytes + (0 if picture.alpha is None else picture.alpha.nbytes) for picture in pictures)
    pages = (page_of(picture, index == 0) for index, picture in enumerate(pictures))
    interruptible(lambda: write_tiff(temporary, pages, sample_bytes=size, pyramid=pyramid, flow=flow))


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
        raise PictureWriteError(f"cannot write {path}: {_cause(error, target.parent)}") from error
    except MemoryError as error:
        raise PictureWriteError(f"cannot write {path}: not enough memory") from error
    finally:
        with contextlib.suppress(OSError):  # gone after the rename, or never made
            temporary.unlink()


def _cause(error: Exception, folder: Path) -> str:
    """Return why a file could not be written; of a full disk libvips often knows no more than that something failed."""
    if stated := getattr(error, "strerror", None):
        return stated
    with contextlib.suppress(OSError):
        if shutil.disk_usage(folder).free < _FULL_DISK:
            return os.strerror(errno.ENOSPC)
    return reason(error)


def _fit_samples(picture: Picture, form: Format, path: Path, flow: Flow | None) -> VipsImage:
    """Wrap the picture for libvips, with alpha laid over white and samples rounded where the format asks for it.

    All of it is evaluated while the file is written, in pieces: no array is copied.
    """
    depth = picture.pixels.dtype.name
    full, alpha = FULL[depth], picture.alpha
    if alpha is not None and not form.alpha and alpha.min() >= full:
        alpha = None
    image = from_arrays(picture.pixels, alpha) if flow is None else from_flow(picture.pixels, alpha, flow)
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
    x, y = (value / 25.4 for value in picture.dpi) if picture.dpi else (UNKNOWN_RESOLUTION, UNKNOWN_RESOLUTION)
    image = image.copy(xres=x, yres=y)
    vips = libvips()
    image.set_type(vips.GValue.gstr_type, "resolution-unit", "in")
    if picture.icc and _profile_fits(picture, form, path):
        image.set_type(vips.GValue.blob_type, "icc-profile-data", picture.icc)
    if strip or form.name == "jpeg":
        return image
    if picture.xmp:
        image.set_type(vips.GValue.blob_type, "xmp-data", fit_xmp(picture.xmp, picture.width, picture.height))
    exif = _exif_to_write(picture, form, path)
    if exif:
        image.set_type(vips.GValue.blob_type, "exif-data", exif)
    if picture.iptc:
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
    if picture.exif is None and form.name not in ("webp", "avif", "heic"):
        return None  # the others state the resolution themselves
    exif = fit_exif(picture.exif, picture.width, picture.height, picture.dpi)
    if exif is None and picture.exif is not None:
        logger.warning("%s: the EXIF block is damaged and left out", path)
    return exif


def _save_with_libvips(image: VipsImage, form: Format, quality: int, temporary: Path) -> None:
    keep = libvips().ForeignKeep
    kept = keep.ICC
    for field, flag in (("exif-data", keep.EXIF), ("xmp-data", keep.XMP)):
        if has_field(image, field):
            kept |= flag  # without the flag, rather than without the field: libvips makes an EXIF block up if it may write one
    options: dict[str, Any] = {
        "jpeg": {"Q": quality, "subsample_mode": "off"},
        "gif": {},
        "png": {"compression": 2, "filter": "paeth"},  # two thirds of the time of 3, which saves 4 % of a photograph
        "webp": {"Q": quality, "lossless": quality == 100, "exact": quality == 100, "smart_subsample": True},
        "avif": {
            "Q": quality,
            "subsample_mode": "off",
            "compression": "av1",
            "effort": 3,
            "bitdepth": 12 if image.format == "ushort" else 8,
        },
    }[form.name]
    interruptible(lambda: call(form.saver, image, os.fsencode(temporary), keep=kept, **options))


def _finish(picture: Picture, form: Format, temporary: Path, path: Path, strip: bool) -> None:
    """Add to a JPEG file what libvips does not write there, or not right."""
    if form.name != "jpeg":
        return
    exif = None if strip else _exif_to_write(picture, form, path)
    xmp = fit_xmp(picture.xmp, picture.width, picture.height) if picture.xmp and not strip else None
    iptc = None if strip else picture.iptc
    replace_jpeg_head(temporary, jpeg_head(dpi=picture.dpi, exif=exif, xmp=xmp, iptc=iptc, name=str(path)))


def _save_with_pillow(image: VipsImage, picture: Picture, form: Format, temporary: Path, path: Path) -> None:
    xmp = picture.xmp is not None and not holds_only_note(picture.xmp)
    if picture.icc or picture.exif or xmp or picture.iptc:
        logger.warning("%s: profile and metadata are left out; %s is written without them", path, form.name)
    pixels, alpha = to_arrays(image, str(path))
    if pixels.dtype == np.uint16:  # PPM alone holds 16 bits here
        write_deep_netpbm(pixels.astype(np.uint16, copy=False), temporary)
        return
    options = {"dpi": picture.dpi} if picture.dpi and form.name == "bmp" else {}
    buffer = BytesIO()  # Pillow's JPEG 2000 encoder never returns when the disk is full
    picture_to_pil(Picture(pixels, alpha)).save(buffer, format=form.saver, **options)
    temporary.write_bytes(buffer.getbuffer())


def _save_heic(image: VipsImage, picture: Picture, form: Format, quality: int, temporary: Path, path: Path, strip: bool) -> None:
    pixels, alpha = to_arrays(image, str(path))
    icc = picture.icc if picture.icc and _profile_fits(picture, form, path) else None
    exif = None if strip else _exif_to_write(picture, form, path)
    xmp = fit_xmp(picture.xmp, picture.width, picture.height) if picture.xmp and not strip else None
    save_heic(pixels, alpha, temporary, quality=quality, icc=icc, exif=exif, xmp=xmp)
