"""Pictures that are written while they are made: their rows become final from the first one down.

One thread makes the picture and tells with :meth:`Flow.reach` how far it has come, another writes it and waits for rows with
:meth:`Flow.wait`. The maker never waits. What is abandoned or fails on one side ends the other.
"""

from __future__ import annotations

import threading


class AbandonedError(Exception):
    """The picture that was to be written will not be finished; what was written of it goes."""


class Flow:
    """How many rows of a picture are final."""

    def __init__(self) -> None:
        self._rows = 0
        self._abandoned = False
        self._failure: Exception | None = None
        self._changed = threading.Condition()

    def reach(self, rows: int) -> None:
        """Say that so many rows are final, counted from the first.

        Raises:
            Exception: what :meth:`fail` was told, so that nobody goes on for a file that cannot be.
        """
        with self._changed:
            if self._failure is not None:
                raise self._failure
            self._rows = rows
            self._changed.notify_all()

    def abandon(self) -> None:
        """Say that no more rows will come, and that those that came do not count."""
        with self._changed:
            self._abandoned = True
            self._changed.notify_all()

    def fail(self, error: Exception) -> None:
        """Say that the rows cannot be written."""
        with self._changed:
            self._failure = error

    def wait(self, rows: int) -> None:
        """Return when so many rows are final.

        Raises:
            AbandonedError: if they will not be.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._abandoned or self._rows >= rows)
            if self._abandoned:
                raise AbandonedError
