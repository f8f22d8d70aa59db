"""Noise has the strength that it says, and each sample its own."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from clearvision.degradations.noise import add_noise, add_poisson


def noise(sigma: float, *, grey: bool = False, seed: int = 1) -> dict[str, object]:
    return {"step": "noise", "sigma": sigma, "grey": grey, "seed": seed}


def poisson(scale: float, *, grey: bool = False, levels: float = 256, seed: int = 1) -> dict[str, object]:
    return {"step": "poisson", "scale": scale, "grey": grey, "levels": levels, "seed": seed}


@pytest.mark.parametrize("sigma", [2.0, 25.0])
def test_gaussian_sigma(sigma: float) -> None:
    field = (add_noise(torch.full((1, 3, 128, 128), 0.5), [noise(sigma)]) - 0.5) * 255
    assert float(field.std()) == pytest.approx(sigma, rel=0.02)
    assert float(field.mean()) == pytest.approx(0, abs=sigma * 0.02)
    channels = np.corrcoef(field[0].flatten(1))
    assert np.abs(channels - np.eye(3)).max() < 0.03


def test_grey_noise_is_the_same_in_all_channels() -> None:
    field = add_noise(torch.full((1, 3, 64, 64), 0.5), [noise(10, grey=True)])[0]
    assert torch.equal(field[0], field[1])
    assert torch.equal(field[0], field[2])
    field = add_poisson(torch.full((1, 3, 64, 64), 0.5), [poisson(1, grey=True)])[0]
    assert torch.equal(field[0], field[2])
    assert float(field.std()) > 0.01


@pytest.mark.parametrize("value", [51, 204])
@pytest.mark.parametrize(("scale", "levels"), [(1.0, 256), (0.5, 64)])
def test_poisson_variance_grows_with_light(value: int, scale: float, levels: float) -> None:
    image = torch.full((1, 3, 128, 128), value / 255)
    field = add_poisson(image, [poisson(scale, levels=levels)]) - image
    assert float(field.std()) == pytest.approx(scale * (value / 255 / levels) ** 0.5, rel=0.03)
    assert float(field.mean()) == pytest.approx(0, abs=0.001)


def test_poisson_counts_the_levels_of_the_picture_as_published() -> None:
    image = torch.arange(100, 200).repeat(3, 100, 1)[None] / 255  # 100 levels: 128 photons
    field = add_poisson(image, [poisson(1, levels=0)]) - image
    assert float((field**2).mean() ** 0.5) == pytest.approx(float(image.mean() / 128) ** 0.5, rel=0.03)


def test_values_are_clamped_and_never_wrap() -> None:
    for value in (0.0, 1.0):
        image = torch.full((1, 3, 32, 32), value)
        for result in (add_noise(image, [noise(25)]), add_poisson(image, [poisson(2)])):
            assert float(result.min()) >= 0
            assert float(result.max()) <= 1
            assert float((result - value).abs().max()) < 0.6


def test_a_sample_does_not_depend_on_its_neighbours() -> None:
    images = torch.rand(3, 3, 16, 16)
    operations = [noise(5, seed=seed) for seed in (7, 8, 9)]
    together = add_noise(images, operations)
    for place in range(3):
        assert torch.equal(together[place], add_noise(images[place : place + 1], [operations[place]])[0])
    assert not torch.equal(together[0] - images[0], together[1] - images[1])


def test_streams_are_numpys_philox_on_a_processor() -> None:
    """Golden: the same numbers on every machine."""
    field = (add_noise(torch.full((1, 3, 8, 8), 0.5), [noise(10, seed=42)]) - 0.5) * 255
    expected = np.random.Generator(np.random.Philox(key=42)).standard_normal((3, 8, 8), dtype=np.float32) * 10
    np.testing.assert_allclose(field[0], expected, atol=1e-3)
