"""The OpenVINO graphs against the PyTorch networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import openvino
import pytest
import torch
from numpy.typing import NDArray

from clearvision.errors import ModelError
from clearvision.inference.graphs import GRAPHS, build_graph
from clearvision.zoo.build import build_network
from clearvision.zoo.checkpoint import Checkpoint

MakeCheckpoint = Callable[..., Checkpoint]

TINY = {"feature_channels": 16, "num_block": 2}
NETWORKS = [
    ("span", {**TINY, "skip": "bilinear", "upscale": 4, "img_range": 1.0}),
    ("span", {**TINY, "skip": "bilinear", "upscale": 3}),
    ("span", {**TINY, "upscale": 2, "bias": False, "rgb_mean": [0.1, 0.2, 0.3]}),
    ("span", {**TINY, "upscale": 1, "skip": "bilinear"}),
    ("span", {**TINY, "upscale": 1, "skip": "bilinear", "unshuffle": 2}),
    ("span", {**TINY, "upscale": 2, "skip": "bilinear", "unshuffle": 2}),
    ("span", {**TINY, "upscale": 3, "unshuffle": 2}),
    ("span", {**TINY, "upscale": 2, "num_in_ch": 1, "num_out_ch": 1, "skip": "bilinear"}),
    ("span", {"feature_channels": 8, "num_block": 1, "upscale": 2, "reparam": True}),
    ("srvgg", {"num_feat": 16, "num_conv": 3}),
    ("srvgg", {"num_feat": 8, "num_conv": 1, "upscale": 3, "act_type": "relu"}),
    ("srvgg", {"num_feat": 8, "num_conv": 1, "upscale": 2, "act_type": "leakyrelu"}),
    ("srvgg", {"num_feat": 8, "num_conv": 1, "upscale": 2, "num_in_ch": 1}),
    ("rrdbnet", {"num_feat": 16, "num_grow_ch": 8, "num_block": 2}),
    ("rrdbnet", {"num_feat": 8, "num_grow_ch": 4, "num_block": 1, "scale": 2}),
    ("rrdbnet", {"num_feat": 8, "num_grow_ch": 4, "num_block": 1, "scale": 1}),
    *(("rrdbnet", {"num_feat": 8, "num_grow_ch": 4, "num_block": 1, "scale": s, "unshuffle": False}) for s in (1, 2, 8)),
]


def through_openvino(checkpoint: Checkpoint, lq: NDArray[np.float32], precision: str = "f32") -> NDArray[np.float32]:
    graph = build_graph(checkpoint, len(lq), *lq.shape[2:])
    compiled = openvino.Core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": precision})
    return compiled([np.ascontiguousarray(lq.transpose(0, 2, 3, 1))])[0].transpose(0, 3, 1, 2)


def through_torch(checkpoint: Checkpoint, lq: NDArray[np.float32]) -> NDArray[np.float32]:
    with torch.inference_mode():
        return build_network(checkpoint)(torch.from_numpy(lq)).numpy()


@pytest.mark.parametrize(
    ("arch", "hyper"), NETWORKS, ids=lambda value: value if isinstance(value, str) else "-".join(map(str, value.values()))
)
def test_graph_equals_the_pytorch_network(checkpoint_of: MakeCheckpoint, arch: str, hyper: dict[str, Any]) -> None:
    checkpoint = checkpoint_of(arch, **hyper)
    multiple = checkpoint.info.size.multiple
    for height, width in ((multiple, multiple), (5 * multiple, 7 * multiple)):
        lq = np.random.default_rng(0).random((2, checkpoint.info.num_in_ch, height, width), dtype=np.float32)
        expected = through_torch(checkpoint, lq)
        np.testing.assert_allclose(through_openvino(checkpoint, lq), expected, rtol=0, atol=1e-5)
    assert expected.std() > 0.01  # there was something to compare


def test_every_network_with_a_graph_is_tested() -> None:
    assert {arch for arch, _ in NETWORKS} == set(GRAPHS)


def test_full_size_span_keeps_its_default_arguments(checkpoint_of: MakeCheckpoint) -> None:
    checkpoint = checkpoint_of("span")
    lq = np.random.default_rng(0).random((1, 3, 9, 11), dtype=np.float32)
    # inputs shifted to 255 levels either side make random activations, and so their rounding, large
    np.testing.assert_allclose(through_openvino(checkpoint, lq), through_torch(checkpoint, lq), rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("arch", "hyper", "last"),
    [
        ("span", {**TINY, "skip": "bilinear"}, "upsampler.0"),
        ("span", {**TINY, "skip": "bilinear", "upscale": 3}, "upsampler.0"),
        ("span", {**TINY, "skip": "bilinear", "upscale": 1, "unshuffle": 2}, "upsampler.0"),
        ("span", {**TINY, "skip": "bilinear", "upscale": 4, "unshuffle": 2}, "upsampler.0"),
        ("srvgg", {"num_feat": 16, "num_conv": 1, "upscale": 2}, "body.4"),
    ],
)
def test_bf16_does_not_touch_the_enlarged_input(
    checkpoint_of: MakeCheckpoint, arch: str, hyper: dict[str, Any], last: str
) -> None:
    checkpoint = checkpoint_of(arch, **hyper)
    weights = {name: value * 0 if name.startswith(last) else value for name, value in checkpoint.weights.items()}
    skip_only = replace(checkpoint, weights=weights)
    lq = np.random.default_rng(0).random((1, 3, 20, 20), dtype=np.float32)
    # plain bf16 would be off by up to 2e-3, half an 8-bit level; two parts of 8 bits each leave 1e-5
    np.testing.assert_allclose(through_openvino(skip_only, lq, "bf16"), through_torch(skip_only, lq), rtol=0, atol=2e-5)


def test_bf16_ends_in_float32(checkpoint_of: MakeCheckpoint) -> None:
    checkpoint = checkpoint_of("rrdbnet", num_feat=16, num_grow_ch=8, num_block=1)
    lq = np.random.default_rng(0).random((1, 3, 20, 20), dtype=np.float32)
    sr = through_openvino(checkpoint, lq, "bf16")
    assert (sr.view(np.uint32) & 0xFFFF).any()  # bf16 leaves the lower half of a float32 empty


def test_an_open_size_takes_any(checkpoint_of: MakeCheckpoint) -> None:
    checkpoint = checkpoint_of("span", **TINY, skip="bilinear")
    compiled = openvino.Core().compile_model(build_graph(checkpoint, 1, -1, -1), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    for size in ((1, 4), (13, 5)):
        lq = np.random.default_rng(0).random((1, 3, *size), dtype=np.float32)
        sr = compiled([np.ascontiguousarray(lq.transpose(0, 2, 3, 1))])[0].transpose(0, 3, 1, 2)
        np.testing.assert_allclose(sr, through_torch(checkpoint, lq), rtol=0, atol=1e-5)


def test_unknown_networks_and_unfit_weights_are_told(checkpoint_of: MakeCheckpoint) -> None:
    checkpoint = checkpoint_of("span", **TINY)
    with pytest.raises(ModelError, match="no OpenVINO graph for network 'edsr'; known: rrdbnet, span, srvgg"):
        build_graph(replace(checkpoint, info=replace(checkpoint.info, arch="edsr")), 1, 8, 8)
    without = {name: value for name, value in checkpoint.weights.items() if name != "conv_cat.weight"}
    with pytest.raises(ModelError, match=r"does not fit network span: it has no tensor 'conv_cat\.weight'"):
        build_graph(replace(checkpoint, weights=without), 1, 8, 8)
    narrow = {**checkpoint.weights, "conv_cat.weight": checkpoint.weights["conv_cat.weight"][:, :10]}
    with pytest.raises(ModelError, match="does not fit network span"):
        build_graph(replace(checkpoint, weights=narrow), 1, 8, 8)
