import numpy as np
import pytest
import torch

from clearvision.errors import ImageShapeError
from clearvision.losses import LOSSES
from clearvision.losses.inputs import displayed
from clearvision.losses.pixel import frequency, grid, ripple, total_variation

SMALL = (1, 2, 5, 4)


def pair(*shape: int) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.rand(shape, dtype=torch.float64), torch.rand(shape, dtype=torch.float64)


def test_pixel_losses_are_their_formulas() -> None:
    sr, gt = pair(*SMALL)
    error = (sr - gt).numpy()
    assert float(LOSSES["l1"](sr, gt)) == pytest.approx(np.abs(error).mean())
    assert float(LOSSES["mse"](sr, gt)) == pytest.approx((error**2).mean())
    assert float(LOSSES["charbonnier"](sr, gt)) == pytest.approx(np.sqrt(error**2 + 1e-6).mean())


def test_psnr_counts_decibels_picture_by_picture() -> None:
    gt = torch.rand(2, 3, 8, 9, dtype=torch.float64)
    bad, good = gt[:1] + 0.1, gt[1:] + 0.001
    rounding = 10 * np.log10(12 * 255**2)
    assert float(LOSSES["psnr"](bad, gt[:1])) == pytest.approx(rounding - 20, abs=1e-3)
    both = torch.cat([bad, good])
    better = torch.cat([gt[:1] + 0.1 * 10 ** (-1 / 20), good]), torch.cat([bad, gt[1:] + 0.001 * 10 ** (-1 / 20)])
    gains = [float(LOSSES["psnr"](both, gt) - LOSSES["psnr"](one, gt)) for one in better]
    assert gains[0] == pytest.approx(0.5, abs=1e-3)  # a decibel of one of two
    assert gains[1] == pytest.approx(0.5 * 1e-6 / (1e-6 + 1 / 12 / 255**2), abs=0.03)  # less near what rounding does


def test_psnr_of_a_picture_that_is_right_has_a_gradient_of_zero() -> None:
    gt = torch.rand(1, 3, 8, 8)
    sr = gt.clone().requires_grad_()
    LOSSES["psnr"](sr, gt).backward()
    assert sr.grad is not None
    assert float(sr.grad.abs().max()) == 0


def test_frequency_is_the_error_of_real_and_imaginary_parts() -> None:
    sr, gt = pair(2, 3, 6, 7)
    error = np.fft.rfft2((sr - gt).numpy()) / np.sqrt(6 * 7)
    assert float(frequency(sr, gt)) == pytest.approx((np.abs(error.real).mean() + np.abs(error.imag).mean()) / 2)


def test_frequency_does_not_grow_with_the_picture() -> None:
    small, large = (frequency(torch.randn(1, 1, side, side), torch.zeros(1, 1, side, side)) for side in (32, 128))
    assert float(small) == pytest.approx(float(large), rel=0.05)


def test_frequency_sees_a_shift_that_amplitudes_hide() -> None:
    gt = torch.zeros(1, 1, 8, 8)
    gt[0, 0, 2, 2] = 1
    assert float(frequency(gt.roll(1, -1), gt)) > 0.05


def test_total_variation() -> None:
    ramp = torch.arange(4.0).expand(1, 1, 3, 4)  # steps of 1 along rows, none along columns
    assert float(total_variation(ramp)) == 1
    assert float(total_variation(ramp.mT.contiguous())) == 1
    assert float(total_variation(ramp + 2 * torch.arange(3.0).view(3, 1))) == 3
    assert float(total_variation(torch.ones(1, 3, 4, 4))) == 0
    assert float(LOSSES["tv"](ramp, torch.zeros(1, 1, 3, 4))) == 1


