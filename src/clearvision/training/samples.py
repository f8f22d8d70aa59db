"""Fixed validation crops as the network enlarges them over time, as small files in a run's folder.

``samples/<number>-<name>/`` holds ``lq.png``, ``gt.png`` (where there is a ground truth) and ``step-<number>.png``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clearvision.imaging.io import write_picture
from clearvision.types import Picture

FOLDER = "samples"
SIDE = 128  # of a crop, in pixels of sr
COUNT = 4  # crops a run

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Sample:
    """A validation picture: lq uint8 (h, w, C), its enlargement sr uint8 (h * scale, w * scale, C), and gt like sr, or None."""

    name: str
    lq: Pixels
    sr: Pixels
    gt: Pixels | None = None


@dataclass(frozen=True)
class Strip:
    """The files of one crop: lq, (step, file) in rising steps, and gt, which is None where there is no ground truth."""

    name: str
    lq: Path
    steps: tuple[tuple[int, Path], ...]
    gt: Path | None


def write_samples(run_dir: Path, step: int, samples: Sequence[Sample]) -> None:
    """Write the crops of a step; of the same pictures the same crops are cut every time.

    Args:
        run_dir: the run's folder.
        step: updates done.
        samples: the same validation pictures, in the same order, every time; the first ``COUNT`` are used.
    """
    for index, sample in enumerate(samples[:COUNT]):
        folder = run_dir / FOLDER / f"{index}-{re.sub(r'[^A-Za-z0-9_-]+', '_', sample.name)[:40]}"
        folder.mkdir(parents=True, exist_ok=True)
        scale = max(1, sample.sr.shape[0] // sample.lq.shape[0])
        y, x, height, width = choose_crop(sample.lq, max(1, SIDE // scale))
        rows, columns = slice(y * scale, (y + height) * scale), slice(x * scale, (x + width) * scale)
        _write(folder / f"step-{step:08d}.png", sample.sr[rows, columns])
        if not (folder / "lq.png").exists():
            if sample.gt is not None:
                _write(folder / "gt.png", sample.gt[rows, columns])
            _write(folder / "lq.png", sample.lq[y : y + height, x : x + width])


def drop_samples_after(run_dir: Path, step: int) -> None:
    """Remove the crops of later steps, because the run goes on from ``step``."""
    for path in (run_dir / FOLDER).glob("*/step-*.png"):
        if _step_of(path) > step:
            path.unlink()


def read_strips(run_dir: Path) -> list[Strip]:
    """Return the strips of a run in their order; empty where there are none."""
    strips = []
    for folder in sorted((run_dir / FOLDER).glob("*-*"), key=lambda path: (len(path.name.partition("-")[0]), path.name)):
        steps = tuple(sorted((_step_of(path), path) for path in folder.glob("step-*.png")))
        if steps and (folder / "lq.png").is_file():
            gt = folder / "gt.png"
            strips.append(Strip(folder.name.partition("-")[2], folder / "lq.png", steps, gt if gt.is_file() else None))
    return strips


def choose_crop(lq: Pixels, side: int) -> tuple[int, int, int, int]:
    """Return (top, left, height, width) of the window of at most ``side`` pixels in which the picture varies most.

    Looked at is lq, which is the same at every step and which unpaired pictures have too.
    """
    rows, columns = lq.shape[:2]
    height, width = min(side, rows), min(side, columns)
    grey = lq.astype(np.float32).mean(axis=2)
    stride = max(1, side // 4)
    places = [(y, x) for y in range(0, rows - height + 1, stride) for x in range(0, columns - width + 1, stride)]
    top, left = max(places, key=lambda place: grey[place[0] : place[0] + height, place[1] : place[1] + width].std())
    return top, left, height, width


def _write(path: Path, pixels: Pixels) -> None:
    write_picture(Picture(np.ascontiguousarray(pixels)), path)


def _step_of(path: Path) -> int:
    return int(path.stem.removeprefix("step-"))
