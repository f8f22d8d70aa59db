"""What a picture is found to have been through: known tables, known noise, known blur."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from clearvision.imaging.jpeg_quality import _zigzag_order, quality_from_pixels, quality_from_tables
from clearvision.imaging.quality import Diagnosis, diagnose
from clearvision.imaging.resize import resize_scale
from clearvision.types import Picture

Pixels = NDArray[np.uint8]


@pytest.fixture(scope="module")
def scene() -> Pixels:
    """Return 384x512 RGB: a slope with sharp shapes of many sizes, as detail of nature has, without noise."""
    rng = np.random.default_rng(3)
    rows, columns = np.mgrid[:384, :512]
    picture = np.stack([70 + rows / 5, 90 + columns / 6, 150 - rows / 6], axis=-1)
    for size in np.geomspace(50, 2, 120):
        top, left = rng.uniform(-20, (384, 512))
        inside = np.abs(rows - top) + 0.6 * np.abs(columns - left) < size
        picture[inside] = 0.5 * picture[inside] + rng.uniform(15, 115, 3)
    return np.rint(picture).astype(np.uint8)


def jpeg(pixels: Pixels, quality: int, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality, **options)
    return buffer.getvalue()


def decoded(data: bytes) -> Pixels:
    return np.asarray(Image.open(io.BytesIO(data)))


def noisy(pixels: Pixels, sigma: float) -> Pixels:
    values = pixels + np.random.default_rng(5).normal(0, sigma, pixels.shape)
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("quality", [1, 10, 35, 50, 75, 90, 95, 100])
def test_tables_tell_the_quality_they_were_made_for(scene: Pixels, quality: int, tmp_path: Path) -> None:
    data = jpeg(scene[:32, :32], quality, progressive=quality % 2 == 0)
    assert quality_from_tables(data) == quality
    path = tmp_path / "a.jpg"
    path.write_bytes(data)
    assert quality_from_tables(path) == quality
    assert quality_from_tables(str(path)) == quality


def test_tables_are_read_past_a_thumbnail_and_in_16_bits(scene: Pixels) -> None:
    data = jpeg(scene[:32, :32], 60)
    thumbnail = b"\xff\xe1" + (2 + 700).to_bytes(2) + jpeg(scene[:8, :8], 20)[:700].ljust(700, b"\0")
    assert quality_from_tables(data[:2] + thumbnail + data[2:]) == 60
    at = data.index(b"\xff\xdb\x00\x43\x00") + 5
    wide = b"\xff\xdb" + (2 + 129).to_bytes(2) + b"\x10" + b"".join(step.to_bytes(2) for step in data[at : at + 64])
    assert quality_from_tables(data[: at - 5] + wide + data[at + 64 :]) == 60


def test_tables_stand_in_zigzag_order() -> None:
    order = _zigzag_order().tolist()
    assert order[:11] == [0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32]  # ITU-T T.81, figure A.6
    assert order[-3:] == [55, 62, 63]
    assert sorted(order) == list(range(64))


def test_what_is_no_jpeg_file_has_no_tables(scene: Pixels) -> None:
    assert quality_from_tables(b"") is None
    assert quality_from_tables(b"\x89PNG\r\n\x1a\n") is None
    data = jpeg(scene[:32, :32], 60)
    assert quality_from_tables(data[: data.index(b"\xff\xdb") + 20]) is None  # cut off within the table


@pytest.mark.parametrize("quality", [20, 35, 60, 80, 92])
def test_decoded_pixels_tell_the_quality(scene: Pixels, quality: int) -> None:
    assert diagnose(Picture(decoded(jpeg(scene, quality)))).jpeg_quality == pytest.approx(quality, abs=2)


def test_a_crop_off_the_blocks_and_a_file_saved_again_keep_the_trace(scene: Pixels) -> None:
    first = decoded(jpeg(scene, 40, subsampling=0))
    assert diagnose(Picture(np.ascontiguousarray(first[3:, 5:]))).jpeg_quality == pytest.approx(40, abs=2)
    again = jpeg(first, 95, subsampling=0)
    assert quality_from_tables(again) == 95
    assert diagnose(Picture(decoded(again)), again).jpeg_quality == pytest.approx(40, abs=2)


def test_pixels_without_compression_tell_none(scene: Pixels) -> None:
    assert quality_from_pixels(scene[None, :, :, 1].astype(np.float32)) is None
    assert diagnose(Picture(noisy(scene, 5))).jpeg_quality is None
    assert diagnose(Picture(np.full((64, 64, 3), 128, np.uint8))) == Diagnosis(noise=0.0, fall=0.0, detail=0.2, pattern=0.0)


@pytest.mark.parametrize("sigma", [2, 3, 6, 12, 25, 40])
def test_noise_is_found_within_15_percent(scene: Pixels, sigma: float) -> None:
    assert diagnose(Picture(noisy(scene, sigma))).noise == pytest.approx(sigma, rel=0.15)
    grey = noisy(scene[:, :, :1], sigma)
    assert diagnose(Picture(grey)).noise == pytest.approx(sigma, rel=0.15)


def test_texture_is_not_taken_for_noise() -> None:
    rng = np.random.default_rng(7)
    frequency = np.hypot(np.fft.fftfreq(512)[:, None], np.fft.rfftfreq(512)[None])
    spectrum = np.fft.rfft2(rng.normal(size=(512, 512))) / np.maximum(frequency, 1 / 512) ** 1.5
    texture = np.fft.irfft2(spectrum)
    grass = np.clip(np.rint(128 + 40 * texture / texture.std()), 0, 255).astype(np.uint8)[:, :, None]
    assert diagnose(Picture(grass)).noise < 1.5
    assert diagnose(Picture(noisy(grass, 8))).noise == pytest.approx(8, rel=0.15)


def test_sharp_blurred_and_enlarged_pictures_are_told_apart(scene: Pixels) -> None:
    sharp = diagnose(Picture(scene))
    assert (sharp.family, sharp.soft, sharp.enlarged) == ("clean", False, False)
    assert sharp.text == "no compression, noise or blur to be seen"
    larger = diagnose(Picture(resize_scale(scene, 4, kernel="lanczos")))
    assert larger.soft
    assert larger.family == "photo"
    for factor in (1.5, 3):
        enlarged = diagnose(Picture(resize_scale(scene, factor, kernel="bilinear")))
        assert enlarged.enlarged
        assert "enlarged before" in enlarged.text
    blurred = scene.astype(np.float64)
    for axis in (0, 1):
        for _ in range(4):  # binomial: sigma 1.4
            blurred = (np.roll(blurred, 1, axis) + 2 * blurred + np.roll(blurred, -1, axis)) / 4
    softened = diagnose(Picture(np.rint(blurred).astype(np.uint8)))
    assert softened.soft
    assert not softened.enlarged
    assert softened.edge_width is not None
    assert sharp.edge_width is not None
    assert softened.edge_width > 1.8 * sharp.edge_width


def test_the_text_and_the_family_follow_the_rule() -> None:
    worn = Diagnosis(jpeg_quality=35, noise=12.3)
    assert worn.text == "JPEG quality about 35, noise about 12 grey levels"
    assert worn.family == "photo"
    assert worn.as_plain()["family"] == "photo"
    assert Diagnosis(jpeg_quality=90, noise=1.9).family == "clean"
    assert Diagnosis(jpeg_quality=89).family == "photo"
    assert Diagnosis(noise=2.0).family == "photo"
    soft = Diagnosis(edge_width=3.0, fall=0.8, detail=0.5)
    assert soft.text == "blurred or enlarged before, with detail up to 50% of what its pixels could hold"
    assert soft.family == "photo"


@pytest.mark.parametrize("shape", [(1, 1, 3), (7, 9, 1), (8, 3000, 3), (63, 200, 3), (64, 64, 1), (700, 65, 3)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_any_size_and_type_is_diagnosed(shape: tuple[int, int, int], dtype: type[np.generic]) -> None:
    values = np.random.default_rng(1).random(shape)
    pixels = values.astype(np.float32) if dtype is np.float32 else (values * np.iinfo(dtype).max).astype(dtype)  # type: ignore[type-var]
    found = diagnose(Picture(pixels))  # type: ignore[arg-type]
    assert found.jpeg_quality is None
    assert (found.fall is None) == (min(shape[:2]) < 64)


def test_depth_does_not_change_the_diagnosis(scene: Pixels) -> None:
    picture = noisy(scene, 6)
    eight, sixteen = diagnose(Picture(picture)), diagnose(Picture(picture.astype(np.uint16) * 257))
    assert sixteen.noise == pytest.approx(eight.noise, rel=1e-4)
    assert sixteen.family == eight.family


def test_values_that_are_no_brightness_are_diagnosed_without_a_word() -> None:
    pixels = np.random.default_rng(0).random((80, 80, 3), dtype=np.float32)
    shown = diagnose(Picture(np.where(pixels > 0.99, np.float32(1), np.where(pixels < 0.01, np.float32(0), pixels))))
    pixels[pixels > 0.99] = np.inf
    pixels[pixels < 0.005] = -3e38
    pixels[pixels < 0.01] = np.nan
    assert diagnose(Picture(pixels)) == shown
