from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from clearvision.errors import ImageShapeError, UsageError
from clearvision.imaging.resize import resize
from clearvision.inference.consistency import back_project, consistency, lock_colour
from clearvision.inference.upscaler import Upscaler
from clearvision.types import Picture, PixelArray
from clearvision.zoo.checkpoint import Checkpoint


@pytest.fixture
def source() -> NDArray[np.uint8]:
    """A smooth picture with texture, away from black and white."""
    y, x = np.mgrid[0:40, 0:52]
    waves = [128 + 60 * np.sin(x / (5 + c) + y / 7) + 20 * np.cos(x * y / 40) for c in range(3)]
    return np.stack(waves, axis=2).round().astype(np.uint8)


def shifted(source: NDArray[np.uint8], shift: float) -> NDArray[np.uint8]:
    large = resize(source.astype(np.float32) / 255, 160, 208)
    large += np.random.default_rng(0).normal(0, 0.03, large.shape).astype(np.float32) + shift / 255
    return np.clip(np.round(large * 255), 0, 255).astype(np.uint8)


def test_consistency_is_the_psnr_of_the_shrunk_result(source: NDArray[np.uint8]) -> None:
    result = shifted(source, 4)
    error = np.mean((resize(result, 40, 52).astype(np.float64) - source) ** 2)
    assert consistency(result, source) == pytest.approx(10 * math.log10(255**2 / error))
    assert consistency(source, source) == math.inf


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_back_projection_gives_the_input_back(source: NDArray[np.uint8], dtype: type[np.generic]) -> None:
    full = {np.uint8: 1.0, np.uint16: 257.0, np.float32: 1 / 255}[dtype]
    small, large = ((array * full).astype(dtype) for array in (source, shifted(source, 6)))
    before, after = consistency(large, small), consistency(back_project(large, small), small)
    assert before < 33  # a shift of six grey levels and noise
    assert after > 55


@pytest.mark.parametrize("size", [(131, 170), (160, 208), (40, 53)])
def test_back_projection_takes_any_factor(source: NDArray[np.uint8], size: tuple[int, int]) -> None:
    result = resize(source, *size, kernel="bilinear")
    corrected = back_project(result, source)
    assert corrected.shape == (*size, 3)
    assert consistency(corrected, source) > max(48, consistency(result, source))


def test_locked_colours_lose_the_shift_and_keep_the_detail(source: NDArray[np.uint8]) -> None:
    result = shifted(source, 6)
    locked = lock_colour(result, source)
    assert abs(float(locked.mean()) - float(source.mean())) < 0.1 < 5 < float(result.mean()) - float(source.mean())
    detail, kept = (image.astype(float) - resize(resize(image, 40, 52), 160, 208) for image in (result, locked))
    np.testing.assert_allclose(kept, detail, atol=3)  # both were rounded twice


def test_float_pictures_keep_their_range() -> None:
    source = np.full((8, 8, 1), 3.0, np.float32)
    result = np.full((16, 16, 1), 2.5, np.float32)
    np.testing.assert_allclose(back_project(result, source), 3.0, rtol=1e-5)
    np.testing.assert_allclose(lock_colour(result, source), 3.0, rtol=1e-5)


@pytest.mark.parametrize("function", [consistency, back_project, lock_colour])
def test_what_cannot_be_compared_is_refused(function: object, source: NDArray[np.uint8]) -> None:
    call: object = function
    assert callable(call)
    smaller: PixelArray = source[:20]
    with pytest.raises(ImageShapeError, match=r"the result \(52x20\) is smaller than its input \(52x40\)"):
        call(smaller, source)
    with pytest.raises(ImageShapeError, match="same channels and type"):
        call(source[:, :, :1], source)
    with pytest.raises(ImageShapeError, match="same channels and type"):
        call(source.astype(np.float32), source)


def plainly_projected(result: NDArray[np.uint8], source: NDArray[np.uint8]) -> NDArray[np.uint8]:
    wanted, corrected = (np.divide(array, np.float32(255), dtype=np.float32) for array in (source, result))
    for _ in range(3):
        corrected += resize(wanted - resize(corrected, *wanted.shape[:2]), *corrected.shape[:2])
        np.clip(corrected, 0, 1, out=corrected)
    return (corrected * np.float32(255) + np.float32(0.5)).astype(np.uint8)


def plainly_locked(result: NDArray[np.uint8], source: NDArray[np.uint8]) -> NDArray[np.uint8]:
    wanted, floats = (np.divide(array, np.float32(255), dtype=np.float32) for array in (source, result))
    coarse = [max(1, round(side / 16)) for side in wanted.shape[:2]]
    shift = resize(wanted - resize(floats, *wanted.shape[:2]), *coarse, kernel="bilinear")
    return (np.clip(floats + resize(shift, *floats.shape[:2]), 0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8)


@pytest.mark.parametrize("size", [(131, 170), (160, 208), (161, 207)])
def test_strips_on_disk_equal_the_whole_in_memory(
    monkeypatch: pytest.MonkeyPatch, source: NDArray[np.uint8], size: tuple[int, int]
) -> None:
    monkeypatch.setattr("clearvision.imaging.canvas._BAND_BYTES", 2000)
    result = resize(shifted(source, 6), *size)
    for function, plainly in ((back_project, plainly_projected), (lock_colour, plainly_locked)):
        found = function(result, source, above=100)
        assert isinstance(found, np.memmap)
        np.testing.assert_array_equal(found, plainly(result, source))
        np.testing.assert_array_equal(function(result, source), plainly(result, source))
    assert consistency(result, source, above=100) == pytest.approx(consistency(result, source))


@pytest.mark.parametrize("lock", ["colour", "input"])
def test_the_upscaler_holds_results_to_their_input(
    checkpoint_of: Callable[..., Checkpoint], source: NDArray[np.uint8], lock: str
) -> None:
    checkpoint = checkpoint_of("span", feature_channels=16, num_block=2, upscale=2, skip="bilinear")
    _, before = Upscaler(checkpoint, precision="f32", measure_consistency=True).run(Picture(source), scale=1.7)
    _, after = Upscaler(checkpoint, precision="f32", lock=lock, measure_consistency=True).run(Picture(source), scale=1.7)  # type: ignore[arg-type]
    assert before.consistency is not None
    assert after.consistency is not None
    assert after.consistency > before.consistency + (10 if lock == "input" else 0)
    with pytest.raises(UsageError, match="lock 'all' is unknown; known: none, colour, input"):
        Upscaler(checkpoint, lock="all")  # type: ignore[arg-type]
