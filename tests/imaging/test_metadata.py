"""Profile, EXIF, XMP, IPTC and resolution: carried from file to file, and true of the pixels they are stored with."""

from __future__ import annotations

import struct
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from clearvision.imaging.exif import PREFIX, exif_dpi, fit_exif, read_tiff_blocks, upright_exif
from clearvision.imaging.io import picture_from_pil, picture_to_pil, read_picture, write_picture
from clearvision.imaging.metadata import fit_xmp, iptc_of_photoshop, photoshop_of_iptc, upright_xmp
from clearvision.imaging.vips import call
from clearvision.types import Picture

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
IPTC = b"\x1c\x02\x05\x00\x05Title" + b"\x1c\x02\x78\x00\x03Sea"
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
    b'tiff:Orientation="6" exif:PixelXDimension="9" dc:creator="J"><tiff:ImageLength>9</tiff:ImageLength></rdf:Description>'
    b"</rdf:RDF></x:xmpmeta>"
)


def make_exif(*, thumbnail: bool = False, orientation: int = 6) -> bytes:
    """Return a block with tags of every directory, big-endian as cameras write it."""
    exif = Image.Exif()
    exif.endian = ">"
    exif[0x010F], exif[0x0112], exif[0x8298] = "ACME", orientation, "Eve"
    exif[0x0100], exif[0x0101] = 6000, 4000
    camera = exif.get_ifd(0x8769)
    camera[0x9003], camera[0xA002], camera[0xA003], camera[0x829A] = "2020:01:02 03:04:05", 6000, 4000, 0.004
    camera[0x927C], camera[0xA001] = b"ACME\0\1\2\3" * 9, 1
    place = exif.get_ifd(0x8825)
    place[1], place[2] = "N", (48.0, 30.0, 12.5)
    if thumbnail:
        small = BytesIO()
        Image.new("RGB", (16, 16)).save(small, "jpeg")
        exif.get_ifd(1).update({0x0201: 0, 0x0202: len(small.getvalue())})
    return exif.tobytes()


def parse(block: bytes | None) -> tuple[dict[int, Any], dict[int, Any], dict[int, Any]]:
    """Return what Pillow reads in the first, the EXIF and the GPS directory."""
    assert block is not None
    exif = Image.Exif()
    exif.load(block)
    return dict(exif), dict(exif.get_ifd(0x8769)), dict(exif.get_ifd(0x8825))


@pytest.fixture(scope="module")
def display_p3() -> bytes:
    return bytes(call("profile_load", "p3"))


@pytest.fixture
def picture(display_p3: bytes) -> Picture:
    exif, xmp = upright_exif(make_exif()), upright_xmp(XMP)
    return Picture(PIXELS, icc=display_p3, exif=exif, xmp=xmp, iptc=IPTC, dpi=(300, 240), format="jpeg")


