"""What the tests of networks share: one thread, and weights by formula."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Run hundreds of tiny layers without a barrier of threads at each, which is slow on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def fill() -> Callable[[nn.Module], dict[str, Tensor]]:
    """Return a function that gives a network weights by formula, strictly by name, and returns them."""
    return fill_by_formula


def fill_by_formula(net: nn.Module, gain: float = 1.0) -> dict[str, Tensor]:
    """Load sines of a running index, in the alphabetical order of the names, scaled to keep activations near one; set eval mode.

    The state is float64 and so is the network afterwards. Variances lie around 1, integers stay as they are.
    """
    state: dict[str, Tensor] = {}
    for position, (name, value) in enumerate(sorted(net.state_dict().items())):
        if not value.is_floating_point():
            state[name] = value
            continue
        wave = torch.sin(torch.arange(value.numel(), dtype=torch.float64) * 0.61803 + position).view(value.shape)
        fan_in = value[0].numel() if value.ndim > 1 else 25
        state[name] = wave * gain / fan_in**0.5
        if name.endswith("running_var"):
            state[name] += 1
    net.double().load_state_dict(state, strict=True)
    net.eval()
    return state
