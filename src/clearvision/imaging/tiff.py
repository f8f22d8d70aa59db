"""TIFF files, written from the first row down: in strips, or in tiles with halved copies; deflated in several threads.

libvips deflates in one thread, at about 10 megapixels a second, and only what is complete. Format: TIFF 6.0, sections 2, 14
(predictor) and 15 (tiles); Adobe Photoshop TIFF Technical Note 3 (floating point predictor); the BigTIFF proposal.
"""

from __future__ import annotations

import os
import struct
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

try:
    from isal.isal_zlib import compress
except ImportError:  # where there is no wheel of it; the same, four times as slow
    from zlib import compress

from clearvision.imaging.exif import LONG, LONG8, RATIONAL, SHORT, UNDEFINED, Directory, pack_directory
from clearvision.imaging.flow import Flow
from clearvision.types import PixelArray

SIDE = 256  # of tiles; also how many rows are worked on at once
_LEVEL = 1  # of deflate: what more would save is a few per cent of a photograph
_STRIP_BYTES = 1 << 18  # of a strip at least, before compression
_LARGEST_CLASSIC = 3_900_000_000  # bytes of samples, which deflate can hardly make more
_INCH, _NO_UNIT = 2, 1
_UNKNOWN_DPI = 72.0  # stated without a unit

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Page:
    """One picture of a TIFF file.

    Attributes:
        pixels: (H, W, 1 or 3), uint8, uint16 or float32.
        alpha: (H, W) of the same type, not premultiplied, or None.
        dpi: pixels per inch, or None to state none.
        icc: ICC profile.
        xmp: XMP packet.
        extra: further entries of its directory.
    """

    pixels: PixelArray
    alpha: PixelArray | None = None
    dpi: tuple[float, float] | None = None
    icc: bytes | None = None
    xmp: bytes | None = None
    extra: Directory = field(default_factory=dict)


def write_tiff(path: Path, pages: Iterable[Page], *, sample_bytes: int, pyramid: bool = False, flow: Flow | None = None) -> None:
    """Write a TIFF file, deflated, with a predictor; as BigTIFF where it may come to 4 GB.

    Args:
        path: where to.
        pages: its pages, taken one after another.
        sample_bytes: bytes of all samples of all pages.
        pyramid: in tiles, with halved copies of each page down to one tile.
        flow: says how much of the one page there is, which may still be made; None for pages that are complete.

    Raises:
        OSError: if the file cannot be written.
        AbandonedError: if the page will not be completed.
    """
    big = sample_bytes * (4 / 3 if pyramid else 1) > _LARGEST_CLASSIC
    with path.open("wb") as file, _deflating(file) as queue:
        file.write(b"\0" * (16 if big else 8))
        layouts: list[tuple[_Layout, Page, bool]] = []
        for page in pages:
            height, width, colours = page.pixels.shape
            bands = colours + (page.alpha is not None)
            first = _Level(_Layout(height, width, bands, page.pixels.dtype, tiled=pyramid), queue)
            for top in range(0, height, SIDE):
                if flow is not None:
                    flow.wait(min(top + SIDE, height))
                first.push(_joined(page, slice(top, top + SIDE)))
            level: _Level | None = first
            while level is not None:
                level.end()
                layouts.append((level.layout, page, level is not first))
                level = level.below
        queue.finish()
        _write_directories(file, layouts, big)


def head_of_plain(pixels: PixelArray) -> bytes:
    """Return what precedes pixels (H, W, 1 or 3) in a TIFF file that holds them uncompressed, in the machine's byte order."""
    height, width, bands = pixels.shape
    layout = _Layout(height, width, bands, pixels.dtype, tiled=False)
    row = pixels.nbytes // height
    layout.counts[:] = layout.block[0] * row
    layout.counts[-1] = (height - (len(layout.counts) - 1) * layout.block[0]) * row
    directory = _directory(layout, Page(pixels), reduced=False, big=True)
    directory[259] = (SHORT, 1, b"\1\0")  # not compressed
    del directory[317]
    start = 16 + len(pack_directory(directory, 16, big=True))
    layout.offsets[:] = start + layout.block[0] * row * np.arange(len(layout.offsets), dtype=np.uint64)
    directory[273] = (LONG8, len(layout.offsets), layout.offsets.astype("<u8").tobytes())
    return _head(16, big=True) + pack_directory(directory, 16, big=True)


