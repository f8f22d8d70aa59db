import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from clearvision.errors import ImageShapeError, UsageError
from clearvision.losses.structural import ms_ssim_l1, ssim_loss
from clearvision.metrics.ssim import ssim

Array = NDArray[np.float64]


def pair(*shape: int) -> tuple[Tensor, Tensor]:
    """Return a smooth picture and a noisy, shifted copy."""
    y, x = torch.meshgrid(torch.arange(shape[-2]), torch.arange(shape[-1]), indexing="ij")
    gt = (0.5 + 0.3 * torch.sin(x / 3.0) * torch.cos(y / 5.0)).double().expand(shape)
    return (gt * 0.8 + 0.15 + 0.05 * torch.randn(shape, dtype=torch.float64)), gt


def test_ssim_loss_is_the_metric() -> None:
    sr, gt = pair(2, 3, 23, 31)
    expected = np.mean(
        [1 - ssim(a.permute(1, 2, 0).numpy(), b.permute(1, 2, 0).numpy(), data_range=1.0) for a, b in zip(sr, gt, strict=True)]
    )
    assert float(ssim_loss(sr, gt)) == pytest.approx(expected, rel=1e-10)
    assert float(ssim_loss(sr.float(), gt.float())) == pytest.approx(expected, rel=1e-4)


def test_ssim_of_opposites_is_negative() -> None:
    _, gt = pair(1, 1, 16, 16)
    assert 1 < float(ssim_loss(1 - gt, gt)) <= 2


def zhao(x: Array, y: Array, alpha: float) -> float:
    """Zhao et al., section III, for one plane, pixel by pixel with two-dimensional windows."""

    def window(sigma: float) -> Array:
        radius = min(int(4 * sigma), 16)
        offsets = np.arange(-radius, radius + 1)
        taps = np.exp(-(offsets**2) / (2 * sigma**2))
        return np.outer(taps, taps) / taps.sum() ** 2

    def mean_at(values: Array, weights: Array, row: int, column: int) -> float:
        radius = len(weights) // 2
        padded = np.pad(values, radius, mode="reflect")
        return float((weights * padded[row : row + 2 * radius + 1, column : column + 2 * radius + 1]).sum())

    total = 0.0
    for row, column in np.ndindex(x.shape):
        product = 1.0
        for sigma in (0.5, 1, 2, 4, 8):
            weights = window(sigma)
            mean_x, mean_y, xx, yy, xy = (mean_at(v, weights, row, column) for v in (x, y, x * x, y * y, x * y))
            product *= (2 * (xy - mean_x * mean_y) + 0.03**2) / (xx - mean_x**2 + yy - mean_y**2 + 0.03**2)
        product *= (2 * mean_x * mean_y + 0.01**2) / (mean_x**2 + mean_y**2 + 0.01**2)  # of the widest
        total += alpha * (1 - product) + (1 - alpha) * mean_at(np.abs(x - y), window(8), row, column)
    return total / x.size


def test_ms_ssim_l1_is_the_papers_formula() -> None:
    sr, gt = pair(1, 1, 17, 19)
    assert float(ms_ssim_l1(sr, gt)) == pytest.approx(zhao(sr[0, 0].numpy(), gt[0, 0].numpy(), 0.84), rel=1e-10)


def test_channels_and_pictures_are_averaged() -> None:
    sr, gt = pair(2, 3, 20, 20)
    for loss in (ssim_loss, ms_ssim_l1):
        single = [loss(sr[b : b + 1, c : c + 1], gt[b : b + 1, c : c + 1]) for b in range(2) for c in range(3)]
        torch.testing.assert_close(loss(sr, gt), torch.stack(single).mean())


def test_alpha_chooses_between_structure_and_error() -> None:
    sr, gt = pair(1, 1, 24, 24)
    brighter = gt + 0.1
    assert float(ms_ssim_l1(brighter, gt, alpha=0)) == pytest.approx(0.1)
    # structure alone hardly sees a shift of brightness
    assert float(ms_ssim_l1(brighter, gt, alpha=1)) < 0.1 * float(ms_ssim_l1(sr, gt, alpha=1))


def test_refusals() -> None:
    with pytest.raises(ImageShapeError, match=r"11 pixels on each side, got \(1, 3, 10, 20\)"):
        ssim_loss(torch.rand(1, 3, 10, 20), torch.rand(1, 3, 10, 20))
    with pytest.raises(ImageShapeError, match=r"17 pixels on each side, got \(1, 3, 20, 16\)"):
        ms_ssim_l1(torch.rand(1, 3, 20, 16), torch.rand(1, 3, 20, 16))
    with pytest.raises(UsageError, match=r"alpha \(1.1\) of ms_ssim_l1 must be between 0 and 1"):
        ms_ssim_l1(torch.rand(1, 3, 20, 20), torch.rand(1, 3, 20, 20), alpha=1.1)
