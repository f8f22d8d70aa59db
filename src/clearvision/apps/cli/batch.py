"""Many pictures, one after another: the next is read while one is computed and the one before is written."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clearvision.apps.cli import console
from clearvision.apps.cli.jobs import Job

if TYPE_CHECKING:
    from pathlib import Path

    from clearvision.apps.cli.report import Meter
    from clearvision.inference.upscaler import Upscaler, UpscaleReport
    from clearvision.types import Picture

OVERLAP = 256_000_000  # bytes of a picture up to which its reading or writing overlaps with work on another

Size = tuple[int, int]  # width, height


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
    """

    job: Job
    status: str
    error: str | None = None
    model: str | None = None
    source_size: Size | None = None
    target_size: Size | None = None
    report: UpscaleReport | None = None

    def as_plain(self) -> dict[str, Any]:
        """Return the result as plain data for JSON."""
        facts = vars(self.report) if self.report is not None else {}
        own = {key: value for key, value in vars(self).items() if key not in ("job", "report")}
        return {"input": str(self.job.source), "output": str(self.job.target), **own, **facts}


@dataclass(frozen=True)
class Work:
    """The three steps of every picture.

    Attributes:
        read: a file to a picture.
        choose: a picture's (height, width) to the upscaler for it.
        wishes: the wished size, as keywords of :meth:`Upscaler.run`.
        verify_tiles: as in :meth:`Upscaler.run`.
        write: a picture to a file.
    """

    read: Callable[[Path], Picture]
    choose: Callable[[int, int], Upscaler]
    wishes: dict[str, Any]
    verify_tiles: bool
    write: Callable[[Picture, Path], None]


def run_batch(jobs: Iterable[Job], work: Work, meter: Meter) -> None:
    """Do all jobs, in order; a failure is a result and the others are still done.

    At most three pictures are in memory: one being read, one computed and one written; large ones (:data:`OVERLAP`) alone.
    When interrupted, what is being written is finished first, so that it is whole and told.
    """
    todo = list(jobs)
    reader, writer = ThreadPoolExecutor(1), ThreadPoolExecutor(1)
    reading: Future[Picture] | None = None
    unwritten: tuple[Result, Future[None]] | None = None
    try:
        for index, job in enumerate(todo):
            source = reading or reader.submit(work.read, job.source)
            reading = None
            try:
                picture = source.result()
                if index + 1 < len(todo) and picture.pixels.nbytes <= OVERLAP:
                    reading = reader.submit(work.read, todo[index + 1].source)
                upscaled, result = _compute(job, picture, work, meter)
                del picture
            except Exception as error:  # any fault of one picture must not cost the others
                _end(unwritten, meter)
                unwritten = None
                meter.end(_failed(job, error))
                continue
            _end(unwritten, meter)
            unwritten = (result, writer.submit(work.write, upscaled, job.target))
            if upscaled.pixels.nbytes > OVERLAP:
                _end(unwritten, meter)
                unwritten = None
            del upscaled
    finally:
        reader.shutdown(wait=False, cancel_futures=True)
        _end(unwritten, meter)
        writer.shutdown()


def as_target(wishes: dict[str, Any]) -> dict[str, Any]:
    """Return the wished size under the names that the planning functions use."""
    return {f"to_{name}" if name in ("width", "height") else name: value for name, value in wishes.items()}


def _compute(job: Job, picture: Picture, work: Work, meter: Meter) -> tuple[Picture, Result]:
    from clearvision.imaging.formats import check_writable

    upscaler = work.choose(picture.height, picture.width)
    plan = upscaler.plan(picture.height, picture.width, **as_target(work.wishes))
    check_writable(job.target, height=plan.height, width=plan.width)  # a format's limit is told before the work
    meter.start(job, plan.height * plan.width)
    upscaled, report = upscaler.run(
        picture,
        **work.wishes,
        verify_tiles=work.verify_tiles,
        progress=lambda done, total: meter.advance(done / total),
    )
    sizes = (picture.width, picture.height), (upscaled.width, upscaled.height)
    return upscaled, Result(job, "done", None, upscaler.info.name, *sizes, report)


def _end(unwritten: tuple[Result, Future[None]] | None, meter: Meter) -> None:
    """Wait for a result to be written and tell it."""
    if unwritten is None:
        return
    result, writing = unwritten
    error = writing.exception()
    meter.end(result if error is None else _failed(result.job, error))


def _failed(job: Job, error: BaseException) -> Result:
    text = console.sentence(error)
    named = str(job.source) in text or str(job.target) in text
    return Result(job, "failed", text if named else f"{job.source}: {text}")
