"""Write pairs whose ground truth a teacher has moved towards what can be known of it: what the model's self-ensemble makes of lq.

Command: ``python recipes/teach.py PICTURES OUT --model clean-x4 [--share 0.5] [--held-out 24]``, then ``data.layout: pairs``
Most of what separates a good enlargement from its picture cannot be guessed from lq and only shakes the gradient; an average of
eight views (Timofte et al., CVPR 2016) knows a little more than the network itself and shakes much less. OUT/lq has the pictures
shrunk by the model's scale, OUT/gt them or their mixture with the enlargement, 8 bits each; the pictures held out, by the rule of
``data.val_count``, keep their ground truth and stand in OUT/held_out.txt for ``data.val_list``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from rich.progress import track

from clearvision.data.decode import Shrink, read_item
from clearvision.data.layouts import Item, find_pictures
from clearvision.data.split import split_by_count
from clearvision.imaging.io import write_picture
from clearvision.inference.upscaler import Upscaler
from clearvision.types import Picture


def main() -> None:
    """Shrink, enlarge, mix, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--model", default="clean-x4", help="the teacher's name or file")
    parser.add_argument("--share", type=float, default=0.5, help="of the teacher in the ground truth, 0 to 1")
    parser.add_argument("--held-out", type=int, default=24, help="pictures to validate on")
    options = parser.parse_args()
    if not 0 <= options.share <= 1:
        parser.error(f"--share must be from 0 to 1, got {options.share:g}")

    teacher = Upscaler(options.model, tta=True)
    scale = teacher.info.scale
    paths = find_pictures([options.pictures])
    held_out = set(split_by_count(paths, options.held_out, lambda path: path)[1])
    names = {path: Path(f"{path.relative_to(options.pictures)}.png") for path in paths}  # a.jpg and a.webp may lie side by side
    for path in track(paths, "pictures"):
        pair = read_item(Item(path, None, path.name), scale, Shrink(), make_lq=True)
        gt = pair.gt
        if path not in held_out:
            gt = np.round((1 - options.share) * gt + options.share * teacher(pair.lq).astype(np.float32)).astype(np.uint8)
        for folder, pixels in (("lq", pair.lq), ("gt", gt)):
            file = options.out / folder / names[path]
            file.parent.mkdir(parents=True, exist_ok=True)
            write_picture(Picture(pixels), file)
    listing = "\n".join(sorted(names[path].as_posix() for path in held_out))
    (options.out / "held_out.txt").write_text(listing + "\n", encoding="utf-8")
    print(f"{len(paths)} pairs in '{options.out}', {len(held_out)} of them held out")


if __name__ == "__main__":
    main()