# ---- from file to file -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp", ".avif"])
def test_everything_survives_twice(tmp_path: Path, picture: Picture, suffix: str, caplog: pytest.LogCaptureFixture) -> None:
    write_picture(picture, tmp_path / f"a{suffix}")
    first = read_picture(tmp_path / f"a{suffix}")
    write_picture(first, tmp_path / f"b{suffix}")
    for back in (first, read_picture(tmp_path / f"b{suffix}")):
        assert back.icc == picture.icc
        assert back.xmp is not None
        assert b'dc:creator="J"' in back.xmp
        assert back.dpi == (300, 240)
        assert back.iptc == (IPTC if suffix in (".jpg", ".tif") else None)
        top, camera, place = parse(back.exif)
        assert (top[0x010F], top[0x8298]) == ("ACME", "Eve")
        assert (camera[0x9003], camera[0x829A], camera[0x927C]) == ("2020:01:02 03:04:05", 0.004, b"ACME\0\1\2\3" * 9)
        assert (place[1], place[2]) == ("N", (48.0, 30.0, 12.5))
        # and true of these pixels
        assert (camera[0xA002], camera[0xA003]) == (60, 40)
        assert top.get(0x0112, 1) == 1
        assert b'PixelXDimension="60"' in back.xmp
        assert b"<tiff:ImageLength>40<" in back.xmp
    assert caplog.text == ""


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp", ".avif"])
def test_other_programs_see_it(tmp_path: Path, picture: Picture, suffix: str) -> None:
    write_picture(picture, tmp_path / f"a{suffix}")
    with Image.open(tmp_path / f"a{suffix}") as image:
        image.load()
        assert image.info["icc_profile"] == picture.icc
        exif = image.getexif()
        assert exif[0x010F] == "ACME"
        assert exif.get_ifd(0x8769)[0xA002] == 60
        assert exif.get(0x0112, 1) == 1
        if suffix in (".jpg", ".png", ".tif"):
            np.testing.assert_allclose([float(value) for value in image.info["dpi"]], (300, 240), atol=0.02)
    if suffix == ".jpg":
        content = (tmp_path / "a.jpg").read_bytes()
        head = content[:40]
        assert (content.count(b"Exif\0\0"), content.count(b"http://ns.adobe.com/xap")) == (1, 1)
        assert (head[2:11], head[20:22], head[24:30]) == (b"\xff\xe0\x00\x10JFIF\0", b"\xff\xe1", b"Exif\0\0")


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp", ".avif"])
def test_strip_metadata_keeps_profile_and_resolution_only(tmp_path: Path, picture: Picture, suffix: str) -> None:
    write_picture(picture, tmp_path / f"a{suffix}", strip_metadata=True)
    back = read_picture(tmp_path / f"a{suffix}")
    assert (back.exif, back.xmp, back.iptc) == (None, None, None)
    assert back.icc == picture.icc
    assert back.dpi == ((300, 240) if suffix in (".jpg", ".png", ".tif") else None)  # the others hold it in EXIF
    content = (tmp_path / f"a{suffix}").read_bytes()
    assert not any(word in content for word in (b"ACME", b"Eve", b"xmpmeta", b"Title", b"Exif\0\0"))


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp", ".avif"])
def test_nothing_is_made_up(tmp_path: Path, suffix: str) -> None:
    write_picture(Picture(PIXELS), tmp_path / f"a{suffix}")
    back = read_picture(tmp_path / f"a{suffix}")
    assert (back.icc, back.exif, back.xmp, back.iptc, back.dpi) == (None, None, None, None, None)


@pytest.mark.parametrize("dpi", [(72, 72), (25.4, 25.4), (96, 192), (600, 600)])
@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp", ".bmp"])
def test_resolution(tmp_path: Path, suffix: str, dpi: tuple[float, float]) -> None:
    write_picture(Picture(PIXELS, dpi=dpi), tmp_path / f"a{suffix}")
    assert read_picture(tmp_path / f"a{suffix}").dpi == pytest.approx(dpi, abs=0.05)


def test_from_camera_jpeg_to_upright_tiff(tmp_path: Path) -> None:
    image = Image.fromarray(PIXELS)
    image.save(tmp_path / "photo.jpg", exif=make_exif(thumbnail=True), dpi=(300, 300))
    photo = read_picture(tmp_path / "photo.jpg")
    assert (photo.height, photo.width) == (60, 40)
    assert parse(photo.exif)[0][0x0112] == 1
    write_picture(photo, tmp_path / "photo.tif")
    with Image.open(tmp_path / "photo.tif") as opened:
        assert opened.size == (40, 60)
        assert opened.getexif()[0x010F] == "ACME"
        assert opened.getexif().get_ifd(0x8825)[2] == (48.0, 30.0, 12.5)
    write_picture(photo, tmp_path / "again.jpg")
    assert b"\xff\xd8\xff" not in (tmp_path / "again.jpg").read_bytes()[2:]  # no thumbnail of the old pixels


