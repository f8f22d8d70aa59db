"""What ``upscale`` shows while it works and when it has ended."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clearvision.apps.cli import console
from clearvision.apps.cli.batch import Result
from clearvision.apps.cli.jobs import Job, Jobs
from clearvision.errors import ClearVisionError

if TYPE_CHECKING:
    from rich.progress import TaskID


class Meter:
    """Follows a batch: a bar over output pixels on a terminal, elsewhere a line a picture; then the summary.

    Args:
        planned: the jobs of the command line.
        finished: those that are skipped because their results are there.
        pixels: (height, width) of a picture to the pixels of its result.

    Attributes:
        results: what became of the jobs that ended, in order.
    """

    def __init__(self, planned: Jobs, finished: set[Job], pixels: Callable[[int, int], int]) -> None:
        self.results = [Result(job, "skipped") for job in planned.jobs if job in finished]
        self._ignored = planned.ignored
        self._count = len(planned.jobs)
        self._bar = console.progress_bar()
        self._task: TaskID | None = None
        # Headers are read for the bar alone: its time left is by pixels, not by files
        todo = [job for job in planned.jobs if job not in finished]
        self._number = {job: number for number, job in enumerate(todo, len(finished) + 1)}
        self._expected = {} if self._bar is None else {job: _expect(job, pixels) for job in todo}
        self._total = sum(self._expected.values())
        self._computed = self._current = 0
        self._begun = time.perf_counter()
        self._seconds = 0.0

    def __enter__(self) -> Meter:
        if self._bar is not None:
            self._bar.start()
            self._task = self._bar.add_task("", total=self._total)
        return self

    def __exit__(self, *_: object) -> None:
        self._seconds = time.perf_counter() - self._begun
        if self._bar is not None:
            self._bar.stop()

    @property
    def failed(self) -> list[Result]:
        """The jobs that failed."""
        return [result for result in self.results if result.status == "failed"]

    def start(self, job: Job, pixels: int) -> None:
        """Take note that a picture is read and its result will have so many pixels."""
        self._computed += self._current
        self._current = pixels
        self._total += pixels - self._expected.pop(job, 0)
        if self._bar is not None and self._task is not None:
            name = console.shown(job.source.name)
            name = name if self._count == 1 else f"{name} ({self._number[job]} of {self._count})"
            self._bar.update(self._task, description=name, total=self._total)

    def advance(self, share: float) -> None:
        """Take note that a share in [0, 1] of the picture is computed."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=self._computed + share * self._current)

    def end(self, result: Result) -> None:
        """Take note of what became of a picture."""
        self.results.append(result)
        if result.error is not None:
            self._total -= self._expected.pop(result.job, 0)
            console.note(f"clearvision: {result.error}")
        elif self._bar is None and self._count > 1:
            choice = "" if result.choice is None else f" ({result.choice})"
            console.note(f"[{self._number[result.job]}/{self._count}] {_line(result)}{choice}")

    def as_plain(self) -> dict[str, Any]:
        """Return the summary as plain data for JSON."""
        counts = {status: sum(result.status == status for result in self.results) for status in ("done", "skipped", "failed")}
        return {
            **counts,
            "ignored": self._ignored,
            "seconds": self._seconds,
            "megapixels_per_second": self._speed(),
            "pictures": [result.as_plain() for result in self.results],
        }

    def tell(self) -> None:
        """Print the summary: the result on stdout, the names of what failed on stderr."""
        done = [result for result in self.results if result.status == "done"]
        skipped = sum(result.status == "skipped" for result in self.results)
        parts = []
        if len(done) == 1:
            parts.append(_line(done[0]))
        elif done:
            parts.append(f"{len(done)} pictures -> {_common_folder(done)}, {self._seconds:.1f} s")
        if len(done) == 1 and done[0].choice is not None:
            console.note(f"{console.shown(done[0].job.source.name)}: {done[0].choice}")
        if done:
            parts += [f"{self._speed():.2f} MP/s", _how(done)]
        retries = sum(len(result.report.retries) for result in done if result.report)
        counts = ((retries, "retries" if retries > 1 else "retry"), (skipped, "already there"), (self._ignored, "not pictures"))
        parts += [f"{count} {what}" for count, what in counts if count]
        if parts:
            console.say(", ".join(parts))
        if self.failed and self._count > 1:
            console.note(f"{len(self.failed)} of {self._count} failed:")
            for result in self.failed:
                console.note(f"  {console.shown(result.job.source)}")

    def _speed(self) -> float:
        sizes = (result.target_size or (0, 0) for result in self.results if result.status == "done")
        return sum(width * height for width, height in sizes) / 1e6 / max(self._seconds, 1e-9)


def _expect(job: Job, pixels: Callable[[int, int], int]) -> int:
    """Return the pixels that a file's result will have by the file's header, 0 where that cannot be told yet."""
    from clearvision.imaging.io import read_size

    try:
        return pixels(*read_size(job.source))
    except ClearVisionError:  # whatever is wrong with the file is told when it is read
        return 0


def _line(result: Result) -> str:
    sizes = ["x".join(map(str, size or ())) for size in (result.source_size, result.target_size)]
    source, target = console.shown(result.job.source), console.shown(result.job.target)
    text = f"{source} ({sizes[0]}) -> {target} ({sizes[1]})"
    report = result.report
    if report is None:
        return text
    proof = f", tiles agree to {report.tile_error:.1e}" if report.tile_error is not None else ""
    agreement = f", gives the input back to {report.consistency:.1f} dB" if report.consistency is not None else ""
    return f"{text}, {report.seconds:.1f} s{proof}{agreement}"


def _common_folder(done: list[Result]) -> Path:
    folder = Path(os.path.commonpath([result.job.target.absolute().parent for result in done]))
    here = Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) and folder != here else folder


def _how(done: list[Result]) -> str:
    ways = {f"{r.model} on {r.report.engine} {r.report.device} {r.report.precision}": None for r in done if r.report}
    return ", ".join(ways)
