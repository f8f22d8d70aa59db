"""Round bundled weights to the eight bits that bf16 keeps: the wheel, which deflates them, shrinks by a sixth.

Command: ``python recipes/shorten.py [FILE...]``, all bundled models by default, before they are committed
A network that runs in bf16 rounds its weights so anyway and computes the same to the bit; in float32 PSNR moves by less than
0.01 dB (docs/LOG.md). ``--bits 7`` was for ``photo-x2-vivid`` and ``photo-x4-vivid``, whose texture is made up anyway.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clearvision.zoo.catalogue import bundled_models
from clearvision.zoo.checkpoint import read_checkpoint, write_checkpoint


def rounded(value: NDArray[np.float32], bits: int) -> NDArray[np.float32]:
    """Return the nearest values of so many significant bits."""
    fraction, exponent = np.frexp(value.astype(np.float32))
    return np.ldexp(np.rint(np.ldexp(fraction, bits)), exponent - bits)


def main() -> None:
    """Round every file in place."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="*", help="checkpoints; without any, those of the package")
    parser.add_argument("--bits", type=int, default=8, help="significant bits to keep, those of bf16 by default")
    options = parser.parse_args()
    for path in options.files or bundled_models().values():
        checkpoint = read_checkpoint(path)
        weights = {name: rounded(value, options.bits) for name, value in checkpoint.weights.items()}
        write_checkpoint(path, checkpoint.info, weights, checkpoint.recipe, half=True)
        print(path.name)


if __name__ == "__main__":
    main()
