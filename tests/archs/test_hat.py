"""HAT: published counts, official names, golden outputs."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from clearvision.archs import HAT
from clearvision.archs.hat import overlap_index
from clearvision.errors import UsageError

SMALL: dict[str, Any] = {"embed_dim": 144, "compress_ratio": 24, "squeeze_factor": 24}
LARGE: dict[str, Any] = {"depths": [6] * 12, "num_heads": [6] * 12}
TINY: dict[str, Any] = {
    "embed_dim": 8,
    "depths": [2, 3],
    "num_heads": [2, 4],
    "window_size": 4,
    "compress_ratio": 2,
    "squeeze_factor": 4,
}


@pytest.mark.parametrize(
    ("hyper", "parameters"),
    [
        ({"upscale": 2} | SMALL, 9_473_471),
        ({"upscale": 3} | SMALL, 9_658_111),
        (SMALL, 9_621_183),
        ({"upscale": 2}, 20_624_795),
        ({"upscale": 3}, 20_809_435),
        ({}, 20_772_507),
        ({"upscale": 2} | LARGE, 40_698_863),
        ({"upscale": 3} | LARGE, 40_883_503),
        (LARGE, 40_846_575),
    ],
)
def test_parameter_count(formula: Any, hyper: dict[str, Any], parameters: int) -> None:  # noqa: ANN401
    assert formula.count(lambda: HAT(**hyper)) == parameters


def attention(name: str, positions: int) -> dict[str, tuple[int, ...]]:
    """Return the names and shapes that both kinds of attention blocks have."""
    inner = f"{name}.attn" if ".blocks." in name else name
    shapes: dict[str, tuple[int, ...]] = {f"{inner}.relative_position_bias_table": (positions, 6)}
    for norm in ("norm1", "norm2"):
        shapes |= {f"{name}.{norm}.weight": (180,), f"{name}.{norm}.bias": (180,)}
    layers = {
        f"{inner}.qkv": (540, 180),
        f"{inner}.proj": (180, 180),
        f"{name}.mlp.fc1": (360, 180),
        f"{name}.mlp.fc2": (180, 360),
    }
    for layer, shape in layers.items():
        shapes |= {f"{layer}.weight": shape, f"{layer}.bias": shape[:1]}
    return shapes


def test_names_and_shapes_are_the_official_ones(formula: Any) -> None:  # noqa: ANN401
    expected: dict[str, tuple[int, ...]] = {
        "relative_position_index_SA": (256, 256),
        "relative_position_index_OCA": (256, 576),
    }
    for group in range(6):
        for number in range(6):
            block = f"layers.{group}.residual_group.blocks.{number}"
            cab = f"{block}.conv_block.cab"
            expected |= attention(block, 31**2)
            expected |= formula.conv_shapes({f"{cab}.0": (60, 180, 3), f"{cab}.2": (180, 60, 3)})
            expected |= formula.conv_shapes({f"{cab}.3.attention.1": (6, 180, 1), f"{cab}.3.attention.3": (180, 6, 1)})
        expected |= attention(f"layers.{group}.residual_group.overlap_attn", 39**2)
        expected |= formula.conv_shapes({f"layers.{group}.conv": (180, 180, 3)})
    for norm in ("patch_embed.norm", "norm"):
        expected |= {f"{norm}.weight": (180,), f"{norm}.bias": (180,)}
    expected |= formula.conv_shapes({"conv_first": (180, 3, 3), "conv_after_body": (180, 180, 3), "conv_last": (3, 64, 3)})
    expected |= formula.conv_shapes({"conv_before_upsample.0": (64, 180, 3)})
    expected |= formula.conv_shapes({"upsample.0": (256, 64, 3), "upsample.2": (256, 64, 3)})
    assert formula.shapes(HAT) == expected


@pytest.mark.parametrize(
    ("hyper", "golden"),
    [
        ({"upscale": 4}, (0.487388, 0.074069, 0.377092, 0.552604, 0.395007)),
        (
            {"upscale": 3, "num_in_ch": 1, "compress_ratio": 3, "squeeze_factor": 2, "conv_scale": 1.0},
            (-0.122103, 1.278192, 0.230897, 0.958673, 1.825849),
        ),
        (
            {"upscale": 2, "overlap_ratio": 1.0, "squeeze_factor": 8, "conv_scale": 0.5},
            (0.487479, 0.111757, 0.399795, 0.567393, 0.471257),
        ),
    ],
)
def test_golden_outputs(formula: Any, hyper: dict[str, Any], golden: tuple[float, ...]) -> None:  # noqa: ANN401
    """The figures come from a transcription of the authors' forward with the same weights, not from this network."""
    found = formula.figures(HAT(**(TINY | hyper)), 8, 12)
    torch.testing.assert_close(found, torch.tensor(golden, dtype=torch.float64), rtol=0, atol=2e-6)


def test_overlapping_positions_are_numbered_as_in_trained_tables() -> None:
    """One pixel of query and 3x3 of keys: every relative position once; the reference's start below 0 is kept."""
    assert overlap_index(1, 3).tolist() == [[-4, -3, -2, -1, 0, 1, 2, 3, 4]]
    index = overlap_index(16, 24)
    assert (int(index.min()), int(index.max())) == (-880, 640)
    assert len(index.unique()) == 39**2


@pytest.mark.parametrize(
    ("hyper", "message"),
    [
        ({"squeeze_factor": 30}, r"squeeze_factor \(30\) of HAT must lie between 1 and embed_dim \(8\)"),
        ({"compress_ratio": 0}, r"compress_ratio \(0\) of HAT must lie between 1 and embed_dim \(8\)"),
        ({"overlap_ratio": 0.25}, "overlap_ratio of HAT must widen the windows by an even number of pixels, not 1"),
        ({"num_heads": [2, 3]}, r"num_heads \(3\) must divide the 8 channels"),
        ({"upscale": 1}, r"upscale \(1\) of HAT must be 2, 3, 4 or 8"),
    ],
)
def test_refused_arguments(hyper: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        HAT(**(TINY | hyper))
