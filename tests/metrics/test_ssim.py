import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from clearvision.errors import ImageShapeError, UsageError
from clearvision.metrics.ssim import MS_SSIM_WEIGHTS, Window, global_ssim, ms_ssim, ssim

Pictures = Callable[[int, int], tuple[NDArray[np.uint8], NDArray[np.uint8]]]


def plain_ssim(a: NDArray[np.uint8], b: NDArray[np.uint8], window: NDArray[np.float64], *, sample: bool) -> float:
    """Equation 13 of Wang et al. 2004, window by window."""
    side = len(window)
    unbiased = side**2 / (side**2 - 1) if sample else 1.0
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    values = []
    for top in range(a.shape[0] - side + 1):
        for left in range(a.shape[1] - side + 1):
            x = a[top : top + side, left : left + side].astype(float)
            y = b[top : top + side, left : left + side].astype(float)
            mean_x, mean_y = (window * x).sum(), (window * y).sum()
            var_x = unbiased * (window * (x - mean_x) ** 2).sum()
            var_y = unbiased * (window * (y - mean_y) ** 2).sum()
            covariance = unbiased * (window * (x - mean_x) * (y - mean_y)).sum()
            numerator = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
            values.append(numerator / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2)))
    return float(np.mean(values))


def gaussian_window() -> NDArray[np.float64]:
    line = [math.exp(-((i - 5) ** 2) / (2 * 1.5**2)) for i in range(11)]
    return np.outer(line, line) / sum(line) ** 2


@pytest.mark.parametrize(
    ("window", "channels", "expected"),
    [
        # scikit-image 0.26, structural_similarity(gt, sr, channel_axis=2)
        ("uniform7", "rgb", 0.8994125336495764),
        ("uniform7", "green", 0.8989909078870165),
        # and with gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        ("gaussian", "rgb", 0.8777712624346666),
        ("gaussian", "green", 0.8778501264972879),
    ],
)
def test_scikit_image_gives_the_same(pictures: Pictures, window: Window, channels: str, expected: float) -> None:
    gt, sr = pictures(41, 57)
    if channels == "green":
        gt, sr = gt[:, :, 1], sr[:, :, 1]
    assert ssim(sr, gt, window=window) == pytest.approx(expected, abs=1e-9)


def test_the_plain_formula_gives_the_same(pictures: Pictures) -> None:
    gt, sr = (picture[:, :, 0] for picture in pictures(20, 33))
    assert ssim(sr, gt) == pytest.approx(plain_ssim(sr, gt, gaussian_window(), sample=False), abs=1e-10)
    uniform = np.full((7, 7), 1 / 49)
    assert ssim(sr, gt, window="uniform7") == pytest.approx(plain_ssim(sr, gt, uniform, sample=True), abs=1e-10)


def test_a_picture_scored_in_tiles_scores_the_same(pictures: Pictures, monkeypatch: pytest.MonkeyPatch) -> None:
    gt, sr = pictures(41, 57)
    whole = ssim(sr, gt)
    monkeypatch.setattr("clearvision.metrics.ssim._TILE", (7, 13))
    assert ssim(sr, gt) == pytest.approx(whole, abs=1e-12)


def test_equal_pictures_have_one_and_a_window_as_large_as_the_picture_works(pictures: Pictures) -> None:
    gt, sr = pictures(11, 11)
    assert ssim(gt, gt) == 1
    assert ssim(sr[:, :, 0], gt[:, :, 0]) == pytest.approx(plain_ssim(sr[:, :, 0], gt[:, :, 0], gaussian_window(), sample=False))
    assert ssim(np.zeros((11, 11), np.uint8), np.full((11, 11), 255, np.uint8)) == pytest.approx(1e-4, rel=0.01)


def test_data_range_and_values_scale_together(pictures: Pictures) -> None:
    gt, sr = pictures(24, 24)
    assert ssim(sr / 255, gt / 255, data_range=1.0) == pytest.approx(ssim(sr, gt), abs=1e-12)
    assert ms_ssim(np.tile(sr, (8, 8, 1)) / 255, np.tile(gt, (8, 8, 1)) / 255, data_range=1.0) == pytest.approx(
        ms_ssim(np.tile(sr, (8, 8, 1)), np.tile(gt, (8, 8, 1))), abs=1e-12
    )


