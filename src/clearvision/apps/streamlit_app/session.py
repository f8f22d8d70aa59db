"""What belongs to one visitor: a folder for pictures and results, and the work under way. Both end with the visit."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Any

from clearvision.apps.streamlit_app.work import Work

_PREFIX = "clearvision-app-"


class Session:
    """The folder and the work of one visitor.

    The folder is removed, and the work cancelled, when nothing refers to the session any more, or when the server ends.

    Attributes:
        folder: for this visitor's files alone.
    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
        self._works: dict[str, Work[Any]] = {}
        self._count = 0
        weakref.finalize(self, _end, self.folder, self._works)

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
