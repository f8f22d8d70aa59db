"""RCAN: published counts, official names, outputs by formula."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from clearvision.archs import RCAN
from clearvision.errors import UsageError

MEANS = 24  # two 1x1 convolutions of 3 channels, which the authors' code counts and which hold constants


@pytest.mark.parametrize(("upscale", "published"), [(2, 15_444_667), (3, 15_629_307), (4, 15_592_379)])
def test_parameter_count(formula: Any, upscale: int, published: int) -> None:  # noqa: ANN401
    assert formula.count(lambda: RCAN(upscale=upscale)) == published - MEANS


def test_names_and_shapes_are_the_official_ones(formula: Any) -> None:  # noqa: ANN401
    layers = {"conv_first": (64, 3, 3), "conv_after_body": (64, 64, 3), "conv_last": (3, 64, 3)}
    layers |= {"upsample.0": (256, 64, 3), "upsample.2": (256, 64, 3)}
    for g in range(10):
        layers[f"body.{g}.conv"] = (64, 64, 3)
        for b in range(20):
            block = f"body.{g}.residual_group.{b}.rcab"
            layers |= {f"{block}.0": (64, 64, 3), f"{block}.2": (64, 64, 3)}
            layers |= {f"{block}.3.attention.1": (4, 64, 1), f"{block}.3.attention.3": (64, 4, 1)}
    expected: dict[str, tuple[int, ...]] = {f"{name}.weight": (o, i, k, k) for name, (o, i, k) in layers.items()}
    expected |= {f"{name}.bias": (outer,) for name, (outer, _, _) in layers.items()}
    assert formula.shapes(RCAN) == expected


def transcribed(weights: Any, lq: Tensor, upscale: int, res_scale: float) -> Tensor:  # noqa: ANN401
    """The reference's forward, written down a second time, for two groups of two blocks."""
    mean = torch.tensor([0.4488, 0.4371, 0.4040], dtype=torch.float32).double().view(1, 3, 1, 1)
    x = first = weights.conv("conv_first", (lq - mean) * 255)
    for g in range(2):
        group = x
        for b in range(2):
            block = f"body.{g}.residual_group.{b}.rcab"
            inner = weights.conv(f"{block}.2", weights.conv(f"{block}.0", group).clamp(min=0))
            squeezed = weights.conv(f"{block}.3.attention.1", inner.mean((2, 3), keepdim=True)).clamp(min=0)
            weighed = inner / (1 + (-weights.conv(f"{block}.3.attention.3", squeezed)).exp())
            group = group + res_scale * weighed
        x = x + weights.conv(f"body.{g}.conv", group)
    x = first + weights.conv("conv_after_body", x)
    for stage in range(2 if upscale == 4 else 1):
        x = F.pixel_shuffle(weights.conv(f"upsample.{2 * stage}", x), 3 if upscale == 3 else 2)
    return weights.conv("conv_last", x) / 255 + mean


@pytest.mark.parametrize(
    ("upscale", "res_scale", "golden"),
    [
        (2, 1.0, (0.430103, 0.464341, 0.440632, 0.385029)),
        (3, 0.5, (0.430135, 0.457210, 0.425769, 0.408587)),
        (4, 1.0, (0.430120, 0.447639, 0.437936, 0.404710)),
    ],
)
def test_outputs_by_formula(formula: Any, upscale: int, res_scale: float, golden: tuple[float, ...]) -> None:  # noqa: ANN401
    net = RCAN(num_group=2, num_block=2, upscale=upscale, res_scale=res_scale)
    weights, lq = formula.fill(net), formula.picture(3, 5, 6)
    expected = transcribed(weights, lq, upscale, res_scale)
    with torch.inference_mode():
        torch.testing.assert_close(net(lq), expected, rtol=0, atol=1e-10)
    found = torch.stack([expected.mean(), *expected[0, :, 4, 7]])
    torch.testing.assert_close(found, torch.tensor(golden, dtype=torch.float64), rtol=0, atol=1e-5)


def test_refused_arguments() -> None:
    with pytest.raises(UsageError, match=r"squeeze_factor \(16\) of RCAN must lie between 1 and num_feat \(8\)"):
        RCAN(num_feat=8)
    with pytest.raises(UsageError, match=r"upscale \(6\) of RCAN must be 1, 2, 3, 4 or 8"):
        RCAN(upscale=6)
