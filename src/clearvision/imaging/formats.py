"""Which picture formats are read and written, and how a file is recognised: by its first bytes, never by its name alone."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path

from clearvision.errors import PictureError, PictureWriteError, UsageError


@dataclass(frozen=True)
class Format:
    """What one container can do here.

    Attributes:
        name: lower-case name, as in ``Picture.format``.
        suffixes: file suffixes, the usual one first.
        loader: libvips operation that reads it, or "" where Pillow does.
        saver: libvips operation that writes it, Pillow's name of the format, or "" where it is only read.
        depths: sample types it stores, deepest first.
        alpha: whether it stores transparency.
        max_side: most pixels it holds in a row or column.
    """

    name: str
    suffixes: tuple[str, ...]
    loader: str = ""
    saver: str = ""
    depths: tuple[str, ...] = ("uint8",)
    alpha: bool = True
    max_side: int = 2**31 - 1


def is_installed(package: str) -> bool:
    """Whether a package that reads or writes further formats is there; it is not imported."""
    return importlib.util.find_spec(package) is not None


_ALL = (
    Format("jpeg", (".jpg", ".jpeg", ".jpe", ".jfif"), "jpegload", "jpegsave", alpha=False, max_side=65_500),
    Format("png", (".png",), "pngload", "pngsave", depths=("uint16", "uint8")),
    Format("webp", (".webp",), "webpload", "webpsave", max_side=16_383),
    Format("tiff", (".tif", ".tiff"), "tiffload", "tiffsave", depths=("float32", "uint16", "uint8")),
    Format("avif", (".avif",), "heifload", "heifsave", depths=("uint16", "uint8"), max_side=16_384),
    Format("gif", (".gif",), "gifload", "gifsave", max_side=65_535),
    Format("jp2", (".jp2", ".j2k", ".jpx", ".j2c"), saver="JPEG2000"),
    Format("bmp", (".bmp", ".dib"), saver="BMP", alpha=False),
    Format("tga", (".tga",), saver="TGA", max_side=65_535),
    Format("ppm", (".ppm", ".pgm", ".pbm", ".pnm", ".pfm"), saver="PPM", depths=("uint16", "uint8"), alpha=False),
    Format("ico", (".ico",)),
    Format(
        "heic",
        (".heic", ".heif", ".hif"),
        "heifload",
        "HEIF" if is_installed("pillow_heif") else "",
        depths=("uint16", "uint8"),
        max_side=16_384,
    ),
    Format("jxl", (".jxl",)),
)
FORMATS: dict[str, Format] = {item.name: item for item in _ALL}
_BY_SUFFIX = {suffix: item for item in _ALL for suffix in item.suffixes}

READABLE_SUFFIXES: frozenset[str] = frozenset(_BY_SUFFIX)
WRITABLE_FORMATS: dict[str, str] = {item.name: item.suffixes[0] for item in _ALL if item.saver}

_MAGIC = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "jp2"),
    (b"\xff\x4f\xff\x51", "jp2"),
    (b"BM", "bmp"),
    (b"\xff\x0a", "jxl"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "jxl"),
)
_FOREIGN = (
    (b"8BPS", "Photoshop"),
    (b"%PDF", "PDF"),
    (b"v/1\x01", "OpenEXR"),
    (b"#?RADIANCE", "Radiance HDR"),
)
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
# They open as TIFF, but its first page is a thumbnail: a silently wrong picture.
_CAMERA_RAW = frozenset({".dng", ".cr2", ".nef", ".nrw", ".arw", ".orf", ".pef", ".rw2", ".srw"})
_TAKEN = "JPEG, PNG, WebP, TIFF, AVIF, GIF, JPEG 2000, BMP, TGA, PPM and ICO are read, HEIC and JPEG XL with an extra"


def identify(path: Path) -> Format:
    """Recognise a picture file by its first bytes.

    Raises:
        PictureError: if there is no such file, it is a folder, empty, or none of the formats above.
    """
    try:
        if path.is_dir():
            raise PictureError(f"{path} is a folder, not a picture")
        if path.exists() and not path.is_file():
            raise PictureError(f"{path} is not a regular file")
        with path.open("rb") as file:
            head = file.read(64)
    except FileNotFoundError:
        raise PictureError(f"{path} does not exist") from None
    except (OSError, ValueError) as error:
        raise PictureError(f"{path} cannot be opened: {getattr(error, 'strerror', None) or error}") from error
    if not head:
        raise PictureError(f"{path} is empty (0 bytes)")
    name = _sniff(head, path.suffix.lower())
    if name == "tiff" and path.suffix.lower() in _CAMERA_RAW:
        raise PictureError(f"{path} is a camera raw file; develop it to TIFF or JPEG first")
    if name in FORMATS:
        return FORMATS[name]
    if name:
        raise PictureError(f"{path} is a {name} file, which is not read here; convert it to PNG or TIFF first ({_TAKEN})")
    raise PictureError(f"{path} is not a picture, or one of an unknown format; {_TAKEN}")


def check_size(path: Path, width: int, height: int, max_pixels: int) -> None:
    """Refuse a file by the size in its header.

    Raises:
        PictureError: if it has no pixels, or more than are to be read.
    """
    if width < 1 or height < 1:
        raise PictureError(f"{path} has no pixels: its header says {width}x{height}")
    if width * height > max_pixels:
        raise PictureError(
            f"{path} is {width}x{height}, {width * height / 1e6:.0f} megapixels, and at most {max_pixels / 1e6:g} are read; "
            "raise max_pixels if the file is to be trusted"
        )


def _sniff(head: bytes, suffix: str) -> str:
    """Return the name of our format, of a known foreign one, or ""."""
    for magic, name in _MAGIC:
        if head.startswith(magic):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[4:8] == b"ftyp":
        brands = head[8 : max(16, int.from_bytes(head[:4], "big"))]
        if b"avif" in brands or b"avis" in brands:
            return "avif"
        return "heic" if any(brand in brands for brand in _HEIC_BRANDS) else "video"
    if head[:1] == b"P" and head[1:2] in b"123456fF" and head[2:3].isspace():
        return "ppm"
    if head[:4] == b"\0\0\1\0" and suffix == ".ico":
        return "ico"
    foreign = next((name for magic, name in _FOREIGN if head.startswith(magic)), "")
    # TGA has no magic; Pillow's reader checks the header's fields
    return "tga" if suffix == ".tga" and not foreign else foreign


def resolve_format(path: Path, name: str | None) -> Format:
    """Return the format to write: the one named, or else the one of the path's suffix.

    Raises:
        UsageError: if it is unknown or only read.
    """
    known = ", ".join(WRITABLE_FORMATS)
    if name is not None:
        found = FORMATS.get(name.lower()) or _BY_SUFFIX.get("." + name.lower().lstrip("."))
        if found is None or not found.saver:
            raise UsageError(f"cannot write the format {name!r}; known: {known}")
        return found
    found = _BY_SUFFIX.get(path.suffix.lower())
    if found is None or not found.saver:
        what = f"the suffix {path.suffix!r}" if path.suffix else "no suffix"
        why = "which is only read" if found else "which names no format that can be written"
        raise UsageError(f"{path} has {what}, {why}; use one of {', '.join(WRITABLE_FORMATS.values())} or name a format: {known}")
    return found


def check_writable(path: str | Path, *, format: str | None = None, height: int | None = None, width: int | None = None) -> Format:
    """Find out before the work whether a picture could be written to a path; touches nothing.

    Args:
        path: where the picture is to go.
        format: name of the format, or None to take it from the suffix.
        height: rows of the picture, if known.
        width: columns of the picture, if known.

    Returns:
        The format that would be written.

    Raises:
        UsageError: if no writable format is named.
        PictureWriteError: if the path is a folder, its folder is not writable, or the picture is too large for the format.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise PictureWriteError(f"cannot write {path}: it is a folder; name a file in it")
        found = resolve_format(path, format)
        if path.exists() and not path.is_file():
            raise PictureWriteError(f"cannot write {path}: it is not a regular file")
        folder = path.absolute().parent
        while not folder.exists() and folder != folder.parent:
            folder = folder.parent
        if not folder.is_dir():
            raise PictureWriteError(f"cannot write {path}: {folder} is not a folder")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PictureWriteError(f"cannot write {path}: no permission to write in {folder}")
    except PictureWriteError:
        raise
    except OSError as error:
        raise PictureWriteError(f"cannot write {path}: {error.strerror or error}") from error
    side = max(height or 0, width or 0)
    if side > found.max_side:
        raise PictureWriteError(
            f"cannot write {path}: {found.name} holds at most {found.max_side} pixels a side and the picture has "
            f"{width}x{height}; write PNG or TIFF, or a smaller picture"
        )
    return found
