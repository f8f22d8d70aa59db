"""EXIF blocks: made upright, fitted to a new size, and moved between TIFF files and the other containers.

An EXIF block is a small TIFF file without pixels: directories of tagged values that point at each other. Reading treats it
as hostile: offsets are checked, loops end, and the bytes taken are bounded. Format: Exif 2.32, section 4.6; TIFF 6.0, section 2.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Union

PREFIX = b"Exif\0\0"

_ORIENTATION, _X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT = 0x0112, 0x011A, 0x011B, 0x0128
_IMAGE_WIDTH, _IMAGE_LENGTH, _PIXEL_X, _PIXEL_Y = 0x0100, 0x0101, 0xA002, 0xA003
_SUBFILE = 0x00FE
_EXIF_IFD, _GPS_IFD, _INTEROP_IFD, _IPTC = 0x8769, 0x8825, 0xA005, 0x83BB
_SUB_DIRECTORIES = frozenset({_EXIF_IFD, _GPS_IFD, _INTEROP_IFD})
# What a TIFF's first directory says about the picture and not about how its pixels are laid out: description, camera,
# software, date, artist, computer, ratings, copyright, Windows' title to subject.
_DESCRIPTIVE = frozenset({0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x013C, 0x4746, 0x4749, 0x8298, *range(0x9C9B, 0x9CA0)})

SHORT, LONG, RATIONAL, UNDEFINED, LONG8 = 3, 4, 5, 7, 16
_TYPE_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_POINTERS = {LONG: "I", 13: "I", LONG8: "Q", 18: "Q"}  # types of an offset of a sub-directory; the last two of BigTIFF only
_WORDS = {3: 2, 4: 4, 5: 4, 8: 2, 9: 4, 10: 4, 11: 4, 12: 8, 13: 4}  # what turns round with the byte order
_HIGHEST_DPI = 65_535.0  # of a JPEG header
_BYTE_BUDGET = 8 * 1024 * 1024

Entry = tuple[int, int, bytes]  # type, count, value in little-endian order
Directory = dict[int, Union[Entry, "Directory"]]
ReadAt = Callable[[int, int], bytes]


class ExifError(ValueError):
    """A block is not EXIF, or is damaged beyond its first directory."""


class _Reader:
    """Directories of a TIFF structure, of either byte order, BigTIFF too, read with bounds."""

    def __init__(self, read_at: ReadAt) -> None:
        self._read_at = read_at
        self._budget = _BYTE_BUDGET
        head = self.take(0, 8)
        if head[:4] not in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
            raise ExifError("no TIFF header")
        self.order = "<" if head[:2] == b"II" else ">"
        self._big = b"+" in head[:4]
        self.first = self.unpack("Q", self.take(8, 8))[0] if self._big else self.unpack("I", head[4:])[0]

    def unpack(self, layout: str, data: bytes) -> tuple[int, ...]:
        return struct.unpack(self.order + layout, data)

    def take(self, offset: int, size: int) -> bytes:
        self._budget -= size
        if self._budget < 0:
            raise ExifError("too much data")
        data = self._read_at(offset, size)
        if len(data) != size:
            raise ExifError("data beyond the end")
        return data

    def rows(self, offset: int) -> list[tuple[int, int, int, int]]:
        """Return (tag, type, count, position of the value) of every entry of known type."""
        start, count = self._table(offset)
        layout, length, inline = ("HHQQ", 20, 8) if self._big else ("HHII", 12, 4)
        table = self.take(start, length * count)
        found = []
        for index in range(count):
            tag, kind, number, pointer = self.unpack(layout, table[length * index : length * (index + 1)])
            size = _size_of(kind) * number
            if size:
                found.append((tag, kind, number, start + length * (index + 1) - inline if size <= inline else pointer))
        return found

    def following(self, offset: int) -> int:
        """Return where the directory after this one begins, 0 if there is none."""
        start, count = self._table(offset)
        if self._big:
            return self.unpack("Q", self.take(start + 20 * count, 8))[0]
        return self.unpack("I", self.take(start + 12 * count, 4))[0]

    def _table(self, offset: int) -> tuple[int, int]:
        """Return where a directory's entries begin, and how many they are."""
        if self._big:
            return offset + 8, self.unpack("Q", self.take(offset, 8))[0]
        return offset + 2, self.unpack("H", self.take(offset, 2))[0]

    def directory(self, offset: int, depth: int = 0) -> Directory:
        """Return a directory with those below it; an entry whose value lies outside is left out."""
        result: Directory = {}
        for tag, kind, number, position in self.rows(offset):
            try:
                if tag not in _SUB_DIRECTORIES:
                    if kind in _TYPE_SIZES:
                        value = self.take(position, _TYPE_SIZES[kind] * number)
                        result[tag] = (kind, number, value if self.order == "<" else _swap(kind, value))
                elif depth < 2 and kind in _POINTERS:
                    value = self.take(position, _size_of(kind))
                    result[tag] = self.directory(self.unpack(_POINTERS[kind], value)[0], depth + 1)
            except ExifError:
                continue
        return result


