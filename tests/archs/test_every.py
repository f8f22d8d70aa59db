"""One set of tests over every network of the catalogue. A new network joins by an entry in ``TINY``."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from clearvision.archs import (
    ARCHS,
    DRCT,
    EDSR,
    HAT,
    RCAN,
    RDN,
    RRDN,
    SPAN,
    ClearVisionNet,
    CycleGANResnet,
    MSRResNet,
    RDNConcat,
    RRDBNet,
    Sharpener,
    SRFlow,
    SRGANBicubic,
    SRResNet,
    SRVGGNetCompact,
    SwinIR,
)
from clearvision.archs.facts import ArchFacts
from clearvision.archs.receptive import measured_receptive_radius
from clearvision.types import ModelInfo
from clearvision.zoo.build import network_weights
from clearvision.zoo.checkpoint import Checkpoint

Hyper = dict[str, object]

# Of the networks with windows; without stochastic depth, so that every step reaches every layer.
TINY_TRUNK: Hyper = {
    "embed_dim": 8,
    "depths": [2],
    "num_heads": [2],
    "window_size": 4,
    "mlp_ratio": 1.0,
    "drop_path_rate": 0.0,
    "img_size": 8,
}

# Small enough that a picture takes well under 0.2 s; one line for every option that changes the structure.
TINY: dict[str, tuple[type[nn.Module], Hyper]] = {
    "span x4": (SPAN, {"feature_channels": 8, "num_block": 2, "upscale": 4}),
    "span x2, bilinear skip": (SPAN, {"feature_channels": 8, "num_block": 1, "upscale": 2, "skip": "bilinear"}),
    "span x3, grey, branches": (
        SPAN,
        {"num_in_ch": 1, "num_out_ch": 1, "feature_channels": 8, "num_block": 1, "upscale": 3, "reparam": True},
    ),
    "span x1, unshuffled": (SPAN, {"feature_channels": 8, "num_block": 1, "upscale": 1, "unshuffle": 2}),
    "span x4, unshuffled": (SPAN, {"feature_channels": 8, "num_block": 1, "unshuffle": 2, "skip": "bilinear"}),
    "srvgg x4": (SRVGGNetCompact, {"num_feat": 8, "num_conv": 3}),
    "srvgg x2, relu": (SRVGGNetCompact, {"num_feat": 8, "num_conv": 2, "upscale": 2, "act_type": "relu"}),
    "srvgg x3, grey, leakyrelu": (
        SRVGGNetCompact,
        {"num_in_ch": 1, "num_out_ch": 1, "num_feat": 8, "num_conv": 2, "upscale": 3, "act_type": "leakyrelu"},
    ),
    "rrdbnet x4": (RRDBNet, {"num_feat": 8, "num_grow_ch": 4, "num_block": 1}),
    "rrdbnet x2": (RRDBNet, {"num_feat": 8, "num_grow_ch": 4, "num_block": 1, "scale": 2}),
    "rrdbnet x1": (RRDBNet, {"num_feat": 8, "num_grow_ch": 4, "num_block": 1, "scale": 1}),
    "rrdbnet x8, first names": (RRDBNet, {"num_feat": 8, "num_grow_ch": 4, "num_block": 1, "scale": 8, "unshuffle": False}),
    "rrdbnet x2, first names": (RRDBNet, {"num_feat": 8, "num_grow_ch": 4, "num_block": 1, "scale": 2, "unshuffle": False}),
    "rrdbnet x1, first names": (RRDBNet, {"num_feat": 8, "num_grow_ch": 4, "num_block": 1, "scale": 1, "unshuffle": False}),
    "edsr x4": (EDSR, {"num_feat": 8, "num_block": 2}),
    "edsr x3, grey, scaled": (
        EDSR,
        {"num_in_ch": 1, "num_out_ch": 1, "num_feat": 8, "num_block": 1, "upscale": 3, "res_scale": 0.1, "img_range": 1.0},
    ),
    "edsr x1": (EDSR, {"num_feat": 8, "num_block": 1, "upscale": 1}),
    "srresnet x4": (SRResNet, {"num_feat": 8, "num_block": 1}),
    "srresnet x3, grey": (SRResNet, {"num_in_ch": 1, "num_out_ch": 1, "num_feat": 8, "num_block": 2, "upscale": 3}),
    "msrresnet x4": (MSRResNet, {"num_feat": 8, "num_block": 2}),
    "msrresnet x2, grey to colour": (MSRResNet, {"num_in_ch": 1, "num_feat": 8, "num_block": 1, "upscale": 2}),
    "rdn x4": (RDN, {"num_feat": 8, "num_grow_ch": 4, "num_block": 2, "num_layer": 2}),
    "rdn x3": (RDN, {"num_feat": 8, "num_grow_ch": 4, "num_block": 1, "num_layer": 3, "upscale": 3}),
    "rdn_concat x4": (RDNConcat, {"num_first": 6, "num_feat": 8, "num_grow_ch": 4, "num_block": 2, "num_layer": 2}),
    "rdn_concat x2, grey, linear": (
        RDNConcat,
        {"num_in_ch": 1, "num_out_ch": 1, "num_first": 4, "num_feat": 8, "num_block": 1, "upscale": 2, "relu_after": ["dense"]},
    ),
    "rrdn x4": (RRDN, {"num_feat": 8, "num_grow_ch": 4, "num_block": 1, "num_dense": 2, "num_layer": 2}),
    "rrdn x1, grey": (
        RRDN,
        {"num_in_ch": 1, "num_out_ch": 1, "num_feat": 8, "num_grow_ch": 4, "num_block": 1, "num_dense": 1, "upscale": 1},
    ),
    "rcan x4": (RCAN, {"num_feat": 8, "num_group": 2, "num_block": 1, "squeeze_factor": 2}),
    "rcan x1, grey": (
        RCAN,
        {"num_in_ch": 1, "num_out_ch": 1, "num_feat": 8, "num_group": 1, "num_block": 2, "squeeze_factor": 2, "upscale": 1},
    ),
    "clearvision x4": (ClearVisionNet, {"num_feat": 24, "num_grow_ch": 8, "num_block": 1}),
    "clearvision x1": (ClearVisionNet, {"num_feat": 24, "num_grow_ch": 8, "num_block": 1, "scale": 1}),
    "clearvision x2, as first": (
        ClearVisionNet,
        {"num_feat": 24, "num_grow_ch": 8, "num_block": 1, "scale": 2, "dense_act": "none", "output": "tanh"},
    ),
    "srgan_bicubic x2": (SRGANBicubic, {"num_feat": 8, "num_block": 1}),
    "srgan_bicubic x4, sharpened": (SRGANBicubic, {"num_feat": 8, "num_block": 1, "scale": 4, "sharpener": True}),
    "srgan_bicubic x3, grey, wide": (
        SRGANBicubic,
        {"num_in_ch": 1, "num_out_ch": 1, "num_feat": 8, "num_block": 1, "scale": 3, "narrow": False},
    ),
    "srgan_bicubic x2, sigmoid": (SRGANBicubic, {"num_feat": 8, "num_block": 1, "sharpener": True, "form": "sigmoid"}),
    "cyclegan_resnet": (CycleGANResnet, {"num_feat": 4, "num_block": 2}),
    "cyclegan_resnet, resized, grey": (
        CycleGANResnet,
        {"num_in_ch": 1, "num_out_ch": 1, "num_feat": 4, "num_block": 1, "upsampling": "resize"},
    ),
    "sharpener": (Sharpener, {"num_feat": 8, "dropout": 0.1}),
    "swinir x2": (SwinIR, {"upscale": 2, "num_feat": 8} | TINY_TRUNK),
    "swinir x3, direct, 3conv": (
        SwinIR,
        {"upscale": 3, "upsampler": "pixelshuffledirect", "resi_connection": "3conv"} | TINY_TRUNK,
    ),
    "swinir x2, nearest": (SwinIR, {"upscale": 2, "upsampler": "nearest+conv", "num_feat": 8} | TINY_TRUNK),
    "swinir x1, grey, odd windows": (
        SwinIR,
        {"num_in_ch": 1, "upscale": 1, "upsampler": "", "img_range": 255.0} | TINY_TRUNK | {"window_size": 3, "img_size": 6},
    ),
    "drct x2": (DRCT, {"upscale": 2, "num_feat": 8, "num_grow_ch": 4} | TINY_TRUNK),
    "srflow x4": (
        SRFlow,
        {"num_feat": 8, "num_block": 2, "num_grow_ch": 4, "stacked": (0, 1), "num_step": 1, "num_hidden": 8},
    ),
    "hat x2": (
        HAT,
        {"upscale": 2, "num_feat": 8, "squeeze_factor": 1} | {key: TINY_TRUNK[key] for key in TINY_TRUNK if key != "img_size"},
    ),
}

# Outputs that saturate (sigmoid, tanh) hide a far bright pixel from plain arithmetic; the trace by NaN still sees it.
SATURATING = {"srgan_bicubic x2, sigmoid", "rdn_concat x4", "rdn_concat x2, grey, linear"}

# Networks whose graph cannot be exported with free height and width; each says so in its file.
FIXED_SIZE_EXPORT = {"srflow x4"}  # it has no export at all

# Networks that draw numbers for the picture as a whole, so that a window of it gets others, which a trace by NaN does not see.
DRAWING = {"srflow x4"}

# Networks whose last convolutions start at 0, so that nothing before them has a gradient until the first step.
STARTING_FLAT = {"srflow x4"}


@pytest.fixture(params=TINY)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def net(name: str) -> nn.Module:
    arch, hyper = TINY[name]
    torch.manual_seed(0)
    net = arch(**hyper)
    if name in STARTING_FLAT:
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.add_(0.02 * torch.randn_like(parameter))
    return net


def facts_of(net: nn.Module) -> ArchFacts:
    return net.facts()  # type: ignore[operator]


def side(facts: ArchFacts, units: int) -> int:
    """Return a side that the network takes: ``units`` size multiples above the least."""
    return max(facts.size.minimum, facts.size.multiple) + (units - 1) * facts.size.multiple


def test_every_arch_has_a_tiny_variant() -> None:
    assert {arch for arch, _ in TINY.values()} == set(ARCHS.values())


@pytest.mark.parametrize(("height", "width"), [(1, 1), (5, 8), (7, 3)])
def test_output_is_scale_times_any_size_and_finite(net: nn.Module, height: int, width: int) -> None:
    facts = facts_of(net)
    rows, columns = side(facts, height), side(facts, width)
    with torch.inference_mode():
        sr = net.eval()(torch.rand(2, facts.num_in_ch, rows, columns))
    assert sr.shape == (2, facts.num_out_ch, rows * facts.scale, columns * facts.scale)
    assert sr.isfinite().all()


def test_gradient_reaches_every_parameter_and_pixel(net: nn.Module) -> None:
    facts = facts_of(net)
    lq = torch.rand(2, facts.num_in_ch, side(facts, 4), side(facts, 4), requires_grad=True)
    net(lq).square().mean().backward()
    trained = {name: parameter for name, parameter in net.named_parameters() if parameter.requires_grad}
    assert [name for name, parameter in trained.items() if parameter.grad is None or not parameter.grad.any()] == []
    assert lq.grad is not None
    assert lq.grad.all()


def test_a_few_steps_of_training_lower_the_loss(net: nn.Module) -> None:
    facts = facts_of(net)
    lq = torch.rand(2, facts.num_in_ch, side(facts, 4), side(facts, 4))
    gt = torch.rand(2, facts.num_out_ch, 1, 1).expand(-1, -1, side(facts, 4) * facts.scale, side(facts, 4) * facts.scale)
    optimizer = torch.optim.Adam((parameter for parameter in net.parameters() if parameter.requires_grad), 1e-3)
    losses = []
    for _ in range(6):
        torch.manual_seed(1)  # the same units drop out at each step
        loss = (net(lq) - gt).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]
    assert all(parameter.isfinite().all() for parameter in net.parameters())


def test_pictures_of_a_batch_do_not_mix(net: nn.Module) -> None:
    facts = facts_of(net)
    lq = torch.rand(2, facts.num_in_ch, side(facts, 3), side(facts, 4))
    with torch.inference_mode():
        torch.testing.assert_close(net.eval()(lq)[1:], net(lq[1:]))


def test_bf16_stays_near_f32(net: nn.Module) -> None:
    facts = facts_of(net)
    lq = torch.rand(1, facts.num_in_ch, side(facts, 6), side(facts, 6))
    with torch.inference_mode():
        expected = net.eval()(lq)
        with torch.autocast("cpu", torch.bfloat16):
            found = net(lq).float()
    assert found.isfinite().all()
    assert float((found - expected).abs().max()) < 0.05 * max(1.0, float(expected.abs().max()))


def test_tiny_variant_is_quick(net: nn.Module) -> None:
    facts = facts_of(net)
    lq = torch.rand(1, facts.num_in_ch, side(facts, 12), side(facts, 12))
    seconds = []
    with torch.inference_mode():
        for _ in range(3):
            started = time.process_time()  # of this process, so that a busy machine does not fail the test
            net.eval()(lq)
            seconds.append(time.process_time() - started)
    assert min(seconds) < 0.2


def test_arguments_and_shapes_rebuild_the_network(name: str, net: nn.Module) -> None:
    """What a checkpoint carries is enough: the constructor's arguments and the state dict."""
    arch, hyper = TINY[name]
    twin = arch(**hyper).eval()
    assert set(facts_of(net).precisions) <= {"f32", "bf16", "f16"}
    assert "f32" in facts_of(net).precisions
    twin.load_state_dict(net.eval().state_dict(), strict=True)
    facts = facts_of(net)
    lq = torch.rand(1, facts.num_in_ch, side(facts, 2), side(facts, 2))
    with torch.inference_mode():
        assert torch.equal(net(lq), twin(lq))


