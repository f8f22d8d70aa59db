"""What the tests of networks share: one thread, and weights by formula."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Run hundreds of tiny layers without a barrier of threads at each, which is slow on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class Plain:
    """Weights by name and the plain operations on them, to write a reference's forward down a second time, without modules."""

    def __init__(self, state: dict[str, Tensor]) -> None:
        self.state = state

    def conv(self, name: str, x: Tensor, *, padding: int | None = None, stride: int = 1) -> Tensor:
        """Return the convolution ``name`` of x, by default with the padding that keeps an odd kernel's size."""
        weight = self.state[f"{name}.weight"]
        padding = weight.shape[2] // 2 if padding is None else padding
        return F.conv2d(x, weight, self.state.get(f"{name}.bias"), stride=stride, padding=padding)

    def norm(self, name: str, x: Tensor) -> Tensor:
        """Return the batch normalisation ``name`` of x, as in evaluation."""
        mean, variance, weight, bias = (
            self.state[f"{name}.{part}"][:, None, None] for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / (variance + 1e-5).sqrt() * weight + bias

    def prelu(self, name: str, x: Tensor) -> Tensor:
        """Return x where it is positive, elsewhere x times the slope ``name``."""
        return torch.where(x > 0, x, x * self.state[f"{name}.weight"][:, None, None])


@dataclass(frozen=True)
class Formula:
    """Weights and pictures that are the same on every machine."""

    def fill(self, net: nn.Module) -> Plain:
        """Give a network weights by formula, strictly by name, in float64 and evaluation mode; return them.

        They are sines of a running index, in the alphabetical order of the names, over the root of the fan-in. Variances lie
        around 1, integers stay as they are.
        """
        state: dict[str, Tensor] = {}
        for position, (name, value) in enumerate(sorted(net.state_dict().items())):
            if not value.is_floating_point():
                state[name] = value
                continue
            wave = torch.sin(torch.arange(value.numel(), dtype=torch.float64) * 0.61803 + position).view(value.shape)
            state[name] = wave / (value[0].numel() if value.ndim > 1 else 25) ** 0.5
            if name.endswith("running_var"):
                state[name] += 1
        net.double().load_state_dict(state, strict=True)
        net.eval()
        return Plain(state)

    def picture(self, channels: int, height: int, width: int) -> Tensor:
        """Return lq (1, channels, height, width), float64 in [0, 1]."""
        wave = torch.sin(torch.arange(channels * height * width, dtype=torch.float64) * 0.377)
        return (0.5 + 0.5 * wave).view(1, channels, height, width)

    def shapes(self, build: Callable[[], nn.Module]) -> dict[str, tuple[int, ...]]:
        """Return names and shapes of a network's state, without its memory."""
        with torch.device("meta"):
            return {name: tuple(value.shape) for name, value in build().state_dict().items()}

    def count(self, build: Callable[[], nn.Module]) -> int:
        """Return how many numbers a network learns, without its memory."""
        with torch.device("meta"):
            return sum(parameter.numel() for parameter in build().parameters())

    def figures(self, net: nn.Module, height: int, width: int) -> Tensor:
        """Return five figures of a network's output by formula; norms get 1 more, so that what lies behind them matters."""
        self.fill(net)
        with torch.no_grad():
            for layer in net.modules():
                if isinstance(layer, nn.LayerNorm):
                    layer.weight += 1
            sr = net(self.picture(net.facts().num_in_ch, height, width))  # type: ignore[operator]
        return torch.stack([sr.mean(), sr.std(), sr[0, 0, 0, 0], sr[0, -1, -1, -1], sr[0, 0, 5, 7]])

    def swin_shapes(self, block: str, dim: int, heads: int, window: int, hidden: int, masks: int) -> dict[str, tuple[int, ...]]:
        """Return the official names and shapes of a Swin block; ``masks`` is its number of masks, 0 without a shift."""
        layers = {"attn.qkv": (3 * dim, dim), "attn.proj": (dim, dim), "mlp.fc1": (hidden, dim), "mlp.fc2": (dim, hidden)}
        shapes: dict[str, tuple[int, ...]] = {}
        for norm in ("norm1", "norm2"):
            shapes |= {f"{block}.{norm}.weight": (dim,), f"{block}.{norm}.bias": (dim,)}
        for layer, shape in layers.items():
            shapes |= {f"{block}.{layer}.weight": shape, f"{block}.{layer}.bias": shape[:1]}
        shapes[f"{block}.attn.relative_position_bias_table"] = ((2 * window - 1) ** 2, heads)
        shapes[f"{block}.attn.relative_position_index"] = (window**2, window**2)
        if masks:
            shapes[f"{block}.attn_mask"] = (masks, window**2, window**2)
        return shapes

    def conv_shapes(self, layers: dict[str, tuple[int, int, int]]) -> dict[str, tuple[int, ...]]:
        """Return names and shapes of convolutions given as (channels out, channels in, kernel)."""
        weights = {f"{name}.weight": (out, into, kernel, kernel) for name, (out, into, kernel) in layers.items()}
        return weights | {f"{name}.bias": (out,) for name, (out, _, _) in layers.items()}


@pytest.fixture
def formula() -> Formula:
    return Formula()
