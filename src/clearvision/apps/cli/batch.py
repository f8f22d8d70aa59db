"""Many pictures, one after another: the next is read while one is computed and the one before is written."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clearvision.apps.cli import console
from clearvision.apps.cli.ahead import ReadAhead
from clearvision.apps.cli.jobs import Job

if TYPE_CHECKING:
    from clearvision.apps.cli.chain import Chain
    from clearvision.apps.cli.report import Meter
    from clearvision.imaging.quality import Diagnosis
    from clearvision.inference.files import Made, Ready, Size
    from clearvision.inference.upscaler import UpscaleReport

OVERLAP = 256_000_000  # bytes of pictures that may be read ahead, and as many that may wait to be written
WRITERS = 2  # threads
UNWRITTEN = 4  # results
NOTED = ("model", "source_size", "target_size", "frames", "engine", "device", "precision", "tiles", "seconds", "retries")


@dataclass(frozen=True)
class Result:
    """What became of one picture.

    Attributes:
        job: where from and where to.
        status: ``done``, ``skipped`` (resumed) or ``failed``.
        error: the sentence, if it failed.
        model: name of the model.
        source_size: width and height of the picture, once read.
        target_size: width and height of its result.
        report: how the result came about.
        frames: frames of the animation or pages of the file; 1 for a picture.
        diagnosis: what the picture has been through, where the model was chosen by it.
        choice: what was found and chosen, in a line; None likewise.
    """

    job: Job
    status: str
    error: str | None = None
    model: str | None = None
    source_size: Size | None = None
    target_size: Size | None = None
    report: UpscaleReport | None = None
    frames: int = 1
    diagnosis: Diagnosis | None = None
    choice: str | None = None

    def as_plain(self) -> dict[str, Any]:
        """Return the result as plain data for JSON."""
        facts = vars(self.report) if self.report is not None else {}
        own = {key: value for key, value in vars(self).items() if key not in ("job", "report", "diagnosis")}
        own["diagnosis"] = None if self.diagnosis is None else self.diagnosis.as_plain()
        return {"input": str(self.job.source), "output": str(self.job.target), **own, **facts}


def run_batch(jobs: Iterable[Job], chain: Chain, meter: Meter) -> None:
    """Do all jobs, in order; a failure is a result and the others are still done.

    While one picture is computed, small ones after it are read and those before it are written: together at most
    :data:`OVERLAP` bytes of either, or what a memory limit allows. When interrupted, what is being written is finished first, so
    that it is whole and told.
    """
    todo = list(jobs)
    room = min(OVERLAP, chain.files.in_memory)
    reader, writer = ReadAhead(todo, chain, room), _Writing(chain, meter, room)
    try:
        for index, job in enumerate(todo):
            try:
                made, result = _compute(job, reader.take(index), chain, meter)
            except Exception as error:  # any fault of one picture must not cost the others
                writer.finish()
                meter.end(_failed(job, error))
                continue
            writer.add(made, result)
            del made
    finally:
        reader.close()
        writer.finish()
        writer.close()


class _Writing:
    """Writes results beside the work on others, and tells what became of them in the order they came."""

    def __init__(self, chain: Chain, meter: Meter, room: int) -> None:
        self._chain, self._meter, self._room = chain, meter, room
        self._threads = ThreadPoolExecutor(WRITERS)
        self._unwritten: deque[tuple[Result, int, Future[None]]] = deque()

    def add(self, made: Made, result: Result) -> None:
        size = _bytes(made)
        plain = result.as_plain()
        facts = {name: plain[name] for name in NOTED}
        self._unwritten.append((result, size, self._threads.submit(self._chain.write, result.job, made, facts)))
        del made
        while self._unwritten and (self._unwritten[0][2].done() or self._is_full()):
            self._end_first()

    def finish(self) -> None:
        while self._unwritten:
            self._end_first()

    def close(self) -> None:
        self._threads.shutdown()

    def _is_full(self) -> bool:
        return len(self._unwritten) > UNWRITTEN or sum(size for _, size, _ in self._unwritten) > self._room

    def _end_first(self) -> None:
        """Wait for the oldest result to be written and tell it."""
        result, _, writing = self._unwritten[0]
        error = writing.exception()
        self._unwritten.popleft()
        self._meter.end(result if error is None else _failed(result.job, error))


def _compute(job: Job, ready: Ready, chain: Chain, meter: Meter) -> tuple[Made, Result]:
    made = chain.enlarge(job, ready, started=lambda pixels: meter.start(job, pixels), advanced=meter.advance)
    told = (made.info.name, made.source_size, made.target_size, made.report, made.frames, made.diagnosis, made.choice)
    return made, Result(job, "done", None, *told)


def _bytes(made: Made) -> int:
    return sum(picture.pixels.nbytes for picture in made.pictures)


def _failed(job: Job, error: BaseException) -> Result:
    text = console.sentence(error)
    named = console.shown(job.source) in text or console.shown(job.target) in text
    return Result(job, "failed", text if named else f"{console.shown(job.source)}: {text}")
