"""One set of tests over every network of the catalogue."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn

from clearvision.archs import ARCHS, SPAN, RRDBNet, SRVGGNetCompact
from clearvision.archs.facts import ArchFacts
from clearvision.archs.receptive import measured_receptive_radius
from clearvision.errors import UsageError
from clearvision.types import SizeRequirements

TINY: dict[str, Callable[[], nn.Module]] = {
    "span x4": lambda: SPAN(feature_channels=8, num_block=2, upscale=4),
    "span x2, bilinear skip": lambda: SPAN(feature_channels=8, num_block=1, upscale=2, skip="bilinear"),
    "span x3, grey, branches": lambda: SPAN(num_in_ch=1, num_out_ch=1, feature_channels=8, num_block=1, upscale=3, reparam=True),
    "srvgg x4": lambda: SRVGGNetCompact(num_feat=8, num_conv=3),
    "srvgg x2, relu": lambda: SRVGGNetCompact(num_feat=8, num_conv=2, upscale=2, act_type="relu"),
    "srvgg x3, grey, leakyrelu": lambda: SRVGGNetCompact(
        num_in_ch=1, num_out_ch=1, num_feat=8, num_conv=2, upscale=3, act_type="leakyrelu"
    ),
    "rrdbnet x4": lambda: RRDBNet(num_feat=8, num_grow_ch=4, num_block=1),
    "rrdbnet x2": lambda: RRDBNet(num_feat=8, num_grow_ch=4, num_block=1, scale=2),
    "rrdbnet x1": lambda: RRDBNet(num_feat=8, num_grow_ch=4, num_block=1, scale=1),
}


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Run hundreds of tiny layers without a barrier of threads at each, which is slow on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(params=TINY)
def net(request: pytest.FixtureRequest) -> nn.Module:
    torch.manual_seed(0)
    return TINY[request.param]()


def facts_of(net: nn.Module) -> ArchFacts:
    return net.facts()  # type: ignore[operator]


def test_every_arch_has_a_tiny_variant() -> None:
    assert {type(build()) for build in TINY.values()} == set(ARCHS.values())


# --- what the papers and the official files say


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


# --- what every network must do


@pytest.mark.parametrize(("height", "width"), [(1, 1), (5, 8), (7, 3)])
def test_output_is_scale_times_any_size_and_finite(net: nn.Module, height: int, width: int) -> None:
    facts = facts_of(net)
    unit = facts.size.multiple
    assert facts.size.minimum <= unit
    with torch.inference_mode():
        sr = net.eval()(torch.rand(2, facts.num_in_ch, height * unit, width * unit))
    assert sr.shape == (2, facts.num_out_ch, height * unit * facts.scale, width * unit * facts.scale)
    assert sr.isfinite().all()


def test_gradient_reaches_every_parameter_and_pixel(net: nn.Module) -> None:
    facts = facts_of(net)
    lq = torch.rand(1, facts.num_in_ch, 4 * facts.size.multiple, 4 * facts.size.multiple, requires_grad=True)
    net(lq).square().mean().backward()
    trained = {name: parameter for name, parameter in net.named_parameters() if parameter.requires_grad}
    assert [name for name, parameter in trained.items() if parameter.grad is None or not parameter.grad.any()] == []
    assert lq.grad is not None
    assert lq.grad.all()


def test_pictures_of_a_batch_do_not_mix(net: nn.Module) -> None:
    facts = facts_of(net)
    lq = torch.rand(2, facts.num_in_ch, 3 * facts.size.multiple, 4 * facts.size.multiple)
    with torch.inference_mode():
        torch.testing.assert_close(net.eval()(lq)[1:], net(lq[1:]))


# --- receptive radius


@pytest.mark.parametrize(
    ("build", "radius"),
    [
        (lambda: SPAN(feature_channels=2), 21),
        (lambda: SPAN(feature_channels=2, upscale=2, skip="bilinear"), 21),
        (lambda: SPAN(feature_channels=2, upscale=1, unshuffle=2, skip="bilinear"), 43),
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
    assert facts_of(net).receptive_radius == radius
    assert measured_receptive_radius(net) == radius


def test_stated_radius_is_the_traced_one(net: nn.Module) -> None:
    assert measured_receptive_radius(net) == facts_of(net).receptive_radius
    assert net.training


def test_stated_radius_is_reached_by_plain_arithmetic(net: nn.Module) -> None:
    """With positive weights nothing cancels: a bright row moves outputs exactly as far away as the trace says."""
    facts = facts_of(net)
    net.double().eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.abs_().add_(0.01)
    unit = facts.size.multiple
    length = 4 * unit * (facts.receptive_radius or 0) // unit + 8 * unit
    reach = []
    for row in range(length // unit // 2 * unit, length // unit // 2 * unit + unit):
        dark = torch.zeros(1, facts.num_in_ch, length, unit, dtype=torch.float64)
        bright = dark.clone()
        bright[:, :, row] = 1e12
        with torch.inference_mode():
            moved = (net(bright) != net(dark)).any(3).any(1)[0].nonzero().flatten()
        reach.append(int((moved // facts.scale - row).abs().max()))
    assert max(reach) == facts.receptive_radius


def test_window_with_its_halo_equals_the_whole(net: nn.Module) -> None:
    facts = facts_of(net)
    net.double().eval()
    unit, scale = facts.size.multiple, facts.scale
    halo = facts.receptive_radius or 0
    assert halo % unit == 0
    whole = torch.rand(1, facts.num_in_ch, 2 * halo + 3 * unit, unit * 3, dtype=torch.float64)
    start, stop = halo + unit, halo + 2 * unit  # the core rows; unit rows of the picture are left out at either end
    with torch.inference_mode():
        expected = net(whole)[:, :, start * scale : stop * scale]
        found = net(whole[:, :, start - halo : stop + halo])[:, :, halo * scale : (halo + unit) * scale]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


class Known(nn.Module):
    """A network of known reach."""

    def __init__(self, layer: nn.Module, *, scale: int = 1, num_in_ch: int = 1, multiple: int = 1) -> None:
        super().__init__()
        self.layer = layer
        self.stated = ArchFacts(scale, num_in_ch, 1, 0, SizeRequirements(multiple, multiple))

    def forward(self, lq: Tensor) -> Tensor:
        return self.layer(lq)

    def facts(self) -> ArchFacts:
        return self.stated


@pytest.mark.parametrize(
    ("net", "radius"),
    [
        (Known(nn.Identity()), 0),
        (Known(nn.Conv2d(1, 1, 1)), 0),
        (Known(nn.Conv2d(1, 1, 3, padding=5, dilation=5)), 5),
        (Known(nn.Conv2d(1, 1, (1, 7), padding=(0, 3))), 3),
        (Known(nn.Conv2d(1, 1, (81, 1), padding=(40, 0))), 40),
        (Known(nn.PixelShuffle(2), scale=2, num_in_ch=4), 0),
        (Known(nn.Sequential(nn.AvgPool2d(4), nn.Upsample(scale_factor=4)), multiple=4), 3),
        (Known(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Upsample((64, 64)))), None),
    ],
)
def test_trace_on_known_networks(net: nn.Module, radius: int | None) -> None:
    assert measured_receptive_radius(net, limit=512) == radius
