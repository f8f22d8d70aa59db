"""XMP and IPTC, and the segments that begin a JPEG file."""

from __future__ import annotations

import logging
import re
import struct
from pathlib import Path

from clearvision.imaging.exif import PREFIX

logger = logging.getLogger(__name__)

_PHOTOSHOP = b"Photoshop 3.0\0"
_IPTC_RESOURCE = 0x0404
_XMP_NAMESPACE = b"http://ns.adobe.com/xap/1.0/\0"
_SEGMENT_LIMIT = 65_533  # a JPEG segment's length field counts itself


def _set_xmp(xmp: bytes, name: bytes, value: bytes) -> bytes:
    """Set a simple property wherever the packet states it, as an attribute or as an element."""
    pattern = rb"(\b" + name + rb"\s*=\s*[\"']|<" + name + rb"\s*>\s*)\d+"
    return re.sub(pattern, lambda match: match[1] + value, xmp)


def upright_xmp(xmp: bytes) -> bytes:
    """Return the packet with its orientation property, where there is one, set to 1; else verbatim."""
    return _set_xmp(xmp, b"tiff:Orientation", b"1")


def fit_xmp(xmp: bytes, width: int, height: int) -> bytes:
    """Return the packet with the pixel dimensions it states corrected; else verbatim."""
    for name, value in (
        (b"tiff:ImageWidth", width),
        (b"tiff:ImageLength", height),
        (b"exif:PixelXDimension", width),
        (b"exif:PixelYDimension", height),
    ):
        xmp = _set_xmp(xmp, name, str(value).encode())
    return xmp


def iptc_of_photoshop(block: bytes) -> bytes | None:
    """Return the IPTC-IIM records inside the Photoshop resources of a JPEG file, or None."""
    if block[:1] == b"\x1c":
        return block
    at = len(_PHOTOSHOP)
    if not block.startswith(_PHOTOSHOP):
        return None
    while block[at : at + 4] == b"8BIM" and at + 7 <= len(block):
        number = int.from_bytes(block[at + 4 : at + 6], "big")
        name = 1 + block[at + 6]
        at += 6 + name + name % 2
        size = int.from_bytes(block[at : at + 4], "big")
        if number == _IPTC_RESOURCE:
            return block[at + 4 : at + 4 + size] or None
        at += 4 + size + size % 2
    return None


def photoshop_of_iptc(iptc: bytes) -> bytes:
    """Wrap IPTC-IIM records as the Photoshop resource that JPEG files carry them in."""
    resource = struct.pack(">4sHHI", b"8BIM", _IPTC_RESOURCE, 0, len(iptc))
    return _PHOTOSHOP + resource + iptc + b"\0" * (len(iptc) % 2)


def jpeg_head(*, dpi: tuple[float, float] | None, exif: bytes | None, xmp: bytes | None, iptc: bytes | None, name: str) -> bytes:
    """Build what a JPEG file begins with: start of image, JFIF header, EXIF, XMP, IPTC.

    Args:
        dpi: pixels per inch; None states square pixels of unknown size.
        exif: EXIF block with its prefix.
        xmp: XMP packet.
        iptc: IPTC-IIM records.
        name: what to call the file in the log, when a block is too large for a segment and left out.
    """
    x, y = (min(max(round(value), 1), 65_535) for value in dpi) if dpi else (1, 1)
    head = b"\xff\xd8" + _segment(0xE0, struct.pack(">5s2BB2H2B", b"JFIF\0", 1, 2, 1 if dpi else 0, x, y, 0, 0))
    for kind, marker, payload in (
        ("EXIF", 0xE1, exif and PREFIX + exif.removeprefix(PREFIX)),
        ("XMP", 0xE1, xmp and _XMP_NAMESPACE + xmp),
        ("IPTC", 0xED, iptc and photoshop_of_iptc(iptc)),
    ):
        if payload and len(payload) > _SEGMENT_LIMIT:
            logger.warning("%s: %s of %d bytes left out; JPEG holds at most 64 KB of it", name, kind, len(payload))
        elif payload:
            head += _segment(marker, payload)
    return head


def _segment(marker: int, payload: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def replace_jpeg_head(path: Path, head: bytes) -> None:
    """Put ``head`` in place of a JPEG file's start of image, and JFIF header if any; the rest moves, a piece at a time."""
    piece = max(1 << 20, len(head))
    with path.open("r+b") as file:
        start = file.read(6)
        read_at = 4 + int.from_bytes(start[4:6], "big") if start[2:4] == b"\xff\xe0" else 2
        write_at, pending = 0, head
        while pending:
            file.seek(read_at)
            ahead = file.read(piece)  # always read before the write reaches it
            read_at += len(ahead)
            file.seek(write_at)
            file.write(pending)
            write_at += len(pending)
            pending = ahead
        file.truncate()
