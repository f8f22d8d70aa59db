"""Jobs that outlive the process: rows in SQLite, pictures in a folder each; on disk before it is said that they are accepted."""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from clearvision.apps.web.problems import Problem
from clearvision.errors import UsageError

ID = re.compile(r"[A-Za-z0-9_-]{22}")
ATTEMPTS = 3  # starts of one job; a picture that brings the server down must not do so for ever
FINISHED = ("done", "failed", "cancelled")

_TABLE = """
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, state TEXT NOT NULL, name TEXT NOT NULL, options TEXT NOT NULL,
    source TEXT NOT NULL, target TEXT NOT NULL, format TEXT NOT NULL, frames INTEGER NOT NULL,
    width INTEGER NOT NULL, height INTEGER NOT NULL, result_width INTEGER NOT NULL, result_height INTEGER NOT NULL,
    cost REAL NOT NULL, bytes INTEGER NOT NULL, result_bytes INTEGER, attempts INTEGER NOT NULL DEFAULT 0,
    created REAL NOT NULL, finished REAL, model TEXT, choice TEXT, seconds REAL, problem TEXT
);
CREATE INDEX IF NOT EXISTS waiting ON jobs (state, created);
"""


@dataclass(frozen=True)
class Job:
    """A row: one picture to enlarge, and what became of it.

    Attributes:
        id: random, and all that is needed to ask for it.
        owner: whose it is: a key's name or an address.
        state: ``queued``, ``running``, ``done``, ``failed`` or ``cancelled``.
        name: what the client called the file; used for the name of the download alone.
        options: JSON of :class:`~clearvision.apps.web.schemas.Options`.
        source: name of the picture's file in the job's folder.
        target: likewise of the result.
        format: of the picture.
        frames: frames or pages.
        width: of the picture.
        height: likewise.
        result_width: of the result.
        result_height: likewise.
        cost: megapixels to compute.
        bytes: of the picture's file.
        result_bytes: of the result's.
        attempts: how often it was begun.
        created: when, in seconds since 1970.
        finished: likewise.
        model: the model taken.
        choice: why.
        seconds: that computing took.
        problem: JSON of the problem document, if it failed.
    """

    id: str
    owner: str
    state: str
    name: str
    options: str
    source: str
    target: str
    format: str
    frames: int
    width: int
    height: int
    result_width: int
    result_height: int
    cost: float
    bytes: int
    result_bytes: int | None = None
    attempts: int = 0
    created: float = 0.0
    finished: float | None = None
    model: str | None = None
    choice: str | None = None
    seconds: float | None = None
    problem: str | None = None


_COLUMNS = [field.name for field in fields(Job)]


