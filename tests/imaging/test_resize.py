import hashlib
import math

import numpy as np
import pytest

from clearvision.errors import ImageShapeError, UsageError
from clearvision.imaging.resize import resize, resize_scale


def picture(height: int, width: int, channels: int = 3) -> np.ndarray:
    y, x, c = np.mgrid[0:height, 0:width, 0:channels]
    return ((np.sin(x * 0.7 + c) * np.cos(y * 0.45) * 100 + (x * 7 + y * 13 + c * 29) % 56) % 256).astype(np.uint8)


def cubic(x: float) -> float:
    x = abs(x)
    if x <= 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x <= 2 else 0.0


def one_axis(values: np.ndarray, scale: float) -> np.ndarray:
    """Transcribe the definition for one row, in plain loops."""
    size = math.ceil(len(values) * scale - 1e-9)
    squeeze = min(scale, 1.0)
    out = np.zeros(size)
    for i in range(size):
        centre = (i + 0.5) / scale - 0.5
        reach = range(math.floor(centre - 2 / squeeze) - 1, math.ceil(centre + 2 / squeeze) + 2)
        weights = np.array([cubic(squeeze * (centre - j)) for j in reach])
        taps = np.array([values[min(max(j, 0), len(values) - 1)] for j in reach])
        out[i] = (weights @ taps) / weights.sum()
    return out


@pytest.mark.parametrize("scale", [1 / 4, 1 / 3, 1 / 2, 0.37, 1.0, 1.6, 2, 3, 4])
def test_one_row_follows_the_definition(scale: float) -> None:
    row = np.random.default_rng(0).random(29).astype(np.float32)
    ours = resize_scale(np.repeat(row[None], 3, axis=0), scale)
    np.testing.assert_allclose(ours[0], one_axis(row, scale), atol=1e-6)


@pytest.mark.parametrize(
    ("scale", "digest"),
    [(1 / 4, "1804ff602d69d735"), (1 / 2, "fcbc533dbdd55227"), (3, "1b2ef52b9f34adf2")],
)
def test_golden_bytes(scale: float, digest: str) -> None:
    """The bytes of the implementation that gave every pixel of the published Set5, Set14 and BSD100 low-resolution files."""
    assert hashlib.sha256(resize_scale(picture(60, 84), scale).tobytes()).hexdigest()[:16] == digest


def test_integers_are_rounded_after_each_axis() -> None:
    image = picture(16, 16, 1)
    rows = np.stack([one_axis(column, 0.5) for column in image[:, :, 0].T], axis=1)
    rows = np.clip(np.floor(rows + 0.5), 0, 255)
    both = np.clip(np.floor(np.stack([one_axis(row, 0.5) for row in rows]) + 0.5), 0, 255)
    np.testing.assert_array_equal(resize_scale(image, 0.5)[:, :, 0], both)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("kernel", ["bicubic", "bilinear", "lanczos", "nearest"])
def test_a_constant_stays_constant(dtype: type, kernel: str) -> None:
    image = np.full((11, 7, 3), 1 if dtype is np.float32 else np.iinfo(dtype).max, dtype)
    out = resize(image, 23, 3, kernel=kernel)  # type: ignore[arg-type]
    assert out.shape == (23, 3, 3)
    assert out.dtype == dtype
    np.testing.assert_allclose(out, image[0, 0, 0], rtol=1e-6)


def test_bands_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    image = picture(150, 40)
    whole = resize(image, 333, 70)
    monkeypatch.setattr("clearvision.imaging.resize._BAND_VALUES", 500)
    np.testing.assert_array_equal(resize(image, 333, 70), whole)


def test_shrinking_does_not_alias() -> None:
    stripes = np.zeros((64, 64), np.uint8)
    stripes[:, ::2] = 255
    inner = resize_scale(stripes, 1 / 4)[4:-4, 4:-4]
    assert np.ptp(inner) <= 1
    assert np.ptp(resize_scale(stripes, 1 / 3, antialias=False)) > 100


def test_axes_are_treated_alike() -> None:
    image = picture(24, 36).astype(np.float32)
    np.testing.assert_allclose(resize(image, 50, 12), resize(image.swapaxes(0, 1), 12, 50).swapaxes(0, 1), atol=1e-4)


def test_size_is_rounded_up() -> None:
    assert resize_scale(picture(10, 11), 0.25).shape == (3, 3, 3)
    assert resize_scale(picture(9, 9), 1 / 3).shape == (3, 3, 3)


@pytest.mark.parametrize("scale", [0, -1, math.nan, math.inf])
def test_impossible_scale(scale: float) -> None:
    with pytest.raises(UsageError, match="must be a finite number above 0"):
        resize_scale(picture(4, 4), scale)


def test_impossible_arrays() -> None:
    with pytest.raises(ImageShapeError, match="empty"):
        resize(np.zeros((0, 3), np.uint8), 2, 2)
    with pytest.raises(ImageShapeError, match="float64"):
        resize(np.zeros((3, 3)), 2, 2)
    with pytest.raises(UsageError, match="at least 1x1"):
        resize(picture(3, 3), 0, 2)
