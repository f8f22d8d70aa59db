"""Every format with every depth, alpha, profile, orientation, grey and colour: what ``docs/upscale.md`` promises, cell by cell.

A picture is written, read, written and read again; the second file must hold what the first one did, and Pillow, another reader,
must see the same pixels in it.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from clearvision.imaging.io import read_picture, write_picture
from clearvision.imaging.vips import FULL, call
from clearvision.types import Picture

Array = NDArray[Any]
HEIGHT, WIDTH = 6, 9
DPI = (300.0, 240.0)
IPTC = b"\x1c\x02\x05\x00\x05Title" + b"\x1c\x02\x78\x00\x03Sea"
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description dc:creator="Eve"/></rdf:RDF></x:xmpmeta>'
)
DEPTHS = ("uint8", "uint16", "float32")


@dataclass(frozen=True)
class Promise:
    """What a format keeps.

    Attributes:
        depths: sample types, deepest first; another becomes the deepest.
        alpha: whether transparency stays; else it is laid over white.
        worst: largest difference of a sample after two writes, of 255.
        grey: whether grey stays one channel.
        tags: profile, EXIF and XMP.
        iptc: IPTC.
        dpi: whether the resolution comes back.
        pillow: largest difference of what Pillow sees, of 255.
    """

    depths: tuple[str, ...] = ("uint8",)
    alpha: bool = True
    worst: int = 0
    grey: bool = True
    tags: bool = True
    iptc: bool = False
    dpi: bool = True
    pillow: int = 0


PLAIN = Promise(tags=False, dpi=False)
PROMISES = {
    ".png": Promise(depths=("uint16", "uint8")),
    ".tif": Promise(depths=("float32", "uint16", "uint8"), iptc=True),
    ".jpg": Promise(alpha=False, worst=4, iptc=True),
    ".webp": Promise(grey=False),  # of quality 100
    ".avif": Promise(depths=("uint16", "uint8"), worst=8, grey=False, pillow=2),
    ".bmp": Promise(alpha=False, tags=False),
    ".jp2": PLAIN,
    ".tga": PLAIN,
    ".ppm": Promise(depths=("uint16", "uint8"), alpha=False, tags=False, dpi=False),
}
# ICC.1, header: the colour space stands at byte 16
PROFILES = {3: bytes(call("profile_load", "p3")), 1: None}


def smooth(bands: int, dtype: str, alpha: bool) -> Picture:
    """Return gentle slopes, which formats with loss keep well, dark enough that a guess of the depth would fail."""
    y, x, c = np.indices((HEIGHT, WIDTH, bands))
    levels = (20 + 14 * y + 7 * x + 11 * c) / 255

    def stored(values: Array) -> Any:  # noqa: ANN401
        return values.astype(np.float32) if dtype == "float32" else np.floor(values * FULL[dtype] + 0.5).astype(dtype)

    return Picture(stored(levels), stored((y + x)[:, :, 0] / (HEIGHT + WIDTH)) if alpha else None)


def grey_profile() -> bytes:
    """Return a grey profile: that of sRGB with the grey space in its header, which is all that writers look at."""
    profile = bytearray(call("profile_load", "srgb"))
    profile[16:20] = b"GRAY"
    return bytes(profile)


def exif_block(orientation: int | None = None) -> bytes:
    exif = Image.Exif()
    exif[0x010F], exif[0x8298] = "ACME", "Eve"
    if orientation is not None:
        exif[0x0112] = orientation
    camera, place = exif.get_ifd(0x8769), exif.get_ifd(0x8825)
    camera[0x9000], camera[0xA001] = b"0231", 1
    camera[0x9003], camera[0xA002], camera[0xA003] = "2020:01:02 03:04:05", 6000, 4000
    place[1], place[2] = "N", (48.0, 30.0, 12.5)
    return exif.tobytes()


def expected_of(picture: Picture, promise: Promise) -> tuple[Array, Array | None]:
    """Return pixels and alpha that a format ought to hold, by the promises alone."""
    depth = picture.pixels.dtype.name
    target = depth if depth in promise.depths else promise.depths[0]
    pixels: Array = picture.pixels.astype(np.float64) / FULL[depth]
    alpha = None if picture.alpha is None else picture.alpha.astype(np.float64) / FULL[depth]
    if alpha is not None and not promise.alpha:
        pixels, alpha = pixels * alpha[:, :, None] + 1 - alpha[:, :, None], None
    if not promise.grey:
        pixels = np.broadcast_to(pixels, (HEIGHT, WIDTH, 3))

    def stored(values: Array) -> Array:
        return values.astype(np.float32) if target == "float32" else np.floor(values * FULL[target] + 0.5).astype(target)

    return stored(pixels), None if alpha is None else stored(alpha)


def assert_near(found: Array, expected: Array, worst: float) -> None:
    """Hold two arrays of one type to each other; ``worst`` of 255 may lie between them."""
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    apart = np.abs(found.astype(np.float64) - expected.astype(np.float64)).max() / FULL[found.dtype.name]
    assert apart * 255 <= worst + 1e-9


def seen_by_pillow(path: Path) -> Array | None:
    """Return (H, W, bands) as Pillow decodes it, or None for what it does not read."""
    try:
        with warnings.catch_warnings(), Image.open(path) as image:
            warnings.simplefilter("ignore")
            return np.atleast_3d(np.asarray(image))
    except (UnidentifiedImageError, SyntaxError, KeyError):
        return None


def tags_of(block: bytes | None) -> dict[int | str, Any]:
    """Return the tags that Pillow finds in an EXIF block, without what states the resolution."""
    exif = Image.Exif()
    exif.load(block or b"")
    found = {**dict(exif), "camera": dict(exif.get_ifd(0x8769)), "place": dict(exif.get_ifd(0x8825))}
    return {tag: value for tag, value in found.items() if tag not in (0x011A, 0x011B, 0x0128, 0x8769, 0x8825)}


@pytest.mark.parametrize("profile", [False, True], ids=["untagged", "profile"])
@pytest.mark.parametrize("alpha", [False, True], ids=["opaque", "alpha"])
@pytest.mark.parametrize("bands", [1, 3], ids=["grey", "rgb"])
@pytest.mark.parametrize("dtype", DEPTHS)
@pytest.mark.parametrize("suffix", PROMISES)
def test_every_cell(tmp_path: Path, suffix: str, dtype: str, bands: int, alpha: bool, profile: bool) -> None:
    promise = PROMISES[suffix]
    icc = (grey_profile() if bands == 1 else PROFILES[3]) if profile else None
    tags = {"exif": exif_block(), "xmp": XMP, "iptc": IPTC} if profile else {}
    picture = replace(smooth(bands, dtype, alpha), icc=icc, dpi=DPI, **tags)
    quality = {".webp": 100, ".avif": 100}.get(suffix)
    first, second = tmp_path / f"first{suffix}", tmp_path / f"second{suffix}"
    write_picture(picture, first, quality=quality)
    write_picture(read_picture(first), second, quality=quality)
    found = read_picture(second)

    pixels, transparency = expected_of(picture, promise)
    # laying over white rounds once more than the formula
    rounding = 1.0 if alpha and not promise.alpha and pixels.dtype == np.uint8 else 0.01 if pixels.dtype == np.uint16 else 0
    assert_near(found.pixels, pixels, promise.worst + rounding)
    assert (found.alpha is None) == (transparency is None)
    if found.alpha is not None and transparency is not None:
        assert_near(found.alpha, transparency, promise.worst + rounding)

    kept_profile = promise.tags and (bands == 3 or promise.grey)
    assert found.icc == (icc if kept_profile else None)
    assert found.xmp == (tags.get("xmp") if promise.tags else None)
    assert found.iptc == (tags.get("iptc") if promise.iptc else None)
    if promise.tags and tags:
        told, kept = tags_of(tags["exif"]), tags_of(found.exif)
        told["camera"].update({0xA002: WIDTH, 0xA003: HEIGHT})  # true of the pixels now
        for place in ("camera", "place"):
            assert kept[place].items() >= told.pop(place).items()  # libvips adds what the standard demands
        assert kept.items() >= told.items()
    assert found.dpi == (pytest.approx(DPI, abs=0.1) if promise.dpi else None)
    check_with_pillow(second, found, promise)


def check_with_pillow(path: Path, found: Picture, promise: Promise) -> None:
    seen = seen_by_pillow(path)
    depth, bands = found.pixels.dtype.name, found.pixels.shape[2]
    channels = bands + (found.alpha is not None)
    # Pillow's modes end here: float in colour or with alpha, 16-bit grey with alpha in TIFF
    unread = path.suffix == ".tif" and ((depth == "float32" and channels > 1) or (depth == "uint16" and channels == 2))
    assert (seen is None) == unread
    if seen is None:
        return
    joined: Array = found.pixels if found.alpha is None else np.concatenate([found.pixels, found.alpha[:, :, None]], axis=2)
    if path.suffix == ".png" and depth == "uint16" and channels == 2:
        joined = joined[:, :, [0, 0, 0, 1]]  # as RGBA
    if depth == "uint16" and seen.dtype == np.uint8:  # of deep colours Pillow keeps the high byte, or rounds
        assert seen.shape == joined.shape
        assert np.abs(seen - joined / 257).max() <= 1 + promise.pillow
        return
    if path.suffix == ".ppm" and depth == "uint16":  # in Pillow's mode I
        seen = seen.astype(np.uint16)
    assert_near(seen, joined, promise.pillow)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg", ".webp"])
def test_every_orientation(tmp_path: Path, suffix: str, orientation: int) -> None:
    source, target = tmp_path / f"source{suffix}", tmp_path / f"target{suffix}"
    buffer = BytesIO()
    pixels = smooth(3, "uint8", alpha=False).pixels
    form = {".png": "png", ".tif": "tiff", ".jpg": "jpeg", ".webp": "webp"}[suffix]
    options = {"jpeg": {"quality": 100, "subsampling": 0}, "webp": {"lossless": True}}.get(form, {})
    Image.fromarray(pixels).save(buffer, form, exif=exif_block(orientation), dpi=DPI, **options)
    source.write_bytes(buffer.getvalue())
    write_picture(read_picture(source), target, quality={".webp": 100, ".jpg": 100}.get(suffix))
    with Image.open(source) as image:
        expected = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    with Image.open(target) as image:
        assert image.getexif().get(0x0112, 1) == 1
        assert_near(np.asarray(image.convert("RGB")), expected, 3 if suffix == ".jpg" else 0)
    found = read_picture(target)
    told = tags_of(found.exif)
    assert (told[0x010F], told[0x8298], told["place"][1]) == ("ACME", "Eve", "N")
    assert (told["camera"][0xA002], told["camera"][0xA003]) == (found.width, found.height)
    if suffix != ".webp":  # Pillow states no resolution there
        turned = DPI[::-1] if orientation >= 5 else DPI
        assert found.dpi == pytest.approx(turned, abs=0.1)
