"""A queue of threads: first come, first served, for a number of places and an amount of room."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LOOK = 0.25  # seconds between two looks at whether waiting still makes sense


class Line:
    """Lets threads in one after the other.

    Args:
        places: how many may be inside at a time.
        room: what those inside may take together; one that alone takes more may be in alone.
    """

    def __init__(self, places: int, room: int = 0) -> None:
        self._places, self._room = places, room
        self._inside = self._used = 0
        self._waiting: deque[tuple[threading.Event, int]] = deque()
        self._lock = threading.Lock()

    @contextmanager
    def place(self, check: Callable[[], None], size: int = 0) -> Iterator[None]:
        """Wait for a place, and keep it while the block runs.

        Args:
            check: called now and then while waiting; what it raises ends that.
            size: of the room, how much is taken.
        """
        ticket = (threading.Event(), min(size, self._room))
        with self._lock:
            self._waiting.append(ticket)
            self._admit()
        try:
            while not ticket[0].wait(LOOK):
                check()
            yield
        finally:
            with self._lock:
                if ticket[0].is_set():
                    self._inside -= 1
                    self._used -= ticket[1]
                else:
                    self._waiting.remove(ticket)
                self._admit()

    @property
    def length(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def _admit(self) -> None:
        while self._waiting and self._inside < self._places:
            event, size = self._waiting[0]
            if self._inside and self._used + size > self._room:
                return  # those behind are smaller, but would keep a large one waiting for ever
            self._waiting.popleft()
            self._inside += 1
            self._used += size
            event.set()
