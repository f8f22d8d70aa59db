"""Reading ahead: while one picture is computed, the next ones are read, looked at, and their graphs compiled."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from clearvision.apps.cli.jobs import Job
from clearvision.errors import ClearVisionError
from clearvision.imaging.frames import count_frames, holds_frames
from clearvision.imaging.io import read_size

if TYPE_CHECKING:
    from clearvision.apps.cli.chain import Chain
    from clearvision.inference.files import Ready

AHEAD = 4  # pictures
READERS = 2  # threads
PIXEL = 8  # bytes that a pixel may take: four channels of 16 bits


class ReadAhead:
    """Hands out the pictures of jobs in order, the next ones already read where they are small.

    Args:
        jobs: what will be asked for, one after the other.
        chain: how to read.
        room: bytes that all pictures read ahead may take together.
    """

    def __init__(self, jobs: Sequence[Job], chain: Chain, room: int) -> None:
        self._jobs, self._chain, self._room = jobs, chain, room
        self._threads = ThreadPoolExecutor(READERS)
        self._early: dict[int, Future[Ready | None]] = {}
        self._compiler = ThreadPoolExecutor(1)

    def take(self, index: int) -> Ready:
        """Return a job's picture and begin with those after it; raises what reading it raised."""
        early = self._early.pop(index, None)
        try:
            found = early.result() if early is not None else None
            return found or self._threads.submit(self._chain.ready, self._jobs[index]).result()
        finally:
            for number in range(index + 1, min(index + 1 + AHEAD, len(self._jobs))):
                if number not in self._early:
                    self._early[number] = self._threads.submit(self._read_small, self._jobs[number])
            if index + 1 in self._early:
                self._compiler.submit(
                    self._chain.prepare, self._early[index + 1]
                )  # engines keep few graphs, so only for the next

    def close(self) -> None:
        """Give up what has not begun."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._compiler.shutdown(wait=False, cancel_futures=True)

    def _read_small(self, job: Job) -> Ready | None:
        """Return a job's picture, or None for one to be read when its turn comes."""
        try:
            height, width = read_size(job.source)
            if height * width * PIXEL * AHEAD > self._room or (
                holds_frames(job.source, job.target) and count_frames(job.source) > 1
            ):
                return None
        except ClearVisionError:  # told when its turn comes
            return None
        return self._chain.ready(job)
