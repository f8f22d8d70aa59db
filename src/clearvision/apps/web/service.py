"""The server without HTTP: who may send what, what is done at once and what becomes a job."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from clearvision.apps.web.intake import Received
from clearvision.apps.web.keys import Gate, read_keys, secret_of
from clearvision.apps.web.metrics import Metrics
from clearvision.apps.web.problems import Problem, problem_of
from clearvision.apps.web.runner import Runner
from clearvision.apps.web.schemas import Options, parse_options
from clearvision.apps.web.settings import Settings
from clearvision.apps.web.store import Job, Store, new_id
from clearvision.apps.web.workshop import Work, Workshop
from clearvision.inference.files import Made
from clearvision.inference.naming import size_label

logger = logging.getLogger("clearvision.serve")

SOON = 2.0  # seconds after which a place for somebody who waits is likely
LONGEST_PAUSE = 120.0  # seconds that a client is asked to stay away at most


@dataclass(frozen=True)
class Done:
    """A picture that was enlarged while its client waited."""

    made: Made
    work: Work
    name: str


class Service:
    """Everything that one server process has.

    Args:
        settings: how it runs.

    Attributes:
        settings: likewise.
        store: its jobs.
        workshop: where pictures are enlarged.
        runner: what works jobs off.
        metrics: what happened.
        gate: who may use it.
        draining: whether it takes nothing more because it is about to stop.

    Raises:
        UsageError: if the data folder, the keys or the models' folder cannot be used.
        ModelError: if a file in the models' folder is no model.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        keys = () if settings.key_file is None else read_keys(settings.key_file)
        self.workshop = Workshop(settings)
        self.store = Store(settings.data_dir)
        self.gate = Gate(keys, secret_of(settings.data_dir))
        self.metrics = Metrics()
        self.runner = Runner(self.store, self.workshop, self.metrics, settings)
        self.draining = False
        self._visitors: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._accepting = threading.Lock()
        self._halt = threading.Event()

    def start(self) -> None:
        """Open the models and begin with the jobs that are waiting."""
        self.workshop.warm_up()
        self.runner.start()

    def drain(self) -> None:
        """Take nothing more."""
        self.draining = True
        self.runner.drain()

    @property
    def busy(self) -> bool:
        """Whether anything is being worked on."""
        return self.runner.busy > 0 or self.visitors > 0

    def close(self) -> bool:
        """End all work; jobs that are being worked on go back to the queue. Return whether no thread works on."""
        self.drain()
        self._halt.set()
        ended = self.runner.stop()
        self.store.close()
        return ended

    @property
    def ready(self) -> bool:
        """Whether pictures are taken and will be worked on without delay."""
        return self.workshop.warm and not self.draining

    @property
    def visitors(self) -> int:
        """Clients that wait for their picture in one request."""
        return self._visitors.total()

    @contextmanager
    def visit(self, owner: str) -> Iterator[None]:
        """Let a client wait for its picture while the block runs.

        Raises:
            Problem: if it has too many waiting, all have, or the server is about to stop.
        """
        self.check_open()
        with self._lock:
            if self.visitors >= self.settings.max_visitors:
                raise Problem("queue-full", "too many pictures are waited for; try again, or send a job", retry_after=SOON)
            if self._visitors[owner] >= self.settings.client_waiting:
                raise self._too_many(self._visitors[owner])
            self._visitors[owner] += 1
        try:
            yield
        finally:
            with self._lock:
                self._visitors[owner] -= 1
                if not self._visitors[owner]:
                    del self._visitors[owner]

    def check_open(self) -> None:
        """Raise a problem if the server is about to stop."""
        if self.draining:
            raise Problem("draining", "the server is about to stop; try again soon", retry_after=10)

    def check_room(self, owner: str) -> None:
        """Raise a problem if no job of an owner can be taken."""
        self.check_open()
        waiting = self.store.waiting(owner)
        if waiting >= self.settings.client_waiting:
            raise self._too_many(waiting)
        if self.store.waiting() >= self.settings.max_waiting:
            raise Problem("queue-full", f"{self.settings.max_waiting} jobs are waiting already", retry_after=self._pause())
        if self.store.stored() >= self.settings.max_stored:
            raise Problem("storage", "the pictures kept here fill their share of the disk", retry_after=LONGEST_PAUSE)

    def accept(self, owner: str, received: Received) -> Job:
        """Make a job of a picture; it is on disk when this returns.

        Raises:
            Problem: if it cannot be taken.
        """
        work = self._look_at(received, parse_options(received.fields))
        job = Job(
            id=new_id(),
            owner=owner,
            state="queued",
            name=received.name,
            options=work.options.model_dump_json(exclude_none=True),
            source=work.source.name,
            target=work.target.name,
            format=work.form.name,
            frames=work.frames,
            width=work.size[0],
            height=work.size[1],
            result_width=work.result_size[0],
            result_height=work.result_size[1],
            cost=work.cost,
            bytes=work.source.stat().st_size,
        )
        with self._accepting:
            self.check_room(owner)
            job = replace(job, created=time.time())
            self.store.add(job, work.source.parent)
        self.runner.wake()
        return job

    def enlarge_now(self, received: Received, gone: Callable[[], bool]) -> Done:
        """Enlarge a picture while its client waits.

        Args:
            received: the picture.
            gone: whether the client has left.

        Raises:
            Problem: whatever goes wrong.
        """
        begun = time.monotonic()

        def check() -> None:
            if gone():
                raise Problem("bad-request", "the client has left")
            if self._halt.is_set():
                self.check_open()
            if time.monotonic() - begun > self.settings.sync_seconds:
                text = f"the picture was not ready within {self.settings.sync_seconds:g} seconds; try again later, or send a job"
                raise Problem("queue-full", text, retry_after=self._pause())

        work = self._look_at(received, parse_options(received.fields))
        if work.cost * 1e6 > self.settings.sync_pixels:
            text = (
                f"this takes {work.cost:.1f} megapixels, counting every view, and at most {self.settings.sync_pixels / 1e6:g} "
                "are made while a client waits; send it to /api/v1/jobs"
            )
            raise Problem("use-a-job", text)
        try:
            made = self.workshop.enlarge(work, check=check)
        except Exception as error:
            problem = problem_of(error, work.source, work.target)
            self.metrics.count_picture(problem.slug)
            if problem.slug == "internal":
                logger.exception("a picture could not be enlarged")
            raise problem from error
        self.metrics.count_picture("done")
        self.metrics.note_seconds(made.report.seconds, time.monotonic() - begun)
        return Done(made, work, self.download_name(received.name, work.options, work.target))

    def download_name(self, name: str, options: Options, target: Path) -> str:
        """Return what a result is called when it is downloaded, as on the command line."""
        native = self.workshop.native(options.model)
        label = "_restored" if native == 1 and not any(options.wishes.values()) else size_label(options.wishes, native)
        return f"{name}{label}{target.suffix}"

    def _look_at(self, received: Received, options: Options) -> Work:
        try:
            return self.workshop.look_at(received.path, options)
        except Exception as error:
            folder = received.path.parent
            raise problem_of(error, *folder.iterdir(), received.path) from error

    def _too_many(self, waiting: int) -> Problem:
        text = f"{waiting} pictures of yours are waiting; at most {self.settings.client_waiting} may"
        return Problem("too-many-requests", text, retry_after=self._pause())

    def _pause(self) -> float:
        """Return the seconds after which the queue will be shorter."""
        return min(LONGEST_PAUSE, max(SOON, self.workshop.seconds_for(self.store.waiting_cost()) / 4))
