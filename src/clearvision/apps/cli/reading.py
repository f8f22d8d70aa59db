"""What the commands that read many pictures share: a bar, and silence about single files."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

from clearvision.apps.cli import console


@contextlib.contextmanager
def quiet_pictures() -> Iterator[None]:
    """Keep the log's remarks on single pictures off the terminal: hundreds of them would hide the result."""
    log = logging.getLogger("clearvision.imaging")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)


class Bar:
    """A progress bar where stderr is a terminal, nothing elsewhere."""

    def __init__(self, what: str) -> None:
        self._bar, self._what = console.progress_bar(), what

    def __enter__(self) -> Bar:
        if self._bar is not None:
            self._task = self._bar.add_task(self._what, total=None)
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, done: int, total: int | None, what: str | None = None) -> None:
        """Show how far it is, and from now on with what."""
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=total, description=what or self._what)
