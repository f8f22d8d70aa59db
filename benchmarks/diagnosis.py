"""How often the diagnosis of a picture picks the right family, on cases made from clean pictures.

Command: ``python benchmarks/diagnosis.py --data FOLDER [--data FOLDER ...] [--cases 200] [--seed 0]``.

The folders hold clean, sharp pictures, on which no constant of the diagnosis was chosen. Each case is a window of a picture in
one of five states, in turn: as it is; compressed by JPEG at quality 20 to 95 (every other one as a file with its tables, the
others only decoded); with Gaussian noise of 2 to 40 grey levels; blurred by a Gaussian of sigma 1 to 4 pixels; enlarged 1.5 to 4
times by bicubic, Lanczos or bilinear interpolation. Right is ``clean`` as it is and for JPEG quality of 90 and above, else
``photo``.
"""

from __future__ import annotations

import argparse
import io
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clearvision.imaging.io import READABLE_SUFFIXES, read_picture
from clearvision.imaging.quality import JPEG_BELOW, Diagnosis, diagnose
from clearvision.imaging.resize import Kernel, resize_scale
from clearvision.types import Picture

SIDE = 512  # of a case, at most
STATES = ("clean", "jpeg", "noise", "blur", "enlarged")
KERNELS: tuple[Kernel, ...] = ("bicubic", "lanczos", "bilinear")

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Case:
    """A picture, what was done to it in words, and the family that is right; a source where it is a file with tables."""

    state: str
    detail: str
    pixels: Pixels
    family: str
    source: bytes | None = None


def main() -> None:
    """Make the cases, diagnose them, print the confusion."""
    parser = argparse.ArgumentParser(description="How often the diagnosis picks the right family.")
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--cases", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--shrink", type=float, default=1, help="shrink the pictures by this factor first, where they are soft")
    options = parser.parse_args()

    files = sorted(path for folder in options.data for path in folder.rglob("*") if path.suffix.lower() in READABLE_SUFFIXES)
    if not files:
        parser.error(f"no pictures in {', '.join(map(str, options.data))}")
    rng = np.random.default_rng(options.seed)
    chosen = [files[index] for index in _spread(len(files), options.cases, rng)]
    told: Counter[tuple[str, str, bool]] = Counter()
    took: list[float] = []
    for number, path in enumerate(chosen):
        pixels = _window(read_picture(path), options.shrink)
        case = _make(STATES[number % len(STATES)], pixels, number // len(STATES), rng)
        start = time.process_time()
        found = diagnose(Picture(case.pixels), case.source)
        took.append(time.process_time() - start)
        right = found.family == case.family
        told[case.state, case.family, right] += 1
        if not right:
            print(f"wrong: {path.name}, {case.detail}: {found.text} {_figures(found)}")
    _show(told, took)


def _show(told: Counter[tuple[str, str, bool]], took: list[float]) -> None:
    print(f"{'state':<10}{'right family':<14}{'-> clean':>10}{'-> photo':>10}{'right':>8}")
    for state, family in dict.fromkeys((state, family) for state, family, _ in sorted(told)):
        good, bad = told[state, family, True], told[state, family, False]
        clean, photo = (good, bad) if family == "clean" else (bad, good)
        print(f"{state:<10}{family:<14}{clean:>10}{photo:>10}{good / (good + bad):>8.0%}")
    good = sum(count for (_, _, right), count in told.items() if right)
    print(
        f"all: {good} of {told.total()} right, {good / told.total():.1%}; {1e3 * np.median(took):.0f} ms of processor time each"
    )


def _spread(available: int, wanted: int, rng: np.random.Generator) -> list[int]:
    """Return indices that use every picture as equally often as possible, in random order."""
    rounds = [rng.permutation(available) for _ in range(-(-wanted // available))]
    return [int(index) for index in np.concatenate(rounds)[:wanted]]


def _window(picture: Picture, shrink: float) -> Pixels:
    pixels = picture.pixels
    if shrink != 1:
        pixels = resize_scale(pixels, 1 / shrink)
    top, left = (max(0, side - SIDE) // 2 // 8 * 8 for side in pixels.shape[:2])
    return np.ascontiguousarray(pixels[top : top + SIDE, left : left + SIDE])  # type: ignore[return-value]


def _make(state: str, pixels: Pixels, index: int, rng: np.random.Generator) -> Case:
    if state == "jpeg":
        quality = int(rng.integers(20, 96))
        buffer = io.BytesIO()
        mode = pixels[:, :, 0] if pixels.shape[2] == 1 else pixels
        Image.fromarray(mode).save(buffer, "JPEG", quality=quality, subsampling=2 * int(rng.integers(2)))
        decoded = np.atleast_3d(np.asarray(Image.open(buffer)))
        family = "photo" if quality < JPEG_BELOW else "clean"
        kind = "file" if index % 2 else "decoded"
        return Case(state, f"JPEG {quality}, {kind}", decoded, family, buffer.getvalue() if index % 2 else None)
    if state == "noise":
        sigma = float(np.exp(rng.uniform(np.log(2), np.log(40))))
        noisy = np.clip(np.rint(pixels + rng.normal(0, sigma, pixels.shape)), 0, 255)
        return Case(state, f"noise {sigma:.1f}", noisy.astype(np.uint8), "photo")
    if state == "blur":
        sigma = float(rng.uniform(1, 4))
        return Case(state, f"blur {sigma:.1f}", _blurred(pixels, sigma), "photo")
    if state == "enlarged":
        factor, kernel = float(rng.uniform(1.5, 4)), KERNELS[index % len(KERNELS)]
        return Case(state, f"enlarged {factor:.2f} times, {kernel}", resize_scale(pixels, factor, kernel=kernel), "photo")
    return Case(state, "as it is", pixels, "clean")


def _blurred(pixels: Pixels, sigma: float) -> Pixels:
    reach = round(4 * sigma)
    offsets = np.arange(-reach, reach + 1)
    weights = np.exp(-(offsets**2) / (2 * sigma**2))
    values = pixels.astype(np.float64)
    for axis in (0, 1):
        padded = np.pad(values, [(reach, reach) if each == axis else (0, 0) for each in range(3)], mode="edge")
        views = np.lib.stride_tricks.sliding_window_view(padded, len(weights), axis=axis)
        values = views @ (weights / weights.sum())
    return np.rint(values).astype(np.uint8)


def _figures(found: Diagnosis) -> str:
    measured = {key: value for key, value in found.as_plain().items() if key not in ("family", "text")}
    return "(" + ", ".join(f"{key} {value}" for key, value in measured.items()) + ")"


if __name__ == "__main__":
    main()
