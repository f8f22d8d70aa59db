"""DRCT: published counts, official names, golden outputs."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from clearvision.archs import DRCT
from clearvision.errors import UsageError

LARGE: dict[str, Any] = {"depths": [6] * 12, "num_heads": [6] * 12}
TINY: dict[str, Any] = {"embed_dim": 8, "depths": [2, 3], "num_heads": [2, 4], "num_grow_ch": 4, "window_size": 4, "img_size": 12}


@pytest.mark.parametrize(
    ("hyper", "parameters"),
    [
        ({"upscale": 2}, 13_991_867),
        ({"upscale": 3}, 14_176_507),
        ({}, 14_139_579),
        ({"upscale": 2} | LARGE, 27_433_007),
        ({"upscale": 3} | LARGE, 27_617_647),
        (LARGE, 27_580_719),
    ],
)
def test_parameter_count(formula: Any, hyper: dict[str, Any], parameters: int) -> None:  # noqa: ANN401
    assert formula.count(lambda: DRCT(**hyper)) == parameters


def test_names_and_shapes_are_the_official_ones(formula: Any) -> None:  # noqa: ANN401
    expected: dict[str, tuple[int, ...]] = {}
    # heads follow from the reference's rule: 6, less the remainder of the channels divided by 6
    blocks = [(180, 6, 360), (212, 4, 424), (244, 2, 488), (276, 6, 276), (308, 4, 308)]
    for group in range(6):
        for number, (dim, heads, hidden) in enumerate(blocks, 1):
            swin = f"layers.{group}.swin{number}"
            expected |= formula.swin_shapes(swin, dim, heads, 16, hidden, 16 if number in (2, 4) else 0)
            expected |= formula.conv_shapes({f"layers.{group}.adjust{number}": (180 if number == 5 else 32, dim, 1)})
    for norm in ("patch_embed.norm", "norm"):
        expected |= {f"{norm}.weight": (180,), f"{norm}.bias": (180,)}
    expected |= formula.conv_shapes({"conv_first": (180, 3, 3), "conv_after_body": (180, 180, 3), "conv_last": (3, 64, 3)})
    expected |= formula.conv_shapes({"conv_before_upsample.0": (64, 180, 3)})
    expected |= formula.conv_shapes({"upsample.0": (256, 64, 3), "upsample.2": (256, 64, 3)})
    assert formula.shapes(DRCT) == expected


@pytest.mark.parametrize(
    ("hyper", "golden"),
    [
        ({"upscale": 4}, (0.487719, 0.070203, 0.396161, 0.57751, 0.402073)),
        ({"upscale": 3, "num_grow_ch": 8, "num_in_ch": 1}, (0.008985, 1.27532, -1.125706, -0.319231, 0.118504)),
    ],
)
def test_golden_outputs(formula: Any, hyper: dict[str, Any], golden: tuple[float, ...]) -> None:  # noqa: ANN401
    """The figures come from a transcription of the authors' forward with the same weights, not from this network."""
    found = formula.figures(DRCT(**(TINY | hyper)), 8, 12)
    torch.testing.assert_close(found, torch.tensor(golden, dtype=torch.float64), rtol=0, atol=2e-6)


@pytest.mark.parametrize(("hyper", "radius"), [({}, 212), (LARGE, 404)])
def test_radius_of_the_published_sizes(hyper: dict[str, Any], radius: int) -> None:
    with torch.device("meta"):
        assert DRCT(**hyper).facts().receptive_radius == radius


def test_refused_arguments() -> None:
    with pytest.raises(UsageError, match=r"num_heads \(3\) must divide the 17 channels that they share"):
        DRCT(**(TINY | {"num_grow_ch": 3, "num_heads": [4, 4]}))
    with pytest.raises(UsageError, match=r"upscale \(1\) of DRCT must be 2, 3, 4 or 8"):
        DRCT(**(TINY | {"upscale": 1}))