def _size_of(kind: int) -> int:
    return 8 if kind in (LONG8, 18) else _TYPE_SIZES.get(kind, 0)


def _swap(kind: int, value: bytes) -> bytes:
    word = _WORDS.get(kind, 1)
    return b"".join(value[at : at + word][::-1] for at in range(0, len(value), word)) if word > 1 else value


def _file_reader(file: BinaryIO) -> ReadAt:
    def read_at(offset: int, size: int) -> bytes:
        file.seek(offset)
        return file.read(size)

    return read_at


def _block_reader(block: bytes | bytearray) -> ReadAt:
    return lambda offset, size: bytes(block[offset : offset + size])


def _body(exif: bytes) -> bytes:
    return exif[len(PREFIX) :] if exif.startswith(PREFIX) else exif


def pack_directory(directory: Directory, at: int, following: int = 0, *, big: bool = False) -> bytes:
    """Lay a directory out for the (even) offset ``at``, its values and sub-directories after it; the next one lies elsewhere.

    Args:
        directory: what it holds.
        at: where it will lie in the file.
        following: where the next one lies, 0 for none.
        big: in the layout of BigTIFF.
    """
    count, entry, pointer, inline = ("<Q", "<HHQ", "<Q", 8) if big else ("<H", "<HHI", "<I", 4)
    heap_start = at + struct.calcsize(count) + (struct.calcsize(entry) + inline) * len(directory) + inline
    rows, heap = bytearray(), bytearray()
    for tag, item in sorted(directory.items()):
        if isinstance(item, dict):
            kind, number = (LONG8 if big else LONG), 1
            value = pack_directory(item, heap_start + len(heap), big=big)
        else:
            kind, number, value = item
        if len(value) <= inline and not isinstance(item, dict):
            field = value.ljust(inline, b"\0")
        else:
            field = struct.pack(pointer, heap_start + len(heap))
            heap += value + b"\0" * (len(value) % 2)
        rows += struct.pack(entry, tag, kind, number) + field
    return struct.pack(count, len(directory)) + bytes(rows) + struct.pack(pointer, following) + bytes(heap)


def _to_block(directory: Directory) -> bytes:
    return PREFIX + struct.pack("<2sHI", b"II", 42, 8) + pack_directory(directory, 8)


def _entry(directory: Directory, tag: int) -> Entry | None:
    item = directory.get(tag)
    return item if isinstance(item, tuple) else None


def _sub(directory: Directory, tag: int) -> Directory:
    item = directory.get(tag)
    return item if isinstance(item, dict) else {}


def upright_exif(exif: bytes) -> bytes | None:
    """Return the block with its prefix and its orientation tag, where there is one, set to 1; else verbatim.

    Returns:
        The block, or None when it is not EXIF at all.
    """
    block = bytearray(_body(exif))
    try:
        reader = _Reader(_block_reader(block))
        rows = reader.rows(reader.first)
    except ExifError:
        return None
    for tag, kind, _, position in rows:
        if tag == _ORIENTATION and kind == SHORT and position + 2 <= len(block):
            struct.pack_into(reader.order + "H", block, position, 1)
    return PREFIX + bytes(block)


def exif_dpi(exif: bytes) -> tuple[float, float] | None:
    """Return the resolution an EXIF block states, in pixels per inch, or None; likewise one that cannot be meant."""
    try:
        reader = _Reader(_block_reader(_body(exif)))
        directory = reader.directory(reader.first)
    except ExifError:
        return None
    values = []
    for tag in (_X_RESOLUTION, _Y_RESOLUTION):
        entry = _entry(directory, tag)
        if entry is None or entry[0] != RATIONAL:
            return None
        numerator, denominator = struct.unpack("<II", entry[2][:8])
        if not numerator or not denominator:
            return None
        values.append(numerator / denominator)
    unit = _entry(directory, _RESOLUTION_UNIT)
    per_inch = 2.54 if unit is not None and unit[2][:2] == b"\3\0" else 1.0
    return plausible_dpi(values[0] * per_inch, values[1] * per_inch)


