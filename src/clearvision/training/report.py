"""Where a run's figures go while it runs: a CSV file, TensorBoard, and whoever watches."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from clearvision.training.history import LOG


@dataclass(frozen=True)
class Progress:
    """What a front end shows.

    Attributes:
        stage: ``read`` while pictures are decoded, ``train``, ``validate``, or ``warn`` for a sentence to be kept in sight.
        done: pictures or steps done.
        total: pictures or steps in all.
        text: what to show, in words: losses and speed, validation figures, or the warning.
        seconds_left: at the present speed; None where it is not known.
    """

    stage: Literal["read", "train", "validate", "warn"]
    done: int
    total: int
    text: str = ""
    seconds_left: float | None = None


Watcher = Callable[[Progress], None]


@dataclass
class Meter:
    """Means of what was logged since the last row, and the time that it took."""

    logs: dict[str, list[Tensor]] = field(default_factory=dict)
    steps: int = 0
    started: float = field(default_factory=time.monotonic)

    def add(self, logs: Mapping[str, Tensor]) -> None:
        """Take in a step; nothing waits for the device."""
        self.steps += 1
        for name, value in logs.items():
            self.logs.setdefault(name, []).append(value)

    def means(self) -> dict[str, float]:
        """Return each figure's mean; waits for the device."""
        return {name: float(torch.stack(values).float().mean()) for name, values in self.logs.items()}

    def elapsed(self) -> float:
        """Return the seconds since the last restart."""
        return time.monotonic() - self.started

    def restart(self) -> None:
        """Begin a new row."""
        self.logs, self.steps, self.started = {}, 0, time.monotonic()


class Log:
    """Appends rows to ``log.csv`` and to TensorBoard; on resuming, rows after the restored step are dropped first.

    Args:
        out: the run's folder.
        columns: what rows may have, besides ``step``; columns that an earlier part of the run had are kept.
        resume_step: the step from which the run goes on.
    """

    def __init__(self, out: Path, columns: Sequence[str], *, resume_step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.path = out / LOG
        kept, old = _read(self.path, resume_step) if resume_step else ([], [])
        self.columns = list(dict.fromkeys(("step", *columns, *old)))
        partial = self.path.with_name(f".{self.path.name}.partial")
        with partial.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self.columns)
            writer.writeheader()
            writer.writerows(kept)
        partial.replace(self.path)
        self.board = SummaryWriter(str(out / "tensorboard"), purge_step=resume_step + 1)

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Write one row."""
        with self.path.open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, self.columns).writerow({"step": step} | {key: f"{value:.6g}" for key, value in values.items()})
        for key, value in values.items():
            self.board.add_scalar(key, value, step)

    def close(self) -> None:
        """Flush TensorBoard's file."""
        self.board.close()


def _read(path: Path, last_step: int) -> tuple[list[dict[str, str]], list[str]]:
    if not path.is_file():
        return [], []
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        whole = [row for row in reader if None not in row.values() and row["step"].isdigit()]  # the last one may be cut short
        return [row for row in whole if int(row["step"]) <= last_step], list(reader.fieldnames or ())
