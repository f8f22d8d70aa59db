from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from clearvision.errors import ImageShapeError, UsageError
from clearvision.evaluation.protocols import PROTOCOLS, find_protocol, score
from clearvision.evaluation.standards import STANDARD_SETS, check_bicubic, find_standard
from clearvision.metrics.psnr import psnr_y
from clearvision.metrics.ssim import global_ssim, ssim


@pytest.fixture
def pair(picture: Callable[..., np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    gt = picture(1)
    noise = np.random.default_rng(2).normal(0, 8, gt.shape)
    return np.clip(gt + noise, 0, 255).astype(np.uint8), gt


def test_each_protocol_is_what_its_line_says(pair: tuple[np.ndarray, np.ndarray]) -> None:
    sr, gt = pair
    a, b = sr.astype(np.float64), gt.astype(np.float64)
    cut = (slice(4, -4), slice(4, -4))

    def psnr(x: np.ndarray, y: np.ndarray) -> float:
        return 10 * math.log10(255**2 / np.mean((x - y) ** 2))

    studio, full = (np.array([65.481, 128.553, 24.966]) / 255, np.array([0.299, 0.587, 0.114]))
    expected = {
        "y": (psnr(a[cut] @ studio, b[cut] @ studio), ssim(a[cut] @ studio + 16, b[cut] @ studio + 16)),
        "y-fullrange": (psnr(a[cut] @ full, b[cut] @ full), ssim(a[cut] @ full, b[cut] @ full)),
        "rgb": (psnr(a[cut], b[cut]), ssim(a[cut], b[cut])),
        "rgb-uniform7": (psnr(a, b), ssim(a, b, window="uniform7")),
        "tf-rgb": (psnr(a, b), ssim(a, b)),
        "global-ssim": (psnr(a, b), global_ssim(a, b)),
    }
    assert set(expected) == set(PROTOCOLS)
    for name, (db, similarity) in expected.items():
        values = score(sr, gt, 4, PROTOCOLS[name], ("psnr", "ssim"))
        assert list(values) == ["psnr", "ssim"]
        assert values["psnr"] == pytest.approx(db, abs=1e-9), name
        assert values["ssim"] == pytest.approx(similarity, abs=1e-9), name
    assert score(sr, gt, 4, PROTOCOLS["y"], ("psnr",))["psnr"] == pytest.approx(psnr_y(sr, gt, crop_border=4), abs=1e-9)


def test_stored_grey_counts_as_it_is_and_grey_in_rgb_through_luma(pair: tuple[np.ndarray, np.ndarray]) -> None:
    sr, gt = (each[:, :, :1] for each in pair)
    own = score(sr, gt, 4, PROTOCOLS["y"], ("psnr",))["psnr"]
    through_luma = score(np.repeat(sr, 3, 2), np.repeat(gt, 3, 2), 4, PROTOCOLS["y"], ("psnr",))["psnr"]
    assert through_luma - own == pytest.approx(20 * math.log10(255 / 219), abs=1e-9)


def test_further_metrics(pair: tuple[np.ndarray, np.ndarray]) -> None:
    sr, gt = pair
    values = score(gt, gt, 2, PROTOCOLS["rgb"], ("mse", "psnr", "global_ssim", "lr_consistency"), lq=gt[::2, ::2])
    assert values["mse"] == 0
    assert values["psnr"] == math.inf
    assert values["global_ssim"] == 1
    assert 10 < values["lr_consistency"] < 40
    learned = {"lpips_alex": lambda a, b: float(a.shape == b.shape)}
    assert score(sr, gt, 2, PROTOCOLS["y"], ("lpips_alex",), learned=learned) == {"lpips_alex": 1.0}


@pytest.mark.parametrize(
    ("shape", "metric", "protocol", "match"),
    [
        ((16, 40, 3), "ssim", "y", r"40x16 pixels are too few: ssim needs 11x11 after 4 on each side are cropped"),
        ((6, 40, 3), "ssim", "rgb-uniform7", r"40x6 pixels are too few: ssim needs 7x7$"),
        ((8, 8, 3), "psnr", "y", r"8x8 pixels are too few: psnr needs 1x1 after 4"),
        ((48, 64, 3), "ms_ssim", "rgb", r"ms_ssim needs 176x176"),
    ],
)
def test_too_small_for_what_is_asked(shape: tuple[int, ...], metric: str, protocol: str, match: str) -> None:
    image = np.zeros(shape, np.uint8)
    with pytest.raises(ImageShapeError, match=match):
        score(image, image, 4, PROTOCOLS[protocol], (metric,))


def test_refusals(pair: tuple[np.ndarray, np.ndarray]) -> None:
    sr, gt = pair
    with pytest.raises(UsageError, match=r"unknown protocol 'Y'; known: y, y-fullrange, rgb"):
        find_protocol("Y")
    with pytest.raises(ImageShapeError, match="must have one shape"):
        score(sr[:-1], gt, 4, PROTOCOLS["y"], ("psnr",))
    with pytest.raises(UsageError, match="unknown metric 'psn'; known: psnr"):
        score(sr, gt, 4, PROTOCOLS["y"], ("psn",))
    with pytest.raises(UsageError, match="metric 'psnr' needs a ground truth, which was not given"):
        score(sr, None, 4, PROTOCOLS["y"], ("psnr",))
    with pytest.raises(UsageError, match=r"metric 'lpips_vgg' needs a ground truth and its network \(vgg16\)"):
        score(sr, gt, 4, PROTOCOLS["y"], ("lpips_vgg",))


def test_literature_rows() -> None:
    assert [(each.name, each.count, each.bicubic[4][0]) for each in STANDARD_SETS] == [
        ("Set5", 5, 28.42),
        ("Set14", 14, 26.00),
        ("BSD100", 100, 25.96),
        ("Urban100", 100, 23.14),
        ("Manga109", 109, 24.89),
    ]
    assert all(set(each.bicubic) == {2, 3, 4} for each in STANDARD_SETS)


@pytest.mark.parametrize(
    ("psnr", "ssim", "passed"),
    [
        (28.432, 0.8113, True),
        (28.42 + 0.0249, None, True),  # may print as 0.02 dB off
        (28.42 - 0.0251, None, False),
        (28.42, 0.8104 + 0.0011, False),
        (math.nan, None, False),
    ],
)
def test_self_check_tolerance(psnr: float, ssim: float | None, passed: bool) -> None:
    set5 = find_standard("set5")
    assert set5 is not None
    check = check_bicubic(set5, 4, 5, psnr, ssim, source="given files")
    assert check is not None
    assert check.passed is passed
    assert ("do not compare the scores below with the literature's" in check.text) is not passed
    assert check_bicubic(set5, 8, 5, psnr, ssim, source="") is None
    short = check_bicubic(set5, 4, 4, psnr, ssim, source="")
    assert short is not None
    assert not short.passed
    assert "'Set5' has 5 pictures, but 4 were scored" in short.text
