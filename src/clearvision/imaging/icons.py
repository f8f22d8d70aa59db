"""Windows icons: the largest picture of an ICO file, opened without being decoded.

Pillow's own class for ICO decodes while it opens, before anyone can look at the size that the picture inside claims.
"""

from __future__ import annotations

import struct
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image as PilImage

_LARGEST_BITMAP = 256  # pixels a side; a larger picture is a PNG inside


def open_icon(file: IO[bytes]) -> PilImage:
    """Return the largest picture of an ICO file as a Pillow image; one that is stored as PNG is not decoded yet.

    Raises:
        ValueError: if a bitmap is larger than icons are.
        Exception: whatever else Pillow raises on damaged files.
    """
    from PIL.IcoImagePlugin import IcoFile

    icon = IcoFile(file)
    file.seek(icon.entry[0].offset)
    head = file.read(12)
    if not head.startswith(b"\x89PNG"):
        width, height = struct.unpack("<ii", head[4:])  # of colours and mask, one below the other
        if width > _LARGEST_BITMAP or abs(height) > 2 * _LARGEST_BITMAP:
            raise ValueError(f"a bitmap of {width}x{abs(height) // 2} pixels in an icon, which holds at most 256x256")
    return icon.frame(0)
