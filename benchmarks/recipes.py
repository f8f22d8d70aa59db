"""How long a recipe takes: steps a second of every stage at full size on this machine, and the hours that its steps add up to.

Command: ``python benchmarks/recipes.py --vgg VGG19 [--device cuda] [--steps 60] [--only esrgan_x4 ...] [--data DIR]``.

Every stage is trained for a few steps as ``clearvision train`` does it, on pictures made here unless ``--data`` is given; the
first half warms up, the second is timed, without validation and saving. Stages with perceptual losses need VGG19's file.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from pathlib import Path

import numpy as np

from clearvision.imaging.io import write_picture
from clearvision.recipe import load_recipe, stage_recipes
from clearvision.training.run import train
from clearvision.types import Picture

RECIPES = Path(__file__).parent.parent / "recipes"
SIDE = 640  # of the pictures made here


def main() -> None:
    """Measure and print a table in Markdown."""
    parser = argparse.ArgumentParser(description="How long a recipe takes on this machine.")
    parser.add_argument("--vgg", type=Path, help="file of VGG19's weights")
    parser.add_argument("--data", type=Path, help="pictures to train on; without it some are made")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--only", nargs="+", help="names of recipes")
    options = parser.parse_args()

    print("| recipe | stage | steps | steps/s | hours |\n|---|---|---|---|---|")
    for path in sorted(RECIPES.glob("*.yaml")):
        if options.only and path.stem not in options.only:
            continue
        for name, stage in stage_recipes(load_recipe(path)):
            if stage.needs_vgg and options.vgg is None:
                print(f"| {path.stem} | {name} | {stage.train.total_steps:,} | needs --vgg | |")
                continue
            speed = measure(path, name, options)
            hours = stage.train.total_steps / speed / 3600
            print(f"| {path.stem} | {name} | {stage.train.total_steps:,} | {speed:.3g} | {hours:.3g} |", flush=True)


def measure(path: Path, stage: str, options: argparse.Namespace) -> float:
    """Return the steps a second of one stage, the others left out."""
    half = max(1, options.steps // 2)
    words = [f"train.total_steps={2 * half}", f"train.log_every={half}", "train.validate_every=1000000", "data.val_count=1"]
    words += ["data.val_size=48", *([f"vgg={options.vgg}"] if options.vgg else [])]
    with tempfile.TemporaryDirectory() as folder:
        out, data = Path(folder) / "run", options.data or make_pictures(Path(folder) / "data")
        recipe = dict(stage_recipes(load_recipe(path, words)))[stage]
        if recipe.objective.kind == "adversarial":  # weights do not matter for time, so no stage has to come before
            objective = recipe.objective.model_copy(update={"cold_start": "only its time is measured"})
            recipe = recipe.model_copy(update={"objective": objective, "init": None})
        if recipe.data.layout != "hr":
            data = make_layouts(Path(folder) / "layouts", recipe.scale)
        train(recipe.model_copy(update={"init": None, "stages": ()}), data=data, out=out, device=options.device)
        with (out / "log.csv").open(newline="") as file:
            return [float(row["steps_per_second"]) for row in csv.DictReader(file) if row["steps_per_second"]][-1]


def make_pictures(folder: Path, count: int = 6, side: int = SIDE) -> Path:
    """Write pictures with detail everywhere and return their folder."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for index in range(count):
        pixels = np.repeat(np.repeat(rng.integers(0, 256, (side // 4, side // 4, 3), dtype=np.uint8), 4, 0), 4, 1)
        write_picture(Picture(pixels), folder / f"{index}.png")
    return folder


def make_layouts(root: Path, scale: int) -> Path:
    """Write the folders that the recipes with pairs and with unpaired pictures ask for, and return the folder above them."""
    for part in ("train", "val"):
        make_pictures(root / part / "high_res")
        make_pictures(root / part / "low_res", side=SIDE // scale)
    make_pictures(root / "trainA")
    make_pictures(root / "trainB")
    return root


if __name__ == "__main__":
    main()
