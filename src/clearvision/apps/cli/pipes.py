"""Pictures through pipes: ``-`` as input is stdin, ``-`` as output is stdout."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from clearvision.errors import UsageError
from clearvision.imaging.formats import identify, resolve_format

PIPE = Path("-")


@contextlib.contextmanager
def piped(inputs: Sequence[Path], out: Path | None, format: str | None) -> Iterator[tuple[list[Path], Path | None]]:
    """Put files in the place of pipes: stdin is read first, stdout is written when the work has ended well.

    Raises:
        UsageError: if stdin is one of several inputs, or its result has no place to go.
        PictureError: if stdin holds no picture.
    """
    if PIPE not in inputs and out != PIPE:
        yield list(inputs), out
        return
    if len(inputs) > 1:
        raise UsageError(f"'-' stands for one picture but there are {len(inputs)} inputs; give files and folders, or '-' alone")
    if out is None:
        raise UsageError("the result of stdin has no place of its own; name a file with -o, or write to stdout with -o -")
    with tempfile.TemporaryDirectory(prefix="clearvision-") as folder:
        source = inputs[0]
        if source == PIPE:
            source = Path(folder, "stdin")
            with source.open("wb") as file:
                shutil.copyfileobj(sys.stdin.buffer, file)
        if out != PIPE:
            yield [source], out
            return
        own = identify(source)
        name = format or (own.name if own.saver else "png")
        target = Path(folder, "stdout").with_suffix(resolve_format(Path(), name).suffixes[0])
        with contextlib.redirect_stdout(sys.stderr):  # stdout is the picture's
            yield [source], target
        if target.exists():
            with target.open("rb") as file:
                shutil.copyfileobj(file, sys.stdout.buffer)
            sys.stdout.buffer.flush()


def expand(inputs: Sequence[Path]) -> list[Path]:
    """Return the inputs with patterns such as ``*.jpg`` replaced by what they match, where the shell has not done it.

    Raises:
        UsageError: if a pattern matches nothing.
    """
    found: list[Path] = []
    for given in inputs:
        if not any(sign in str(given) for sign in "*?[") or given.exists():
            found.append(given)
            continue
        anchor = Path(given.anchor) if given.is_absolute() else Path()
        matches = sorted(anchor.glob(os.path.relpath(given, anchor) if given.is_absolute() else str(given)))
        if not matches:
            raise UsageError(f"no file matches '{given}'")
        found.extend(matches)
    return found
