"""Write the middles of the pictures that training holds out, by the same rule, to evaluate on.

Command: ``python recipes/held_out.py PICTURES OUT [--count 24] [--side 384]``
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image

from clearvision.data.decode import read_rgb
from clearvision.data.layouts import find_pictures
from clearvision.data.split import split_by_count

MULTIPLE = 4  # sides suit every scale but 3


def main() -> None:
    """Find, cut, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, default=24, help="as data.val_count of the recipe")
    parser.add_argument("--side", type=int, default=384, help="of the square, or less where a picture is smaller")
    options = parser.parse_args()

    options.out.mkdir(parents=True, exist_ok=True)
    _, held_out = split_by_count(find_pictures([options.pictures]), options.count, lambda path: path)
    for path in held_out:
        pixels = read_rgb(path)
        side = min(options.side, *(length // MULTIPLE * MULTIPLE for length in pixels.shape[:2]))
        top, left = ((length - side) // 2 for length in pixels.shape[:2])
        Image.fromarray(pixels[top : top + side, left : left + side]).save(options.out / f"{path.stem}.png")
    print(f"{len(held_out)} pictures in '{options.out}'")


if __name__ == "__main__":
    main()
