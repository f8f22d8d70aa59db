"""Work in a thread of its own: it waits for its turn, tells how far it is, and can be cancelled at any time."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Generic, Literal, Protocol, TypeVar

from clearvision.errors import ClearVisionError

logger = logging.getLogger(__name__)

T = TypeVar("T")
State = Literal["waiting", "running", "done", "failed", "cancelled"]

_LOOK = 0.2  # seconds between two looks at whether waiting work was cancelled
_SURE = 0.05  # share done from which on the time left is told


class Advance(Protocol):
    """What a task tells its progress to."""

    def __call__(self, share: float, what: str | None = None) -> None:
        """Tell how much is done, 0 to 1, and what is being done; raises what ends the task."""


class CancelledError(Exception):
    """The visitor no longer wants what is being made; raised in its thread."""


class Work(Generic[T]):
    """One piece of work for one visitor.

    Args:
        task: the work; it is given :meth:`advance` to call often.
        turn: of which as much work as it allows runs at once, over all visitors.

    Attributes:
        result: what the task returned; None before.
        error: a sentence where it failed.
        what: what is being done, in words.
    """

    def __init__(self, task: Callable[[Advance], T], turn: threading.Semaphore) -> None:
        self.result: T | None = None
        self.error = ""
        self.what = ""
        self._task, self._turn = task, turn
        self._cancelled = threading.Event()
        self._state: State = "waiting"
        self._share, self._began = 0.0, 0.0
        self._thread = threading.Thread(target=self._run, name="clearvision work", daemon=True)

    def start(self) -> None:
        """Begin, as soon as it is this work's turn."""
        self._thread.start()

    def cancel(self) -> None:
        """Ask the work to end; it does at its next word of progress, and leaves nothing behind."""
        self._cancelled.set()

    def wait(self, seconds: float | None = None) -> None:
        """Wait until the work has ended, at most so long."""
        self._thread.join(seconds)

    def advance(self, share: float, what: str | None = None) -> None:
        """Tell how much is done, 0 to 1, and what is being done; called by the task.

        Raises:
            CancelledError: if nobody wants it any more.
        """
        if self._cancelled.is_set():
            raise CancelledError
        self._share = share
        if what is not None:
            self.what = what

    @property
    def state(self) -> State:
        """Where the work stands."""
        return self._state

    @property
    def busy(self) -> bool:
        """Whether it has not ended."""
        return self._state in ("waiting", "running")

    @property
    def cancelling(self) -> bool:
        """Whether it was told to end."""
        return self._cancelled.is_set()

    @property
    def share(self) -> float:
        """How much is done, 0 to 1."""
        return min(1.0, self._share)

    @property
    def seconds_left(self) -> float | None:
        """How long it will take at the present speed; None as long as nothing can be said."""
        if self._state != "running" or self._share < _SURE:
            return None
        return (time.monotonic() - self._began) * (1 - self._share) / self._share

    def _run(self) -> None:
        while not self._turn.acquire(timeout=_LOOK):
            if self._cancelled.is_set():
                self._state = "cancelled"
                return
        self._state, self._began = "running", time.monotonic()
        try:
            self.result = self._task(self.advance)
            end: State = "done"
        except CancelledError:
            end = "cancelled"
        except Exception as error:  # one visitor's misfortune must not end the server
            self.error, end = sentence(error), "failed"
        finally:
            self._turn.release()
        self._state = end


def sentence(error: BaseException) -> str:
    """Return what to tell a visitor of an error; what was not raised on purpose goes to the log with its traceback."""
    if isinstance(error, ClearVisionError):
        text = " ".join(str(error).split())
        return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)
    if isinstance(error, MemoryError):
        return "there is not enough memory for this; try a smaller picture or a smaller result"
    logger.error("unexpected", exc_info=error)
    return f"something went wrong that should not ({type(error).__name__}); the server's log says where"
