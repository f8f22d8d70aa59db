"""RDNConcat: count, names and stored outputs; tests/zoo/test_keras.py compares it with the Keras network in NumPy."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from clearvision.archs import RDNConcat
from clearvision.archs.receptive import measured_receptive_radius
from clearvision.errors import UsageError


def test_names_shapes_and_count(formula: Any) -> None:  # noqa: ANN401
    layers = {"conv_first": (32, 3, 3), "fuse": (64, 256, 1), "merge": (64, 96, 3), "conv_last": (3, 64, 3)}
    layers |= {"up.0": (64, 64, 3), "up.1": (64, 64, 3)}
    for block, width in enumerate((32, 64, 64, 64)):
        layers |= {f"blocks.{block}.layers.{layer}": (16, width + 16 * layer, 3) for layer in range(3)}
        layers[f"blocks.{block}.fuse"] = (64, 2 * width + 48, 1)
    assert formula.shapes(RDNConcat) == formula.conv_shapes(layers)
    assert formula.count(RDNConcat) == 314_115


def test_stored_outputs(formula: Any) -> None:  # noqa: ANN401
    found = formula.figures(RDNConcat(), 5, 6)
    torch.testing.assert_close(
        found, torch.tensor((0.497374, 0.023771, 0.52838, 0.47119, 0.526512), dtype=torch.float64), rtol=0, atol=1e-5
    )


@pytest.mark.parametrize("upscale", [2, 4, 8])
def test_radius_of_the_published_depth(upscale: int) -> None:
    net = RDNConcat(num_first=2, num_feat=3, num_grow_ch=1, upscale=upscale)
    assert net.facts().receptive_radius == 15
    assert measured_receptive_radius(net) == 15


def test_refused_arguments() -> None:
    with pytest.raises(UsageError, match=r"upscale \(3\) of RDNConcat must be 2, 4 or 8"):
        RDNConcat(upscale=3)
    with pytest.raises(UsageError, match="relu_after of RDNConcat has no stage 'last'; stages: first, dense"):
        RDNConcat(relu_after=("dense", "last"))
