"""What a model adds to every picture: a tint, and the pattern of its last convolution.

Command: ``python benchmarks/artefacts.py --data FOLDER [--degrade realesrgan] -m photo-x4 -m photo-x4-vivid``

With ``--degrade`` the folder holds clean pictures, which are damaged by a fixed seed; without, they are the inputs, of which the
top left 96 pixels are taken. The tint is the mean of a result less that of bicubic enlargement (and less that of the clean
picture), R, G and B in grey levels. The pattern: what is left of the grey picture after a blur of sigma 4 is averaged over the
pixels of one phase in windows of 64 pixels, and the deviation of the phases' means is averaged over windows. The period is the
scale, times the side of the square of pixels that a model folds. A ramp or a texture has some as well: bicubic's figure is what a
picture has by itself.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from clearvision.data.layouts import find_pictures
from clearvision.degradations.pipeline import degrade_picture
from clearvision.imaging.io import read_picture
from clearvision.imaging.resize import resize_scale
from clearvision.inference.upscaler import Upscaler

INPUT, WINDOW, BLUR = 96, 64, 4

Pixels = NDArray[np.uint8]


def pattern(sr: Pixels, period: int) -> float:
    """Return the mean deviation of the phases of sr (H, W, 3), in grey levels."""
    grey = sr.astype(np.float64).mean(2)
    blurred = Image.fromarray(grey.astype(np.uint8)).filter(ImageFilter.GaussianBlur(BLUR))
    window = WINDOW // period * period
    rows, columns = (side // window for side in grey.shape)
    rest = (grey - np.asarray(blurred, np.float64))[: rows * window, : columns * window]
    phases = rest.reshape(rows, window // period, period, columns, window // period, period).mean((1, 4))
    return float(phases.std((1, 3)).mean())


def main() -> None:
    """Compute every picture with every model, print a row for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("-m", "--model", action="append", required=True)
    parser.add_argument("--degrade", metavar="PRESET")
    parser.add_argument("--count", type=int, default=100, help="of pictures, the first by name")
    options = parser.parse_args()

    upscalers = {model: Upscaler(model) for model in options.model}
    (scale,) = {upscaler.info.scale for upscaler in upscalers.values()}
    period = scale * max(upscaler.info.hyper.get("unshuffle", 1) for upscaler in upscalers.values())
    methods: dict[str, Callable[[Pixels], Pixels]] = {"bicubic": lambda lq: resize_scale(lq, scale), **upscalers}
    shifts = {name: [] for name in methods}
    errors = {name: [] for name in methods}
    patterns = {name: [] for name in methods}
    for index, path in enumerate(find_pictures([options.data])[: options.count]):
        lq = np.ascontiguousarray(read_picture(path).pixels[..., :3]).astype(np.uint8)
        gt = lq if options.degrade else None
        lq = lq[:INPUT, :INPUT] if gt is None else degrade_picture(gt, options.degrade, scale=scale, seed=index)
        bicubic = resize_scale(lq, scale).mean((0, 1))
        for name, method in methods.items():
            sr = method(lq)
            shifts[name].append(sr.mean((0, 1)) - bicubic)
            patterns[name].append(pattern(sr, period))
            if gt is not None:
                errors[name].append(sr.mean((0, 1)) - gt.mean((0, 1)))
    print(f"{'method':<42}{'less bicubic':>20}{'largest':>9}{'less the truth':>20}{'pattern':>9}")
    for name in methods:
        shift, error = (" ".join(f"{value:.2f}" for value in np.mean(rows[name] or [()], 0)) for rows in (shifts, errors))
        print(f"{name:<42}{shift:>20}{np.abs(shifts[name]).max():>9.2f}{error:>20}{np.mean(patterns[name]):>9.3f}")


if __name__ == "__main__":
    main()
