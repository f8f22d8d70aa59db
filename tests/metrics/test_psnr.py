import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from clearvision.errors import ImageShapeError
from clearvision.imaging.color import rgb_to_y
from clearvision.imaging.resize import resize_scale
from clearvision.metrics.psnr import lr_consistency, mse, psnr, psnr_y

Pictures = Callable[[int, int], tuple[NDArray[np.uint8], NDArray[np.uint8]]]


def test_luma_of_known_colours() -> None:
    colours = np.array([[0, 0, 0], [1, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]], float)
    np.testing.assert_allclose(rgb_to_y(colours) * 255, [16, 235, 81.481, 144.553, 40.966], atol=1e-9)


def test_luma_needs_three_channels() -> None:
    with pytest.raises(ImageShapeError, match=r"three channels.*\(4, 4, 1\)"):
        rgb_to_y(np.zeros((4, 4, 1)))


def test_psnr_of_one_level() -> None:
    a = np.zeros((5, 5), np.uint8)
    assert psnr(a, a + 1) == pytest.approx(20 * math.log10(255))
    assert psnr(a, a) == math.inf


def test_psnr_does_not_wrap_integers() -> None:
    assert psnr(np.full((2, 2), 250, np.uint8), np.full((2, 2), 5, np.uint8)) == pytest.approx(20 * math.log10(255 / 245))


def test_the_border_is_dropped() -> None:
    gt = np.full((20, 20, 3), 100, np.uint8)
    sr = gt.copy()
    sr[:4] = sr[-4:] = sr[:, :4] = sr[:, -4:] = 0
    assert psnr_y(sr, gt, crop_border=4) == math.inf
    assert psnr_y(sr, gt, crop_border=3) < 20


def test_colour_is_scored_on_luma_and_one_channel_on_itself() -> None:
    gt = np.full((9, 9, 3), 100, np.uint8)
    # a grey step of one level moves studio-range luma by 219/255 of a level
    assert psnr_y(gt + 1, gt, crop_border=1) == pytest.approx(20 * math.log10(255 / (219 / 255)), abs=1e-4)
    assert psnr_y(gt[:, :, 0] + 1, gt[:, :, 0], crop_border=1) == pytest.approx(20 * math.log10(255))


def test_unlike_or_tiny_pictures() -> None:
    gt = np.zeros((8, 8, 3), np.uint8)
    with pytest.raises(ImageShapeError, match="one shape"):
        psnr_y(gt[:4], gt, crop_border=1)
    with pytest.raises(ImageShapeError, match="nothing left after cropping 4"):
        psnr_y(gt, gt, crop_border=4)


def test_psnr_of_colour_is_over_all_channels_as_scikit_image_has_it(pictures: Pictures) -> None:
    gt, sr = pictures(41, 57)
    assert psnr(sr, gt) == pytest.approx(26.809420195534557, abs=1e-9)  # scikit-image 0.26, peak_signal_noise_ratio
    assert mse(sr, gt) == pytest.approx(255**2 / 10**2.6809420195534557, abs=1e-9)


def test_mse_of_known_values() -> None:
    assert mse(np.array([[0, 255]], np.uint8), np.array([[3, 251]], np.uint8)) == 12.5
    with pytest.raises(ImageShapeError, match="one shape"):
        mse(np.zeros((2, 2)), np.zeros((2, 3)))


def test_consistency_with_the_input(pictures: Pictures) -> None:
    gt, _ = pictures(48, 36)
    lq = resize_scale(gt, 1 / 3)
    assert lr_consistency(gt, lq, 3) == math.inf
    shifted = np.where(lq < 128, lq + 1, lq - 1).astype(np.uint8)
    assert lr_consistency(gt, shifted, 3) == pytest.approx(20 * math.log10(255))
    assert lr_consistency(gt[:, :, 0], shifted[:, :, 0], 3) == pytest.approx(20 * math.log10(255))


def test_consistency_needs_a_result_of_the_input() -> None:
    lq = np.zeros((5, 7, 3), np.uint8)
    with pytest.raises(ImageShapeError, match=r"shape \(20, 27, 3\) is not 4 times its input of shape \(5, 7, 3\)"):
        lr_consistency(np.zeros((20, 27, 3), np.uint8), lq, 4)
    with pytest.raises(ImageShapeError, match="uint8 pictures, got float32"):
        lr_consistency(np.zeros((20, 28, 3), np.float32), lq, 4)
    assert lr_consistency(np.zeros((8, 11, 3), np.uint8), lq, 1.5) == math.inf
