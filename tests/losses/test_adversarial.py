import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from clearvision.errors import UsageError
from clearvision.losses.adversarial import GAN_KINDS, GanKind, discriminator_loss, generator_loss, r1_penalty

Logits = NDArray[np.float64]
KINDS: list[GanKind] = ["vanilla", "ragan", "lsgan", "hinge"]


def test_every_kind_is_tested() -> None:
    assert tuple(KINDS) == GAN_KINDS


def sigmoid(x: Logits) -> Logits:
    return 1 / (1 + np.exp(-x))


def cross_entropy(x: Logits, label: float) -> float:
    return float(np.mean(-label * np.log(sigmoid(x)) - (1 - label) * np.log(1 - sigmoid(x))))


# The papers' formulas, written down plainly: (real, fake, real_label) to (generator's, discriminator's).
PAPERS: dict[GanKind, Callable[[Logits, Logits, float], tuple[float, float]]] = {
    "vanilla": lambda real, fake, label: (
        cross_entropy(fake, 1),
        (cross_entropy(real, label) + cross_entropy(fake, 0)) / 2,
    ),
    "ragan": lambda real, fake, label: (
        (cross_entropy(fake - real.mean(), 1) + cross_entropy(real - fake.mean(), 0)) / 2,
        (cross_entropy(real - fake.mean(), label) + cross_entropy(fake - real.mean(), 0)) / 2,
    ),
    "lsgan": lambda real, fake, label: (
        float(np.mean((fake - 1) ** 2)),
        float(np.mean((real - label) ** 2) + np.mean(fake**2)) / 2,
    ),
    "hinge": lambda real, fake, label: (
        float(-np.mean(fake)),
        float(np.mean(np.maximum(0, 1 - real)) + np.mean(np.maximum(0, 1 + fake))) / 2,
    ),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(4, 1), (2, 1, 3, 5)])
def test_formulas_of_the_papers(kind: GanKind, shape: tuple[int, ...]) -> None:
    label = 1.0 if kind == "hinge" else 0.9
    real, fake = torch.randn(shape, dtype=torch.float64) + 0.5, 2 * torch.randn(shape, dtype=torch.float64)
    generator, discriminator = PAPERS[kind](real.numpy(), fake.numpy(), label)
    assert float(generator_loss(kind, fake, real)) == pytest.approx(generator, rel=1e-12)
    assert float(discriminator_loss(kind, real, fake, label)) == pytest.approx(discriminator, rel=1e-12)
    _, discriminator = PAPERS[kind](real.numpy(), fake.numpy(), 1.0)
    assert float(discriminator_loss(kind, real, fake)) == pytest.approx(discriminator, rel=1e-12)


@pytest.mark.parametrize(("kind", "value"), [("vanilla", math.log(2)), ("ragan", math.log(2)), ("lsgan", 0.5), ("hinge", 1.0)])
def test_a_discriminator_that_knows_nothing(kind: GanKind, value: float) -> None:
    nothing = torch.zeros(3, 1)
    assert float(discriminator_loss(kind, nothing, nothing)) == pytest.approx(value)


def test_relativistic_losses_are_each_other_with_the_pictures_swapped() -> None:
    real, fake = torch.randn(5, 1), torch.randn(5, 1)
    torch.testing.assert_close(generator_loss("ragan", fake, real), discriminator_loss("ragan", fake, real))


def test_relativistic_losses_see_differences_alone() -> None:
    real, fake = torch.randn(5, 1, dtype=torch.float64), torch.randn(5, 1, dtype=torch.float64)
    shifted = generator_loss("ragan", fake + 7, real + 7), discriminator_loss("ragan", real + 7, fake + 7)
    torch.testing.assert_close(shifted, (generator_loss("ragan", fake, real), discriminator_loss("ragan", real, fake)))


def test_both_relativistic_terms_teach_the_generator() -> None:
    """Half of the loss, and its gradient, comes from real pictures that no longer look more real than the fake."""
    real, fake = torch.zeros(4, 1), torch.zeros(4, 1, requires_grad=True)
    generator_loss("ragan", fake, real).backward()
    # each term alone is log 2 with slope -1/2, so both, halved, have slope -1/2 over the batch; one alone, halved, -1/4
    torch.testing.assert_close(fake.grad, torch.full((4, 1), -0.5 / 4))


@pytest.mark.parametrize("kind", KINDS)
def test_gradients(kind: GanKind) -> None:
    real, fake = (torch.randn(3, 1, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert torch.autograd.gradcheck(lambda a, b: generator_loss(kind, b, a), (real, fake))
    assert torch.autograd.gradcheck(lambda a, b: discriminator_loss(kind, a, b), (real, fake))


@pytest.mark.parametrize("kind", KINDS)
def test_half_precision_is_computed_in_full(kind: GanKind) -> None:
    real, fake = torch.randn(2, 1, 8, 8).bfloat16(), torch.randn(2, 1, 8, 8).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        found = generator_loss(kind, fake, real), discriminator_loss(kind, real, fake)
    real, fake = real.double(), fake.double()
    for value, expected in zip(found, (generator_loss(kind, fake, real), discriminator_loss(kind, real, fake)), strict=True):
        assert value.dtype == torch.float32
        assert float(value) == pytest.approx(float(expected), rel=1e-5)


def test_logits_far_away_stay_finite() -> None:
    far = torch.tensor([[1e4], [-1e4]])
    for kind in KINDS:
        assert generator_loss(kind, far, -far).isfinite()
        assert discriminator_loss(kind, far, -far).isfinite()


def test_r1_of_a_linear_discriminator_is_the_length_of_its_weights() -> None:
    weights = torch.randn(3, 4, 5, dtype=torch.float64, requires_grad=True)
    image = torch.rand(2, 3, 4, 5, dtype=torch.float64).requires_grad_()

    def logits(image: Tensor) -> Tensor:
        return (image * weights).sum((1, 2, 3)).unsqueeze(1)

    penalty = r1_penalty(logits(image), image)
    assert float(penalty.detach()) == pytest.approx(float(weights.detach().square().sum()))
    penalty.backward()
    torch.testing.assert_close(weights.grad, 2 * weights.detach())


def test_r1_of_maps_of_logits() -> None:
    image = torch.rand(1, 1, 2, 2, dtype=torch.float64).requires_grad_()
    # d(sum x^2) = 2 x at every pixel, whatever the shape of the answer
    assert float(r1_penalty(image**2, image).detach()) == pytest.approx(float((4 * image.detach() ** 2).sum()))


def test_refusals() -> None:
    logits = torch.zeros(2, 1)
    with pytest.raises(UsageError, match="unknown kind 'wgan' of adversarial loss; known: vanilla, ragan, lsgan, hinge"):
        generator_loss("wgan", logits)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="unknown kind 'wgan'"):
        discriminator_loss("wgan", logits, logits)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="'ragan' compares fake with real"):
        generator_loss("ragan", logits)
    for label in (0.5, 1.01):
        with pytest.raises(UsageError, match=rf"real_label \({label}\) must lie above 0.5 and not above 1"):
            discriminator_loss("lsgan", logits, logits, label)
    with pytest.raises(UsageError, match=r"real_label \(0.9\) must be 1 for 'hinge'"):
        discriminator_loss("hinge", logits, logits, 0.9)
    with pytest.raises(UsageError, match="requires_grad_"):
        r1_penalty(logits, torch.zeros(2, 3, 4, 4))
