"""Fetching files that may be gigabytes: what is there already is kept, what comes is checked, nothing half-done has a final name.

A file grows as ``NAME.part`` and is renamed when it is whole and its checksum right. ``downloads.json`` beside it holds the
checksum of each file that came without a published one: the first download is trusted, later ones must equal it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path

from clearvision.errors import DataError

RECORD = "downloads.json"
CHUNK = 1 << 20
TIMEOUT = 60
ATTEMPTS = 5  # without a byte of progress in between

Progress = Callable[[int, int | None], None]


@dataclass(frozen=True)
class Fetched:
    """A file that is whole.

    Attributes:
        path: where it is.
        sha256: of its contents.
        trust: ``published`` (its checksum is the published one), ``recorded`` (equal to an earlier download's), or ``first`` (no
            checksum is published; this download's is recorded).
        came: bytes that were transferred now.
    """

    path: Path
    sha256: str
    trust: str
    came: int


def fetch(
    url: str,
    folder: Path,
    *,
    sha256: str | None = None,
    size: int | None = None,
    progress: Progress | None = None,
    pause: float = 2.0,
) -> Fetched:
    """Fetch a file, going on where an earlier attempt stopped.

    Args:
        url: an http or https address; its last part names the file.
        folder: where the file goes.
        sha256: its published checksum, hexadecimal.
        size: its published length in bytes.
        progress: called with the bytes that are there and the whole length, if known.
        pause: seconds before the first new attempt after a broken connection; doubled each time.

    Raises:
        DataError: if the address is no web address, the server refuses or keeps failing, or the file is not the published one.
    """
    name = Path(urllib.parse.unquote(urllib.parse.urlsplit(url).path)).name
    if urllib.parse.urlsplit(url).scheme not in ("http", "https") or not name:
        raise DataError(f"'{url}' is not the web address of a file; it must begin with http:// or https://")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        target, known = folder / name, sha256 or _recorded(folder).get(name)
        if target.is_file():
            return _checked(target, target, folder, known, published=sha256 is not None, came=0)
        part = folder / f"{name}.part"
        came = _transfer(url, part, size, progress, pause)
        found = _checked(part, target, folder, known, published=sha256 is not None, came=came)
        part.replace(target)
        _tag_of(part).unlink(missing_ok=True)
    except OSError as error:
        raise DataError(f"cannot write '{folder / name}': {error.strerror or error}") from error
    return found


def _transfer(url: str, part: Path, size: int | None, progress: Progress | None, pause: float) -> int:
    """Bring the part to its whole length; return how many bytes came."""
    came, failures = 0, 0
    while True:
        before = came
        try:
            for count in _one_request(url, part, size, progress):
                came += count
            return came
        except urllib.error.HTTPError as error:
            error.close()
            if error.code < 500 and error.code != 429:
                raise DataError(f"'{url}' cannot be fetched: the server answers {error.code} {error.reason}") from error
            problem: Exception = error
        except (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError, _CutError) as error:
            problem = error
        failures = 0 if came > before else failures + 1
        if failures >= ATTEMPTS:
            what = getattr(problem, "reason", None) or problem
            raise DataError(f"'{url}' cannot be fetched: {what}; what came so far is kept, run the same again to go on")
        time.sleep(pause * 2**failures)


class _CutError(Exception):
    """The connection ended before the file did."""


def _one_request(url: str, part: Path, size: int | None, progress: Progress | None):  # noqa: ANN202 - an iterator of int
    """Ask for what is missing and append it; yield the length of each chunk."""
    have = part.stat().st_size if part.exists() else 0
    if size is not None and have == size:
        return
    request = urllib.request.Request(url, headers={"User-Agent": "clearvision", "Accept-Encoding": "identity"})
    tag = _tag_of(part)
    if have:
        request.add_header("Range", f"bytes={have}-")
        if tag.exists():
            request.add_header("If-Range", tag.read_text(encoding="utf-8"))  # another file by now: from the beginning
    try:
        answer: HTTPResponse = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code != 416:
            raise
        error.close()
        part.unlink(missing_ok=True)  # there is nothing from here on: the part is longer than the file, or whole but unknown
        raise _CutError("the server's file is not the one begun") from error
    with answer:
        if answer.status != 206:
            have = 0
        whole = _whole_length(answer, have)
        if size is not None and whole is not None and whole != size:
            raise DataError(f"'{url}' has {whole} bytes and should have {size}; it is not the published file")
        validator = answer.headers.get("ETag") or answer.headers.get("Last-Modified")
        if validator and not validator.startswith("W/"):
            tag.write_text(validator, encoding="utf-8")
        else:
            tag.unlink(missing_ok=True)
        with part.open("r+b" if have else "wb") as file:
            file.seek(have)
            file.truncate()
            while chunk := answer.read(CHUNK):
                file.write(chunk)
                have += len(chunk)
                if progress:
                    progress(have, whole)
                yield len(chunk)
        if whole is not None and have < whole:
            raise _CutError(f"the connection ended after {have} of {whole} bytes")


def _whole_length(answer: HTTPResponse, have: int) -> int | None:
    span = answer.headers.get("Content-Range", "")
    if answer.status == 206 and span.rpartition("/")[2].isdigit():
        return int(span.rpartition("/")[2])
    length = answer.headers.get("Content-Length")
    return have + int(length) if length and length.isdigit() else None


def _checked(path: Path, target: Path, folder: Path, known: str | None, *, published: bool, came: int) -> Fetched:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if known is not None and found != known.lower():
        whose = "the published one" if published else f"that of the first download, recorded in '{folder / RECORD}'"
        if path != target:
            path.unlink()  # it would be taken up again otherwise
            _tag_of(path).unlink(missing_ok=True)
        raise DataError(
            f"'{target.name}' has the SHA-256 {found}, not {whose} ({known}); "
            + ("what came was thrown away, try again" if path != target else "remove the file to fetch it again")
        )
    if known is None:
        _record(folder, target.name, found)
        return Fetched(target, found, "first", came)
    return Fetched(target, found, "published" if published else "recorded", came)


def _recorded(folder: Path) -> dict[str, str]:
    with contextlib.suppress(FileNotFoundError, ValueError):
        found = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        if isinstance(found, dict):
            return {str(name): str(value) for name, value in found.items()}
    return {}


def _record(folder: Path, name: str, sha256: str) -> None:
    temporary = folder / f".{RECORD}.{os.getpid()}.tmp"
    temporary.write_text(json.dumps({**_recorded(folder), name: sha256}, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    temporary.replace(folder / RECORD)


def _tag_of(part: Path) -> Path:
    return part.with_name(f"{part.name}.tag")
