"""Arrays on disk: pictures larger than memory, looked at through a mapping that holds only what is being worked on.

A canvas is a :class:`numpy.memmap` over a file of its own, which goes when the array does, and is used like any array. What has
been written or read stays in the process's memory until :func:`release` is called, which costs nothing for other arrays.
"""

from __future__ import annotations

import mmap
import shutil
import tempfile
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from clearvision.errors import PictureError
from clearvision.imaging.temporary import remove_abandoned, temporary_beside

LARGEST_IN_MEMORY = 1 << 30  # bytes of one array beyond which it is put on disk
_BAND_BYTES = 16 << 20  # worked on at once
_SHELF_BYTES = 256 << 20  # of a shelf's files
_INTERVAL = 0.05  # seconds; encoders read a few hundred megabytes in one


def empty(shape: tuple[int, ...], dtype: DTypeLike, *, above: int = LARGEST_IN_MEMORY) -> NDArray[Any]:
    """Return an array with arbitrary contents, in memory or, if it takes more than ``above`` bytes, on disk.

    The file lies where the system keeps temporary files (TMPDIR).

    Raises:
        PictureError: if the disk has no room for it.
    """
    size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    return np.empty(shape, dtype) if size <= above else _on_disk(shape, np.dtype(dtype), size)


def contiguous(array: NDArray[Any], *, above: int = LARGEST_IN_MEMORY) -> NDArray[Any]:
    """Return a view's values in the view's own order: the array itself if they lie so, else a copy as of :func:`empty`."""
    if array.flags.c_contiguous:
        return array
    copy = empty(array.shape, array.dtype, above=above)
    for rows in bands(copy, array):
        copy[rows] = array[rows]
    return copy


def bands(*arrays: NDArray[Any]) -> Iterator[slice]:
    """Yield the rows of arrays of one height, some at a time, and let go of the memory that they took after each time."""
    longest = max(array.nbytes // len(array) for array in arrays)
    step = max(1, _BAND_BYTES // longest)
    for top in range(0, len(arrays[0]), step):
        yield slice(top, top + step)
        for array in arrays:
            release(array)


class Shelf:
    """Where many arrays are kept: up to ``above`` bytes of them in memory, the others one after another in few files."""

    def __init__(self, above: int = LARGEST_IN_MEMORY) -> None:
        self._left = above
        self._space: NDArray[np.uint8] = np.empty(0, np.uint8)

    def put(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return the array, or one of the same contents on disk.

        Raises:
            PictureError: if the disk has no room for it.
        """
        if isinstance(array, np.memmap):
            return array
        if array.nbytes <= self._left:
            self._left -= array.nbytes
            return array
        if array.nbytes > len(self._space):
            size = max(array.nbytes, _SHELF_BYTES)
            self._space = _on_disk((1, size), np.dtype(np.uint8), size)[0]
        kept = self._space[: array.nbytes].view(array.dtype).reshape(array.shape)
        self._space = self._space[-(-array.nbytes // 8) * 8 :]  # aligned for any type
        for rows in bands(kept, array):
            kept[rows] = array[rows]
        return kept


def extremes(array: NDArray[Any]) -> tuple[float, float]:
    """Return the least and the largest value; not a number where one is."""
    found = [(float(array[rows].min()), float(array[rows].max())) for rows in bands(array)]
    lows, highs = zip(*found, strict=True)
    return float(np.min(lows)), float(np.max(highs))


def release(array: NDArray[Any]) -> None:
    """Let go of the memory that a canvas took; its contents stay, on disk. Other arrays are left alone."""
    base: Any = array
    while base is not None and not isinstance(base, mmap.mmap):
        base = getattr(base, "base", None)
    if base is not None and hasattr(mmap, "MADV_DONTNEED"):  # what was written is the file's by now, on disk or on its way
        base.madvise(mmap.MADV_DONTNEED)


@contextmanager
def released_meanwhile(*arrays: NDArray[Any] | None) -> Iterator[None]:
    """Let go of the memory of canvases again and again while a block, or a library called by it, reads through them."""
    canvases = [array for array in arrays if array is not None and isinstance(array, np.memmap)]
    if not canvases:
        yield
        return
    ended = threading.Event()

    def go_on() -> None:
        while not ended.wait(_INTERVAL):
            for array in canvases:
                release(array)

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def check_room(height: int, width: int, size: int) -> None:
    """Refuse work on a picture that needs so many bytes where canvases lie.

    Raises:
        PictureError: if the disk has no room for them.
    """
    folder = Path(tempfile.gettempdir())
    room = shutil.disk_usage(folder).free
    if size > room:
        raise PictureError(
            f"a picture of {width}x{height} pixels needs {size / 1e9:.1f} GB on disk while it is made and '{folder}' has "
            f"{room / 1e9:.1f} GB free; set TMPDIR to a folder with more room, or use a smaller scale"
        )


def _on_disk(shape: tuple[int, ...], dtype: np.dtype[Any], size: int) -> NDArray[Any]:
    folder = Path(tempfile.gettempdir())
    remove_abandoned(folder)
    check_room(shape[0], shape[1], size)
    path = temporary_beside(folder / "canvas")
    array = np.memmap(path, dtype, mode="w+", shape=shape)
    mapping: Any = array.base
    weakref.finalize(mapping, path.unlink, missing_ok=True)
    return array
