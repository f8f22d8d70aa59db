"""The deep kinds of Netpbm files, which Pillow reduces to 8 bits: 16-bit PGM and PPM, float PFM.

Facts: the Netpbm manual, pages ppm(5), pgm(5) and pfm(5).
"""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clearvision.errors import PictureError
from clearvision.imaging.formats import check_size

_BANDS = {b"P5": 1, b"P6": 3, b"Pf": 1, b"PF": 3}
_TOKEN = re.compile(rb"(?:\s|#[^\n]*\n)*([^\s#]+)")
_LONGEST_HEADER = 4096


def read_deep_netpbm(path: Path, *, max_pixels: int) -> NDArray[np.uint16] | NDArray[np.float32] | None:
    """Return the pixels (H, W, 1 or 3) of a binary Netpbm file of more than 8 bits, or None for every other kind.

    Samples of PGM and PPM are scaled to [0, 65535] where the file's own maximum is less; those of PFM are as stored.

    Raises:
        PictureError: if the file is cut short, its header is damaged, it has no pixels or more than ``max_pixels``.
    """
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
        width, height = int(fields[0]), int(fields[1])
        last = float(fields[2])
    except ValueError:
        raise PictureError(f"{path} is damaged: its Netpbm header holds no numbers") from None
    deep = kind in (b"PF", b"Pf") or last > 255
    if not deep:
        return None
    check_size(path, width, height, max_pixels)
    is_float = kind in (b"PF", b"Pf")
    if not math.isfinite(last) or last == 0 or (not is_float and not 0 < last <= 65535):
        raise PictureError(f"{path} is damaged: its Netpbm header says a maximum of {fields[2].decode(errors='replace')}")
    stored = np.dtype(("<f4" if last < 0 else ">f4") if is_float else ">u2")
    count = height * width * _BANDS[kind]
    samples = np.fromfile(path, stored, count, offset=end + 1)
    if len(samples) < count:
        raise PictureError(f"{path} is cut short: {len(samples)} of {count} samples are there")
    shaped = samples.reshape(height, width, _BANDS[kind])
    if is_float:
        return np.ascontiguousarray(shaped[::-1], dtype=np.float32)  # PFM begins with the lowest row
    if last == 65535:
        return shaped.astype(np.uint16)
    return np.floor(np.minimum(shaped / last, 1) * 65535 + 0.5).astype(np.uint16)


def write_deep_netpbm(pixels: NDArray[np.uint16], path: Path) -> None:
    """Write (H, W, 1 or 3) uint16 as a 16-bit PGM or PPM file.

    Raises:
        OSError: if the file cannot be written.
    """
    height, width, bands = pixels.shape
    with path.open("wb") as file:
        file.write(f"P{5 if bands == 1 else 6}\n{width} {height}\n65535\n".encode())
        file.write(np.ascontiguousarray(pixels, dtype=">u2").data)
