"""One picture file enlarged into another; large ones are written while they are computed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from clearvision.errors import EngineError, PictureWriteError
from clearvision.imaging import tiff
from clearvision.imaging.flow import Flow
from clearvision.imaging.io import read_picture, write_picture
from clearvision.inference import enlarge, files
from clearvision.inference.choosing import Upscalers
from clearvision.inference.files import FileOptions, enlarge_file, enlarge_ready, read_ready, write_made
from clearvision.types import Picture
from clearvision.zoo.checkpoint import Checkpoint, write_checkpoint

SPAN = {"feature_channels": 16, "num_block": 2, "upscale": 2, "skip": "bilinear", "img_range": 1.0}
WISH = {"scale": None, "width": None, "height": None, "megapixels": None}


@pytest.fixture(scope="module")
def upscalers(checkpoint_of: Callable[..., Checkpoint], tmp_path_factory: pytest.TempPathFactory) -> Upscalers:
    path = tmp_path_factory.mktemp("model") / "span.safetensors"
    checkpoint = checkpoint_of("span", **SPAN)
    write_checkpoint(path, checkpoint.info, checkpoint.weights)
    return Upscalers(str(path), WISH, tile=32)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    samples = np.random.default_rng(0).integers(0, 256, (130, 70, 4)).astype(np.uint8)
    picture = Picture(samples[:, :, :3].copy(), samples[:, :, 3].copy(), dpi=(300.0, 300.0))
    write_picture(picture, tmp_path / "source.tif")
    return tmp_path / "source.tif"


@pytest.mark.parametrize("name", ["big.tif", "big.png", "big.jpg"])
@pytest.mark.parametrize("pyramid", [False, True])
def test_what_is_written_meanwhile_is_what_is_written_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, upscalers: Upscalers, source: Path, name: str, pyramid: bool
) -> None:
    options = FileOptions(dpi=150, pyramid=pyramid)
    made = enlarge_ready(read_ready(source, tmp_path / name, upscalers, options), tmp_path / name, upscalers, options)
    assert made.writing is not None
    write_made(made, tmp_path / name, options)
    assert read_picture(tmp_path / name).dpi == (150, 150)
    monkeypatch.setattr(files._Meanwhile, "begin", None)  # nothing is told of its rows
    enlarge_file(source, tmp_path / f"afterwards_{name}", upscalers, options)
    assert (tmp_path / name).read_bytes() == (tmp_path / f"afterwards_{name}").read_bytes()


def test_who_stops_the_work_finds_nothing_left(tmp_path: Path, upscalers: Upscalers, source: Path) -> None:
    class StoppedError(Exception):
        pass

    def stop(share: float) -> None:
        if share > 0.5:
            raise StoppedError

    with pytest.raises(StoppedError):
        enlarge_file(source, tmp_path / "out" / "big.tif", upscalers, advanced=stop)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_failed_computation_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, upscalers: Upscalers, source: Path
) -> None:
    def judge(*_: object) -> None:
        raise EngineError("the cuts show")

    monkeypatch.setattr(enlarge.Enlarger, "_judge", judge)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "big.tif").write_bytes(b"older")
    with pytest.raises(EngineError, match="the cuts show"):
        enlarge_file(source, tmp_path / "out" / "big.tif", upscalers, verify_tiles=True)
    assert (tmp_path / "out" / "big.tif").read_bytes() == b"older"
    assert len(list((tmp_path / "out").iterdir())) == 1


def test_a_full_disk_ends_the_computing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, upscalers: Upscalers, source: Path
) -> None:
    failed: list[Exception] = []
    shares: list[float] = []

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    class Told(Flow):
        def fail(self, error: Exception) -> None:
            failed.append(error)
            super().fail(error)

    def advanced(share: float) -> None:
        shares.append(share)
        while len(shares) > 3 and not failed:  # the writer's turn
            pass

    monkeypatch.setattr(files, "Flow", Told)
    monkeypatch.setattr(tiff, "SIDE", 16)
    monkeypatch.setattr(tiff._Queue, "add", full)
    with pytest.raises(PictureWriteError, match=r"cannot write .*big\.tif: No space left on device"):
        enlarge_file(source, tmp_path / "out" / "big.tif", upscalers, advanced=advanced)
    assert shares[-1] < 1
    assert list((tmp_path / "out").iterdir()) == []
