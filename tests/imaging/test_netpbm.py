from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clearvision.errors import PictureError
from clearvision.imaging.io import read_picture, write_picture
from clearvision.types import Picture


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"P5\n1 1\n65535\n\x12\x34", np.array([[[0x1234]]], np.uint16)),
        (b"P6 1 1 # deep\n65535\n\xff\xff\x80\x80\0\1", np.array([[[65535, 0x8080, 1]]], np.uint16)),
        (b"P5\n2 1\n1023\n\x03\xff\x01\xff", np.array([[[65535], [32735]]], np.uint16)),  # 511 / 1023
        (b"Pf\n1 2\n-1.0\n" + np.array([0.25, 3.5], "<f4").tobytes(), np.array([[[3.5]], [[0.25]]], np.float32)),
        (b"PF\n1 1\n1.0\n" + np.array([0, 0.5, -1], ">f4").tobytes(), np.array([[[0, 0.5, -1]]], np.float32)),
    ],
)
def test_deep_files_keep_their_depth(tmp_path: Path, content: bytes, expected: np.ndarray) -> None:
    (tmp_path / "a.pnm").write_bytes(content)
    pixels = read_picture(tmp_path / "a.pnm").pixels
    assert pixels.dtype == expected.dtype
    np.testing.assert_array_equal(pixels, expected)


@pytest.mark.parametrize("bands", [1, 3])
def test_16_bits_are_written_and_read_back(tmp_path: Path, bands: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 65536, (5, 7, bands)).astype(np.uint16)
    write_picture(Picture(pixels), tmp_path / "a.ppm")
    np.testing.assert_array_equal(read_picture(tmp_path / "a.ppm").pixels, pixels)
    assert (tmp_path / "a.ppm").read_bytes().startswith(b"P5" if bands == 1 else b"P6")


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"P6\n2 2\n65535\n\0\0", "cut short: 1 of 12 samples"),
        (b"P6\n2 x\n65535\n", "holds no numbers"),
        (b"P6\n2", "header ends early"),
        (b"P6\n99999 99999\n65535\n", "99999x99999"),
        (b"P5\n1 1\n70000\n\0\0", "a maximum of 70000"),
        (b"Pf\n0 1\n1.0\n", "no pixels"),
        (b"Pf\n-1 -1\n1.0\n", "no pixels"),
    ],
)
def test_damaged_files_are_refused(tmp_path: Path, content: bytes, match: str) -> None:
    (tmp_path / "a.pnm").write_bytes(content)
    with pytest.raises(PictureError, match=match):
        read_picture(tmp_path / "a.pnm")
