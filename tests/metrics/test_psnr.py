import math

import numpy as np
import pytest

from clearvision.errors import ImageShapeError
from clearvision.imaging.color import rgb_to_y
from clearvision.metrics.psnr import psnr, psnr_y


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
