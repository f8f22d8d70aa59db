"""Networks small enough for tests, whose random weights let the farthest pixels they can see weigh in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from clearvision.archs import ARCHS
from clearvision.types import ModelInfo
from clearvision.zoo.checkpoint import Checkpoint

LAST = {
    "span": "upsampler.0",
    "srvgg": "body.",
    "rrdbnet": "conv_last",
}  # prefix of the output convolution; of SRVGG the last body


def make(arch: str, **hyper: Any) -> Checkpoint:  # noqa: ANN401
    """Return a checkpoint whose output spreads over about [0, 1] around a mean of a half, hardly ever beyond."""
    torch.manual_seed(1)
    net = ARCHS[arch](**hyper).eval()
    facts = net.facts()  # type: ignore[operator]
    with torch.no_grad():
        for name, value in net.named_parameters():
            if value.dim() == 4:
                gain = 20.0 if ".rdb" in name else 2.5 if arch == "span" else 1.7  # a dense block adds a fifth of itself
                value.normal_(0, (gain / value[0].numel()) ** 0.5)
            elif "weight" not in name:
                value.normal_(0, 0.05)
        last = [name for name, value in net.named_parameters() if name.startswith(LAST[arch])]
        weight, bias = (net.get_parameter(last[index]) for index in (-2, -1))
        sample = torch.rand(1, facts.num_in_ch, 48, 48)
        spread = (net(sample) - net(sample * 0)).std()
        weight.mul_(0.1 / spread)
        bias.fill_(0.0)
        if hyper.get("skip", "none") == "none" and arch != "srvgg":
            bias.add_(0.5 - net(sample).mean())
    info = ModelInfo(
        f"tiny-{arch}",
        "clean",
        facts.scale,
        arch,
        dict(hyper),
        num_in_ch=facts.num_in_ch,
        num_out_ch=facts.num_out_ch,
        receptive_radius=facts.receptive_radius,
        size=facts.size,
    )
    return Checkpoint(info, {name: value.numpy() for name, value in net.state_dict().items()}, None, "0" * 64)


@pytest.fixture(autouse=True, scope="module")
def one_torch_thread() -> Iterator[None]:
    """Keep PyTorch from spinning for work this small, which would slow down everything beside it."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def checkpoint_of() -> Callable[..., Checkpoint]:
    return make
