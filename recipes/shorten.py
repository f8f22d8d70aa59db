"""Round bundled weights to the eight bits that bf16 keeps: the wheel, which deflates them, shrinks by a sixth.

Command: ``python recipes/shorten.py [FILE...]``, all bundled models by default, before they are committed
A network that runs in bf16 rounds its weights so anyway and computes the same to the bit; in float32 PSNR moves by less than
0.01 dB (docs/LOG.md).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from clearvision.zoo.catalogue import bundled_models
from clearvision.zoo.checkpoint import read_checkpoint, write_checkpoint


def main() -> None:
    """Round every file in place."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="*", help="checkpoints; without any, those of the package")
    for path in parser.parse_args().files or bundled_models().values():
        checkpoint = read_checkpoint(path)
        weights = {name: torch.from_numpy(value).bfloat16().half().numpy() for name, value in checkpoint.weights.items()}
        write_checkpoint(path, checkpoint.info, weights, checkpoint.recipe, half=True)
        print(path.name)


if __name__ == "__main__":
    main()
