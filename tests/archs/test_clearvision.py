"""ClearVision's generator: names and count of the first one, outputs by formula in both forms."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from clearvision.archs import ClearVisionNet
from clearvision.errors import UsageError


@pytest.mark.parametrize(("scale", "parameters"), [(4, 674_565), (2, 526_852), (1, 379_139)])
def test_parameter_count(formula: Any, scale: int, parameters: int) -> None:  # noqa: ANN401
    assert formula.count(lambda: ClearVisionNet(scale=scale)) == parameters


def test_names_and_shapes_are_those_of_the_first(formula: Any) -> None:  # noqa: ANN401
    layers = {
        "conv1": (64, 3, 3),
        "conv2": (64, 64, 3),
        "conv3": (3, 64, 3),
        "upsample.0": (256, 64, 3),
        "upsample.3": (256, 64, 3),
    }
    expected: dict[str, tuple[int, ...]] = {"upsample.2.weight": (1,), "upsample.5.weight": (1,)}
    for b in range(6):
        layers |= {f"rrdb.{b}.layers.0": (32, 64, 3), f"rrdb.{b}.layers.1": (32, 96, 3), f"rrdb.{b}.reduce": (64, 128, 1)}
        expected |= {f"rrdb.{b}.ca.fc.0.weight": (8, 128, 1, 1), f"rrdb.{b}.ca.fc.2.weight": (128, 8, 1, 1)}
    expected |= {f"{name}.weight": (o, i, k, k) for name, (o, i, k) in layers.items()}
    expected |= {f"{name}.bias": (outer,) for name, (outer, _, _) in layers.items()}
    assert formula.shapes(lambda: ClearVisionNet(dense_act="none", output="tanh")) == expected


def transcribed(weights: Any, lq: Tensor, scale: int, *, first_form: bool) -> Tensor:  # noqa: ANN401
    x = first = weights.conv("conv1", lq)
    for b in range(6):
        seen = x
        for layer in (0, 1):
            grown = weights.conv(f"rrdb.{b}.layers.{layer}", seen)
            seen = torch.cat([seen, grown if first_form else torch.where(grown > 0, grown, 0.2 * grown)], 1)
        pooled = (seen.mean((2, 3), keepdim=True), seen.flatten(2).max(2).values[:, :, None, None])
        raised = sum(weights.conv(f"rrdb.{b}.ca.fc.2", weights.conv(f"rrdb.{b}.ca.fc.0", each).clamp(min=0)) for each in pooled)
        x = x + weights.conv(f"rrdb.{b}.reduce", seen / (1 + (-raised).exp()))
    x = first + weights.conv("conv2", x)
    for index in range(scale // 2):
        x = weights.prelu(f"upsample.{3 * index + 2}", F.pixel_shuffle(weights.conv(f"upsample.{3 * index}", x), 2))
    sr = weights.conv("conv3", x)
    return sr.tanh() if first_form else sr


@pytest.mark.parametrize(
    ("scale", "first_form", "golden"),
    [
        (4, True, (-0.172402, -0.144204, -0.196893, -0.177028)),
        (4, False, (-0.174269, -0.145230, -0.199484, -0.178916)),
        (2, False, (-0.174280, -0.159044, -0.204544, -0.159508)),
        (1, False, (-0.173817, -0.109173, -0.260045, -0.148040)),
    ],
)
def test_outputs_by_formula(formula: Any, scale: int, first_form: bool, golden: tuple[float, ...]) -> None:  # noqa: ANN401
    net = ClearVisionNet(scale=scale, dense_act="none", output="tanh") if first_form else ClearVisionNet(scale=scale)
    weights, lq = formula.fill(net), formula.picture(3, 5, 9)
    expected = transcribed(weights, lq, scale, first_form=first_form)
    with torch.inference_mode():
        torch.testing.assert_close(net(lq), expected, rtol=0, atol=1e-10)
    found = torch.stack([expected.mean(), *expected[0, :, 4, 7]])
    torch.testing.assert_close(found, torch.tensor(golden, dtype=torch.float64), rtol=0, atol=1e-5)


def test_output_is_not_squeezed_by_default() -> None:
    net = ClearVisionNet(num_block=1)
    with torch.inference_mode():
        net.conv3.bias.fill_(5)
        assert float(net(torch.rand(1, 3, 4, 4)).min()) > 3


def test_refused_arguments() -> None:
    with pytest.raises(UsageError, match=r"scale \(3\) of ClearVisionNet must be 1, 2 or 4"):
        ClearVisionNet(scale=3)
    with pytest.raises(UsageError, match="unknown dense_act 'relu' of ClearVisionNet; known: leakyrelu, none"):
        ClearVisionNet(dense_act="relu")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="unknown output 'sigmoid' of ClearVisionNet; known: linear, tanh"):
        ClearVisionNet(output="sigmoid")  # type: ignore[arg-type]
