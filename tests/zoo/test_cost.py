from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from torch import nn

from clearvision.archs import ARCHS
from clearvision.types import ModelInfo
from clearvision.zoo.build import network_weights
from clearvision.zoo.checkpoint import Checkpoint
from clearvision.zoo.cost import _traced_macs, model_cost


def checkpoint(arch: str, factor: int, **hyper: Any) -> tuple[Checkpoint, nn.Module]:  # noqa: ANN401
    net = ARCHS[arch](**hyper)
    info = ModelInfo(name="tiny", task="clean", scale=factor, arch=arch, hyper=hyper)
    return Checkpoint(info, network_weights(net), None, ""), net


@pytest.mark.parametrize(
    ("arch", "scale", "hyper"),
    [
        ("span", 4, {"feature_channels": 16, "num_block": 2, "upscale": 4}),
        ("span", 3, {"feature_channels": 16, "num_block": 1, "upscale": 3}),
        ("span", 2, {"feature_channels": 16, "num_block": 1, "upscale": 2, "unshuffle": 2}),
        ("srvgg", 2, {"num_feat": 16, "num_conv": 2, "upscale": 2}),
        ("rrdbnet", 4, {"num_feat": 16, "num_block": 1, "num_grow_ch": 8, "scale": 4}),
        ("rrdbnet", 2, {"num_feat": 16, "num_block": 1, "num_grow_ch": 8, "scale": 2}),
        ("rrdbnet", 1, {"num_feat": 16, "num_block": 1, "num_grow_ch": 8, "scale": 1}),
        ("rrdbnet", 8, {"num_feat": 16, "num_block": 1, "num_grow_ch": 8, "scale": 8, "unshuffle": False}),
        ("rrdbnet", 1, {"num_feat": 16, "num_block": 1, "num_grow_ch": 8, "scale": 1, "unshuffle": False}),
    ],
)
def test_counting_from_arrays_equals_running_for_shapes(arch: str, scale: int, hyper: dict[str, Any]) -> None:
    made, net = checkpoint(arch, scale, **hyper)
    cost = model_cost(made)
    assert cost.parameters == sum(parameter.numel() for parameter in net.parameters())
    assert cost.macs_per_pixel == pytest.approx(_traced_macs(made))
    assert cost.flops_per_pixel == pytest.approx(2 * cost.macs_per_pixel)


def test_branches_that_are_folded_away_do_not_count() -> None:
    hyper = {"feature_channels": 16, "num_block": 1, "upscale": 2}
    plain, _ = checkpoint("span", 2, **hyper)
    branched, net = checkpoint("span", 2, **hyper, reparam=True)
    everything = {name: value.numpy() for name, value in net.state_dict().items()}
    assert model_cost(Checkpoint(branched.info, everything, None, "")) == model_cost(plain)


def test_published_sizes() -> None:
    """SPAN with 48 features: 426,288 parameters, each at a sixteenth of the pixels but for the biases."""
    net, _ = checkpoint("span", 4, feature_channels=48, num_block=6, upscale=4)
    cost = model_cost(net)
    assert cost.parameters == 426_288
    assert cost.giga_macs_720p == pytest.approx(24.5, abs=0.05)
    assert all(value.dtype == np.float32 for value in net.weights.values())
