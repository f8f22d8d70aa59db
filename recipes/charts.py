"""Draw charts to train on beside photographs: woven cloth, gratings, pages of text, line drawings.

Command: ``python recipes/charts.py FOLDER/charts --count 48``, then ``train --data FOLDER`` with the photographs below FOLDER too
Photographs hold little of what is regular and fine, and what a network has never met may make it run away (docs/LOG.md). Every
chart is drawn from (seed, number) alone, at three times its size and averaged down, so that its edges are as soft as a camera's.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

FINER = 3  # points a side in each pixel

Array = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], Array]


def smooth(rng: np.random.Generator, size: int, cells: int) -> Array:
    """Return a field of (size, size) that wanders between about -1 and 1, ``cells`` times across."""
    noise = Image.fromarray(rng.normal(size=(cells + 1, cells + 1)).astype(np.float32))
    return np.asarray(noise.resize((size, size), Image.Resampling.BICUBIC), np.float64)


def plane(rng: np.random.Generator, size: int, period: float) -> tuple[Array, Array]:
    """Return where each point lies on a turned, tilted and creased cloth, in threads of about ``period`` points."""
    y, x = np.mgrid[:size, :size] - size / 2
    angle = rng.uniform(0, np.pi)
    u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    tilt = 1 + (x * rng.uniform(-0.8, 0.8) + y * rng.uniform(-0.8, 0.8)) / size
    crease = period * rng.uniform(0, 12)
    return (
        u / period * tilt + smooth(rng, size, 5) * crease / period,
        v / period * tilt * rng.uniform(0.7, 1.4) + smooth(rng, size, 5) * crease / period,
    )


def two_colours(rng: np.random.Generator) -> tuple[Array, Array]:
    """Return two colours that can be told apart; every other time, greys."""
    while True:
        first, second = rng.uniform(0, 255, (2, 3)) if rng.random() < 0.5 else np.repeat(rng.uniform(0, 255, (2, 1)), 3, axis=1)
        if abs(first.mean() - second.mean()) > 40:
            return first, second


def shaded(rng: np.random.Generator, picture: Array) -> Array:
    """Return a picture (size, size, 3) under uneven light."""
    return picture * np.clip(0.85 + 0.2 * smooth(rng, len(picture), 4), 0.3, 1.1)[..., None]


def cloth(rng: np.random.Generator, size: int) -> Array:
    """Draw warp and weft, each over the other by turns: plain, twill or basket, often striped."""
    u, v = plane(rng, size, FINER * float(np.exp(rng.uniform(np.log(1.3), np.log(9)))))
    along, across = np.floor(u).astype(int), np.floor(v).astype(int)
    weave = rng.integers(3)
    over = ((along + across) % 2 == 0, (along + across) % 4 < 2, (along // 2 + across // 2) % 2 == 0)[weave]
    sheen = rng.uniform(0.2, 1.2)
    rounded = np.where(over, np.abs(np.sin(np.pi * u)), np.abs(np.sin(np.pi * v))) ** sheen
    stripe = int(rng.integers(2, 14))
    first, second = two_colours(rng)
    dyed = np.where(over, along, across) // stripe % 2 if rng.random() < 0.6 else over
    return shaded(rng, np.where(dyed[..., None], first, second) * (0.35 + 0.65 * rounded)[..., None])


def grating(rng: np.random.Generator, size: int) -> Array:
    """Draw stripes, checks or rings whose width changes over the picture, soft or hard."""
    u, v = plane(rng, size, FINER * float(np.exp(rng.uniform(np.log(2.5), np.log(24)))))
    kind = rng.integers(3)
    wave = (np.sin(2 * np.pi * u), np.sin(2 * np.pi * u) * np.sin(2 * np.pi * v), np.sin(2 * np.pi * np.hypot(u, v)))[kind]
    hard = np.clip(0.5 + wave * (0.5 if rng.random() < 0.5 else 20.0), 0, 1)[..., None]
    first, second = two_colours(rng)
    return shaded(rng, first * hard + second * (1 - hard))


def page(rng: np.random.Generator, size: int) -> Array:
    """Draw columns of words and figures in several sizes, with rules between them."""
    paper, ink = (tuple(colour.astype(int)) for colour in two_colours(rng))
    image = Image.new("RGB", (size, size), paper)
    pen, top = ImageDraw.Draw(image), 0
    letters = np.array(list("etaoinshrdlucmfwypvbgkjqxzETAOINSHRDLC0123456789.,:%&?"))
    while top < size:
        height = FINER * int(np.exp(rng.uniform(np.log(8), np.log(40))))
        font = ImageFont.load_default(height)
        for _ in range(int(rng.integers(1, 6))):
            words = ["".join(rng.choice(letters, int(rng.integers(1, 11)))) for _ in range(size // height * 2 // 5 + 1)]
            pen.text((int(rng.integers(0, 4 * FINER)), top), " ".join(words), fill=ink, font=font)
            top += int(height * 1.25)
        if rng.random() < 0.4:
            pen.line((0, top, size, top), fill=ink, width=int(rng.integers(1, 3 * FINER)))
            top += 4 * FINER
    return np.asarray(image.rotate(rng.uniform(-4, 4), Image.Resampling.BICUBIC, fillcolor=paper), np.float64)


def drawing(rng: np.random.Generator, size: int) -> Array:
    """Draw filled shapes, thin lines and hatching over each other."""
    image = Image.new("RGB", (size, size), tuple(rng.integers(0, 256, 3)))
    pen = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(60, 160))):
        colour = tuple(rng.integers(0, 256, 3)) if rng.random() < 0.6 else (0, 0, 0)
        x, y = rng.integers(0, size, 2)
        reach, width = int(rng.integers(10, 110)) * FINER, int(rng.integers(1, 4 * FINER))
        points = [(int(x + a), int(y + b)) for a, b in rng.integers(-reach, reach, (int(rng.integers(3, 7)), 2))]
        match rng.integers(5):
            case 0:
                pen.polygon(points, fill=colour)
            case 1:
                pen.line(points, fill=colour, width=width, joint="curve")
            case 2:
                pen.ellipse((x - reach, y - reach // 2, x + reach, y + reach // 2), outline=colour, width=width)
            case 3:
                pen.ellipse((x - reach // 3, y - reach // 3, x + reach // 3, y + reach // 3), fill=colour)
            case _:
                gap, (dx, dy) = int(rng.integers(2 * FINER, 8 * FINER)), rng.integers(-reach, reach, 2)
                for step in range(0, reach, gap):
                    pen.line((x + step, y, x + step + dx, y + dy), fill=colour, width=max(1, min(width, gap // 2)))
    return np.asarray(image, np.float64)


CHARTS: tuple[Draw, ...] = (cloth, grating, page, drawing)


def chart(seed: int, number: int, side: int) -> NDArray[np.uint8]:
    """Return chart ``number`` of a seed, RGB (side, side, 3), 0 to 255."""
    fine = CHARTS[number % len(CHARTS)](np.random.default_rng([seed, number]), side * FINER)
    coarse = fine.reshape(side, FINER, side, FINER, 3).mean(axis=(1, 3))
    return np.clip(coarse + 0.5, 0, 255).astype(np.uint8)


def main() -> None:
    """Draw and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, default=48)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--side", type=int, default=640, help="in pixels")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for number in range(options.count):
        name = f"{CHARTS[number % len(CHARTS)].__name__}_{number:03}.png"
        Image.fromarray(chart(options.seed, number, options.side)).save(options.out / name)


if __name__ == "__main__":
    main()
