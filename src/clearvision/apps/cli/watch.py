"""``clearvision upscale --watch``: enlarge what appears in folders, as soon as it is whole."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from clearvision.apps.cli.jobs import Job

INTERVAL = 1.0  # seconds between two looks

Stamp = tuple[int, int]  # size and time of the last change


class Watch:
    """Tells the jobs whose pictures are new or changed, and have not changed between two looks: they are written to the end."""

    def __init__(self) -> None:
        self._before: dict[Path, Stamp] = {}
        self._taken: dict[Path, Stamp] = {}

    def ready(self, jobs: Sequence[Job]) -> list[Job]:
        """Return the jobs to do now; each is told once, and again when its picture changes."""
        now = {job.source: stamp for job in jobs if (stamp := _stamp(job.source)) is not None}
        ready = [
            job
            for job in jobs
            if job.source in now
            and self._before.get(job.source) == now[job.source]
            and self._taken.get(job.source) != now[job.source]
        ]
        self._before = now
        self._taken.update((job.source, now[job.source]) for job in ready)
        return ready


def watch(find: Callable[[], Sequence[Job]], work: Callable[[Sequence[Job]], None]) -> NoReturn:
    """Look, work, wait, for ever; Ctrl-C ends it.

    Args:
        find: returns the jobs of all pictures that are there.
        work: does some of them; failures of single pictures are its own to tell.
    """
    seen = Watch()
    while True:
        if ready := seen.ready(find()):
            work(ready)
        time.sleep(INTERVAL)


def _stamp(path: Path) -> Stamp | None:
    try:
        found = path.stat()
    except OSError:  # gone since it was found
        return None
    return found.st_size, found.st_mtime_ns
