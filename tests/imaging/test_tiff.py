"""The TIFF files that are written here, as other readers see them."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from clearvision.imaging import tiff
from clearvision.imaging.exif import read_tiff_blocks, tiff_pages
from clearvision.imaging.io import read_picture, write_picture
from clearvision.imaging.vips import call
from clearvision.types import Picture

Array = NDArray[Any]


def noise(height: int, width: int, bands: int = 3, dtype: Any = np.uint8) -> Any:  # noqa: ANN401
    full = {np.uint8: 255, np.uint16: 65535, np.float32: 1}[dtype]
    return (np.random.default_rng(0).random((height, width, bands)) * full).astype(dtype)


def halved(pixels: Array) -> Array:
    height, width = (side // 2 * 2 for side in pixels.shape[:2])
    quarters = [pixels[row:height:2, column:width:2].astype(np.float64) for row in (0, 1) for column in (0, 1)]
    mean = np.mean(quarters, axis=0)
    return mean.astype(np.float32) if pixels.dtype == np.float32 else np.floor(mean + 0.5).astype(pixels.dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("bands", [1, 3])
@pytest.mark.parametrize("size", [(257, 1031), (1200, 515), (1, 600), (600, 1), (256, 256)])
def test_a_pyramid_holds_the_picture_and_its_halves(
    tmp_path: Path, size: tuple[int, int], bands: int, dtype: type[np.generic]
) -> None:
    pixels = noise(*size, bands, dtype)
    write_picture(Picture(pixels), tmp_path / "a.tif", pyramid=True)
    level, number = pixels, 0
    while True:
        image = call("tiffload", str(tmp_path / "a.tif"), page=number)
        np.testing.assert_allclose(image.numpy().reshape(level.shape), level, rtol=1e-6 if dtype == np.float32 else 0)
        assert image.get("tile-width") == 256
        if max(level.shape[:2]) <= 256 or min(level.shape[:2]) == 1:
            break
        level, number = halved(level), number + 1
    assert call("tiffload", str(tmp_path / "a.tif")).get("n-pages") == number + 1
    assert tiff_pages(tmp_path / "a.tif") == [0]


def test_more_than_four_gigabytes_are_a_bigtiff_which_keeps_metadata(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiff, "_LARGEST_CLASSIC", 1000)
    exif = Image.Exif()
    exif[0x010F], exif[0x0131] = "ACME", "Darkroom"
    exif.get_ifd(0x8769)[0x9003] = "2020:01:02 03:04:05"
    exif.get_ifd(0x8825)[1] = "N"
    iptc = b"\x1c\x02\x05\x00\x05Title"
    pixels = noise(300, 200)
    for pyramid in (False, True):
        picture = Picture(pixels, pixels[:, :, 0], exif=exif.tobytes(), iptc=iptc, dpi=(300.0, 240.0))
        write_picture(picture, tmp_path / "a.tif", pyramid=pyramid)
        assert (tmp_path / "a.tif").read_bytes()[:4] == b"II+\0"
        found = read_picture(tmp_path / "a.tif")
        np.testing.assert_array_equal(found.pixels, pixels)
        np.testing.assert_array_equal(found.alpha, pixels[:, :, 0])  # type: ignore[arg-type]
        assert (found.iptc, found.dpi) == (iptc, (300.0, 240.0))
        again = Image.Exif()
        again.load(found.exif or b"")
        assert (again[0x010F], again[0x0131]) == ("ACME", "Darkroom")
        assert again.get_ifd(0x8769)[0x9003] == "2020:01:02 03:04:05"
        assert again.get_ifd(0x8825)[1] == "N"


def test_offsets_that_hold_eight_bytes_are_not_carried_into_exif(tmp_path: Path) -> None:
    """LONG8 is unknown to EXIF, whose blocks hold four."""
    entry = (0x010F).to_bytes(2, "little") + (16).to_bytes(2, "little") + (1).to_bytes(8, "little") + bytes(8)
    (tmp_path / "a.tif").write_bytes(
        b"II+\0\x08\0\0\0" + (16).to_bytes(8, "little") + (1).to_bytes(8, "little") + entry + bytes(8)
    )
    assert read_tiff_blocks(tmp_path / "a.tif") == (None, None)


def test_directories_that_follow_each_other_in_a_circle_end(tmp_path: Path) -> None:
    write_picture(Picture(noise(4, 4)), tmp_path / "a.tif")
    data = bytearray((tmp_path / "a.tif").read_bytes())
    first = int.from_bytes(data[4:8], "little")
    end = first + 2 + 12 * int.from_bytes(data[first : first + 2], "little")
    data[end : end + 4] = data[4:8]
    (tmp_path / "a.tif").write_bytes(data)
    assert tiff_pages(tmp_path / "a.tif") == [0]


def test_without_the_fast_deflate_the_usual_one_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiff, "compress", zlib.compress)
    pixels = noise(300, 200)
    write_picture(Picture(pixels), tmp_path / "a.tif")
    np.testing.assert_array_equal(read_picture(tmp_path / "a.tif").pixels, pixels)
