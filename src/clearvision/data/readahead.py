"""Threads that prepare the samples of the next steps while the present one trains."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from clearvision.data.shelves import Window

STEPS = 3  # how far ahead; each holds a batch of crops in memory

_Key = tuple[int, int, int]  # step, gt_size, place


class ReadAhead:
    """Computes a pure function of (step, gt_size, place) before it is asked for.

    Args:
        work: the function; called from several threads.
        workers: how many.
    """

    def __init__(self, work: Callable[[int, int, int], Window], workers: int) -> None:
        self._work, self._threads = work, ThreadPoolExecutor(workers, thread_name_prefix="clearvision-data")
        self._begun: dict[_Key, Future[Window]] = {}
        self._closed = False

    def take(self, step: int, gt_size: int, batch_size: int, rank: int) -> list[Window]:
        """Return the samples of one step, and begin those of the next ones."""
        places = range(rank * batch_size, (rank + 1) * batch_size)
        if self._closed:
            return [self._work(step, gt_size, place) for place in places]
        wanted = [(later, gt_size, place) for later in range(step, step + 1 + STEPS) for place in places]
        for key in set(self._begun) - set(wanted):  # of another phase, or of steps that were passed over
            self._begun.pop(key).cancel()
        for key in wanted:
            if key not in self._begun:
                self._begun[key] = self._threads.submit(self._work, *key)
        return [self._begun.pop((step, gt_size, place)).result() for place in places]

    def close(self) -> None:
        """Stop; samples under way end, the others do not begin."""
        self._closed = True
        self._begun.clear()
        self._threads.shutdown(wait=True, cancel_futures=True)
