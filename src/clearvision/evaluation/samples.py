"""The pictures of a report: which ones, which part of them is enlarged, and their files."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clearvision.evaluation.evaluate import Gallery, result_of
from clearvision.evaluation.loading import PictureReader
from clearvision.evaluation.methods import Method
from clearvision.evaluation.results import Evaluation, MethodResult
from clearvision.evaluation.tables import format_value, metric_title
from clearvision.imaging.io import write_picture
from clearvision.imaging.resize import resize
from clearvision.metrics.catalogue import METRICS
from clearvision.types import Picture

FOLDER = "pictures"
VIEW_SIDE = 520
CROP_SIDE = 80
_DIGEST = 12

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Panel:
    """One version of a picture: its label, its score in words, and the files of the whole and of the enlarged part."""

    label: str
    told: str
    view: str
    crop: str


@dataclass(frozen=True)
class Sample:
    """One picture of the report.

    Attributes:
        role: ``best``, ``median`` or ``worst``.
        picture: name.
        panels: methods in order, then the ground truth where there is one.
        window: where the enlarged part lies: left, top, width and height as shares of the picture.
    """

    role: str
    picture: str
    panels: tuple[Panel, ...]
    window: tuple[float, float, float, float]


def shown_method(evaluation: Evaluation) -> MethodResult:
    """Return the method by which pictures are ranked: the first after the baseline, or the baseline where it is alone."""
    return evaluation.results[min(1, len(evaluation.results) - 1)]


def choose_pictures(evaluation: Evaluation) -> list[tuple[str, str]]:
    """Return (role, picture) of the best, median and worst in the first metric that pictures have; fewer of a small set."""
    metric = next((name for name in evaluation.metrics if METRICS[name].per_picture), None)
    if metric is None:
        return [("first", evaluation.pictures[0])]
    values = dict(zip(evaluation.pictures, evaluation.values(shown_method(evaluation), metric), strict=True))
    ranked = sorted(values, key=lambda name: (values[name], name), reverse=METRICS[metric].higher_is_better)
    places = {"best": 0, "median": (len(ranked) - 1) // 2, "worst": len(ranked) - 1}
    chosen: dict[str, str] = {}
    for role in ("best", "worst", "median"):
        chosen.setdefault(ranked[places[role]], role)
    return sorted(((role, name) for name, role in chosen.items()), key=lambda item: places[item[0]])


def write_samples(
    folder: Path, evaluation: Evaluation, methods: Sequence[Method], reader: PictureReader, gallery: Gallery
) -> list[Sample]:
    """Write the chosen pictures' files under ``folder/pictures`` and return what they are.

    Files that an earlier report left for the same pictures and methods are kept as they are, so that nothing is computed again;
    those of other reports are removed.
    """
    target = folder / FOLDER
    target.mkdir(parents=True, exist_ok=True)
    samples = [
        _write_sample(target, role, name, evaluation, methods, reader, gallery) for role, name in choose_pictures(evaluation)
    ]
    used = {Path(panel.view).name[:_DIGEST] for sample in samples for panel in sample.panels}
    for path in target.iterdir():
        if path.name[:_DIGEST] not in used and re.fullmatch(r"[0-9a-f]{12}-(\d+-view\.jpg|\d+-crop\.png|window\.txt)", path.name):
            path.unlink()
    return samples


def write_text(path: Path, text: str) -> None:
    """Write a file by atomic rename."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _write_sample(
    target: Path,
    role: str,
    name: str,
    evaluation: Evaluation,
    methods: Sequence[Method],
    reader: PictureReader,
    gallery: Gallery,
) -> Sample:
    pair = next(pair for pair in evaluation.picture_set.pairs if pair.name == name)
    keys = [result.scores[name].key for result in evaluation.results]
    digest = hashlib.sha256("".join(keys).encode()).hexdigest()[:_DIGEST]
    told = [_told(evaluation, result, name) for result in evaluation.results]
    labels = [result.label for result in evaluation.results]
    if pair.gt is not None:
        labels, told = [*labels, "ground truth"], [*told, ""]
    panels = tuple(
        Panel(label, text, f"{FOLDER}/{digest}-{index}-view.jpg", f"{FOLDER}/{digest}-{index}-crop.png")
        for index, (label, text) in enumerate(zip(labels, told, strict=True))
    )
    window_file = target / f"{digest}-window.txt"
    files = [target.parent / file for panel in panels for file in (panel.view, panel.crop)]
    if window_file.is_file() and all(file.is_file() for file in files):
        left, top, width, height = (float(word) for word in window_file.read_text().split())
        return Sample(role, name, panels, (left, top, width, height))
    pictures = [result_of(reader, method, pair, key, gallery) for method, key in zip(methods, keys, strict=True)]
    gt = reader.load(pair).gt
    if gt is not None:
        pictures.append(gt)
    y, x, side = choose_window(pictures[0], pictures[1] if len(pictures) > 1 else pictures[0])
    for panel, picture in zip(panels, pictures, strict=True):
        write_picture(Picture(_view(picture)), target.parent / panel.view, quality=90)
        write_picture(Picture(np.ascontiguousarray(picture[y : y + side, x : x + side])), target.parent / panel.crop)
    height, width = pictures[0].shape[:2]
    window = (x / width, y / height, side / width, side / height)
    write_text(window_file, " ".join(map(repr, window)))  # last: it says that the others are whole
    return Sample(role, name, panels, window)


def choose_window(first: Pixels, second: Pixels) -> tuple[int, int, int]:
    """Return (top, left, side) of the square in which two results differ most, in squared grey levels."""
    height, width = first.shape[:2]
    side = min(CROP_SIDE, max(24, min(height, width) // 3), height, width)
    difference = first.astype(np.int32).sum(axis=2) - second.astype(np.int32).sum(axis=2)
    sums = np.zeros((height + 1, width + 1), np.int64)
    sums[1:, 1:] = (difference * difference).cumsum(axis=0, dtype=np.int64).cumsum(axis=1)
    boxes = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    top, left = np.unravel_index(int(boxes.argmax()), boxes.shape)
    return int(top), int(left), side


def _view(picture: Pixels) -> Pixels:
    factor = VIEW_SIDE / max(picture.shape[:2])
    if factor >= 1:
        return picture
    height, width = (max(1, round(side * factor)) for side in picture.shape[:2])
    return resize(picture, height, width)


def _told(evaluation: Evaluation, result: MethodResult, name: str) -> str:
    values = result.scores[name].values
    names = {metric: metric_title(evaluation, metric).removesuffix(" dB") for metric in values}
    units = {metric: " dB" if METRICS[metric].unit == "dB" and math.isfinite(value) else "" for metric, value in values.items()}
    return ", ".join(f"{names[metric]} {format_value(metric, value)}{units[metric]}" for metric, value in values.items())