def test_from_tiff_of_another_program_to_jpeg(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif.load(make_exif(orientation=3))
    del exif[0x0100], exif[0x0101]  # Pillow would let them override the size of the file
    Image.fromarray(PIXELS).save(tmp_path / "scan.tif", exif=exif, dpi=(600, 600))
    scan = read_picture(tmp_path / "scan.tif")
    np.testing.assert_array_equal(scan.pixels, PIXELS[::-1, ::-1])
    write_picture(scan, tmp_path / "scan.jpg")
    top, camera, place = parse(read_picture(tmp_path / "scan.jpg").exif)
    assert (top[0x010F], camera[0xA002], place[1]) == ("ACME", 60, "N")
    assert top[0x011A] == 600
    assert not {0x0102, 0x0103, 0x0106, 0x0111, 0x0117} & set(top)  # how the TIFF was laid out is not EXIF


def test_private_tags_survive_in_jpeg(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0xC5D9] = 12345
    exif.get_ifd(0x8769)[0xFDE8] = "Own"
    write_picture(Picture(PIXELS, exif=exif.tobytes()), tmp_path / "a.jpg")
    top, camera, _ = parse(read_picture(tmp_path / "a.jpg").exif)
    assert (top[0xC5D9], camera[0xFDE8]) == (12345, "Own")


def test_exif_cannot_change_how_a_tiff_is_laid_out(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x0111], exif[0x0103], exif[0x0106] = "ACME", 1, 6, 0
    write_picture(Picture(PIXELS, exif=exif.tobytes()), tmp_path / "a.tif")
    np.testing.assert_array_equal(read_picture(tmp_path / "a.tif").pixels, PIXELS)


def test_grey_profile_goes_with_grey(tmp_path: Path, display_p3: bytes, caplog: pytest.LogCaptureFixture) -> None:
    grey = display_p3[:16] + b"GRAY" + display_p3[20:]
    for suffix in (".jpg", ".png", ".tif"):
        write_picture(Picture(PIXELS[:, :, :1], icc=grey), tmp_path / f"a{suffix}")
        assert read_picture(tmp_path / f"a{suffix}").icc == grey
    assert caplog.text == ""
    write_picture(Picture(PIXELS, icc=grey), tmp_path / "a.png")
    assert read_picture(tmp_path / "a.png").icc is None
    assert "the ICC profile is for b'GRAY' and left out; png needs b'RGB '" in caplog.text


def test_a_lost_profile_is_said(tmp_path: Path, picture: Picture, caplog: pytest.LogCaptureFixture) -> None:
    write_picture(picture, tmp_path / "a.bmp")
    assert "profile and metadata are left out; bmp is written without them" in caplog.text


def test_blocks_too_large_for_jpeg_are_left_out_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    xmp = XMP.replace(b'"J"', b'"' + b"J" * 70_000 + b'"')
    for suffix in (".jpg", ".png", ".tif"):
        write_picture(Picture(PIXELS, xmp=xmp), tmp_path / f"a{suffix}")
        back = read_picture(tmp_path / f"a{suffix}").xmp
        assert (back is None) == (suffix == ".jpg")
    assert caplog.text.count("JPEG holds at most 64 KB of it") == 1


def test_large_jpeg_keeps_its_data_behind_the_new_head(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (900, 900, 3), dtype=np.uint8)  # more than a piece of 1 MB
    write_picture(Picture(pixels, exif=make_exif(orientation=1)), tmp_path / "a.jpg", quality=100)
    assert (tmp_path / "a.jpg").stat().st_size > 1 << 20
    assert np.abs(read_picture(tmp_path / "a.jpg").pixels.astype(int) - pixels).max() < 8


def test_pillow_images_carry_it_too(picture: Picture) -> None:
    image = picture_to_pil(picture)
    back = picture_from_pil(image)
    assert (back.icc, back.exif, back.xmp, back.dpi) == (picture.icc, picture.exif, picture.xmp, (300, 240))
    turned = Image.fromarray(PIXELS)
    turned.getexif()[0x0112] = 6
    upright = picture_from_pil(turned)
    assert upright.width == 40
    assert parse(upright.exif)[0][0x0112] == 1


# ---- EXIF blocks -------------------------------------------------------------------------------------------------------------


def test_upright_changes_one_tag_and_nothing_else() -> None:
    block = make_exif()
    upright = upright_exif(block)
    assert upright is not None
    assert sum(a != b for a, b in zip(block, upright, strict=True)) == 1
    assert parse(upright)[0][0x0112] == 1
    assert upright_exif(block[len(PREFIX) :]) == upright  # as PNG and WebP hold it
    assert upright_exif(upright) == upright


def test_values_begin_on_even_bytes() -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x0131] = "odd!", "odd also", "even it"  # with their zeros 5, 9 and 8 bytes
    block = (fit_exif(exif.tobytes(), 1, 1, (72, 72)) or b"")[len(PREFIX) :]
    rows = [struct.unpack_from("<HHII", block, 10 + 12 * index) for index in range(struct.unpack_from("<H", block, 8)[0])]
    assert [value % 2 for _, kind, count, value in rows if kind == 5 or count > 4] == [0] * 5


