"""Files that are no pictures, damaged ones and dangerous ones: one clear sentence each, never half a picture."""

from __future__ import annotations

import importlib.util
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from clearvision.errors import PictureError
from clearvision.imaging.frames import count_frames, read_frames
from clearvision.imaging.io import read_picture, read_size, write_picture
from clearvision.imaging.vips import from_array, libvips
from clearvision.types import Picture


def make_png(width: int, height: int, data: bytes = b"\0" * 1000) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"is empty \(0 bytes\)"),
        (b"just some words\n", "is not a picture, or one of an unknown format; JPEG, PNG"),
        (b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>", "is not a picture"),
        (b"3 3\n1 2 3\n4 5 6\n7 8 9\n", "is not a picture"),  # libvips would take it as a matrix
        (b"\0" * 5000, "is not a picture"),
        (b"%PDF-1.7 ...", "is a PDF file, which is not read here; convert it to PNG or TIFF"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isommp42" + b"\0" * 99, "is a video file, which is not read here"),
        (b"\x89PNG\r\n\x1a\n", "is damaged, cut short or not readable as png"),
        (b"\xff\xd8\xff\xe0", "is damaged, cut short or not readable as jpeg"),
        (b"II*\0\x08\0\0\0", "is damaged, cut short or not readable as tiff"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "is damaged, cut short or not readable as webp"),
        (b"BM" + b"\xff" * 60, "is damaged, cut short or not readable as bmp"),
        (b"P6\n9 9\n255\n", "is damaged, cut short or not readable as ppm"),
        (make_png(0, 9), "is damaged, cut short or not readable as png"),
        (b"P5\n0 9\n255\n", "ppm"),
    ],
)
def test_content_that_is_no_picture(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(PictureError, match=message) as caught:
        read_picture(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", [".tga", ".ico", ".ppm"])
def test_words_with_the_suffix_of_a_format_without_magic(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"a{suffix}").write_text("Dear diary, today nothing happened at all, as on most days.\n" * 9)
    with pytest.raises(PictureError):
        read_picture(tmp_path / f"a{suffix}")


def test_places_that_are_no_file(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match=r"none\.png does not exist"):
        read_picture(tmp_path / "none.png")
    with pytest.raises(PictureError, match="is a folder, not a picture"):
        read_picture(tmp_path)
    with pytest.raises(PictureError, match="cannot be opened: File name too long"):
        read_picture(tmp_path / ("a" * 300 + ".png"))
    with pytest.raises(PictureError, match="null"):
        read_picture(tmp_path / "a\0.png")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.png")
        with pytest.raises(PictureError, match="is not a regular file"):  # and does not wait for a writer
            read_picture(tmp_path / "pipe.png")


def test_huge_header_in_a_small_file_is_refused_before_decoding(tmp_path: Path) -> None:
    (tmp_path / "bomb.png").write_bytes(make_png(60000, 60000))
    assert (tmp_path / "bomb.png").stat().st_size < 1024
    message = "bomb.png is 60000x60000, 3600 megapixels, and at most 500 are read; raise max_pixels"
    with pytest.raises(PictureError, match=message):
        read_picture(tmp_path / "bomb.png")
    header = b"BM" + struct.pack("<IIIIiiHHIIiiII", 54, 0, 54, 40, 60000, 60000, 1, 24, 0, 0, 0, 0, 0, 0)
    (tmp_path / "bomb.bmp").write_bytes(header)
    with pytest.raises(PictureError, match="60000x60000"):
        read_picture(tmp_path / "bomb.bmp")


def test_the_limit_is_the_callers(tmp_path: Path) -> None:
    write_picture(Picture(np.zeros((10, 10, 1), np.uint8)), tmp_path / "a.png")
    assert read_picture(tmp_path / "a.png", max_pixels=100).width == 10
    with pytest.raises(PictureError, match=r"10x10, 0 megapixels, and at most 9\.9e-05 are read"):
        read_picture(tmp_path / "a.png", max_pixels=99)


@pytest.mark.parametrize("kept", [0.3, 0.6, 0.97])
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".avif", ".gif", ".bmp", ".jp2", ".tga", ".ppm"])
def test_a_file_cut_short_is_refused(tmp_path: Path, suffix: str, kept: float) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = tmp_path / f"a{suffix}"
    if suffix == ".gif":
        Image.fromarray(pixels).save(path)
    else:
        write_picture(Picture(pixels), path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(PictureError, match="is damaged, cut short or not readable"):
        read_picture(path)


def test_damaged_png_data_is_refused(tmp_path: Path) -> None:
    write_picture(Picture(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)), tmp_path / "a.png")
    content = bytearray((tmp_path / "a.png").read_bytes())
    content[len(content) // 2] ^= 0x55
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(PictureError, match="damaged"):
        read_picture(tmp_path / "a.png")


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_bytes_after_the_end_do_no_harm(tmp_path: Path, suffix: str) -> None:
    write_picture(Picture(np.zeros((8, 8, 3), np.uint8)), tmp_path / f"a{suffix}")
    with (tmp_path / f"a{suffix}").open("ab") as file:
        file.write(b"trailer" * 100)
    assert read_picture(tmp_path / f"a{suffix}").width == 8


@pytest.mark.parametrize("dtype", [np.int16, np.uint32, np.int8])
def test_sample_types_that_are_not_taken(tmp_path: Path, dtype: type[np.generic]) -> None:
    kind = {np.int16: "short", np.uint32: "uint", np.int8: "char"}[dtype]
    from_array(np.zeros((4, 4, 3), np.uint8)).cast(kind).tiffsave(str(tmp_path / "a.tif"))
    with pytest.raises(PictureError, match=f"samples of type {kind}; convert it to 8-bit, 16-bit unsigned or 32-bit float"):
        read_picture(tmp_path / "a.tif")


def test_the_reason_is_not_buried_under_earlier_ones(tmp_path: Path) -> None:
    write_picture(Picture(np.zeros((8, 8, 3), np.uint8)), tmp_path / "a.avif")
    for _ in range(400):  # each good AVIF leaves lines in libvips' error log, which has an end
        libvips().Image.heifload(str(tmp_path / "a.avif"))
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(PictureError, match=r"as jpeg: VipsJpeg: premature end of JPEG image$"):
        read_picture(tmp_path / "a.jpg")


def test_too_many_channels(tmp_path: Path) -> None:
    image = from_array(np.zeros((4, 4, 3), np.uint8))
    image.bandjoin(image).tiffsave(str(tmp_path / "a.tif"))
    with pytest.raises(PictureError, match="has 6 channels; grey and RGB with or without alpha are read"):
        read_picture(tmp_path / "a.tif")


def test_camera_raw_is_not_taken_for_its_thumbnail(tmp_path: Path) -> None:
    write_picture(Picture(np.zeros((8, 8, 3), np.uint8)), tmp_path / "a.tif")
    (tmp_path / "a.tif").rename(tmp_path / "a.NEF")
    with pytest.raises(PictureError, match="camera raw file; develop it to TIFF or JPEG first"):
        read_picture(tmp_path / "a.NEF")


def test_deep_files_read_with_8_bits_say_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "deep.ppm").write_bytes(b"P3\n1 1\n65535\n65535 32896 0\n")
    np.testing.assert_array_equal(read_picture(tmp_path / "deep.ppm").pixels, [[[255, 128, 0]]])
    assert "holds more than 8 bits a sample and is read with 8" in caplog.text


