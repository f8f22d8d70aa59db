"""EDSR: published counts, official names, outputs by formula."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from clearvision.archs import EDSR
from clearvision.archs.receptive import measured_receptive_radius
from clearvision.errors import UsageError

LARGE: dict[str, Any] = {"num_feat": 256, "num_block": 32, "res_scale": 0.1}


@pytest.mark.parametrize(
    ("hyper", "upscale", "parameters"),
    [
        ({}, 2, 1_369_859),
        ({}, 3, 1_554_499),
        ({}, 4, 1_517_571),
        (LARGE, 2, 40_729_603),
        (LARGE, 3, 43_680_003),
        (LARGE, 4, 43_089_923),
    ],
)
def test_parameter_count(formula: Any, hyper: dict[str, Any], upscale: int, parameters: int) -> None:  # noqa: ANN401
    assert formula.count(lambda: EDSR(**hyper, upscale=upscale)) == parameters


def test_names_and_shapes_are_the_official_ones(formula: Any) -> None:  # noqa: ANN401
    layers = {"conv_first": (3, 256), "conv_after_body": (256, 256), "conv_last": (256, 3)}
    layers |= {f"body.{index}.conv{which}": (256, 256) for index in range(32) for which in (1, 2)}
    layers |= {"upsample.0": (256, 1024), "upsample.2": (256, 1024)}
    expected = {f"{name}.weight": (outer, inner, 3, 3) for name, (inner, outer) in layers.items()}
    expected |= {f"{name}.bias": (outer,) for name, (_, outer) in layers.items()}
    assert formula.shapes(lambda: EDSR(**LARGE)) == expected
    assert formula.shapes(lambda: EDSR(upscale=3))["upsample.0.weight"] == (576, 64, 3, 3)


def transcribed(weights: Any, lq: Tensor, blocks: int, upscale: int, res_scale: float) -> Tensor:  # noqa: ANN401
    """The reference's forward, written down a second time."""
    mean = torch.tensor([0.4488, 0.4371, 0.4040], dtype=torch.float32).double().view(1, 3, 1, 1)
    x = first = weights.conv("conv_first", (lq - mean) * 255)
    for index in range(blocks):
        inner = weights.conv(f"body.{index}.conv1", x).clamp(min=0)
        x = x + res_scale * weights.conv(f"body.{index}.conv2", inner)
    x = weights.conv("conv_after_body", x) + first
    for stage in range(2 if upscale == 4 else 1):
        x = F.pixel_shuffle(weights.conv(f"upsample.{2 * stage}", x), 3 if upscale == 3 else 2)
    return weights.conv("conv_last", x) / 255 + mean


@pytest.mark.parametrize(
    ("upscale", "hyper", "golden"),
    [
        (4, {}, (0.429640, 0.446827, 0.438066, 0.403883)),
        (3, {"num_feat": 32, "num_block": 3, "res_scale": 0.1}, (0.429425, 0.459808, 0.434766, 0.393605)),
        (2, {"num_feat": 32, "num_block": 3, "res_scale": 0.1}, (0.429419, 0.467841, 0.434603, 0.385726)),
    ],
)
def test_outputs_by_formula(formula: Any, upscale: int, hyper: dict[str, Any], golden: tuple[float, ...]) -> None:  # noqa: ANN401
    net = EDSR(**hyper, upscale=upscale)
    weights, lq = formula.fill(net), formula.picture(3, 5, 6)
    expected = transcribed(weights, lq, hyper.get("num_block", 16), upscale, hyper.get("res_scale", 1.0))
    with torch.inference_mode():
        torch.testing.assert_close(net(lq), expected, rtol=0, atol=1e-9)
    found = torch.stack([expected.mean(), *expected[0, :, 4, 7]])
    torch.testing.assert_close(found, torch.tensor(golden, dtype=torch.float64), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("hyper", "radius"),
    [({}, 36), ({"upscale": 2}, 36), ({"upscale": 3}, 36), ({"upscale": 1}, 35), ({"upscale": 8}, 36), ({"num_block": 32}, 68)],
)
def test_radius_of_the_published_depths(hyper: dict[str, Any], radius: int) -> None:
    net = EDSR(**hyper, num_feat=2)
    assert net.facts().receptive_radius == radius
    assert measured_receptive_radius(net) == radius


def test_refused_arguments() -> None:
    with pytest.raises(UsageError, match=r"upscale \(5\) of EDSR must be 1, 2, 3, 4 or 8"):
        EDSR(upscale=5)
    with pytest.raises(UsageError, match="rgb_mean of EDSR must have one value for each of 4 channels, not 3"):
        EDSR(num_in_ch=4)
