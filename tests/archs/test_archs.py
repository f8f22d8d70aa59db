"""SPAN, SRVGGNetCompact and RRDBNet: what the papers and the official files say."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from clearvision.archs import SPAN, RRDBNet, SRVGGNetCompact
from clearvision.archs.receptive import measured_receptive_radius
from clearvision.errors import UsageError


@pytest.mark.parametrize(
    ("build", "parameters"),
    [
        (lambda: SPAN(), 426_288),
        (lambda: SPAN(feature_channels=32), 194_608),
        (lambda: SPAN(feature_channels=64), 747_568),
        (lambda: SPAN(reparam=True), 2_236_728),
        (lambda: SPAN(upscale=1, unshuffle=2), 414_588),
        (lambda: SRVGGNetCompact(num_conv=32), 1_213_296),
        (lambda: SRVGGNetCompact(num_conv=16), 621_424),
        (lambda: SRVGGNetCompact(num_conv=16, upscale=2), 600_652),
        (lambda: RRDBNet(), 16_697_987),
        (lambda: RRDBNet(num_block=6), 4_467_779),
        (lambda: RRDBNet(num_block=6, scale=2), 4_472_963),
        (lambda: RRDBNet(num_block=6, scale=1), 4_493_699),
    ],
)
def test_parameter_count(build: Callable[[], nn.Module], parameters: int) -> None:
    assert sum(parameter.numel() for parameter in build().parameters()) == parameters


def both(*layers: str) -> list[str]:
    return [f"{layer}.{part}" for layer in layers for part in ("weight", "bias")]


def test_rrdbnet_keys_are_the_official_ones() -> None:
    dense = [f"body.{b}.rdb{d}.conv{c}" for b in range(23) for d in (1, 2, 3) for c in (1, 2, 3, 4, 5)]
    expected = both("conv_first", *dense, "conv_body", "conv_up1", "conv_up2", "conv_hr", "conv_last")
    state = RRDBNet(scale=2).state_dict()
    assert list(state) == expected
    assert state["conv_first.weight"].shape == (64, 12, 3, 3)
    assert state["body.22.rdb3.conv5.weight"].shape == (64, 192, 3, 3)
    assert state["conv_last.weight"].shape == (3, 64, 3, 3)


@pytest.mark.parametrize(("act_type", "slopes"), [("prelu", True), ("relu", False), ("leakyrelu", False)])
def test_srvgg_keys_are_the_official_ones(act_type: str, slopes: bool) -> None:
    state = SRVGGNetCompact(num_conv=32, act_type=act_type).state_dict()  # type: ignore[arg-type]
    convolutions = set(both(*(f"body.{index}" for index in range(0, 67, 2))))
    assert set(state) == convolutions | ({f"body.{index}.weight" for index in range(1, 66, 2)} if slopes else set())
    assert state["body.66.weight"].shape == (48, 64, 3, 3)


def test_span_keys_are_the_official_ones() -> None:
    folded = [f"block_{b}.c{c}_r" for b in range(1, 7) for c in (1, 2, 3)] + ["conv_1", "conv_2"]
    state = SPAN().state_dict()
    assert set(state) == set(both(*(f"{layer}.eval_conv" for layer in folded), "conv_cat", "upsampler.0"))


def test_srvgg_activations() -> None:
    """A negative feature leaves each kind by its own slope; the nearest skip carries the input through a silent network."""
    lq = torch.rand(1, 3, 3, 4)
    for act_type, slope in (("relu", 0.0), ("leakyrelu", 0.1), ("prelu", 0.25)):
        net = SRVGGNetCompact(num_feat=1, num_conv=0, upscale=2, act_type=act_type)  # type: ignore[arg-type]
        with torch.no_grad():
            for name in ("body.0.weight", "body.2.weight", "body.2.bias"):
                net.get_parameter(name).zero_()
            net.get_parameter("body.0.bias").fill_(-1)
            net.get_parameter("body.2.weight")[:, :, 1, 1] = 1
        expected = lq.repeat_interleave(2, 2).repeat_interleave(2, 3) - slope
        torch.testing.assert_close(net(lq), expected)


def test_rrdbnet_starts_with_small_residuals() -> None:
    net = RRDBNet(num_block=1)
    dense = net.get_submodule("body.0.rdb1")
    last = net.get_parameter("body.0.rdb1.conv5.weight")
    assert float(last.detach().std()) == pytest.approx(0.1 * (2 / (192 * 9)) ** 0.5, rel=0.02)
    assert not net.get_parameter("body.0.rdb1.conv5.bias").any()
    feat = torch.randn(1, 64, 8, 8)
    with torch.inference_mode():
        assert 0.001 < float((dense(feat) - feat).std()) < 0.02


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: RRDBNet(scale=3), r"scale \(3\) of RRDBNet must be 1, 2 or 4"),
        (lambda: SRVGGNetCompact(act_type="gelu"), "unknown act_type 'gelu' .* known: relu, prelu, leakyrelu"),  # type: ignore[arg-type]
        (lambda: SRVGGNetCompact(num_in_ch=4), r"num_in_ch \(4\) of SRVGGNetCompact must be 1 or equal to num_out_ch \(3\)"),
    ],
)
def test_refused_arguments(build: Callable[[], nn.Module], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build()


@pytest.mark.parametrize(
    ("build", "radius"),
    [
        (lambda: SPAN(feature_channels=2), 21),
        (lambda: SPAN(feature_channels=2, upscale=2, skip="bilinear"), 21),
        (lambda: SPAN(feature_channels=2, upscale=1, unshuffle=2, skip="bilinear"), 43),
        (lambda: SPAN(feature_channels=2, unshuffle=2, skip="bilinear"), 43),
        (lambda: SRVGGNetCompact(num_feat=2, num_conv=16), 18),
        (lambda: SRVGGNetCompact(num_feat=2, num_conv=32), 34),
        (lambda: RRDBNet(num_feat=2, num_grow_ch=1), 349),
        (lambda: RRDBNet(num_feat=2, num_grow_ch=1, num_block=6), 94),
        (lambda: RRDBNet(num_feat=2, num_grow_ch=1, num_block=6, scale=2), 188),
        (lambda: RRDBNet(num_feat=2, num_grow_ch=1, num_block=6, scale=1), 376),
    ],
)
def test_radius_of_the_shipped_depths(build: Callable[[], nn.Module], radius: int) -> None:
    net = build()
    assert net.facts().receptive_radius == radius  # type: ignore[operator]
    assert measured_receptive_radius(net) == radius
