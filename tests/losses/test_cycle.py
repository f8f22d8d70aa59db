import pytest
import torch
from torch import Tensor

from clearvision.errors import ImageShapeError, UsageError
from clearvision.losses.cycle import POOL_SIZE, ImagePool, cycle_loss, identity_loss
from clearvision.losses.pixel import mse


def numbered(*numbers: int) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float32).view(-1, 1, 1, 1).expand(-1, 1, 2, 2)


def numbers(images: Tensor) -> list[int]:
    return images[:, 0, 0, 0].int().tolist()


def test_cycle_and_identity_terms() -> None:
    zero, one, two = torch.zeros(1, 3, 4, 4), torch.ones(1, 3, 4, 4), torch.full((1, 3, 4, 4), 2.0)
    assert float(cycle_loss(zero, one, zero, two)) == 3
    assert float(cycle_loss(zero, one, zero, two, mse)) == 5
    assert float(identity_loss(zero, one, one, two)) == 2


def test_the_pool_fills_first_and_then_swaps_half() -> None:
    pool = ImagePool(10, seed=3)
    assert numbers(pool.query(numbered(*range(10)))) == list(range(10))
    later = [number for step in range(100) for number in numbers(pool.query(numbered(1000 + step)))]
    fresh = sum(number == 1000 + step for step, number in enumerate(later))
    assert 35 <= fresh <= 65
    old = [number for step, number in enumerate(later) if number != 1000 + step]
    assert len(set(old)) == len(old)  # a swapped picture leaves the pool
    assert len(pool.state_dict()["images"]) == 10


def test_draws_are_those_of_the_seed() -> None:
    runs = [[numbers(pool.query(numbered(2 * step, 2 * step + 1))) for step in range(20)] for pool in map(make, (0, 0, 1))]
    assert runs[0] == runs[1] != runs[2]


def make(seed: int) -> ImagePool:
    return ImagePool(5, seed=seed)


@pytest.mark.parametrize("stop", [0, 2, 17])
def test_a_resumed_pool_goes_on_bit_for_bit(stop: int) -> None:
    images = torch.rand(30, 2, 3, 4, 4)
    whole, first = make(7), make(7)
    expected = [whole.query(batch) for batch in images]
    for batch in images[:stop]:
        first.query(batch)
    second = make(7)
    second.load_state_dict(first.state_dict())
    for batch in images[:stop]:
        first.query(batch)  # what the first pool does afterwards does not touch the second
    assert all(torch.equal(second.query(batch), answer) for batch, answer in zip(images[stop:], expected[stop:], strict=True))


def test_pictures_are_kept_by_value_and_without_gradients() -> None:
    pool = ImagePool(1)
    image = torch.zeros(1, 1, 2, 2, requires_grad=True)
    assert not pool.query(image).requires_grad
    with torch.no_grad():
        image.fill_(9)
    kept = {n for step in range(20) for n in numbers(pool.query(numbered(100 + step)))}
    assert 0 in kept
    assert 9 not in kept


def test_sizes() -> None:
    assert POOL_SIZE == 50
    assert numbers(ImagePool(0).query(numbered(1, 2))) == [1, 2]
    with pytest.raises(UsageError, match=r"size \(-1\) of ImagePool must not be negative"):
        ImagePool(-1)
    pool = ImagePool(3)
    pool.query(numbered(1, 2))
    with pytest.raises(UsageError, match="the saved pool holds 2 pictures, this one has size 1"):
        ImagePool(1).load_state_dict(pool.state_dict())
    with pytest.raises(ImageShapeError, match=r"keeps pictures of shape \(1, 2, 2\), these have \(1, 3, 3\)"):
        pool.query(torch.zeros(1, 1, 3, 3))
