"""Make a finished run's best weights the bundled model of their name, if they score higher on the validation split.

Command: ``python recipes/bundle.py runs/clean-x4/best.safetensors --figure "Set5 x4 PSNR-Y=31.5"``
The weights are stored in float16, and of files that the run read (``init``, ``vgg``, a teacher) the names alone; the card takes
the run's facts and the figures given. Measure them with ``clearvision evaluate`` on the float16 file: ``--to FILE`` writes it
elsewhere first, and the comparison is left out.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from clearvision.zoo.catalogue import WEIGHTS_DIR, bundled_models
from clearvision.zoo.checkpoint import read_checkpoint, read_info, write_checkpoint

VALIDATION = "validation PSNR-Y"


def main() -> None:
    """Compare, then write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="best.safetensors of a run")
    parser.add_argument("--figure", action="append", default=[], metavar="NAME=VALUE", help="a measured result for the card")
    parser.add_argument("--to", type=Path, help="write here instead of into the package")
    options = parser.parse_args()

    made = read_checkpoint(options.run)
    name, score = made.info.name, made.info.figures[VALIDATION]
    if options.to is None and name in bundled_models():
        old = read_info(bundled_models()[name]).figures.get(VALIDATION, float("-inf"))
        if score < old:
            parser.error(
                f"{name} scores {score} dB on the validation split, the bundled file {old}; bundled weights only get better"
            )
    figures = dict(made.info.figures)
    for figure in options.figure:
        key, _, value = figure.rpartition("=")
        figures[key] = float(value)
    info = dataclasses.replace(made.info, figures=figures)
    target = options.to or WEIGHTS_DIR / f"{name}.safetensors"
    recipe = dict(made.recipe or {})
    read = [(recipe, "init"), (recipe, "vgg"), (recipe.get("objective", {}).get("teacher") or {}, "model")]
    for section, key in read:
        if section.get(key):
            section[key] = Path(section[key]).name
    write_checkpoint(target, info, made.weights, recipe, half=True)
    print(f"{target}: {target.stat().st_size / 1e6:.2f} MB, {figures}")


if __name__ == "__main__":
    main()
