"""HEIC, with pillow-heif where it is installed and without."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from clearvision.errors import PictureError
from clearvision.imaging import io
from clearvision.imaging.io import read_picture, read_size, write_picture
from clearvision.imaging.vips import FULL, call
from clearvision.types import Picture

XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/></x:xmpmeta>'
HEAD = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"


def smooth(dtype: str, bands: int, alpha: bool) -> Picture:
    y, x, c = np.indices((48, 64, bands))
    stored: Any = ((40 + 2 * y + x + 9 * c) / 255 * FULL[dtype]).astype(dtype)
    opacity: Any = ((y + x)[:, :, 0] / 112 * FULL[dtype]).astype(dtype)
    return Picture(stored, opacity if alpha else None)


def exif_block(orientation: int = 1) -> bytes:
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "ACME", orientation
    return exif.tobytes()


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("bands", [1, 3])
@pytest.mark.parametrize("alpha", [False, True])
def test_depth_alpha_and_metadata_stay(tmp_path: Path, dtype: str, bands: int, alpha: bool) -> None:
    pytest.importorskip("pillow_heif")
    picture = smooth(dtype, bands, alpha)
    icc = bytes(call("profile_load", "p3")) if bands == 3 else None
    stated = Picture(picture.pixels, picture.alpha, exif=exif_block(), xmp=XMP, icc=icc, dpi=(300.0, 300.0))
    write_picture(stated, tmp_path / "a.heic", quality=95)
    found = read_picture(tmp_path / "a.heic")
    assert read_size(tmp_path / "a.heic") == (48, 64)
    assert found.pixels.dtype == ("uint8" if dtype == "uint8" else "uint16")
    assert (found.xmp, found.dpi, found.format) == (XMP, (300.0, 300.0), "heic")
    assert found.icc == icc
    exif = Image.Exif()
    exif.load(found.exif or b"")
    assert exif[0x010F] == "ACME"
    for values, expected in ((found.pixels, picture.pixels), (found.alpha, picture.alpha)):
        assert (values is None) == (expected is None)
        if values is not None and expected is not None:
            apart = values.astype(float) / FULL[values.dtype.name] - expected.astype(float) / FULL[dtype]
            assert np.abs(apart).max() < 5 / 255


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_telephones_pictures_come_out_upright(tmp_path: Path, orientation: int) -> None:
    heif = pytest.importorskip("pillow_heif")
    upright = smooth("uint8", 3, False).pixels
    turns = {1: 0, 3: 2, 6: 1, 8: 3}[orientation]  # how the sensor lay
    stored = np.ascontiguousarray(np.rot90(upright, turns))
    file = heif.from_bytes("RGB", (stored.shape[1], stored.shape[0]), stored.tobytes())
    file.save(tmp_path / "a.heic", quality=95, chroma="444", exif=exif_block(orientation))
    found = read_picture(tmp_path / "a.heic")
    assert read_size(tmp_path / "a.heic") == (48, 64)
    assert np.abs(found.pixels.astype(int) - upright).max() < 6
    assert found.exif is not None
    exif = Image.Exif()
    exif.load(found.exif)
    assert exif[0x0112] == 1


def test_damaged_and_vast_files_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("pillow_heif")
    write_picture(smooth("uint8", 3, True), tmp_path / "a.heic")
    whole = (tmp_path / "a.heic").read_bytes()
    with pytest.raises(PictureError, match=r"a\.heic is 64x48, 0 megapixels, and at most 0\.001 are read"):
        read_picture(tmp_path / "a.heic", max_pixels=1000)
    draw = np.random.default_rng(0)
    for _ in range(100):
        damaged = bytearray(whole[: draw.integers(30, len(whole))] if draw.random() < 0.3 else whole)
        for place in draw.integers(0, len(damaged), 4):
            damaged[place] = draw.integers(0, 256)
        (tmp_path / "b.heic").write_bytes(damaged)
        with suppress(PictureError):  # nothing else may come out, and no crash
            read_picture(tmp_path / "b.heic")


def test_without_the_package_the_way_out_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(io, "is_installed", lambda _: False)
    (tmp_path / "a.heic").write_bytes(HEAD + b"\0" * 99)
    with pytest.raises(PictureError, match=r"a\.heic is a heic file, .* pip install 'clearvision\[heif\]', or convert"):
        read_picture(tmp_path / "a.heic")