def test_standard_error_stays_silent(tmp_path: Path) -> None:
    picture = Picture(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    for suffix in (".jpg", ".png", ".tif", ".avif", ".webp"):
        write_picture(picture, tmp_path / f"a{suffix}")
        content = (tmp_path / f"a{suffix}").read_bytes()
        (tmp_path / f"a{suffix}").write_bytes(content[: len(content) // 2])
    code = (
        "import pathlib, sys\n"
        "from clearvision.errors import PictureError\n"
        "from clearvision.imaging.io import read_picture\n"
        "for path in pathlib.Path(sys.argv[1]).iterdir():\n"
        "    try: read_picture(path)\n"
        "    except PictureError as error: print(error)\n"
    )
    answer = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert answer.stderr == ""
    assert len(answer.stdout.splitlines()) == 5


# ---- small files that ask for much -------------------------------------------------------------------------------------------


def make_pages(count: int, last_next: int = 0) -> bytes:
    """Return a TIFF file of pages of one grey pixel; ``last_next`` is where the last directory says that another follows."""
    rows = ((256, 3, 1), (257, 3, 1), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 8), (277, 3, 1), (278, 3, 1), (279, 4, 1))
    size = 2 + 12 * len(rows) + 4
    data = bytearray(b"II*\0" + struct.pack("<I", 10) + b"\0\0")
    for index in range(count):
        table = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in rows)
        following = last_next if index == count - 1 else len(data) + size
        data += struct.pack("<H", len(rows)) + table + struct.pack("<I", following)
    return bytes(data)


def test_directories_of_a_tiff_in_a_circle_end(tmp_path: Path) -> None:
    path = tmp_path / "loop.tif"
    path.write_bytes(make_pages(2, last_next=10))
    assert count_frames(path) == 2
    assert len(read_frames(path).pictures) == 2
    path.write_bytes(make_pages(1, last_next=10))
    assert count_frames(path) == 1
    assert read_picture(path).pixels.shape == (1, 1, 1)


def test_thousands_of_tiny_pages_are_refused_before_they_are_read(tmp_path: Path) -> None:
    path = tmp_path / "pages.tif"
    path.write_bytes(make_pages(2001))
    with pytest.raises(PictureError, match=r"pages\.tif has 2001 pages, and at most 2000 are read; split it into several files"):
        read_frames(path)


def make_icon(content: bytes) -> bytes:
    return struct.pack("<HHH", 0, 1, 1) + struct.pack("<BBBBHHII", 16, 16, 0, 0, 1, 32, len(content), 22) + content


def test_a_vast_picture_in_an_icon_is_refused_before_decoding(tmp_path: Path) -> None:
    path = tmp_path / "bomb.ico"
    path.write_bytes(make_icon(make_png(60000, 60000)))
    with pytest.raises(PictureError, match=r"bomb\.ico"):
        read_picture(path)
    path.write_bytes(make_icon(make_png(5000, 4000)))
    assert read_size(path) == (4000, 5000)
    with pytest.raises(PictureError, match="5000x4000, 20 megapixels, and at most 1 are read"):
        read_picture(path, max_pixels=1_000_000)
    bitmap = struct.pack("<IiiHHIIiiII", 40, 300, 600, 1, 32, 0, 0, 0, 0, 0, 0)
    path.write_bytes(make_icon(bitmap))
    with pytest.raises(PictureError, match="a bitmap of 300x300 pixels in an icon, which holds at most 256x256"):
        read_picture(path)


def test_an_icon_is_as_large_as_the_picture_inside(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (32, 48, 3), dtype=np.uint8)
    write_picture(Picture(pixels), tmp_path / "a.png")
    (tmp_path / "a.ico").write_bytes(make_icon((tmp_path / "a.png").read_bytes()))
    picture = read_picture(tmp_path / "a.ico")  # and no warning of Pillow's about it
    assert (picture.format, read_size(tmp_path / "a.ico")) == ("ico", (32, 48))
    np.testing.assert_array_equal(picture.pixels, pixels)


# ---- found by benchmarks/fuzz.py ---------------------------------------------------------------------------------------------


def test_words_in_another_encoding_do_not_cost_the_picture(tmp_path: Path) -> None:
    content = make_png(2, 2, b"\0" * 14)
    body = "Título\0España".encode("latin-1")  # as the standard has it
    chunk = struct.pack(">I", len(body)) + b"tEXt" + body + struct.pack(">I", zlib.crc32(b"tEXt" + body))
    (tmp_path / "a.png").write_bytes(content[:33] + chunk + content[33:])
    assert read_size(tmp_path / "a.png") == (2, 2)
    assert read_picture(tmp_path / "a.png").width == 2


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="file names are Unicode there")
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif", ".avif", ".gif"])
def test_a_damaged_file_whose_name_is_not_unicode_is_refused_in_a_sentence(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / os.fsdecode(b"M\xe4rz" + suffix.encode())
    write_picture(Picture(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)), path)
    for kept in (0.7, 0.02):
        path.write_bytes(path.read_bytes()[: max(16, int(path.stat().st_size * kept))])
        with pytest.raises(PictureError, match="damaged, cut short or not readable"):
            read_picture(path)


