"""Contact sheets: many small pictures with captions in one."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from clearvision.errors import UsageError

GAP, CAPTION, TEXT = 6, 15, 11
PAPER, INK = (250, 250, 250), (40, 40, 40)


def contact_sheet(cells: Sequence[tuple[str, NDArray[np.uint8]]], *, columns: int, side: int = 160) -> NDArray[np.uint8]:
    """Lay pictures out in rows.

    A picture larger than its cell is shrunk to fit, keeping its shape; a smaller one is enlarged a whole number of times with its
    pixels left square, so that its damage can be seen.

    Args:
        cells: caption and (h, w, 3) uint8 RGB of each.
        columns: how many in a row.
        side: pixels of a cell's side, without its caption.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        UsageError: if there is nothing to lay out.
    """
    if not cells or columns < 1:
        raise UsageError("a contact sheet needs one picture and one column at least")
    from PIL import Image, ImageDraw, ImageFont

    columns = min(columns, len(cells))
    rows = math.ceil(len(cells) / columns)
    sheet = Image.new("RGB", (GAP + columns * (side + GAP), GAP + rows * (side + CAPTION + GAP)), PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(TEXT)
    for place, (caption, pixels) in enumerate(cells):
        left = GAP + place % columns * (side + GAP)
        top = GAP + place // columns * (side + CAPTION + GAP)
        picture = _fitted(Image.fromarray(np.ascontiguousarray(pixels)), side)
        sheet.paste(picture, (left + (side - picture.width) // 2, top + (side - picture.height) // 2))
        draw.text((left, top + side + 1), _cut(caption, side, font), fill=INK, font=font)
    return np.asarray(sheet)


def _fitted(picture, side: int):  # noqa: ANN001, ANN202 - a Pillow image, which is imported where it is needed
    longest = max(picture.size)
    if longest > side:
        size = tuple(max(1, round(length * side / longest)) for length in picture.size)
        return picture.resize(size, 1)  # Lanczos
    times = side // longest
    return picture.resize((picture.width * times, picture.height * times), 0)  # nearest


def _cut(caption: str, width: int, font) -> str:  # noqa: ANN001 - a Pillow font
    caption = caption.encode("latin-1", "replace").decode("latin-1")  # what the built-in font can write
    if font.getlength(caption) <= width:
        return caption
    while caption and font.getlength(caption + "..") > width:
        caption = caption[:-1]
    return caption + ".."
