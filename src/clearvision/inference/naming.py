"""What results are called, the same in every front end: what tells a result from its input, and the suffix of its format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from clearvision.errors import PictureError
from clearvision.imaging.formats import FORMATS, WRITABLE_FORMATS

if TYPE_CHECKING:
    from clearvision.inference.choosing import Wishes

WRITTEN_AS = {suffix: item.name for item in FORMATS.values() if item.saver for suffix in item.suffixes}
_VAST = 10**9  # a side; enlarging to a size is within bounds for some pictures only


def size_label(wishes: Wishes, native: int) -> str:
    """Return what tells a result's name from its input's, such as ``_x4`` or ``_800w``.

    Args:
        wishes: the wished size; at most one of them not None.
        native: the factor without any.

    Raises:
        UsageError: if a wish is wrong for a picture of whatever size.
    """
    from clearvision.inference.choosing import as_target
    from clearvision.inference.plan import target_size

    target_size(_VAST, _VAST, native=native, **as_target(wishes))
    if wishes["width"] is not None:
        return f"_{wishes['width']}w"
    if wishes["height"] is not None:
        return f"_{wishes['height']}h"
    if wishes["megapixels"] is not None:
        return f"_{wishes['megapixels']:g}mp"
    return f"_x{wishes['scale'] or native:g}"


def result_suffix(source: Path, format: str | None = None) -> str:
    """Return the suffix of a result: the input's own where its format can be written and no other is asked for.

    Files of other formats become PNG. So do GIF files, or WebP where they are animated: a palette would cost most of what
    enlarging gains.

    Args:
        source: the input.
        format: name of a format that can be written, or None for the input's.
    """
    own = WRITTEN_AS.get(source.suffix.lower())
    if own == "gif" and format is None:
        own, format = None, "webp" if _is_animated(source) else "png"
    return source.suffix if own is not None and format in (None, own) else WRITABLE_FORMATS[format or "png"]


def _is_animated(path: Path) -> bool:
    from clearvision.imaging.frames import count_frames

    try:
        return count_frames(path) > 1
    except PictureError:  # told when the file is read
        return False
