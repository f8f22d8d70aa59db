from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from clearvision.errors import PictureError
from clearvision.imaging import canvas
from clearvision.imaging.io import read_picture, write_picture
from clearvision.types import Picture


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where canvases lie in these tests."""
    place = tmp_path / "scratch"
    place.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(place))
    return place


def test_a_large_array_is_a_file_that_goes_with_it(folder: Path) -> None:
    small, large = canvas.empty((4, 5, 3), np.uint8, above=60), canvas.empty((4, 5, 3), np.uint8, above=59)
    assert not canvas.is_canvas(small)
    assert canvas.is_canvas(large)
    assert not canvas.is_canvas(large[1:])
    large[:] = 7
    canvas.release(large)
    assert large.sum() == 420
    assert canvas.canvas_file(large).read_bytes() == bytes([7]) * 60
    del large
    gc.collect()
    assert list(folder.iterdir()) == []


def test_a_disk_without_room_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 10}))
    with pytest.raises(PictureError, match=r"5x4 pixels needs 0\.0 GB on disk .* set TMPDIR to a folder with more room"):
        canvas.empty((4, 5, 3), np.uint8, above=0)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("bands", [1, 3])
def test_files_go_through_canvases_unchanged(tmp_path: Path, dtype: type[np.generic], bands: int) -> None:
    rng = np.random.default_rng(0)
    full = {np.uint8: 255, np.uint16: 65535, np.float32: 1}[dtype]
    pixels, alpha = ((rng.random(shape) * full).astype(dtype) for shape in ((70, 50, bands), (70, 50)))
    write_picture(Picture(pixels, alpha, dpi=(300.0, 300.0)), tmp_path / "a.tif")
    read = read_picture(tmp_path / "a.tif", in_memory=1000)
    assert canvas.is_canvas(read.pixels)
    np.testing.assert_array_equal(read.pixels, pixels)
    write_picture(read, tmp_path / "b.tif", pyramid=True)
    again = read_picture(tmp_path / "b.tif")
    assert again.alpha is not None
    np.testing.assert_array_equal(again.pixels, pixels)
    np.testing.assert_array_equal(again.alpha, alpha)
    assert again.dpi == (300, 300)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_canvases_stay_canvases(tmp_path: Path, orientation: int) -> None:
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    expected = read_picture(tmp_path / "a.png").pixels
    found = read_picture(tmp_path / "a.png", in_memory=100).pixels
    np.testing.assert_array_equal(found, expected)


def test_a_killed_process_leaves_a_canvas_only_until_the_next(folder: Path) -> None:
    code = (
        "import os, sys, tempfile, numpy as np\ntempfile.tempdir = sys.argv[1]\nfrom clearvision.imaging import canvas\n"
        "kept = canvas.empty((9, 9, 3), np.uint8, above=0)\nos._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(folder)], check=False).returncode == 9
    assert len(list(folder.iterdir())) == 1
    mine = canvas.empty((9, 9, 3), np.uint8, above=0)
    assert list(folder.iterdir()) == [canvas.canvas_file(mine)]