def plausible_dpi(x: float, y: float) -> tuple[float, float] | None:
    """Return a resolution rounded to tenths, or None where a file states nonsense: none, less, or more than formats can hold."""
    if not (0 < x <= _HIGHEST_DPI and 0 < y <= _HIGHEST_DPI):
        return None
    rounded = round(x, 1), round(y, 1)
    return rounded if min(rounded) > 0 else None


def fit_exif(exif: bytes | None, width: int, height: int, dpi: tuple[float, float] | None) -> bytes | None:
    """Make a block tell the truth about the pixels it will be stored with.

    Pixel dimensions are corrected where they are stated, the resolution is stated, and the thumbnail is left out.

    Args:
        exif: a block of upright pixels, or None to state the resolution only.
        width: columns of the picture.
        height: rows of the picture.
        dpi: pixels per inch, or None to leave what the block says.

    Returns:
        The new block, or None when there is nothing to say or ``exif`` is not EXIF.
    """
    directory: Directory = {}
    if exif is not None:
        try:
            reader = _Reader(_block_reader(_body(exif)))
            directory = reader.directory(reader.first)
        except ExifError:
            return None
    for place, tags in ((directory, (_IMAGE_WIDTH, _IMAGE_LENGTH)), (_sub(directory, _EXIF_IFD), (_PIXEL_X, _PIXEL_Y))):
        for tag, value in zip(tags, (width, height), strict=True):
            if tag in place:
                place[tag] = (LONG, 1, struct.pack("<I", value))
    if dpi is not None:
        for tag, value in zip((_X_RESOLUTION, _Y_RESOLUTION), dpi, strict=True):
            directory[tag] = (RATIONAL, 1, struct.pack("<II", round(value * 100), 100))
        directory[_RESOLUTION_UNIT] = (SHORT, 1, struct.pack("<H", 2))
    return _to_block(directory) if directory else None


def read_tiff_blocks(path: Path) -> tuple[bytes | None, bytes | None]:
    """Return what a TIFF file's first directory holds as an EXIF block, and its IPTC block (libvips reads neither right).

    Args:
        path: a TIFF file.
    """
    with path.open("rb") as file:
        try:
            reader = _Reader(_file_reader(file))
            directory = reader.directory(reader.first)
        except ExifError:
            return None, None
    iptc = _entry(directory, _IPTC)
    kept: Directory = {tag: item for tag, item in directory.items() if tag in _DESCRIPTIVE or (tag in _SUB_DIRECTORIES and item)}
    return _to_block(kept) if kept else None, _trim_iptc(iptc[2]) if iptc else None


def _trim_iptc(value: bytes) -> bytes | None:
    # the tag was often written as 32-bit words and padded with zeros
    return value.rstrip(b"\0") if value[:1] == b"\x1c" else None


def tiff_blocks(exif: bytes | None, iptc: bytes | None) -> Directory:
    """Return the entries by which the first directory of a TIFF file holds an EXIF block and IPTC-IIM records."""
    directory: Directory = {}
    if exif is not None:
        block = _Reader(_block_reader(_body(exif)))
        for tag, item in block.directory(block.first).items():
            if tag in _DESCRIPTIVE or tag in _SUB_DIRECTORIES:
                directory[tag] = item
    if iptc is not None:
        directory[_IPTC] = (UNDEFINED, len(iptc), iptc)
    return directory


def tiff_pages(path: Path) -> list[int]:
    """Return which directories of a TIFF file are pages; smaller copies, as pyramids hold, are none. Damage ends the list."""
    pages: list[int] = []
    with path.open("rb") as file:
        seen: list[int] = []
        try:
            reader = _Reader(_file_reader(file))
            at = reader.first
            while at and at not in seen:
                kinds = [reader.unpack("I", reader.take(place, 4))[0] for tag, _, _, place in reader.rows(at) if tag == _SUBFILE]
                if not (kinds and kinds[0] & 1):
                    pages.append(len(seen))
                seen.append(at)
                at = reader.following(at)
        except ExifError:
            pass
    return pages
