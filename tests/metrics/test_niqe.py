from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from clearvision.errors import ImageShapeError, PictureError
from clearvision.imaging.resize import resize_scale
from clearvision.metrics import niqe as module
from clearvision.metrics.niqe import niqe

Pictures = Callable[[int, int], tuple[NDArray[np.uint8], NDArray[np.uint8]]]


@pytest.mark.parametrize(
    ("crop_border", "channels", "expected"),
    [
        # BasicSR's computation written out with scipy (convolve, gamma), in float64; the picture by formula
        (0, "rgb", 22.512023621783477),
        (4, "rgb", 23.59327409732236),
        (0, "green", 22.32275297944859),
        (4, "green", 23.404136184937446),
    ],
)
def test_values_of_a_computation_of_its_own(pictures: Pictures, crop_border: int, channels: str, expected: float) -> None:
    gt, _ = pictures(200, 300)
    image = gt if channels == "rgb" else gt[:, :, 1:2]
    assert niqe(image, crop_border=crop_border) == pytest.approx(expected, abs=1e-8)


def test_a_picture_lying_on_its_side(pictures: Pictures) -> None:
    _, sr = pictures(300, 200)
    assert niqe(sr) == pytest.approx(23.588297577274282, abs=1e-8)


def test_a_flat_area_is_on_neither_side_of_zero(pictures: Pictures) -> None:
    _, sr = pictures(200, 300)
    sr[:100, :100] = 100  # a luma whose filtered copy is not exactly itself
    # the same computation, with the rounding errors of the flat area set to 0
    assert niqe(sr) == pytest.approx(24.653326242756, abs=1e-8)


def test_rows_and_columns_beyond_whole_blocks_do_not_count(pictures: Pictures) -> None:
    gt, _ = pictures(215, 290)
    assert niqe(gt) == niqe(gt[:192, :288])


def test_parameters_and_filters() -> None:
    with np.load(module._PARAMETERS) as parameters:
        np.testing.assert_allclose(np.outer(module._TAPS, module._TAPS), parameters["gaussian_window"], atol=1e-15)
    mean, covariance = module._pristine()
    assert (mean.shape, covariance.shape) == ((36,), (36, 36))
    impulse = np.zeros((16, 16), np.float32)
    impulse[7, 8] = 256
    np.testing.assert_allclose(module._half(impulse.astype(float)), resize_scale(impulse, 0.5), atol=1e-12)


def test_shape_of_known_distributions() -> None:
    rng = np.random.default_rng(0)
    normal, laplace = rng.standard_normal((1, 300, 300)), rng.laplace(size=(1, 300, 300))
    shape, left, right = module._fit(np.concatenate((normal, laplace)))
    np.testing.assert_allclose(shape, [2, 1], atol=0.03)
    np.testing.assert_allclose(left, [np.sqrt(2), 1], atol=0.03)
    np.testing.assert_allclose(right, left, rtol=0.03)
    lopsided = np.where(normal > 0, normal * 2, normal)
    shape, left, right = module._fit(lopsided)
    assert right / left == pytest.approx(2, rel=0.02)


def noise(height: int, width: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (height, width), dtype=np.uint8)


def test_too_small_or_too_flat() -> None:
    with pytest.raises(ImageShapeError, match="two blocks of 96x96 pixels, what is left of the picture has 191x191"):
        niqe(noise(193, 193), crop_border=1)
    with pytest.raises(ImageShapeError, match="has -2x-2"):
        niqe(noise(8, 8), crop_border=5)
    with pytest.raises(PictureError, match="texture in only 0 of the picture's 4 blocks"):
        niqe(np.full((192, 192, 3), 90, np.uint8))
    image = noise(192, 192)
    image[:, 80:] = 12
    image[80:, :] = 12
    with pytest.raises(PictureError, match="texture in only 1 of the picture's 4 blocks"):
        niqe(image)
    with pytest.raises(ImageShapeError, match=r"got uint8 of shape \(192, 192, 4\)"):
        niqe(np.zeros((192, 192, 4), np.uint8))
    with pytest.raises(ImageShapeError, match="got float32"):
        niqe(np.zeros((192, 192), np.float32))  # type: ignore[arg-type]
