"""The threads that work jobs off, and what is known of them while they do."""

from __future__ import annotations

import json
import logging
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from clearvision.apps.web.metrics import Metrics
from clearvision.apps.web.problems import problem_of
from clearvision.apps.web.schemas import Options
from clearvision.apps.web.settings import Settings
from clearvision.apps.web.store import Job, Store
from clearvision.apps.web.workshop import Work, Workshop
from clearvision.imaging.formats import FORMATS

logger = logging.getLogger("clearvision.serve")

SWEEP = 60.0  # seconds between two looks for what has expired
PATIENCE = 10.0  # seconds that threads get to end
LEAST_SHARE = 0.05  # of a job, from which on its own pace tells more than that of others


class _StoppedError(Exception):
    """Work ends early: its job was cancelled, or the server stops."""


@dataclass
class _Running:
    """A job being worked on."""

    begun: float = field(default_factory=time.monotonic)
    share: float = 0.0
    stop: threading.Event = field(default_factory=threading.Event)


class Runner:
    """Works the jobs of a store off.

    Args:
        store: the jobs.
        workshop: where their pictures are enlarged.
        metrics: where it is counted.
        settings: how many at a time, and how long finished ones are kept.
    """

    def __init__(self, store: Store, workshop: Workshop, metrics: Metrics, settings: Settings) -> None:
        self._store, self._workshop, self._metrics, self._settings = store, workshop, metrics, settings
        self._running: dict[str, _Running] = {}
        self._news = threading.Condition()
        self._ending = threading.Event()
        # two more than are computed at a time: while those are, one is read and one is written
        self._threads = [threading.Thread(target=self._work, name=f"job-{number}") for number in range(settings.workers + 2)]
        self._threads.append(threading.Thread(target=self._sweep, name="sweep"))

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """Say that there is a new job."""
        with self._news:
            self._news.notify_all()

    def drain(self) -> None:
        """Begin no further job."""
        with self._news:
            self._ending.set()
            self._news.notify_all()

    @property
    def busy(self) -> int:
        """How many jobs are being worked on."""
        return len(self._running)

    def stop(self) -> bool:
        """End all threads; jobs that are being worked on go back to the queue.

        Returns:
            Whether all ended in time; a window that is being computed cannot be interrupted.
        """
        self.drain()
        for running in list(self._running.values()):
            running.stop.set()
        until = time.monotonic() + PATIENCE
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, until - time.monotonic()))
        for job_id in list(self._running):
            self._store.requeue(job_id)
        return not any(thread.is_alive() for thread in self._threads)

    def cancel(self, job_id: str) -> str | None:
        """Cancel or forget a job and delete its pictures; return what state it was in, or None if there is no such job."""
        before = self._store.cancel(job_id)
        running = self._running.get(job_id)
        if running is not None:
            running.stop.set()
        return before

    def progress(self, job: Job) -> tuple[float, int | None, float | None]:
        """Return the share done, the jobs ahead in the queue, and about how many seconds are left."""
        if job.state == "done":
            return 1.0, None, None
        own = self._workshop.seconds_for(job.cost)
        running = self._running.get(job.id)
        if job.state == "running":
            if running is None:
                return 0.0, None, own
            spent = time.monotonic() - running.begun
            left = spent / running.share - spent if running.share >= LEAST_SHARE else max(0.0, own - spent)
            return running.share, None, left
        if job.state == "queued":
            ahead, cost = self._store.ahead_of(job)
            return 0.0, ahead, own + self._workshop.seconds_for(cost)
        return 0.0, None, None

    def _work(self) -> None:
        while (job := self._next()) is not None:
            try:
                self._do(job, self._running[job.id])
            except Exception:  # a fault here must not cost the thread, and with it all jobs to come
                logger.exception("a job could not be ended")
            finally:
                del self._running[job.id]

    def _next(self) -> Job | None:
        with self._news:
            while not self._ending.is_set():
                job = self._store.claim()
                if job is not None:
                    self._running[job.id] = _Running()
                    return job
                self._news.wait()
            return None

    def _do(self, job: Job, running: _Running) -> None:
        work = work_of(job, self._store.folder(job.id))

        def check() -> None:
            if running.stop.is_set():
                raise _StoppedError

        def advanced(share: float) -> None:
            running.share = share

        begun = time.monotonic()
        try:
            made = self._workshop.enlarge(work, check=check, advanced=advanced)
            kept = self._store.finish(
                job.id,
                model=made.info.name,
                choice=made.choice,
                seconds=round(made.report.seconds, 3),
                result_size=made.target_size,
            )
        except _StoppedError:
            self._store.requeue(job.id)  # nothing, if it was cancelled
            kept = (found := self._store.get(job.id)) is not None and found.state == "queued"
        except Exception as error:  # any fault of one picture must not cost the others
            problem = problem_of(error, work.source, work.target)
            if problem.slug == "internal":
                logger.exception("a picture could not be enlarged")
            kept = self._store.fail(job.id, problem)
            self._metrics.count_picture(problem.slug)
        else:
            self._metrics.count_picture("done")
            self._metrics.note_seconds(made.report.seconds, time.monotonic() - begun)
        if not kept:
            self._store.remove_files(job.id)

    def _sweep(self) -> None:
        while not self._ending.wait(SWEEP):
            with suppress(OSError):
                self._store.expire(time.time() - self._settings.keep_seconds)


def work_of(job: Job, folder: Path) -> Work:
    """Return what is to be done for a job whose pictures lie in a folder."""
    return Work(
        folder / job.source,
        folder / job.target,
        Options.model_validate(json.loads(job.options)),
        FORMATS[job.format],
        (job.width, job.height),
        job.frames,
        (job.result_width, job.result_height),
    )
