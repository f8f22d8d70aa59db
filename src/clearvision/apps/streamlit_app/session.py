"""What belongs to one visitor: a folder for pictures and results, and the work under way. Both end with the visit."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

from clearvision.apps.streamlit_app.work import Work

_PREFIX = "clearvision-app-"


class Session:
    """The folder and the work of one visitor.

    The folder is removed, and the work cancelled, by :meth:`end`, when nothing refers to the session any more, or when the
    server ends.

    Attributes:
        folder: for this visitor's files alone.
    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
        self._works: dict[str, Work[Any]] = {}
        self._count = 0
        self._finalizer = weakref.finalize(self, _end, self.folder, self._works)

    def end(self) -> None:
        """Cancel the work and remove the folder."""
        self._finalizer()

    @property
    def ended(self) -> bool:
        """Whether that was done."""
        return not self._finalizer.alive

    def new_folder(self) -> Path:
        """Return an empty folder in the visitor's."""
        self._count += 1
        folder = self.folder / str(self._count)
        folder.mkdir()
        return folder

    def clear(self) -> None:
        """Remove all files of the visitor; folders given out before are gone then."""
        for folder in self.folder.iterdir():
            shutil.rmtree(folder, ignore_errors=True)

    def begin(self, place: str, work: Work[Any]) -> None:
        """Start work of a page; what the page did before is cancelled."""
        self.forget(place)
        self._works[place] = work
        work.start()

    def work(self, place: str) -> Work[Any] | None:
        """Return the work of a page, under way or ended."""
        return self._works.get(place)

    def forget(self, place: str) -> None:
        """Cancel the work of a page if it is under way, and drop it."""
        if (work := self._works.pop(place, None)) is not None:
            work.cancel()


class Attendance:
    """Ends the sessions of visitors who left; Streamlit itself keeps the last of them until others come.

    Args:
        is_here: tells of a visitor whether he is connected.
        patience: seconds for which one may be away, as when a telephone sleeps.
    """

    def __init__(self, is_here: Callable[[str], bool], patience: float = 120.0) -> None:
        self._is_here, self._patience = is_here, patience
        self._sessions: dict[str, tuple[weakref.ref[Session], float]] = {}  # with when each was last seen
        self._changing = threading.Lock()

    def enter(self, visitor: str, session: Session) -> None:
        """Take note of a visitor."""
        with self._changing:
            self._sessions[visitor] = weakref.ref(session), time.monotonic()

    def look(self) -> None:
        """End the sessions of those who have been away for too long."""
        now = time.monotonic()
        with self._changing:
            for visitor, (reference, seen) in list(self._sessions.items()):
                session = reference()
                if session is not None and self._is_here(visitor):
                    self._sessions[visitor] = reference, now
                elif session is None or now - seen > self._patience:
                    del self._sessions[visitor]
                    if session is not None:
                        session.end()

    def keep_looking(self, every: float = 10.0) -> None:
        """Look again and again, in a thread that ends with the server."""

        def look() -> None:
            while True:
                time.sleep(every)
                self.look()

        threading.Thread(target=look, name="clearvision attendance", daemon=True).start()


def remove_abandoned() -> None:
    """Remove the folders of servers that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        process = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if process.isdigit() and not _is_running(int(process)):
            shutil.rmtree(folder, ignore_errors=True)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        return True
    return True


def _end(folder: Path, works: dict[str, Work[Any]]) -> None:
    for work in works.values():
        work.cancel()
    shutil.rmtree(folder, ignore_errors=True)