def test_five_scales_as_pytorch_msssim_has_them(pictures: Pictures) -> None:
    gt, sr = pictures(192, 256)
    assert ms_ssim(sr, gt) == pytest.approx(0.997414984423317, abs=1e-7)  # pytorch-msssim 1.0.0, float64
    assert ms_ssim(sr[:, :, 0], gt[:, :, 0]) == pytest.approx(0.99742576331615, abs=1e-7)
    assert sum(MS_SSIM_WEIGHTS) == pytest.approx(1, abs=1e-3)


def test_odd_sides_repeat_their_last_line(pictures: Pictures) -> None:
    gt, sr = (picture[:, :, 0] for picture in pictures(177, 203))
    product, first, second = 1.0, gt.astype(float), sr.astype(float)
    for scale, weight in enumerate(MS_SSIM_WEIGHTS):
        if scale == len(MS_SSIM_WEIGHTS) - 1:
            product *= ssim(first, second) ** weight
            break
        product *= contrast(first, second) ** weight
        first, second = (halved(picture) for picture in (first, second))
    assert ms_ssim(gt, sr) == pytest.approx(product, abs=1e-10)


def contrast(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Contrast and structure alone: SSIM without its luminance factor, which is 1 where both windows have one mean."""
    window = gaussian_window()
    patches = [np.lib.stride_tricks.sliding_window_view(picture, (11, 11)) for picture in (a, b)]
    mean_a, mean_b = (np.einsum("yxij,ij->yx", patch, window) for patch in patches)
    square = [np.einsum("yxij,ij->yx", patch**2, window) for patch in patches]
    covariance = np.einsum("yxij,ij->yx", patches[0] * patches[1], window) - mean_a * mean_b
    c2 = (0.03 * 255) ** 2
    return float(np.mean((2 * covariance + c2) / (square[0] - mean_a**2 + square[1] - mean_b**2 + c2)))


def halved(picture: NDArray[np.float64]) -> NDArray[np.float64]:
    rows = [*range(picture.shape[0]), picture.shape[0] - 1]
    columns = [*range(picture.shape[1]), picture.shape[1] - 1]
    out = np.empty(((picture.shape[0] + 1) // 2, (picture.shape[1] + 1) // 2))
    for y, x in np.ndindex(*out.shape):
        out[y, x] = picture[np.ix_(rows[2 * y : 2 * y + 2], columns[2 * x : 2 * x + 2])].mean()
    return out


def test_a_negative_is_scored_zero_over_five_scales(pictures: Pictures) -> None:
    gt, _ = pictures(176, 176)
    assert ms_ssim(gt, 255 - gt) == 0


def test_one_window_over_everything(pictures: Pictures) -> None:
    gt, sr = pictures(30, 40)
    x, y = gt.astype(float).ravel(), sr.astype(float).ravel()
    covariance = np.cov(x, y, bias=True)
    c1, c2 = 6.5025, 58.5225
    expected = (2 * x.mean() * y.mean() + c1) / (x.mean() ** 2 + y.mean() ** 2 + c1)
    expected *= (2 * covariance[0, 1] + c2) / (covariance[0, 0] + covariance[1, 1] + c2)
    assert global_ssim(sr, gt) == pytest.approx(expected, abs=1e-12)
    assert global_ssim(sr, gt) > ssim(sr, gt) + 0.05


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda a: ssim(a, a[1:]), ImageShapeError, r"SSIM compares .* one shape, got \(30, 40, 3\) and \(29, 40, 3\)"),
        (lambda a: ssim(a[:10], a[:10]), ImageShapeError, "SSIM needs 11 pixels on each side, the picture has 40x10"),
        (lambda a: ssim(a[:6], a[:6], window="uniform7"), ImageShapeError, "SSIM needs 7 pixels on each side"),
        (lambda a: ssim(a[0, 0], a[0, 0]), ImageShapeError, r"got \(3,\) and \(3,\)"),
        (lambda a: ssim(a, a, window="box"), UsageError, "window 'box' is unknown; known: gaussian, uniform7"),
        (lambda a: ssim(a, a, data_range=0), UsageError, r"data_range \(0\) must be a finite number above 0"),
        (lambda a: ms_ssim(a, a), ImageShapeError, "MS-SSIM needs 176 pixels on each side, the picture has 40x30"),
        (lambda a: global_ssim(a, a[:, 1:]), ImageShapeError, "global SSIM compares"),
    ],
)
def test_what_cannot_be_compared(
    pictures: Pictures, call: Callable[[NDArray[np.uint8]], float], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        call(pictures(30, 40)[0])
