"""libvips: set up once, on first use, and the steps between its images and arrays.

Loaders are always called by name after our own look at the first bytes of a file, so libvips never guesses a format;
its untrusted loaders (SVG, PDF, ImageMagick ...) are switched off for the whole process all the same.
"""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from clearvision.errors import PictureError
from clearvision.imaging import canvas
from clearvision.imaging.canvas import LARGEST_IN_MEMORY
from clearvision.imaging.flow import AbandonedError, Flow
from clearvision.types import PixelArray

logger = logging.getLogger(__name__)

VipsImage: TypeAlias = Any  # pyvips.Image; its stubs are wrong about enumerations and metadata
VipsModule: TypeAlias = Any

SAMPLES: dict[str, type[np.generic]] = {"uchar": np.uint8, "ushort": np.uint16, "float": np.float32}
_FORMATS = {np.dtype(dtype): name for name, dtype in SAMPLES.items()}
# Spaces whose numbers are taken as they stand; the ICC profile, if any, gives them their meaning.
_PLAIN_SPACES = frozenset({"srgb", "rgb", "rgb16", "scrgb", "b-w", "grey16", "multiband"})
# Pixels per mm that libvips puts for a PNG file that states none, so that it is read back as none; close to 72 dpi.
UNKNOWN_RESOLUTION = 2.834
_STRIP_BYTES = 16 << 20  # decoded at once on the way to disk
# What a sample of full brightness, or an opaque one, is worth.
FULL: dict[str, float] = {"uint8": 255.0, "uint16": 65535.0, "float32": 1.0}


@functools.cache
def libvips() -> VipsModule:
    """Import pyvips on first use, block the untrusted loaders and switch the operation cache off."""
    import pyvips

    pyvips.block_untrusted_set(True)
    # Nothing is opened twice, and a cached operation would outlive the arrays it points to.
    pyvips.cache_set_max(0)

    def text_of(pointer: Any) -> str:  # noqa: ANN401 - a C string
        return "NULL" if pointer == pyvips.ffi.NULL else pyvips.ffi.string(pointer).decode("utf-8", "backslashreplace")

    # its own cannot tell of a file whose name, or whose contents that a message quotes, are not UTF-8
    modules: tuple[VipsModule, ...] = (pyvips, pyvips.error)
    for module in modules:
        module._to_string = text_of
    return pyvips


def call(operation: str, *args: object, **options: object) -> VipsImage:
    """Run a libvips operation by name with a clean error log, so that a failure's text is its own."""
    vips = libvips()
    vips.vips_lib.vips_error_clear()
    return vips.Operation.call(operation, *args, **options)


def has_field(image: VipsImage, name: str) -> bool:
    """Whether an image carries a field; pyvips' list of all of them fails where a file names one in anything but UTF-8."""
    return image.get_typeof(name) != 0


def interruptible(work: Callable[[], Any]) -> Any:  # noqa: ANN401 - what the work returns
    """Return what libvips ``work`` returns; Ctrl-C raises KeyboardInterrupt as soon as the work has ended.

    It runs in a thread of its own: in the main one the interrupt could be lost in a log callback of libvips. The work is not
    cut short: files appear whole or not at all anyway.
    """
    if threading.current_thread() is not threading.main_thread():
        return work()
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


def reason(error: Exception) -> str:
    """Return the one telling line of a libvips error, without paths and operation names."""
    text = str(getattr(error, "detail", error))
    lines = [line.strip() for line in text.splitlines() if any(letter.isalpha() for letter in line)]
    for line in lines:
        if line.startswith("system error: "):
            return line.removeprefix("system error: ")
    # libheif and the TIFF codec end on the cause; what they tried before it is noise
    return lines[-1] if lines else "no reason given"


