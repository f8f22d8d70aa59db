from __future__ import annotations

import gc
import subprocess
import sys
import time
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
    assert not isinstance(small, np.memmap)
    assert isinstance(large, np.memmap)
    large[:] = 7
    canvas.release(large)
    assert large.sum() == 420
    assert isinstance(large, np.memmap)
    assert Path(str(large.filename)).read_bytes() == bytes([7]) * 60
    del large
    gc.collect()
    assert list(folder.iterdir()) == []


def test_a_shelf_holds_some_in_memory_and_the_others_in_few_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canvas, "_SHELF_BYTES", 1000)
    shelf = canvas.Shelf(100)
    rng = np.random.default_rng(0)
    arrays = [rng.random((5, size, 3)).astype(dtype) for size in (1, 9, 3, 40) for dtype in (np.uint8, np.float32)]
    kept = [shelf.put(array) for array in arrays]
    assert kept[0] is arrays[0]
    assert sum(isinstance(array, np.memmap) for array in kept) == 6
    assert len(list(folder.iterdir())) == 3
    for found, array in zip(kept, arrays, strict=True):
        assert found.dtype == array.dtype
        np.testing.assert_array_equal(found, array)


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
    assert isinstance(read.pixels, np.memmap)
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
    assert isinstance(mine, np.memmap)
    assert list(folder.iterdir()) == [Path(str(mine.filename))]


def test_memory_does_not_grow_while_something_reads_a_canvas(monkeypatch: pytest.MonkeyPatch) -> None:
    let_go = []
    monkeypatch.setattr(canvas, "release", let_go.append)
    monkeypatch.setattr(canvas, "_INTERVAL", 0.001)
    plain, large = np.zeros((4, 4)), canvas.empty((4, 5, 3), np.uint8, above=0)
    with canvas.released_meanwhile(plain, None, large):
        while len(let_go) < 2:
            time.sleep(0.001)
    ended = len(let_go)
    time.sleep(0.02)
    assert len(let_go) == ended  # the thread is gone
    assert all(array is large for array in let_go)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_writing_a_canvas_takes_far_less_memory_than_it_has(tmp_path: Path) -> None:
    code = """
import re, sys, threading, time
import numpy as np
from pathlib import Path
from clearvision.imaging import canvas
from clearvision.imaging.io import write_picture
from clearvision.types import Picture

def resident():
    return int(re.search(r"VmRSS:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1000

write_picture(Picture(np.zeros((600, 600, 3), np.uint8)), "small.tif", pyramid=True)
pixels = canvas.empty((20000, 4096, 3), np.uint8, above=0)
before, most, ended = resident(), 0.0, threading.Event()

def watch():
    global most
    while not ended.wait(0.005):
        most = max(most, resident())

thread = threading.Thread(target=watch)
thread.start()
write_picture(Picture(pixels), "large.tif", pyramid=True)
ended.set()
thread.join()
print(most - before)
"""
    environment = {"TMPDIR": str(tmp_path), "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True, env=environment)
    assert float(done.stdout) < 150  # of the 246 MB that the canvas has
