"""JPEG XL, read through its plugin for Pillow where that is installed; its head and its XMP, which the plugin leaves out, here.

Format: ISO/IEC 18181-1, SizeHeader and ImageMetadata; 18181-2, boxes.
"""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from clearvision.errors import PictureError
from clearvision.imaging.convert import picture_from_pil
from clearvision.imaging.exif import exif_dpi, upright_exif
from clearvision.imaging.formats import check_size
from clearvision.imaging.metadata import upright_xmp
from clearvision.imaging.vips import first_line
from clearvision.types import Picture

logger = logging.getLogger(__name__)

_CODESTREAM = b"\xff\x0a"
_HEAD = 64  # bytes of the codestream that are looked at
_MOST_XMP = 16 << 20
_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))


@dataclass(frozen=True)
class JxlHead:
    """What a file states about itself.

    Attributes:
        height: rows, upright.
        width: columns, upright.
        bits: of a sample; 8 where the header is one that is not understood so far.
        xmp: XMP packet, or None.
    """

    height: int
    width: int
    bits: int
    xmp: bytes | None = None


class _Bits:
    """Bits of a codestream, the lowest of each byte first."""

    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data, "little"), 8 * len(data)

    def take(self, count: int) -> int:
        if count > self._left:
            raise ValueError("the header ends early")
        found = self._value & ((1 << count) - 1)
        self._value >>= count
        self._left -= count
        return found

    def choose(self, *widths: int) -> int:
        return 1 + self.take(widths[self.take(2)])


def read_jxl_head(path: Path) -> JxlHead:
    """Read what a JPEG XL file states, without decoding it.

    Raises:
        PictureError: if its header is damaged.
    """
    try:
        codestream, xmp = _parts(path)
        if codestream[:2] != _CODESTREAM:
            raise ValueError("no codestream is there")
        return _head_of(_Bits(codestream[2:]), xmp)
    except (OSError, ValueError) as error:
        raise PictureError(f"{path} is damaged, cut short or not readable as jxl: {error}") from error


def read_jxl(path: Path, *, max_pixels: int) -> Picture:
    """Read a JPEG XL file.

    Raises:
        PictureError: if the file is damaged or has more than ``max_pixels``.
    """
    from pillow_jxl.JpegXLImagePlugin import JXLImageFile

    head = read_jxl_head(path)
    check_size(path, head.width, head.height, max_pixels)  # the plugin decodes at once
    try:
        with path.open("rb") as file, warnings.catch_warnings(), JXLImageFile(file) as image:
            warnings.simplefilter("ignore")  # Pillow's, about damaged EXIF
            if image.jpeg:  # put together again as the JPEG file that it was made from, with its own metadata, not turned
                picture = picture_from_pil(image)
            else:
                exif = upright_exif(image.info.pop("exif", b""))
                xmp = upright_xmp(head.xmp) if head.xmp else None
                picture = replace(picture_from_pil(image), exif=exif, xmp=xmp, dpi=exif_dpi(exif or b""))
    except Exception as error:  # what the plugin raises on damaged files is not a closed set
        raise PictureError(f"{path} is damaged, cut short or not readable as jxl: {first_line(error)}") from error
    if (picture.height, picture.width) != (head.height, head.width):
        raise PictureError(f"{path} is damaged: the picture is not of the size that its header says")
    if picture.pixels.dtype == np.uint8 and head.bits > 8:
        logger.warning("%s holds more than 8 bits a sample and is read with 8; convert it to PNG or TIFF to keep them", path)
    return replace(picture, format="jxl")


def _parts(path: Path) -> tuple[bytes, bytes | None]:
    """Return the beginning of the codestream, and the XMP packet."""
    codestream, xmp, size = b"", None, path.stat().st_size
    with path.open("rb") as file:
        if (head := file.read(_HEAD))[:2] == _CODESTREAM:
            return head, None
        at = 0
        while at + 8 <= size:
            file.seek(at)
            head = file.read(16)
            length, kind = int.from_bytes(head[:4], "big"), head[4:8]
            start = at + (16 if length == 1 else 8)
            length = int.from_bytes(head[8:16], "big") if length == 1 else length or size - at
            if length < start - at:
                raise ValueError("a box is shorter than its own head")
            file.seek(start)
            if kind in (b"jxlc", b"jxlp") and not codestream:
                codestream = file.read(_HEAD)[4 * (kind == b"jxlp") :]
            elif kind == b"xml " and at + length - start <= _MOST_XMP:
                xmp = file.read(at + length - start)
            at += length
    return codestream, xmp


def _head_of(bits: _Bits, xmp: bytes | None) -> JxlHead:
    small = bits.take(1)
    height = 8 * (bits.take(5) + 1) if small else bits.choose(9, 13, 18, 30)
    ratio = bits.take(3)
    if ratio:
        across, down = _RATIOS[ratio - 1]
        width = height * across // down
    else:
        width = 8 * (bits.take(5) + 1) if small else bits.choose(9, 13, 18, 30)
    depth, turned = 8, False
    if not bits.take(1):  # not all is as usual
        unusual = bits.take(1)
        turned = bool(unusual) and bits.take(3) >= 4
        if unusual and bits.take(3):  # an intrinsic size, a preview, an animation: what follows lies further on
            return JxlHead(*((width, height) if turned else (height, width)), depth, xmp)
        if bits.take(1):  # float
            depth = 32
        else:
            choice = bits.take(2)
            depth = (8, 10, 12)[choice] if choice < 3 else 1 + bits.take(6)
    return JxlHead(*((width, height) if turned else (height, width)), depth, xmp)
