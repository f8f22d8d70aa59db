"""JPEG XL, with its plugin for Pillow where that is installed and without."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from clearvision.errors import PictureError
from clearvision.imaging import io
from clearvision.imaging.io import read_picture, read_size
from clearvision.imaging.jxl import read_jxl_head

XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/" tiff:Orientation="6"/>'


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (40, 50, 4)).astype(np.uint8)


@pytest.mark.parametrize(
    ("stream", "size"),
    [
        ("1" + "00100" + "100", (40, 40)),  # in eights of pixels, a square
        ("1" + "00100" + "000" + "10100", (40, 48)),
        ("0" + "00" + "111100000" + "010" + "", (16, 19)),  # 12:10 of a height of 16
        ("0" + "00" + "111001000" + "000" + "10" + "1000000000000", (40, 2)),
    ],
)
def test_the_size_is_read_from_the_first_bits(tmp_path: Path, stream: str, size: tuple[int, int]) -> None:
    bits = (stream + "1").ljust(128, "0")  # the lowest of every byte first; then all as usual
    data = bytes(int(bits[at : at + 8][::-1], 2) for at in range(0, 128, 8))
    (tmp_path / "a.jxl").write_bytes(b"\xff\x0a" + data)
    head = read_jxl_head(tmp_path / "a.jxl")
    assert ((head.height, head.width), head.bits) == (size, 8)


@pytest.mark.parametrize("container", [False, True])
def test_pixels_and_metadata_come_through(tmp_path: Path, noise: np.ndarray, container: bool) -> None:
    pytest.importorskip("pillow_jxl")
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "ACME", 6  # of the codestream that counts, not this
    told: dict[str, Any] = {"exif": exif.tobytes(), "xmp": XMP} if container else {}
    Image.fromarray(noise).save(tmp_path / "a.jxl", lossless=True, use_container=container, **told)
    found = read_picture(tmp_path / "a.jxl")
    np.testing.assert_array_equal(found.pixels, noise[:, :, :3])
    np.testing.assert_array_equal(found.alpha, noise[:, :, 3])  # type: ignore[arg-type]
    assert read_size(tmp_path / "a.jxl") == (40, 50)
    assert found.icc is not None
    assert found.xmp == (XMP.replace(b"6", b"1") if container else None)
    if container:
        again = Image.Exif()
        again.load(found.exif or b"")
        assert (again[0x010F], again[0x0112]) == ("ACME", 1)


def test_sixteen_bits_of_grey_stay(tmp_path: Path) -> None:
    pytest.importorskip("pillow_jxl")
    grey = np.random.default_rng(0).integers(0, 65536, (20, 30)).astype(np.uint16)
    Image.fromarray(grey).save(tmp_path / "a.jxl", lossless=True)
    np.testing.assert_array_equal(read_picture(tmp_path / "a.jxl").pixels[:, :, 0], grey)


@pytest.mark.filterwarnings("ignore:Using JPEG reconstruction")
def test_a_jpeg_file_inside_is_turned_as_it_says(tmp_path: Path, noise: np.ndarray) -> None:
    pytest.importorskip("pillow_jxl")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(noise[:, :, :3]).save(tmp_path / "a.jpg", exif=exif.tobytes())
    with Image.open(tmp_path / "a.jpg") as image:
        image.save(tmp_path / "a.jxl")
    found = read_picture(tmp_path / "a.jxl")
    assert read_size(tmp_path / "a.jxl") == (50, 40) == found.pixels.shape[:2]
    np.testing.assert_allclose(found.pixels.astype(int), read_picture(tmp_path / "a.jpg").pixels, atol=1)


def test_damaged_and_vast_files_are_refused(tmp_path: Path, noise: np.ndarray) -> None:
    pytest.importorskip("pillow_jxl")
    Image.fromarray(noise).save(tmp_path / "a.jxl", lossless=True)
    whole = (tmp_path / "a.jxl").read_bytes()
    with pytest.raises(PictureError, match=r"a\.jxl is 50x40, 0 megapixels, and at most 0\.001 are read"):
        read_picture(tmp_path / "a.jxl", max_pixels=1000)
    draw = np.random.default_rng(0)
    for _ in range(100):
        damaged = bytearray(whole[: draw.integers(2, len(whole))] if draw.random() < 0.3 else whole)
        for place in draw.integers(0, len(damaged), 4):
            damaged[place] = draw.integers(0, 256)
        (tmp_path / "b.jxl").write_bytes(damaged)
        with suppress(PictureError):  # nothing else may come out, and no crash
            read_picture(tmp_path / "b.jxl", max_pixels=100_000)


def test_without_the_plugin_the_way_out_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(io, "is_installed", lambda _: False)
    (tmp_path / "a.jxl").write_bytes(b"\xff\x0a" + b"\0" * 99)
    with pytest.raises(PictureError, match=r"a\.jxl is a jxl file, .* pip install 'clearvision\[jxl\]', or convert"):
        read_picture(tmp_path / "a.jxl")