def test_fit_corrects_sizes_only_where_they_are_stated() -> None:
    top, camera, _ = parse(fit_exif(make_exif(), 70_000, 5, (150.5, 72)))
    assert (top[0x0100], top[0x0101], camera[0xA002], camera[0xA003]) == (70_000, 5, 70_000, 5)
    assert (top[0x011A], top[0x011B], top[0x0128]) == (150.5, 72, 2)
    bare = Image.Exif()
    bare[0x010F] = "ACME"
    assert set(parse(fit_exif(bare.tobytes(), 7, 5, None))[0]) == {0x010F}
    assert fit_exif(None, 7, 5, None) is None


def test_resolution_in_centimetres() -> None:
    exif = Image.Exif()
    exif[0x011A], exif[0x011B], exif[0x0128] = 100, 50, 3
    assert exif_dpi(exif.tobytes()) == (254, 127)


@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"Exif\0\0",
        b"garbage" * 9,
        b"II*\0\xff\xff\xff\xff",
        b"II*\0\x08\0\0\0\xff\xff",  # 65535 entries that are not there
    ],
)
def test_what_is_not_exif_is_dropped(tmp_path: Path, block: bytes, caplog: pytest.LogCaptureFixture) -> None:
    assert upright_exif(block) is None
    assert fit_exif(block, 1, 1, None) is None
    assert exif_dpi(block) is None
    write_picture(Picture(PIXELS, exif=block), tmp_path / "a.jpg")
    assert read_picture(tmp_path / "a.jpg").exif is None
    assert "the EXIF block is damaged and left out" in caplog.text


def test_directories_in_a_circle_end() -> None:
    loop = b"II*\0\x08\0\0\0" + struct.pack("<HHHII", 1, 0x8769, 4, 1, 8) + bytes(4)
    assert fit_exif(loop, 1, 1, None) is not None


def test_a_small_block_cannot_claim_gigabytes() -> None:
    rows = b"".join(struct.pack("<HHII", 0x9000 + n % 1000, 7, 60_000, 0) for n in range(5000))
    block = b"II*\0\x08\0\0\0" + struct.pack("<H", 5000) + rows + bytes(4)
    fitted = fit_exif(block, 1, 1, None)
    assert fitted is None or len(fitted) < 10_000_000


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 420), st.integers(0, 255)), max_size=12), st.integers(0, 430))
def test_damaged_blocks_never_raise(changes: list[tuple[int, int]], kept: int) -> None:
    block = bytearray(make_exif())
    for position, value in changes:
        block[position % len(block)] = value
    damaged = bytes(block[:kept])
    upright_exif(damaged)
    exif_dpi(damaged)
    fitted = fit_exif(damaged, 3, 2, (72, 72))
    assert fitted is None or upright_exif(fitted) is not None


def test_a_damaged_bigtiff_has_no_blocks(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(b"II+\0\x08\0\0\0" + bytes(8))
    assert read_tiff_blocks(tmp_path / "a.tif") == (None, None)


# ---- XMP and IPTC ------------------------------------------------------------------------------------------------------------


def test_xmp_is_changed_where_it_states_something() -> None:
    assert upright_xmp(XMP) == XMP.replace(b'tiff:Orientation="6"', b'tiff:Orientation="1"')
    assert upright_xmp(b"<tiff:Orientation> 8</tiff:Orientation>") == b"<tiff:Orientation> 1</tiff:Orientation>"
    assert fit_xmp(XMP, 70, 5) == XMP.replace(b'XDimension="9"', b'XDimension="70"').replace(b"Length>9<", b"Length>5<")
    other = b"<x:xmpmeta><a mytiff:Orientation='6' tiff:OrientationNote='6'/></x:xmpmeta>"
    assert upright_xmp(fit_xmp(other, 1, 1)) == other


@pytest.mark.parametrize("records", [IPTC, IPTC + b"\x1c\x02\x78\x00\x02Se"])
def test_iptc_is_found_between_other_photoshop_resources(records: bytes) -> None:
    assert iptc_of_photoshop(photoshop_of_iptc(records)) == records
    path = b"8BIM" + struct.pack(">H", 2000) + b"\x03abc" + struct.pack(">I", 3) + b"xyz\0"
    wrapped = photoshop_of_iptc(records)
    assert iptc_of_photoshop(wrapped[:14] + path + wrapped[14:]) == records
    assert iptc_of_photoshop(records) == records


@pytest.mark.parametrize("block", [b"", b"Photoshop 3.0\0", b"Photoshop 3.0\x008BIM", b"Photoshop 3.0\x008BIM\x04\x04", b"words"])
def test_damaged_photoshop_blocks_hold_no_iptc(block: bytes) -> None:
    assert iptc_of_photoshop(block) is None