@pytest.mark.parametrize("density", [0xFFFFFFFF, 0x7FFFFFFF, 1])
def test_a_resolution_that_cannot_be_meant_counts_as_none(tmp_path: Path, density: int) -> None:
    content = make_png(2, 2, b"\0" * 14)
    body = struct.pack(">IIB", density, density, 1)
    chunk = struct.pack(">I", len(body)) + b"pHYs" + body + struct.pack(">I", zlib.crc32(b"pHYs" + body))
    (tmp_path / "a.png").write_bytes(content[:33] + chunk + content[33:])
    (tmp_path / "a.bmp").write_bytes(
        b"BM" + struct.pack("<IIIIiiHHIIiiII", 58, 0, 54, 40, 1, 1, 1, 24, 0, 4, density & 0x7FFFFFFF, 1, 0, 0) + b"\1\2\3\0"
    )
    for name in ("a.png", "a.bmp"):
        picture = read_picture(tmp_path / name)
        assert picture.dpi is None
        write_picture(picture, tmp_path / "b.webp")  # states it in EXIF, where it must fit


def test_the_size_of_a_deep_netpbm_file_is_told_by_its_header(tmp_path: Path) -> None:
    for name, content in (("a.pfm", b"PF\n4 3\n-1.0\n"), ("a.ppm", b"P6\n4 3\n65535\n"), ("b.ppm", b"P6\n4 3\n255\n")):
        (tmp_path / name).write_bytes(content)
        assert read_size(tmp_path / name) == (3, 4)


def test_a_netpbm_header_takes_no_memory_that_the_file_does_not_fill(tmp_path: Path) -> None:
    (tmp_path / "a.pfm").write_bytes(b"PF\n20000 20000\n-1.0\n1234")
    with pytest.raises(PictureError, match="is cut short: 1 of 1200000000 samples are there"):
        read_picture(tmp_path / "a.pfm")


def load_fuzzer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fuzz", Path(__file__).parents[2] / "benchmarks/fuzz.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


FUZZER = load_fuzzer()


@pytest.mark.parametrize("group", FUZZER.GROUPS)
def test_damage_of_every_format_is_read_or_refused(tmp_path: Path, group: str) -> None:
    seeds = FUZZER.make_seeds(group, tmp_path)
    counts = {"read": 0, "refused": 0}
    for number in range(30):
        suffix, content = FUZZER.make_case(seeds, group, 1, number)
        path = tmp_path / f"case{suffix}"
        path.write_bytes(content)
        counts[FUZZER.check_case(path, write=number % FUZZER.WRITE_EVERY == 0)] += 1
    assert min(counts.values()) > 0  # damage neither too weak nor too strong to tell anything
