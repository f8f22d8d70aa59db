"""Unpacking archives from strangers: no file outside the folder, no links, no bomb, nothing half-unpacked."""

from __future__ import annotations

import os
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from clearvision.errors import DataError

LARGEST_GROWTH = 100  # pictures hardly shrink in an archive; a bomb does by thousands
ALLOWANCE = 1 << 20  # bytes that any archive may grow by, however small
COPY = 1 << 20

Progress = Callable[[int, int], None]
_Member = tuple[PurePosixPath, int, Callable[[], IO[bytes] | None]]


def unpack(archive: Path, folder: Path, *, progress: Progress | None = None) -> list[Path]:
    """Unpack a zip or tar archive into a folder; files that are there with the right length are kept.

    Args:
        archive: ``.zip``, ``.tar``, ``.tar.gz`` or ``.tgz``.
        folder: where its files go.
        progress: called with the bytes that are unpacked and how many there are.

    Returns:
        The files, sorted.

    Raises:
        DataError: if it is damaged or no such archive, a name leads out of the folder, it holds links or devices, it grows more
            than a hundredfold, or the disk has no room for it. What was unpacked before stays.
    """
    try:
        with _opened(archive) as members:
            return _write(archive, members, folder, progress)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, NotImplementedError, RuntimeError) as error:
        raise DataError(f"the archive '{archive}' is damaged or not readable ({error}); fetch it again") from error
    except OSError as error:
        raise DataError(f"'{archive}' cannot be unpacked into '{folder}': {error.strerror or error}") from error


class _opened:  # noqa: N801 - reads as a function in `with`
    """The members of an archive, as long as it is open."""

    def __init__(self, archive: Path) -> None:
        if zipfile.is_zipfile(archive):
            self._file: zipfile.ZipFile | tarfile.TarFile = zipfile.ZipFile(archive)
        elif tarfile.is_tarfile(archive):
            self._file = tarfile.open(archive)  # noqa: SIM115 - closed in __exit__
        else:
            raise DataError(f"'{archive}' is neither a zip nor a tar archive; fetch it again")

    def __enter__(self) -> list[_Member]:
        return list(_of_zip(self._file) if isinstance(self._file, zipfile.ZipFile) else _of_tar(self._file))

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _of_zip(file: zipfile.ZipFile) -> Iterator[_Member]:
    for info in file.infolist():
        if info.is_dir():
            continue
        kind = info.external_attr >> 28  # of Unix: 8 a file, 10 a link
        if kind not in (0, 8):
            raise DataError(f"'{file.filename}' holds '{info.filename}', which is no plain file; nothing is unpacked")
        yield _safe(info.filename, file.filename), info.file_size, lambda info=info: file.open(info)


def _of_tar(file: tarfile.TarFile) -> Iterator[_Member]:
    for info in file:
        if info.isdir():
            continue
        if not info.isreg():
            raise DataError(f"'{file.name}' holds '{info.name}', which is no plain file; nothing is unpacked")
        yield _safe(info.name, file.name), info.size, lambda info=info: file.extractfile(info)


def _safe(name: str, archive: object) -> PurePosixPath:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in (path.parts[0] if path.parts else ":"):
        raise DataError(f"'{archive}' holds '{name}', a name that leads out of its folder; nothing is unpacked")
    return path


def _write(archive: Path, members: list[_Member], folder: Path, progress: Progress | None) -> list[Path]:
    total, packed = sum(size for _, size, _ in members), archive.stat().st_size
    if total > packed * LARGEST_GROWTH + ALLOWANCE:
        raise DataError(f"'{archive}' would grow from {packed} to {total} bytes, as no pictures do; nothing is unpacked")
    folder.mkdir(parents=True, exist_ok=True)
    wanted = [(folder.joinpath(*path.parts), size, read) for path, size, read in members]
    missing = sum(size for target, size, _ in wanted if not _is_there(target, size))
    free = shutil.disk_usage(folder).free
    if missing > free:
        raise DataError(f"'{archive}' unpacks to {missing} more bytes, and the disk of '{folder}' has {free} left")
    done = 0
    for target, size, read in wanted:
        if not _is_there(target, size):
            _copy(archive, target, size, read)
        done += size
        if progress:
            progress(done, total)
    return sorted(target for target, _, _ in wanted)


def _is_there(target: Path, size: int) -> bool:
    return target.is_file() and not target.is_symlink() and target.stat().st_size == size


def _copy(archive: Path, target: Path, size: int, read: Callable[[], IO[bytes] | None]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        source = read()
        if source is None:
            raise DataError(f"'{archive}' holds '{target.name}', which cannot be read")
        with source, temporary.open("wb") as out:
            left = size + 1  # one more than said: an archive may lie about a length
            while left and (chunk := source.read(min(COPY, left))):
                out.write(chunk)
                left -= len(chunk)
        if left != 1:
            raise DataError(f"'{target.name}' in '{archive}' is not as long as the archive says; fetch it again")
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
