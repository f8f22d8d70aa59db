"""Where a run's figures go: a CSV file, TensorBoard, and whoever watches."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

FIELDS: tuple[str, ...] = ("step", "seconds", "rate", "loss/g_pixel", "grad_norm", "steps_per_second", "val/psnr_y")


@dataclass(frozen=True)
class Progress:
    """What a front end shows.

    Attributes:
        stage: ``"read"`` while pictures are decoded (then only done and total count), ``"train"`` or ``"validate"``.
        done: pictures or steps done.
        total: pictures or steps in all.
        loss: mean loss since the last report.
        steps_per_second: since the last report.
        psnr: last validation PSNR-Y in dB.
        bicubic: bicubic's PSNR-Y on the same pictures.
    """

    stage: str
    done: int
    total: int
    loss: float | None = None
    steps_per_second: float | None = None
    psnr: float | None = None
    bicubic: float | None = None


Watcher = Callable[[Progress], None]


class Log:
    """Append rows to ``log.csv`` and to TensorBoard; on resuming, rows after the restored step are dropped first."""

    def __init__(self, out: Path, *, resume_step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.path = out / "log.csv"
        kept = _rows(self.path, resume_step) if resume_step else []
        with self.path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, FIELDS)
            writer.writeheader()
            writer.writerows(kept)
        self.board = SummaryWriter(str(out / "tensorboard"), purge_step=resume_step + 1)

    def add(self, step: int, **values: float) -> None:
        """Write one row; keys are of ``FIELDS`` with ``/`` written as ``__``."""
        named = {key.replace("__", "/"): value for key, value in values.items()}
        with self.path.open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, FIELDS).writerow({"step": step} | {key: f"{value:.6g}" for key, value in named.items()})
        for key, value in named.items():
            self.board.add_scalar(key, value, step)

    def close(self) -> None:
        """Flush TensorBoard's file."""
        self.board.close()


def _rows(path: Path, last_step: int) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row["step"].isdigit() and int(row["step"]) <= last_step]
