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
from clearvision.training.history import read_parts
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
    for path in (run_dir / FOLDER).glob("*/step-[0-9]*.png"):
        if _step_of(path) > step:
            path.unlink()


def read_strips(run_dir: Path) -> list[Strip]:
    """Return the strips of a run in their order, stages joined; empty where there are none.

    Raises:
        TrainingError: if the folder holds no log of a run.
    """
    strips: dict[str, Strip] = {}
    for part in read_parts(run_dir):
        for folder in sorted((part.folder / FOLDER).glob("[0-9]*-*"), key=lambda path: int(path.name.partition("-")[0])):
            steps = tuple(sorted((_step_of(path) + part.offset, path) for path in folder.glob("step-[0-9]*.png")))
            lq, gt = folder / "lq.png", folder / "gt.png"
            if steps and lq.is_file():
                earlier = strips[folder.name].steps if folder.name in strips else ()
                name = folder.name.partition("-")[2]
                strips[folder.name] = Strip(name, lq, earlier + steps, gt if gt.is_file() else None)
    return list(strips.values())


def choose_crop(lq: Pixels, side: int) -> tuple[int, int, int, int]:
    """Return (top, left, height, width) of the window of at most ``side`` pixels with most detail: the steepest gradients.

    Looked at is lq, which is the same at every step and which unpaired pictures have too.
    """
    rows, columns = lq.shape[:2]
    height, width = min(side, rows), min(side, columns)
    steps = np.diff(lq.astype(np.int32).sum(axis=2), axis=1, append=0)[:, : columns - 1]
    sums = np.zeros((rows + 1, columns), np.int64)
    sums[1:, 1:] = np.abs(steps).cumsum(axis=0).cumsum(axis=1)
    stride = max(1, side // 4)
    places = [(y, x) for y in range(0, rows - height + 1, stride) for x in range(0, columns - width + 1, stride)]

    def detail(place: tuple[int, int]) -> int:
        (y, x), right = place, place[1] + width - 1
        return int(sums[y + height, right] - sums[y, right] - sums[y + height, x] + sums[y, x])

    top, left = max(places, key=detail)
    return top, left, height, width


def _write(path: Path, pixels: Pixels) -> None:
    write_picture(Picture(np.ascontiguousarray(pixels)), path)


def _step_of(path: Path) -> int:
    return int(path.stem.removeprefix("step-"))
