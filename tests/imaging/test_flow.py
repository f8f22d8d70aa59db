"""Pictures that are written while they are made."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clearvision.errors import PictureWriteError
from clearvision.imaging import canvas
from clearvision.imaging.flow import AbandonedError, Flow
from clearvision.imaging.io import read_picture, write_picture
from clearvision.types import Picture, PixelArray

HEIGHT, WIDTH = 700, 300  # several strips and bands
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/></x:xmpmeta>'


def noise(dtype: type[np.generic] = np.uint8, bands: int = 3, alpha: bool = False) -> Picture:
    full = {np.uint8: 255, np.uint16: 65535, np.float32: 1}[dtype]
    samples = (np.random.default_rng(0).random((HEIGHT, WIDTH, bands + 1)) * full).astype(dtype)
    pixels: Any = np.ascontiguousarray(samples[:, :, :bands])
    opacity: Any = np.ascontiguousarray(samples[:, :, bands])
    return Picture(pixels, opacity if alpha else None, xmp=XMP, dpi=(300.0, 300.0))


@contextmanager
def coming(pixels: PixelArray, step: int = 90) -> Iterator[tuple[PixelArray, Flow]]:
    """Give pixels into which rows are written by another thread, step by step; what is not there yet is wrong."""
    made: Any = canvas.empty(pixels.shape, pixels.dtype, above=0)
    made[:] = 1
    flow = Flow()

    def make() -> None:
        for top in range(0, HEIGHT, step):
            time.sleep(0.005)
            made[top : top + step] = pixels[top : top + step]
            canvas.release(made)
            flow.reach(min(top + step, HEIGHT))

    thread = threading.Thread(target=make)
    thread.start()
    yield made, flow
    thread.join()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("name", ["a.tif", "a.png", "a.jpg", "a.webp", "a.bmp"])
def test_the_file_is_that_of_the_complete_picture(tmp_path: Path, name: str, alpha: bool, dtype: type[np.generic]) -> None:
    picture = noise(dtype, alpha=alpha)
    write_picture(picture, tmp_path / f"whole_{name}")
    with coming(picture.pixels) as (pixels, flow):
        write_picture(replace(picture, pixels=pixels), tmp_path / name, flow=flow)
    assert (tmp_path / name).read_bytes() == (tmp_path / f"whole_{name}").read_bytes()


@pytest.mark.parametrize("bands", [1, 3])
def test_a_pyramid_too(tmp_path: Path, bands: int) -> None:
    picture = noise(bands=bands)
    with coming(picture.pixels) as (pixels, flow):
        write_picture(replace(picture, pixels=pixels), tmp_path / "a.tif", flow=flow, pyramid=True)
    np.testing.assert_array_equal(read_picture(tmp_path / "a.tif").pixels, picture.pixels)


@pytest.mark.parametrize("name", ["a.tif", "a.png", "a.jpg", "a.bmp"])
def test_nothing_is_left_of_what_is_abandoned(tmp_path: Path, name: str) -> None:
    picture, flow = noise(), Flow()
    with ThreadPoolExecutor(1) as threads:
        writing = threads.submit(write_picture, picture, tmp_path / name, flow=flow)
        flow.reach(HEIGHT - 1)
        time.sleep(0.05)
        assert not (tmp_path / name).exists()
        flow.abandon()
        with pytest.raises(AbandonedError):
            writing.result()
    assert list(tmp_path.iterdir()) == []


def test_who_makes_the_picture_learns_that_it_cannot_be_written() -> None:
    flow = Flow()
    flow.reach(1)
    flow.fail(PictureWriteError("the disk is full"))
    with pytest.raises(PictureWriteError, match="the disk is full"):
        flow.reach(2)
