"""Kernels against their formulae written a second time, and filtering against sums written out."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from clearvision.degradations.kernels import (
    defocus_kernel,
    filter_images,
    gaussian_kernel,
    kernel_of,
    motion_kernel,
    sinc_kernel,
    stack_kernels,
    trimmed,
    unsharp,
)


def by_covariance(size: int, sigma: tuple[float, float], angle: float, beta: float, plateau: bool) -> np.ndarray:
    """The papers' form: x' S^-1 x with S = R diag(sigma^2) R'."""
    turn = math.radians(angle)
    rotation = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    inverse = np.linalg.inv(rotation @ np.diag(np.square(sigma)) @ rotation.T)
    kernel = np.empty((size, size))
    for row in range(size):
        for column in range(size):
            x = np.array([column - size // 2, row - size // 2])
            power = (x @ inverse @ x) ** beta
            kernel[row, column] = 1 / (1 + power) if plateau else math.exp(-0.5 * power)
    return kernel / kernel.sum()


@pytest.mark.parametrize("plateau", [False, True])
@pytest.mark.parametrize("beta", [0.5, 1.0, 3.0])
@pytest.mark.parametrize(("sigma", "angle"), [((1.5, 1.5), 0), ((3.0, 0.6), 30), ((0.2, 2.0), -110)])
def test_gaussian_family(sigma: tuple[float, float], angle: float, beta: float, plateau: bool) -> None:
    kernel = gaussian_kernel(13, sigma, angle=angle, beta=beta, plateau=plateau)
    np.testing.assert_allclose(kernel, by_covariance(13, sigma, angle, beta, plateau), atol=1e-12)


def test_first_axis_points_along_x_and_turns_towards_y() -> None:
    kernel = gaussian_kernel(9, (3.0, 0.5))
    assert kernel[4, 8] > kernel[8, 4]
    turned = gaussian_kernel(9, (3.0, 0.5), angle=45)
    assert turned[8, 8] > turned[0, 8]


def test_five_by_five_of_sigma_one_is_the_known_one() -> None:
    row = np.array([0.05448868, 0.24420134, 0.40261995, 0.24420134, 0.05448868])
    np.testing.assert_allclose(gaussian_kernel(5, (1.0, 1.0)), np.outer(row, row), atol=1e-7)


def test_every_kernel_sums_to_one_and_is_symmetric() -> None:
    kernels = [
        gaussian_kernel(21, (2.0, 0.7), angle=33, beta=0.6),
        sinc_kernel(21, 0.4),
        motion_kernel(8.5, 25),
        defocus_kernel(3.3),
        kernel_of({"step": "box", "size": 15}),
    ]
    for kernel in kernels:
        assert kernel.dtype == torch.float64
        assert float(kernel.sum()) == pytest.approx(1, abs=1e-12)
        np.testing.assert_allclose(kernel, kernel.flip(0, 1), atol=1e-12)


def test_sinc_follows_bessel() -> None:
    def bessel(x: float) -> float:  # J1 by its series
        return sum((-1) ** k / (math.factorial(k) * math.factorial(k + 1)) * (x / 2) ** (2 * k + 1) for k in range(60))

    w, kernel = 0.45 * math.pi, sinc_kernel(9, 0.45)
    for row, column in ((4, 5), (3, 3), (0, 4), (8, 8)):
        radius = math.hypot(row - 4, column - 4)
        expected = (w * bessel(w * radius) / (2 * math.pi * radius)) / (w * w / (4 * math.pi))
        assert float(kernel[row, column] / kernel[4, 4]) == pytest.approx(expected, abs=1e-6)


def test_sinc_lets_low_frequencies_through_and_stops_high_ones() -> None:
    response = torch.fft.fft2(F.pad(sinc_kernel(101, 0.5), (0, 27, 0, 27))).abs()
    assert float(response[0, 16]) == pytest.approx(1, abs=0.05)  # a quarter of the highest
    assert float(response[0, 58]) == pytest.approx(0, abs=0.05)


def test_motion_is_a_line_and_defocus_a_disc() -> None:
    line = motion_kernel(9, 0)
    assert line.shape == (11, 11)
    np.testing.assert_allclose(line[5, 1:10], np.full(9, 1 / 9), atol=1e-12)
    np.testing.assert_allclose(motion_kernel(9, 90), line.T, atol=1e-12)
    disc = defocus_kernel(3.0)
    assert disc[3, 6] > 0
    assert disc[0, 0] == 0
    assert float(1 / disc[3, 3]) == pytest.approx(math.pi * 3**2, rel=0.1)  # flat inside, so its height tells its area


@pytest.mark.parametrize("size", [5, 15])
def test_filtering_equals_sums_written_out(size: int) -> None:
    """Both ways, direct and by Fourier transform; each sample by its own kernel, borders mirrored."""
    rng = np.random.default_rng(size)
    images = rng.random((2, 3, 17, 21))
    kernels = rng.random((2, size, size))
    half = size // 2
    expected = np.zeros_like(images)
    for sample in range(2):
        padded = np.pad(images[sample], ((0, 0), (half, half), (half, half)), mode="reflect")
        for row in range(size):
            for column in range(size):
                expected[sample] += kernels[sample, row, column] * padded[:, row : row + 17, column : column + 21]
    result = filter_images(torch.from_numpy(images), torch.from_numpy(kernels))
    np.testing.assert_allclose(result, expected, atol=1e-9)


def test_pictures_smaller_than_the_kernel() -> None:
    images = torch.rand(1, 3, 4, 1)
    flat = filter_images(torch.full((1, 3, 4, 1), 0.5), gaussian_kernel(21, (3.0, 3.0))[None])
    np.testing.assert_allclose(flat, 0.5, atol=1e-6)
    assert filter_images(images, gaussian_kernel(21, (3.0, 3.0))[None]).shape == images.shape


def test_stacking_keeps_centres() -> None:
    stacked = stack_kernels([torch.ones(3, 3), torch.ones(7, 7)])
    assert stacked.shape == (2, 7, 7)
    assert stacked[0, 2:5, 2:5].sum() == stacked[0].sum() == 9


def test_unsharp_raises_edges_and_leaves_small_noise() -> None:
    edge = torch.full((1, 3, 64, 64), 0.3)
    edge[..., 32:] = 0.7
    sharper = unsharp(edge)
    assert float(sharper[0, 0, 32, 33]) > 0.71
    assert float(sharper[0, 0, 32, 30]) < 0.29
    faint = 0.5 + (torch.rand(1, 3, 64, 64) - 0.5) * 0.02  # 2.5 levels about the mean
    np.testing.assert_allclose(unsharp(faint), faint, atol=1e-6)


def test_trimming_leaves_what_the_kernel_does() -> None:
    wide, images = gaussian_kernel(21, (0.8, 0.8)), torch.rand(2, 3, 30, 20)
    narrow = trimmed(wide)
    assert narrow.shape == (9, 9)
    np.testing.assert_allclose(
        filter_images(images, narrow.expand(2, 9, 9)), filter_images(images, wide.expand(2, 21, 21)), atol=2e-6
    )
    assert trimmed(gaussian_kernel(7, (3.0, 3.0))).shape == (7, 7)
    assert trimmed(gaussian_kernel(7, (0.1, 0.1))).shape == (3, 3)
