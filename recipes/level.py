"""Take out of a vivid model what it adds to every picture alike: a tint, and a pattern that repeats with its scale.

Command: ``python recipes/level.py VIVID.safetensors FAITHFUL PICTURE... [--alpha 0.65] --out OUT.safetensors``
For every phase of the scale and every channel, the mean difference to the faithful twin over pictures that were trained on moves
into the bias of the last convolution. Pictures are named on the command line, so that none that is held out is among them. With
``--alpha`` below 1 what is written lies between the two networks, where the vivid one by itself goes too far.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from clearvision.archs.span import SPAN
from clearvision.data.decode import read_rgb
from clearvision.degradations.pipeline import degrade_picture
from clearvision.zoo.build import build_network, network_weights
from clearvision.zoo.catalogue import find_model
from clearvision.zoo.checkpoint import read_checkpoint, write_checkpoint
from clearvision.zoo.interpolate import interpolate

SIDE = 384  # of the middle of each picture


@torch.no_grad()
def common(vivid: SPAN, faithful: SPAN, pictures: list[Path], degradation: str) -> torch.Tensor:
    """Return the mean difference of two networks by channel and phase, as the last convolution puts them out."""
    factor, means = vivid.upscale * vivid.unshuffle, []
    for index, path in enumerate(pictures):
        whole = read_rgb(path)
        top, left = (max(0, (side - SIDE) // 2) for side in whole.shape[:2])
        gt = np.ascontiguousarray(whole[top : top + SIDE, left : left + SIDE])
        gt = gt[: gt.shape[0] // factor * factor, : gt.shape[1] // factor * factor]
        lq = degrade_picture(gt, degradation, scale=vivid.upscale, seed=index)
        batch = torch.from_numpy(lq).permute(2, 0, 1)[None].float() / 255
        means.append(F.pixel_unshuffle(vivid(batch) - faithful(batch), factor).mean((0, 2, 3)))
    return torch.stack(means).mean(0)


def main() -> None:
    """Measure, correct, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("vivid", help="a SPAN model's name or file")
    parser.add_argument("faithful", help="its twin's name or file")
    parser.add_argument("pictures", type=Path, nargs="+", help="clean pictures that it was trained on")
    parser.add_argument("--degradation", default="realesrgan")
    parser.add_argument("--alpha", type=float, default=1.0, help="how far from the faithful network to the levelled one to go")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()

    checkpoint, twin = (read_checkpoint(find_model(name)) for name in (options.vivid, options.faithful))
    vivid, faithful = (build_network(each).eval() for each in (checkpoint, twin))
    if not isinstance(vivid, SPAN) or not isinstance(faithful, SPAN) or vivid.upscale != faithful.upscale:
        parser.error("both must be SPAN networks of one scale")
    shift = common(vivid, faithful, options.pictures, options.degradation)
    last = vivid.upsampler[0]
    assert isinstance(last, torch.nn.Conv2d)
    assert last.bias is not None
    with torch.no_grad():
        last.bias -= shift
    by_channel = shift.view(3, -1)
    tint, pattern = by_channel.mean(1), by_channel - by_channel.mean(1, keepdim=True)
    print("tint taken out, grey levels of R, G, B:", [round(255 * float(value), 2) for value in tint])
    print("pattern taken out, root mean square:", round(255 * float(pattern.square().mean().sqrt()), 2))
    training = {
        **checkpoint.info.training,
        "levelled": f"tint and pattern of {len(options.pictures)} training pictures taken out",
        "mixed": f"{options.alpha:g} of the way from {twin.info.name} to it",
    }
    levelled = dataclasses.replace(checkpoint, weights=network_weights(vivid))
    mixed = interpolate(twin, levelled, options.alpha)
    info = dataclasses.replace(checkpoint.info, training=training, figures={})
    write_checkpoint(options.out, info, mixed.weights, checkpoint.recipe, half=True)


if __name__ == "__main__":
    main()