# --- receptive radius


def test_stated_radius_is_the_traced_one(name: str, net: nn.Module) -> None:
    if name in DRAWING:
        assert facts_of(net).receptive_radius is None
        return
    assert measured_receptive_radius(net, limit=512) == facts_of(net).receptive_radius
    assert net.training


def test_stated_radius_is_reached_by_plain_arithmetic(name: str, net: nn.Module) -> None:
    """With positive weights nothing cancels: a bright row moves outputs exactly as far away as the trace says."""
    facts = facts_of(net)
    if facts.receptive_radius is None or name in SATURATING:
        return
    net.double().eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.abs_().add_(0.01)
    unit = facts.size.multiple
    length = 4 * unit * facts.receptive_radius // unit + 8 * unit
    reach = []
    for row in range(length // unit // 2 * unit, length // unit // 2 * unit + unit):
        dark = torch.zeros(1, facts.num_in_ch, length, side(facts, 1), dtype=torch.float64)
        bright = dark.clone()
        bright[:, :, row] = 1e12
        with torch.inference_mode():
            moved = (net(bright) != net(dark)).any(3).any(1)[0].nonzero().flatten()
        reach.append(int((moved // facts.scale - row).abs().max()))
    assert max(reach) == facts.receptive_radius


def test_window_with_its_halo_equals_the_whole(net: nn.Module) -> None:
    facts = facts_of(net)
    if facts.receptive_radius is None:
        return
    net.double().eval()
    unit, scale = facts.size.multiple, facts.scale
    halo = -(-facts.receptive_radius // unit) * unit
    whole = torch.rand(1, facts.num_in_ch, 2 * halo + 3 * unit, side(facts, 3), dtype=torch.float64)
    start, stop = halo + unit, halo + 2 * unit  # the core rows; unit rows of the picture are left out at either end
    with torch.inference_mode():
        expected = net(whole)[:, :, start * scale : stop * scale]
        found = net(whole[:, :, start - halo : stop + halo])[:, :, halo * scale : (halo + unit) * scale]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


# --- export


@pytest.mark.slow
def test_export_keeps_parity_at_three_sizes(name: str, net: nn.Module, tmp_path: Path) -> None:
    """ONNX and OpenVINO compute what PyTorch computes, with free batch, height and width."""
    from clearvision.export import export_onnx, export_openvino

    if name in FIXED_SIZE_EXPORT:
        pytest.skip("this network has no export of free size")
    facts = facts_of(net)
    arch = next(key for key, value in ARCHS.items() if value is type(net))
    info = ModelInfo(
        name="tiny",
        task="clean",
        scale=facts.scale,
        arch=arch,
        hyper={key: value for key, value in TINY[name][1].items() if key != "reparam"},  # branches are folded when saved
        num_in_ch=facts.num_in_ch,
        num_out_ch=facts.num_out_ch,
        receptive_radius=facts.receptive_radius,
        size=facts.size,
    )
    checkpoint = Checkpoint(info, network_weights(net.eval()), None, "f" * 64)
    exporters: list[tuple[Callable[..., object], str]] = [(export_onnx, "tiny.onnx"), (export_openvino, "tiny.xml")]
    for export, file in exporters:
        report = export(checkpoint, tmp_path / file)
        assert len({check.shape for check in report.checks}) == 3  # type: ignore[attr-defined]
        assert report.max_difference < 1e-4  # type: ignore[attr-defined]