def first_line(error: Exception) -> str:
    """Return the first line of what another library says."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def to_plain_colours(image: VipsImage, name: str) -> VipsImage:
    """Convert CMYK, LAB and other spaces to sRGB, with a warning in the log; grey and RGB come back untouched.

    CMYK goes through the embedded profile, or libvips' own CMYK profile when there is none, relative colorimetric.

    Args:
        image: libvips image of any space; extra bands (alpha) are kept.
        name: what to call the picture in the log.
    """
    space = image.interpretation
    if space in _PLAIN_SPACES:
        return image
    depth = 8 if image.format == "uchar" or image.coding == "labq" else 16
    if space == "cmyk":
        source = "its own profile" if has_field(image, "icc-profile-data") else "a default profile"
        logger.warning("%s: CMYK converted to sRGB through %s", name, source)
        image = image.icc_transform("srgb", embedded=True, input_profile="cmyk", intent="relative", depth=depth)
    else:
        logger.warning("%s: %s colours converted to sRGB", name, space.upper())
        image = image.colourspace("srgb" if depth == 8 else "rgb16")
    image = image.copy()
    if has_field(image, "icc-profile-data"):
        image.remove("icc-profile-data")  # it described the colours before; without one they are sRGB
    return image


def to_arrays(image: VipsImage, name: str, *, above: int = LARGEST_IN_MEMORY) -> tuple[PixelArray, PixelArray | None]:
    """Decode a grey or RGB image with or without alpha.

    Args:
        image: 8-bit, 16-bit or float32 libvips image of one to four bands.
        name: what to call the picture in an error.
        above: bytes of pixels beyond which they are decoded strip by strip into a canvas on disk.

    Returns:
        Pixels (H, W, 1 or 3) and alpha (H, W) or None. Opaque pixels are the decoder's own buffer, not a copy of it.

    Raises:
        PictureError: if the sample type or the number of channels is none of ours.
        pyvips.Error: if decoding fails.
    """
    if image.format not in SAMPLES:
        raise PictureError(
            f"{name} has samples of type {image.format}; convert it to 8-bit, 16-bit unsigned or 32-bit float samples first"
        )
    if image.bands > 4:
        raise PictureError(f"{name} has {image.bands} channels; grey and RGB with or without alpha are read (1 to 4 channels)")
    vips = libvips()
    vips.vips_lib.vips_error_clear()
    if image.width * image.height * image.bands * np.dtype(SAMPLES[image.format]).itemsize > above:
        return _to_canvases(image, above)
    buffer = interruptible(image.write_to_memory)
    shape = (image.height, image.width, image.bands)
    array: NDArray[Any] = np.frombuffer(buffer, dtype=SAMPLES[image.format]).reshape(shape)
    return split_alpha(array)


def _to_canvases(image: VipsImage, above: int) -> tuple[PixelArray, PixelArray | None]:
    dtype = SAMPLES[image.format]
    colours = image.bands if image.bands in (1, 3) else image.bands - 1
    pixels = canvas.empty((image.height, image.width, colours), dtype, above=above)
    alpha = None if colours == image.bands else canvas.empty((image.height, image.width), dtype, above=above)
    rows = max(1, _STRIP_BYTES // (image.width * image.bands * np.dtype(dtype).itemsize))
    region = libvips().Region.new(image)
    for top in range(0, image.height, rows):
        count = min(rows, image.height - top)
        strip = np.frombuffer(region.fetch(0, top, image.width, count), dtype).reshape(count, image.width, image.bands)
        pixels[top : top + count] = strip[:, :, :colours]
        canvas.release(pixels)
        if alpha is not None:
            alpha[top : top + count] = strip[:, :, -1]
            canvas.release(alpha)
    return pixels, alpha


def split_alpha(array: NDArray[Any]) -> tuple[PixelArray, PixelArray | None]:
    """Split (H, W, 1..4) into pixels (H, W, 1 or 3) and alpha (H, W) or None; copies only when there is an alpha."""
    if array.shape[2] in (1, 3):
        return array, None
    return np.ascontiguousarray(array[:, :, :-1]), np.ascontiguousarray(array[:, :, -1])


def from_arrays(pixels: PixelArray, alpha: PixelArray | None) -> VipsImage:
    """Wrap pixels (H, W, 1 or 3) and alpha (H, W) as a libvips image; contiguous arrays are not copied."""
    image = from_array(pixels)
    return image if alpha is None else image.bandjoin(from_array(alpha[:, :, None]))


def from_array(array: NDArray[Any]) -> VipsImage:
    """Wrap (H, W, C) uint8, uint16 or float32 as a libvips image in sRGB or grey; a contiguous array is not copied.

    While a canvas is read by libvips, :func:`~clearvision.imaging.canvas.released_meanwhile` keeps its memory small.
    """
    height, width, bands = array.shape
    image = libvips().Image.new_from_memory(np.ascontiguousarray(array), width, height, bands, _FORMATS[array.dtype])
    return image.copy(interpretation=_space_of(array))


def from_flow(pixels: PixelArray, alpha: PixelArray | None, flow: Flow) -> VipsImage:
    """Wrap contiguous pixels (H, W, 1 or 3) that are still being made, and their complete alpha, as a libvips image.

    libvips waits for rows of a file only, so the rows are shown to it as an uncompressed TIFF file, to be read once from above.
    Where they are abandoned the image ends early, and what was done with it fails.
    """
    from clearvision.imaging.tiff import head_of_plain

    head, body = head_of_plain(pixels), pixels.data.cast("B")
    row, whole, at = pixels.nbytes // len(pixels), len(head) + pixels.nbytes, 0

    def read(size: int) -> bytes | memoryview | None:
        nonlocal at
        start = at
        at = min(start + size, len(head) if start < len(head) else whole)
        if at <= len(head):
            return head[start:at]
        try:
            flow.wait(-(-(at - len(head)) // row))
        except AbandonedError:
            return None
        return body[start - len(head) : at - len(head)]

    def seek(offset: int, whence: int) -> int:
        nonlocal at
        at = max(0, offset + (0, at, whole)[whence])
        return at

    source = libvips().SourceCustom()
    source.on_read(read)
    source.on_seek(seek)
    image = libvips().Image.new_from_source(source, "", access="sequential", fail_on="error")
    image = image.copy(interpretation=_space_of(pixels))
    return image if alpha is None else image.bandjoin(from_array(alpha[:, :, None]))


def _space_of(array: NDArray[Any]) -> str:
    space = {("uint8", 1): "b-w", ("uint16", 1): "grey16", ("uint16", 3): "rgb16", ("float32", 1): "b-w", ("float32", 3): "scrgb"}
    return space.get((array.dtype.name, array.shape[2]), "srgb")
