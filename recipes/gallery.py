"""Draw a row of pictures for every bundled model: what it is given, what it makes of it, and what it should have been.

Command: ``python recipes/gallery.py docs/images/models.jpg``
The pictures are those of ``examples/``, made worse as the model's task has it, by a fixed seed; they are shown twice their size.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from clearvision.degradations.pipeline import degrade_picture
from clearvision.imaging.io import read_picture
from clearvision.imaging.resize import resize
from clearvision.inference.upscaler import Upscaler
from clearvision.types import ModelInfo
from clearvision.zoo.catalogue import list_models

EXAMPLES = Path(__file__).parent.parent / "examples"
PICTURES = {"clean": "cat.png", "photo": "coffee.jpg", "restore": "coffee.jpg", "face": "cat.png"}
DAMAGE = {"clean": "bicubic", "photo": "camera", "restore": "clearvision", "face": "clearvision"}
HEIGHT, WIDTH = 144, 216  # of the part shown; multiples of every scale
ZOOM, MARGIN, TITLE = 2, 8, 22

Pixels = NDArray[np.uint8]


def row(info: ModelInfo) -> tuple[str, list[Pixels]]:
    """Return a model's title and its three pictures (HEIGHT, WIDTH, 3)."""
    whole = read_picture(EXAMPLES / PICTURES[info.task]).pixels
    truth = np.ascontiguousarray(whole[:HEIGHT, :WIDTH]).astype(np.uint8)
    lq = degrade_picture(truth, DAMAGE[info.task], scale=info.scale, seed=0)
    shown = lq if info.scale == 1 else resize(lq, HEIGHT, WIDTH)
    enlarged = ", enlarged by bicubic" if info.scale > 1 else ""
    title = f"{info.name}: input damaged by '{DAMAGE[info.task]}'{enlarged}; result; original"
    return title, [shown, Upscaler(info.name)(lq), truth]


def main() -> None:
    """Draw the sheet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    rows = [row(info) for info in list_models()]
    across, down = WIDTH * ZOOM + MARGIN, HEIGHT * ZOOM + TITLE + MARGIN
    sheet = Image.new("RGB", (3 * across + MARGIN, len(rows) * down), "white")
    draw = ImageDraw.Draw(sheet)
    for index, (title, pictures) in enumerate(rows):
        draw.text((MARGIN, index * down + 2), title, fill="black", font_size=14)
        for column, pixels in enumerate(pictures):
            cell = Image.fromarray(pixels).resize((WIDTH * ZOOM, HEIGHT * ZOOM), Image.Resampling.NEAREST)
            sheet.paste(cell, (MARGIN + column * across, index * down + TITLE))
    sheet.save(options.out, quality=88, optimize=True)
    print(f"{options.out}: {sheet.width}x{sheet.height}, {options.out.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