class Store:
    """The jobs of one data folder.

    Args:
        folder: the data folder; made if missing.

    Attributes:
        scratch: a folder for what is of no job yet.

    Raises:
        UsageError: if it cannot be used, or another server uses it.
    """

    def __init__(self, folder: Path) -> None:
        self._jobs, self.scratch = folder / "clearvision-jobs", folder / "clearvision-scratch"
        self._lock = threading.Lock()
        try:
            for each in (self._jobs, self.scratch):
                each.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._connection = sqlite3.connect(
                folder / "clearvision-jobs.sqlite", check_same_thread=False, isolation_level=None, timeout=1
            )
        except (OSError, sqlite3.Error) as error:
            raise UsageError(f"--data-dir {folder} cannot be used: {error}") from error
        try:
            # exclusive: one server a folder; full: a commit is on disk before it returns
            for pragma in ("locking_mode = EXCLUSIVE", "journal_mode = WAL", "synchronous = FULL"):
                self._connection.execute(f"PRAGMA {pragma}")
            self._connection.executescript(_TABLE)
            self._recover()
        except (OSError, sqlite3.Error) as error:
            self._connection.close()
            reason = "another server uses it" if "locked" in str(error) else str(error)
            raise UsageError(f"--data-dir {folder} cannot be used: {reason}") from error

    def close(self) -> None:
        """Close the data base."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def scratch_folder(self) -> Iterator[Path]:
        """Give a new folder that is removed afterwards, unless it became a job's."""
        folder = self.scratch / new_id()
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def folder(self, job_id: str) -> Path:
        """Return where a job's pictures lie."""
        if not ID.fullmatch(job_id):
            raise ValueError(f"{job_id!r} is no job's id")
        return self._jobs / job_id

    def add(self, job: Job, folder: Path) -> None:
        """Take a job and the folder of its picture; both are on disk when this returns.

        Raises:
            Problem: if the disk is full.
        """
        try:
            synced(folder / job.source)
            synced(folder)
            folder.rename(self.folder(job.id))
            synced(self._jobs)
            marks = ", ".join("?" * len(_COLUMNS))
            self._run(f"INSERT INTO jobs ({', '.join(_COLUMNS)}) VALUES ({marks})", *(getattr(job, name) for name in _COLUMNS))
        except (OSError, sqlite3.OperationalError) as error:
            shutil.rmtree(self.folder(job.id), ignore_errors=True)
            raise Problem("storage", "the picture could not be stored", retry_after=60) from error

    def get(self, job_id: str) -> Job | None:
        """Return a job, if there is one of that id."""
        return next(self._select("WHERE id = ?", job_id), None)

    def claim(self) -> Job | None:
        """Return the job that has waited longest, running from now on; one that was begun too often fails instead."""
        for job in self._select("WHERE state = 'queued' ORDER BY created, rowid LIMIT 1"):
            if job.attempts < ATTEMPTS:
                self._run("UPDATE jobs SET state = 'running', attempts = attempts + 1 WHERE id = ?", job.id)
                return self.get(job.id)
            text = f"the server stopped {ATTEMPTS} times while working on this picture, and does not try again"
            self._run("UPDATE jobs SET state = 'running' WHERE id = ?", job.id)
            self.fail(job.id, Problem("not-computed", text))
            return self.claim()
        return None

    def finish(self, job_id: str, *, model: str, choice: str | None, seconds: float, result_size: tuple[int, int]) -> bool:
        """Note that a running job is done, once its result is on disk; False if it was cancelled meanwhile."""
        job = self.get(job_id)
        if job is None:
            return False
        result = self.folder(job_id) / job.target
        synced(result)
        synced(result.parent)
        return self._end(
            job_id,
            "done",
            model=model,
            choice=choice,
            seconds=seconds,
            result_width=result_size[0],
            result_height=result_size[1],
            result_bytes=result.stat().st_size,
        )

    def fail(self, job_id: str, problem: Problem) -> bool:
        """Note why a running job failed; False if it was cancelled meanwhile."""
        return self._end(job_id, "failed", problem=json.dumps(problem.document))

    def requeue(self, job_id: str) -> None:
        """Put a running job back, to be begun again; this does not count as an attempt."""
        self._run("UPDATE jobs SET state = 'queued', attempts = attempts - 1 WHERE id = ? AND state = 'running'", job_id)

    def cancel(self, job_id: str) -> str | None:
        """Cancel a waiting or running job, or forget one that is finished, and delete its pictures; return what it was."""
        job = self.get(job_id)
        if job is None:
            return None
        if job.state in FINISHED:
            self._run("DELETE FROM jobs WHERE id = ?", job_id)
        else:
            self._run("UPDATE jobs SET state = 'cancelled', name = '', finished = ? WHERE id = ?", time.time(), job_id)
        self.remove_files(job_id)
        return job.state

    def remove_files(self, job_id: str) -> None:
        """Delete a job's pictures."""
        shutil.rmtree(self.folder(job_id), ignore_errors=True)

    def expire(self, before: float) -> int:
        """Delete what was finished before a time; return how many jobs."""
        gone = list(self._select("WHERE finished < ?", before))
        for job in gone:
            self._run("DELETE FROM jobs WHERE id = ?", job.id)
            self.remove_files(job.id)
        return len(gone)

    def ahead_of(self, job: Job) -> tuple[int, float]:
        """Return how many queued jobs come before one, and the megapixels of all before it, those that are running too."""
        row = self._run(
            "SELECT coalesce(sum(state = 'queued'), 0), coalesce(sum(cost), 0) FROM jobs "
            "WHERE state = 'running' OR (state = 'queued' AND created < ?)",
            job.created,
        )[0]
        return row[0], row[1]

    def waiting(self, owner: str | None = None) -> int:
        """Return how many jobs are queued, of one owner or in all."""
        where, values = ("", ()) if owner is None else (" AND owner = ?", (owner,))
        return self._run(f"SELECT count(*) FROM jobs WHERE state = 'queued'{where}", *values)[0][0]

    def waiting_cost(self) -> float:
        """Return the megapixels of all queued jobs."""
        return self._run("SELECT coalesce(sum(cost), 0) FROM jobs WHERE state = 'queued'")[0][0]

    def states(self) -> dict[str, int]:
        """Return how many jobs there are in each state."""
        return dict(self._run("SELECT state, count(*) FROM jobs GROUP BY state"))

    def stored(self) -> int:
        """Return the bytes of all pictures."""
        return self._run("SELECT coalesce(sum(bytes + coalesce(result_bytes, 0)), 0) FROM jobs WHERE state != 'cancelled'")[0][0]

    def _end(self, job_id: str, state: str, **facts: Any) -> bool:  # noqa: ANN401
        facts |= {"state": state, "finished": time.time()}
        columns = ", ".join(f"{name} = ?" for name in facts)
        text = f"UPDATE jobs SET {columns} WHERE id = ? AND state = 'running'"
        with self._lock:
            return self._connection.execute(text, (*facts.values(), job_id)).rowcount == 1

    def _recover(self) -> None:
        """Put back what a killed server was working on, and clear away what belongs to no job."""
        self._run("UPDATE jobs SET state = 'queued' WHERE state = 'running'")
        known = {job_id for (job_id,) in self._run("SELECT id FROM jobs WHERE state != 'cancelled'")}
        for folder in (*self._jobs.iterdir(), *self.scratch.iterdir()):
            if ID.fullmatch(folder.name) and folder.name not in known:
                shutil.rmtree(folder, ignore_errors=True)

    def _select(self, where: str, *values: object) -> Iterator[Job]:
        rows = self._run(f"SELECT {', '.join(_COLUMNS)} FROM jobs {where}", *values)
        return (Job(*row) for row in rows)

    def _run(self, text: str, *values: object) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._connection.execute(text, values).fetchall()


def new_id() -> str:
    """Return an id that nobody can guess."""
    return secrets.token_urlsafe(16)


def synced(path: Path) -> None:
    """Have a file, or a folder's list of names, on disk when this returns."""
    folder = path.is_dir()
    if folder and os.name != "posix":
        return  # elsewhere folders cannot be opened
    descriptor = os.open(path, os.O_RDONLY if folder else os.O_RDWR)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if not (folder and error.errno == errno.EINVAL):  # some file systems sync no folders
            raise
    finally:
        os.close(descriptor)