def test_grid_sees_what_repeats_and_nothing_else() -> None:
    pattern = torch.zeros(4, 4)
    pattern[1, 2] = 1
    repeated = pattern.repeat(5, 6)
    gt = torch.rand(2, 3, 20, 24)
    assert float(grid(gt + 0.16 * repeated, gt)) == pytest.approx(0.01 * 15 / 16 * 2, rel=1e-4)  # 1/16 far off, 15 a little
    assert float(grid(gt + 0.1, gt)) == pytest.approx(0, abs=1e-6)
    ramp = torch.arange(24.0).expand(2, 3, 20, 24) / 24
    assert float(grid(ramp + 0.16 * repeated, ramp)) == pytest.approx(0.01 * 15 / 16 * 2, rel=1e-4)
    assert float(grid(gt + 0.16 * repeated, gt, period=3)) < 0.005
    assert float(grid((gt + 0.16 * repeated)[..., :19, :23], gt[..., :19, :23])) > 0.015
    with pytest.raises(ImageShapeError, match="grid of period 8 needs 8 pixels a side, got 9x7"):
        grid(torch.rand(1, 3, 7, 9), torch.rand(1, 3, 7, 9), period=8)


def test_ripple_sees_finer_detail_than_the_truth_has_and_where() -> None:
    comb = 0.1 * (1.0 - 2 * (torch.arange(40) % 2)).expand(1, 3, 40, 40)
    grey = torch.full((1, 3, 40, 40), 0.5)
    alone = float(ripple(grey + comb, grey))
    assert alone == pytest.approx(0.1 / 2, rel=0.03)  # in one of two directions
    assert float(ripple(grey + comb.mT, grey)) == pytest.approx(alone)
    assert float(ripple(grey, grey + comb)) == 0  # too little costs nothing
    edge = grey.clone()
    edge[..., 20:] = 0.9
    beside = grey + comb * (torch.arange(40) < 12)
    assert float(ripple(edge, edge)) == 0
    assert float(ripple(beside, grey)) == pytest.approx(float(ripple(beside + edge - grey, edge)))  # the edge allows none of it
    with pytest.raises(ImageShapeError, match="ripple needs 7 pixels a side, got 9x6"):
        ripple(torch.rand(1, 3, 6, 9), torch.rand(1, 3, 6, 9))


def test_a_screen_clips_and_gradients_lead_back_only() -> None:
    sr = torch.tensor([-0.5, -0.5, 0.25, 1.5, 1.5], requires_grad=True)
    shown = displayed(sr)
    assert shown.tolist() == [0, 0, 0.25, 1, 1]
    shown.backward(torch.tensor([1.0, -2.0, 3.0, 4.0, -5.0]))  # a step goes against it
    assert sr.grad is not None
    assert sr.grad.tolist() == [0, -2, 3, 4, 0]


@pytest.mark.parametrize("kind", LOSSES)
def test_what_every_loss_must_do(kind: str) -> None:
    """A scalar in float32, also of half precision and under autocast, in any memory format; 0 for equal pictures."""
    loss = LOSSES[kind]
    sr, gt = torch.rand(2, 3, 18, 20), torch.rand(2, 3, 18, 20)
    value = loss(sr, gt)
    assert value.shape == ()
    assert value.dtype == torch.float32
    if kind != "tv":
        assert float(loss(gt, gt)) == pytest.approx(1e-3 if kind == "charbonnier" else 0, abs=1e-6)
    torch.testing.assert_close(loss(sr.to(memory_format=torch.channels_last), gt), value)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(loss(sr, gt), value)
        halved = loss(sr.bfloat16(), gt.bfloat16())
    assert halved.dtype == torch.float32
    torch.testing.assert_close(halved, loss(sr.bfloat16().double(), gt.bfloat16().double()).float(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", LOSSES)
def test_gradients(kind: str) -> None:
    side = {"ms_ssim_l1": 17, "ssim": 11, "ripple": 8}.get(kind, 4)
    sr, gt = pair(1, 1, side, side)
    # fast mode checks one random direction, which is enough for hundreds of pixels
    assert torch.autograd.gradcheck(lambda x: LOSSES[kind](x, gt), sr.requires_grad_(), fast_mode=True)


@pytest.mark.parametrize("kind", [kind for kind in LOSSES if kind != "tv"])
def test_shapes_that_differ(kind: str) -> None:
    with pytest.raises(ImageShapeError, match=r"one shape, got \(1, 3, 20, 20\) and \(1, 1, 20, 20\)"):
        LOSSES[kind](torch.rand(1, 3, 20, 20), torch.rand(1, 1, 20, 20))
