"""What the commands share on the terminal: sentences, tables, progress, JSON, and how an error is told.

Results go to stdout; progress, notes and errors go to stderr. With ``--json`` stdout holds one JSON document and nothing else.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
import traceback
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import typer

from clearvision.errors import (
    ClearVisionError,
    MissingExtraError,
    ModelError,
    PictureError,
    PictureWriteError,
    RecipeError,
    UsageError,
)

if TYPE_CHECKING:
    from rich.progress import Progress

DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130

_tracebacks = False


def say(text: str) -> None:
    """Print a line of a result on stdout."""
    print(text, flush=True)  # noqa: T201


def note(text: str) -> None:
    """Print a line about the work on stderr."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201


def say_json(document: Any) -> None:  # noqa: ANN401
    """Print one JSON document on stdout; numbers that JSON lacks (nan, inf) become null."""
    say(json.dumps(_plain(document), indent=2, allow_nan=False))


def sentence(error: BaseException) -> str:
    """Tell an error in one line, without a traceback; the traceback goes to stderr where debugging is wanted."""
    if _tracebacks:
        note("".join(traceback.format_exception(error)).rstrip())
    if isinstance(error, PictureError | PictureWriteError | UsageError):  # they name files
        return shown(error)
    if isinstance(error, ClearVisionError):
        return " ".join(str(error).split())
    if isinstance(error, MemoryError):
        return "there is not enough memory; try a smaller picture or scale, or a smaller --tile"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: '{error.filename}'" if error.filename else error.strerror
    what = " ".join(str(error).split())
    return f"unexpected {type(error).__name__}{f': {what}' if what else ''} (a fault of ClearVision; --debug shows where)"


def shown(text: object) -> str:
    """Return a file's name, or a sentence with names in it, on one line: what breaks lines or moves the cursor is escaped."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in str(text))


def exit_code(error: BaseException) -> int:
    """Return 2 for errors that another command line would avoid, 1 for the others."""
    return USAGE if isinstance(error, UsageError | ModelError | MissingExtraError | RecipeError) else FAILED


def show_tracebacks(wanted: bool) -> None:
    """Let :func:`sentence` also print tracebacks from now on, or not; CLEARVISION_DEBUG=1 asks for them in any case."""
    global _tracebacks
    _tracebacks = wanted or os.environ.get("CLEARVISION_DEBUG", "") not in ("", "0")


def number(text: str) -> float:
    """Parse an option's number."""
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"'{text}' is not a number") from None


def whole_number(text: str) -> int:
    """Parse an option's whole number."""
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"'{text}' is not a whole number") from None


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[str] = ()) -> None:
    """Print rows under column heads on stdout; the columns named in ``right`` are set flush right."""
    lines = [tuple(columns), *(tuple(str(cell) for cell in row) for row in rows)]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
    for line in lines:
        cells = zip(columns, line, widths, strict=True)
        say("  ".join(cell.rjust(width) if name in right else cell.ljust(width) for name, cell, width in cells).rstrip())


def progress_bar() -> Progress | None:
    """Return a bar for stderr that shows share, time spent and time left, or None where stderr is no terminal."""
    if not sys.stderr.isatty():
        return None
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("left", markup=False),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )


class Watcher:
    """Shows long work as bars on a terminal, elsewhere as a line now and then; notes stay above the bars.

    Args:
        seconds_between_lines: where stderr is no terminal, the least time from one line to the next.
    """

    def __init__(self, seconds_between_lines: float = 10.0) -> None:
        self._bar = progress_bar()
        self._tasks: dict[str, Any] = {}
        self._pause, self._last = seconds_between_lines, time.monotonic()

    def __enter__(self) -> Watcher:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, key: str, what: str, done: int, total: int, *, left: float | None = None) -> None:
        """Show where the work stands.

        Args:
            key: whose bar it is; each has one.
            what: what is being done, in words.
            done: pictures or steps done.
            total: pictures or steps in all.
            left: seconds left, where they are known better than by the share done.
        """
        if self._bar is not None:
            if key not in self._tasks:
                self._tasks[key] = self._bar.add_task(what, total=total)
            self._bar.update(self._tasks[key], completed=done, description=what)
        elif time.monotonic() - self._last >= self._pause:
            self._last = time.monotonic()
            note(f"{what} [{done}/{total}]" + ("" if left is None else f", {human_seconds(left)} left"))

    def tell(self, text: str) -> None:
        """Print a line that stays."""
        if self._bar is not None:
            self._bar.console.print(text, markup=False, highlight=False)
        else:
            note(text)


def human_seconds(seconds: float) -> str:
    """Return a time such as ``45 s``, ``12 min`` or ``2 h 5 min``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def byte_count(text: str, option: str) -> int:
    """Return the bytes of a size such as ``2G``, ``800M`` or ``500000000`` (1 MB = 1,000,000 bytes).

    Raises:
        UsageError: if the text is no size above zero; ``option`` names it.
    """
    units = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)I?B?", text.strip().upper())
    count = int(float(found[1]) * units[found[2]]) if found else 0
    if count <= 0:
        raise UsageError(f"{option} '{text}' is not a size above zero; write it like 2G, 800M or 500000000")
    return count


def duration(text: str, option: str) -> float:
    """Return the seconds of a duration such as ``90s``, ``9m`` or ``1.5h``; a bare number is seconds.

    Raises:
        UsageError: if the text is no duration above zero; ``option`` names it.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", text.strip().lower())
    seconds = float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]] if found else 0.0
    if seconds <= 0:
        raise UsageError(f"{option} '{text}' is not a duration above zero; write it like 90s, 9m or 1.5h")
    return seconds


def human_bytes(count: float) -> str:
    """Return a size such as ``1.6 MB`` (1 MB = 1,000,000 bytes)."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def _plain(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else None
    if hasattr(value, "item"):  # a numpy scalar
        return _plain(value.item())
    return str(value)
