"""RDN: published counts, official names, outputs by formula."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from clearvision.archs import RDN
from clearvision.archs.receptive import measured_receptive_radius
from clearvision.errors import UsageError


@pytest.mark.parametrize(("upscale", "parameters"), [(2, 22_123_395), (3, 22_308_035), (4, 22_271_107)])
def test_parameter_count(formula: Any, upscale: int, parameters: int) -> None:  # noqa: ANN401
    assert formula.count(lambda: RDN(upscale=upscale)) == parameters


def test_names_and_shapes_are_the_official_ones(formula: Any) -> None:  # noqa: ANN401
    layers = {"sfe1": (64, 3, 3), "sfe2": (64, 64, 3), "gff.0": (64, 1024, 1), "gff.1": (64, 64, 3), "output": (3, 64, 3)}
    layers |= {f"rdbs.{b}.layers.{c}.conv": (64, 64 + 64 * c, 3) for b in range(16) for c in range(8)}
    layers |= {f"rdbs.{b}.lff": (64, 576, 1) for b in range(16)}
    layers |= {"upscale.0": (256, 64, 3), "upscale.2": (256, 64, 3)}
    expected: dict[str, tuple[int, ...]] = {f"{name}.weight": (o, i, k, k) for name, (o, i, k) in layers.items()}
    expected |= {f"{name}.bias": (outer,) for name, (outer, _, _) in layers.items()}
    assert formula.shapes(RDN) == expected


def transcribed(weights: Any, lq: Tensor, blocks: int, layers: int, upscale: int) -> Tensor:  # noqa: ANN401
    """Equations 1 to 11 of the paper, with the reference's names."""
    first = weights.conv("sfe1", lq)
    x = weights.conv("sfe2", first)
    fused = []
    for b in range(blocks):
        seen = x
        for c in range(layers):
            seen = torch.cat([seen, weights.conv(f"rdbs.{b}.layers.{c}.conv", seen).clamp(min=0)], 1)
        x = x + weights.conv(f"rdbs.{b}.lff", seen)
        fused.append(x)
    x = first + weights.conv("gff.1", weights.conv("gff.0", torch.cat(fused, 1)))
    for stage in range(2 if upscale == 4 else 1):
        x = F.pixel_shuffle(weights.conv(f"upscale.{2 * stage}", x), 3 if upscale == 3 else 2)
    return weights.conv("output", x)


@pytest.mark.parametrize(
    ("upscale", "golden"),
    [
        (2, (-0.174434, -0.154437, -0.189874, -0.180329)),
        (3, (-0.173088, -1.473456, -1.140133, 2.188924)),
        (4, (-0.174583, -0.154140, -0.199168, -0.170355)),
    ],
)
def test_outputs_by_formula(formula: Any, upscale: int, golden: tuple[float, ...]) -> None:  # noqa: ANN401
    net = RDN(num_block=2, num_layer=3, num_grow_ch=48, upscale=upscale)
    weights, lq = formula.fill(net), formula.picture(3, 5, 6)
    expected = transcribed(weights, lq, 2, 3, upscale)
    with torch.inference_mode():
        torch.testing.assert_close(net(lq), expected, rtol=0, atol=1e-10)
    found = torch.stack([expected.mean(), *expected[0, :, 4, 7]])
    torch.testing.assert_close(found, torch.tensor(golden, dtype=torch.float64), rtol=0, atol=1e-5)


def test_dividing_biases_changes_the_range(formula: Any) -> None:  # noqa: ANN401
    """What the head of rdn.py says of files made for 0 to 255."""
    net = RDN(num_feat=8, num_grow_ch=8, num_block=2, num_layer=2)
    state, lq = formula.fill(net).state, formula.picture(3, 5, 6)
    with torch.inference_mode():
        expected = net(lq * 255) / 255
        net.load_state_dict({name: value / 255 if name.endswith("bias") else value for name, value in state.items()})
        torch.testing.assert_close(net(lq), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("upscale", [2, 3, 4])
def test_radius_of_the_published_depth(upscale: int) -> None:
    net = RDN(num_feat=2, num_grow_ch=1, upscale=upscale)
    assert net.facts().receptive_radius == 133
    assert measured_receptive_radius(net) == 133


def test_refused_scale() -> None:
    with pytest.raises(UsageError, match=r"upscale \(1\) of RDN must be 2, 3, 4 or 8"):
        RDN(upscale=1)
