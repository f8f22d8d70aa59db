"""Many pictures, one after another: the next is read while one is computed and the one before is written."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from clearvision.apps.cli import console
from clearvision.apps.cli.ahead import Content, ReadAhead, Ready, pictures_of
from clearvision.apps.cli.jobs import Job
from clearvision.imaging.frames import Frames
from clearvision.types import ModelInfo, Picture

if TYPE_CHECKING:
    from clearvision.apps.cli.chain import Chain
    from clearvision.apps.cli.report import Meter
    from clearvision.imaging.quality import Diagnosis
    from clearvision.inference.upscaler import UpscaleReport

OVERLAP = 256_000_000  # bytes of pictures that may be read ahead, and as many that may wait to be written
WRITERS = 2  # threads
UNWRITTEN = 4  # results

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
                upscaled, result = _compute(job, reader.take(index), chain, meter)
            except Exception as error:  # any fault of one picture must not cost the others
                writer.finish()
                meter.end(_failed(job, error))
                continue
            writer.add(upscaled, result)
            del upscaled
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

    def add(self, upscaled: Content, result: Result) -> None:
        size = _bytes(upscaled)
        self._unwritten.append((result, size, self._threads.submit(self._chain.write, upscaled, result)))
        del upscaled
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


def as_target(wishes: dict[str, Any]) -> dict[str, Any]:
    """Return the wished size under the names that the planning functions use."""
    return {f"to_{name}" if name in ("width", "height") else name: value for name, value in wishes.items()}


def _compute(job: Job, ready: Ready, chain: Chain, meter: Meter) -> tuple[Content, Result]:
    from clearvision.imaging.formats import check_writable

    content, diagnosis, upscalers = ready.content, ready.diagnosis, ready.upscalers
    pictures = pictures_of(content)
    first = pictures[0]
    plans = [
        upscaler.plan(picture.height, picture.width, **as_target(chain.upscalers.wishes))
        for upscaler, picture in zip(upscalers, pictures, strict=True)
    ]
    check_writable(job.target, height=plans[0].height, width=plans[0].width)  # a format's limit is told before the work
    whole = sum(plan.height * plan.width for plan in plans)
    meter.start(job, whole)
    results: list[Picture] = []
    reports: list[UpscaleReport] = []
    before = 0
    for upscaler, picture, plan in zip(upscalers, pictures, plans, strict=True):
        part = plan.height * plan.width
        upscaled, report = chain.enlarge(
            picture,
            upscaler,
            lambda done, total, before=before, part=part: meter.advance((before + done / total * part) / whole),
        )
        results.append(upscaled)
        reports.append(report)
        before += part
    if chain.trust_map and not isinstance(content, Frames):
        chain.write_trust_map(job, first, upscalers[0])
    sizes = (first.width, first.height), (results[0].width, results[0].height)
    info = upscalers[0].info
    choice = None if diagnosis is None else _choice(diagnosis, info)
    result = Result(job, "done", None, info.name, *sizes, _summed(reports), len(pictures), diagnosis, choice)
    return replace(content, pictures=tuple(results)) if isinstance(content, Frames) else results[0], result


def _choice(diagnosis: Diagnosis, info: ModelInfo) -> str:
    """Return what was found and chosen, in a line."""
    if info.task == diagnosis.family:
        return f"{diagnosis.text}: chose {info.name}"
    return f"{diagnosis.text}: chose {info.name}, since no model of the '{diagnosis.family}' family is bundled"


def _summed(reports: list[UpscaleReport]) -> UpscaleReport:
    """Return one report for all frames of a file."""
    errors = [report.tile_error for report in reports if report.tile_error is not None]
    return replace(
        reports[0],
        tiles=sum(report.tiles for report in reports),
        seconds=sum(report.seconds for report in reports),
        retries=tuple(dict.fromkeys(retry for report in reports for retry in report.retries)),
        tile_error=max(errors, default=None),
    )


def _bytes(content: Content) -> int:
    return sum(picture.pixels.nbytes for picture in pictures_of(content))


def _failed(job: Job, error: BaseException) -> Result:
    text = console.sentence(error)
    named = console.shown(job.source) in text or console.shown(job.target) in text
    return Result(job, "failed", text if named else f"{console.shown(job.source)}: {text}")
