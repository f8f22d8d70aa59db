"""RRDN: names of the Keras layers, counts layer by layer, outputs by formula."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from clearvision.archs import RRDN
from clearvision.archs.receptive import measured_receptive_radius
from clearvision.errors import UsageError


def test_names_shapes_and_count(formula: Any) -> None:  # noqa: ANN401
    layers = {"Pre_blocks_conv": (32, 3), "post_blocks_conv": (32, 32), "PreShuffle": (48, 32), "SR": (3, 3)}
    for t in range(1, 11):
        for d in range(1, 4):
            layers |= {f"F_{t}_{d}_{c}": (32, 32 * c) for c in range(1, 5)}
            layers[f"LFF_{t}_{d}"] = (32, 160)
    expected: dict[str, tuple[int, ...]] = {f"{name}.weight": (outer, inner, 3, 3) for name, (outer, inner) in layers.items()}
    expected |= {f"{name}.bias": (outer,) for name, (outer, _) in layers.items()}
    assert formula.shapes(RRDN) == expected
    assert formula.count(RRDN) == sum(outer * (9 * inner + 1) for outer, inner in layers.values()) == 4_176_100


def transcribed(weights: Any, lq: Tensor) -> Tensor:  # noqa: ANN401
    """The Keras graph, written down a second time, with TensorFlow's depth_to_space on TensorFlow's order of channels."""
    pre = x = weights.conv("Pre_blocks_conv", lq)
    for t in range(1, 11):
        block = x
        for d in range(1, 4):
            seen = block
            for c in range(1, 5):
                seen = torch.cat([seen, weights.conv(f"F_{t}_{d}_{c}", seen).clamp(min=0)], 1)
            block = block + 0.2 * weights.conv(f"LFF_{t}_{d}", seen)
        x = x + 0.2 * block
    ours = weights.conv("PreShuffle", weights.conv("post_blocks_conv", x) + pre)
    theirs = ours[:, [c * 16 + i for i in range(16) for c in range(3)]]  # as the head of rrdn.py says
    height, width = lq.shape[2:]
    cells = theirs[0].permute(1, 2, 0).reshape(height, width, 4, 4, 3)  # (h, w, row, column, colour)
    enlarged = cells.permute(4, 0, 2, 1, 3).reshape(1, 3, 4 * height, 4 * width)
    return weights.conv("SR", enlarged)


def test_outputs_by_formula(formula: Any) -> None:  # noqa: ANN401
    net = RRDN()
    weights, lq = formula.fill(net), formula.picture(3, 5, 6)
    expected = transcribed(weights, lq)
    with torch.inference_mode():
        torch.testing.assert_close(net(lq), expected, rtol=0, atol=1e-10)
    found = torch.stack([expected.mean(), *expected[0, :, 4, 7]])
    torch.testing.assert_close(
        found, torch.tensor((0.020103, 0.280530, 0.039495, -0.260791), dtype=torch.float64), rtol=0, atol=1e-5
    )


@pytest.mark.parametrize("upscale", [1, 2, 3, 4])
def test_radius_of_the_published_depth(upscale: int) -> None:
    net = RRDN(num_feat=2, num_grow_ch=1, upscale=upscale)
    assert net.facts().receptive_radius == 154
    assert measured_receptive_radius(net) == 154


def test_refused_scale() -> None:
    with pytest.raises(UsageError, match=r"upscale \(5\) of RRDN must be 1, 2, 3, 4 or 8"):
        RRDN(upscale=5)
