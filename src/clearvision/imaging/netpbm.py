"""The deep kinds of Netpbm files, which Pillow reduces to 8 bits: 16-bit PGM and PPM, float PFM.

Facts: the Netpbm manual, pages ppm(5), pgm(5) and pfm(5).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clearvision.errors import PictureError
from clearvision.imaging.formats import check_size

_BANDS = {b"P5": 1, b"P6": 3, b"Pf": 1, b"PF": 3}
_TOKEN = re.compile(rb"(?:\s|#[^\n]*\n)*([^\s#]+)")
_LONGEST_HEADER = 4096


@dataclass(frozen=True)
class _Header:
    kind: bytes
    width: int
    height: int
    last: float  # the largest sample; of PFM the byte order
    end: int

    @property
    def bands(self) -> int:
        return _BANDS[self.kind]

    @property
    def is_float(self) -> bool:
        return self.kind in (b"PF", b"Pf")


def deep_netpbm_size(path: Path) -> tuple[int, int] | None:
    """Return (height, width) of a binary Netpbm file of more than 8 bits, or None for every other kind.

    Raises:
        PictureError: if the header is damaged.
    """
    header = _deep_header(path)
    return None if header is None else (header.height, header.width)


def read_deep_netpbm(path: Path, *, max_pixels: int) -> NDArray[np.uint16] | NDArray[np.float32] | None:
    """Return the pixels (H, W, 1 or 3) of a binary Netpbm file of more than 8 bits, or None for every other kind.

    Samples of PGM and PPM are scaled to [0, 65535] where the file's own maximum is less; those of PFM are as stored.

    Raises:
        PictureError: if the file is cut short, its header is damaged, it has no pixels or more than ``max_pixels``.
    """
    header = _deep_header(path)
    if header is None:
        return None
    check_size(path, header.width, header.height, max_pixels)
    last, shape = header.last, (header.height, header.width, header.bands)
    stored = np.dtype(("<f4" if last < 0 else ">f4") if header.is_float else ">u2")
    count = math.prod(shape)
    there = max(0, path.stat().st_size - header.end - 1) // stored.itemsize
    if there < count:  # told before memory is taken for what the header says
        raise PictureError(f"{path} is cut short: {there} of {count} samples are there")
    shaped = np.fromfile(path, stored, count, offset=header.end + 1).reshape(shape)
    if header.is_float:
        return np.ascontiguousarray(shaped[::-1], dtype=np.float32)  # PFM begins with the lowest row
    if last == 65535:
        return shaped.astype(np.uint16)
    return np.floor(np.minimum(shaped / last, 1) * 65535 + 0.5).astype(np.uint16)


def _deep_header(path: Path) -> _Header | None:
    with path.open("rb") as file:
        head = file.read(_LONGEST_HEADER)
    kind = head[:2]
    if kind not in _BANDS:
        return None
    fields, end = [], 2
    for _ in range(3):
        if (found := _TOKEN.match(head, end)) is None:
            raise PictureError(f"{path} is damaged: its Netpbm header ends early")
        fields.append(found[1])
        end = found.end()
    try:
        header = _Header(kind, int(fields[0]), int(fields[1]), float(fields[2]), end)
    except ValueError:
        raise PictureError(f"{path} is damaged: its Netpbm header holds no numbers") from None
    if not header.is_float and not header.last > 255:
        return None
    if not math.isfinite(header.last) or header.last == 0 or (not header.is_float and header.last > 65535):
        raise PictureError(f"{path} is damaged: its Netpbm header says a maximum of {fields[2][:20].decode('ascii', 'replace')}")
    return header


def write_deep_netpbm(pixels: NDArray[np.uint16], path: Path) -> None:
    """Write (H, W, 1 or 3) uint16 as a 16-bit PGM or PPM file.

    Raises:
        OSError: if the file cannot be written.
    """
    height, width, bands = pixels.shape
    with path.open("wb") as file:
        file.write(f"P{5 if bands == 1 else 6}\n{width} {height}\n65535\n".encode())
        file.write(np.ascontiguousarray(pixels, dtype=">u2").data)
