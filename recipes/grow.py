"""Make a starting point for a SPAN out of a live one: fold pixels into its first convolution, or widen it.

Command: ``python recipes/grow.py clean-x2 --unshuffle 2 --out START.safetensors``, then ``train --set init=START.safetensors``
With ``--unshuffle`` the first convolution sees the mean of the folded pixels as it saw pixels before; the last convolution, which
made another scale, is left out, so that training begins it anew. With ``--width`` every channel is copied, and what reads it
shares its weight between the copies unequally: the network computes the same, but the copies learn apart (Chen et al., "Net2Net:
Accelerating Learning via Knowledge Transfer", ICLR 2016, https://arxiv.org/abs/1511.05641). From random weights SPAN's blocks may
fall silent (docs/LOG.md).
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clearvision.zoo.catalogue import find_model
from clearvision.zoo.checkpoint import Weights, read_checkpoint, write_checkpoint

Array = NDArray[np.float32]
FIRST, LAST = "conv_1.eval_conv.weight", "upsampler.0."


def folded(weights: Weights, factor: int) -> Weights:
    """Return weights whose first convolution reads factor x factor pixels in each place, without the last convolution."""
    kept = {name: value for name, value in weights.items() if not name.startswith(LAST)}
    return kept | {FIRST: np.repeat(kept[FIRST] / factor**2, factor**2, axis=1)}


def widened(weights: Weights, width: int, rng: np.random.Generator) -> Weights:
    """Return weights of ``width`` channels, a multiple of what there is, that compute the same."""
    old = len(weights[FIRST])
    wide = {}
    for name, value in weights.items():
        outputs = 1 if name.startswith(LAST) else width // old
        reads_pixels = value.ndim == 1 or name == FIRST
        wide[name] = np.concatenate([value if reads_pixels else _shared(value, old, width // old, rng) for _ in range(outputs)])
    return wide


def _shared(weight: Array, old: int, copies: int, rng: np.random.Generator) -> Array:
    """Spread a convolution's weights over copies of its input channels, which come in groups of ``old``."""
    groups = weight.astype(np.float32).reshape(len(weight), -1, 1, old, *weight.shape[2:])
    noise = rng.normal(0, groups.std() / copies, np.repeat(groups, copies, 2).shape)
    return (groups / copies + noise - noise.mean(2, keepdims=True)).reshape(len(weight), -1, *weight.shape[2:])


def main() -> None:
    """Grow and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a SPAN model's name or file")
    parser.add_argument("--unshuffle", type=int, default=1, help="side of the square of pixels to fold")
    parser.add_argument("--width", type=int, help="channels; a multiple of the model's")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()

    checkpoint = read_checkpoint(find_model(options.model))
    info, weights = checkpoint.info, checkpoint.weights
    old = info.hyper.get("feature_channels", 48)
    width = options.width or old
    twice_folded = options.unshuffle > 1 and info.hyper.get("unshuffle", 1) > 1
    if info.arch != "span" or twice_folded or width % old:
        parser.error(
            f"{info.name} is {info.arch} of {old} channels; give a SPAN without folded pixels, and a multiple of {old} as width"
        )
    if options.unshuffle > 1:
        weights = folded(weights, options.unshuffle)
    weights = widened(weights, width, np.random.default_rng(options.seed))
    hyper = {**info.hyper, "feature_channels": width, "unshuffle": options.unshuffle * info.hyper.get("unshuffle", 1)}
    write_checkpoint(options.out, dataclasses.replace(info, hyper=hyper), weights)
    print(f"{options.out}: {sum(value.size for value in weights.values()):,} weights")


if __name__ == "__main__":
    main()