class _Layout:
    """Where the samples of a page, or of a smaller copy, lie: in blocks, which are strips or tiles, row by row."""

    def __init__(self, height: int, width: int, bands: int, dtype: np.dtype[Any], *, tiled: bool) -> None:
        self.height, self.width, self.bands, self.dtype, self.tiled = height, width, bands, dtype, tiled
        rows = max(1, _STRIP_BYTES // (width * bands * dtype.itemsize))
        self.block = (SIDE, SIDE) if tiled else (min(SIDE, 1 << (rows.bit_length() - 1)), width)
        self.across = -(-width // self.block[1])
        blocks = -(-height // self.block[0]) * self.across
        self.offsets, self.counts = np.zeros(blocks, np.uint64), np.zeros(blocks, np.uint64)


class _Queue:
    """Deflates blocks in threads and writes them in order."""

    def __init__(self, file: BinaryIO, threads: ThreadPoolExecutor, most: int) -> None:
        self._file, self._threads, self._most = file, threads, most
        self._waiting: deque[tuple[_Layout, int, Future[bytes]]] = deque()

    def add(self, layout: _Layout, number: int, block: Array) -> None:
        size = layout.block if layout.tiled else block.shape[:2]
        self._waiting.append((layout, number, self._threads.submit(_deflated, block, size)))
        while len(self._waiting) > self._most:
            self._write_first()

    def finish(self) -> None:
        while self._waiting:
            self._write_first()

    def _write_first(self) -> None:
        layout, number, deflating = self._waiting.popleft()
        data = deflating.result()
        layout.offsets[number], layout.counts[number] = self._file.tell(), len(data)
        self._file.write(data)


@contextmanager
def _deflating(file: BinaryIO) -> Iterator[_Queue]:
    workers = os.cpu_count() or 1
    threads = ThreadPoolExecutor(workers, thread_name_prefix="deflate")
    try:
        yield _Queue(file, threads, 4 * workers)
    finally:
        threads.shutdown(cancel_futures=True)


class _Level:
    """A page, or a smaller copy of one, while its rows come; those of the copy below it are made from them."""

    def __init__(self, layout: _Layout, queue: _Queue) -> None:
        self.layout, self._queue = layout, queue
        self.below: _Level | None = None
        height, width = layout.height, layout.width
        if layout.tiled and max(height, width) > SIDE and min(height, width) > 1:
            self.below = _Level(_Layout(height // 2, width // 2, layout.bands, layout.dtype, tiled=True), queue)
        self._done = 0  # rows
        self._halves: list[Array] = []

    def push(self, band: Array) -> None:
        """Take the next ``SIDE`` rows (n, W, bands), or what is left."""
        rows, columns = self.layout.block
        for top in range(0, len(band), rows):
            first = (self._done + top) // rows * self.layout.across
            for left in range(0, self.layout.width, columns):
                self._queue.add(self.layout, first + left // columns, band[top : top + rows, left : left + columns])
        self._done += len(band)
        if self.below is not None and len(band) > 1:
            self.below.take_half(_halved(band))

    def take_half(self, rows: Array) -> None:
        """Take half as many rows, and push them when there are two halves."""
        self._halves.append(rows)
        if len(self._halves) == 2:
            self.push(np.concatenate(self._halves))
            self._halves = []

    def end(self) -> None:
        """Push what is left of the level."""
        if self._halves:
            self.push(self._halves.pop())


def _joined(page: Page, rows: slice) -> Array:
    pixels = page.pixels[rows]
    return pixels if page.alpha is None else np.concatenate([pixels, page.alpha[rows, :, None]], axis=2)


def _halved(band: Array) -> Array:
    """Return the means of 2x2 pixels; a last odd row or column is left out."""
    height, width = (side // 2 for side in band.shape[:2])
    wide = {"uint8": np.uint16, "uint16": np.uint32}.get(band.dtype.name, np.float32)
    total = band[0 : 2 * height : 2, : 2 * width].astype(wide)
    total += band[1 : 2 * height : 2, : 2 * width]
    pairs = total.reshape(height, width, -1)  # both pixels of a pair side by side: many times faster than every other one
    bands = band.shape[2]
    sums = pairs[:, :, :bands] + pairs[:, :, bands:]
    if band.dtype == np.float32:
        return sums * np.float32(0.25)
    sums += 2
    sums >>= 2
    return sums.astype(band.dtype)


def _deflated(block: Array, size: tuple[int, int]) -> bytes:
    """Return a block (h, w, bands) with its predictor applied, repeated at the edges up to a size, deflated."""
    missing = [(0, whole - there) for whole, there in zip(size, block.shape[:2], strict=True)]
    if any(after for _, after in missing):
        block = np.pad(block, (*missing, (0, 0)), mode="edge")
    if block.dtype == np.float32:  # the highest bytes of a row, then the next ones ...; differences of bytes
        rows, columns, bands = block.shape
        planes = block.astype(">f4").view(np.uint8).reshape(rows, columns * bands, 4).transpose(0, 2, 1)
        block = planes.reshape(rows, 4 * columns, bands)
    steps = np.empty(block.shape, block.dtype)
    steps[:, 0] = block[:, 0]
    np.subtract(block[:, 1:], block[:, :-1], out=steps[:, 1:])
    return compress(steps.data, _LEVEL)


def _write_directories(file: BinaryIO, layouts: list[tuple[_Layout, Page, bool]], big: bool) -> None:
    """Write the directories of all pages one after another, and then where the first one lies."""
    start = at = file.tell() + file.tell() % 2
    file.seek(at)
    for index, (layout, page, reduced) in enumerate(layouts):
        directory = _directory(layout, page, reduced=reduced, big=big)
        length = len(pack_directory(directory, at, big=big))
        last = index == len(layouts) - 1
        file.write(pack_directory(directory, at, 0 if last else at + length, big=big))
        at += length
    file.seek(0)
    file.write(_head(start, big=big))


def _head(first: int, *, big: bool) -> bytes:
    return struct.pack("<2sHHHQ", b"II", 43, 8, 0, first) if big else struct.pack("<2sHI", b"II", 42, first)


def _directory(layout: _Layout, page: Page, *, reduced: bool, big: bool) -> Directory:
    def short(*values: int) -> tuple[int, int, bytes]:
        return SHORT, len(values), struct.pack(f"<{len(values)}H", *values)

    def long(value: int) -> tuple[int, int, bytes]:
        return LONG, 1, struct.pack("<I", value)

    def places(values: NDArray[np.uint64]) -> tuple[int, int, bytes]:
        return (LONG8 if big else LONG), len(values), values.astype("<u8" if big else "<u4").tobytes()

    def ratio(value: float) -> tuple[int, int, bytes]:
        return RATIONAL, 1, struct.pack("<II", round(value * 100), 100)

    bands, is_float = layout.bands, layout.dtype == np.float32
    x, y = page.dpi or (_UNKNOWN_DPI, _UNKNOWN_DPI)
    directory: Directory = {
        256: long(layout.width),
        257: long(layout.height),
        258: short(*[8 * layout.dtype.itemsize] * bands),
        259: short(8),  # deflate
        262: short(2 if bands > 2 else 1),  # RGB, or grey with black at 0
        274: short(1),  # upright
        277: short(bands),
        282: ratio(x),
        283: ratio(y),
        284: short(1),  # samples of a pixel side by side
        296: short(_INCH if page.dpi else _NO_UNIT),
        317: short(3 if is_float else 2),  # predictor
        339: short(*[3 if is_float else 1] * bands),  # float, or unsigned
    }
    if reduced:
        directory[254] = long(1)
    if page.alpha is not None:
        directory[338] = short(2)  # opacity that colours are not multiplied with
    if layout.tiled:
        directory |= {322: long(SIDE), 323: long(SIDE), 324: places(layout.offsets), 325: places(layout.counts)}
    else:
        directory |= {278: long(layout.block[0]), 273: places(layout.offsets), 279: places(layout.counts)}
    if page.icc:
        directory[34675] = (UNDEFINED, len(page.icc), page.icc)
    if reduced:
        return directory
    if page.xmp:
        directory[700] = (1, len(page.xmp), page.xmp)
    return directory | page.extra
