"""SRFlow: counts and names of the official files, golden figures, that it inverts, what its likelihood means."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from clearvision.archs import SRFlow
from clearvision.archs.glow import ActNorm, InvertibleConv, LastConv, Split, Squeeze
from clearvision.errors import UsageError

CELEBA: dict[str, Any] = {"scale": 8, "num_block": 8, "stacked": (1, 3, 5, 7)}
TINY: dict[str, Any] = {
    "num_feat": 8,
    "num_block": 2,
    "num_grow_ch": 4,
    "stacked": (0, 1),
    "num_step": 2,
    "num_hidden": 8,
}


@pytest.mark.parametrize(
    ("hyper", "held", "trained"),
    [({}, 39_541_811, 39_189_648), ({"scale": 8}, 50_821_891, 50_469_728), (CELEBA, 40_030_531, 39_678_368)],
)
def test_parameter_count(hyper: dict[str, Any], held: int, trained: int) -> None:
    with torch.device("meta"):
        net = SRFlow(**hyper)
    assert sum(parameter.numel() for parameter in net.parameters()) == held
    assert sum(parameter.numel() for parameter in net.parameters() if parameter.requires_grad) == trained


def condition_net(name: str, into: int, out: int) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    for layer, channels, kernel in ((0, into, 3), (2, 64, 1)):
        shapes[f"{name}.{layer}.weight"] = (64, channels, kernel, kernel)
        shapes |= {f"{name}.{layer}.actnorm.{part}": (1, 64, 1, 1) for part in ("bias", "logs")}
    return shapes | {f"{name}.4.weight": (out, 64, 3, 3), f"{name}.4.bias": (out,), f"{name}.4.logs": (out, 1, 1)}


@pytest.mark.parametrize(("scale", "split"), [(4, (True, False, False)), (8, (True, True, False, False))])
def test_names_and_shapes_are_the_official_ones(formula: Any, scale: int, split: tuple[bool, ...]) -> None:  # noqa: ANN401
    """Of the files for DF2K: 23 blocks, and levels of 1 squeeze, 2 transition steps, 16 steps, on all but two a split."""
    layers = {"conv_first": (64, 3, 3), "trunk_conv": (64, 64, 3), "HRconv": (64, 64, 3), "conv_last": (3, 64, 3)}
    layers |= {f"upconv{index}": (64, 64, 3) for index in range(1, 4 if scale == 8 else 3)}
    for block in range(23):
        for dense in (1, 2, 3):
            grown = {f"RRDB_trunk.{block}.RDB{dense}.conv{i}": (32 if i < 5 else 64, 32 * i + 32, 3) for i in range(1, 6)}
            layers |= grown
    expected = formula.conv_shapes({f"RRDB.{name}": shape for name, shape in layers.items()})
    expected |= formula.conv_shapes({"flowUpsamplerNet.f.0": (96, 320, 3)})
    at, channels = 0, 3
    for splits in split:
        channels *= 4
        for step in range(18):
            name = f"flowUpsamplerNet.layers.{at + 1 + step}"
            expected |= {f"{name}.actnorm.{part}": (1, channels, 1, 1) for part in ("bias", "logs")}
            expected[f"{name}.invconv.weight"] = (channels, channels)
            if step >= 2:
                expected |= condition_net(f"{name}.affine.fAffine", channels // 2 + 320, channels)
                expected |= condition_net(f"{name}.affine.fFeatures", 320, 2 * channels)
        at += 19
        if splits:
            channels //= 2
            conv = f"flowUpsamplerNet.layers.{at}.conv"
            expected |= {f"{conv}.weight": (2 * channels, channels, 3, 3), f"{conv}.bias": (2 * channels,)}
            expected[f"{conv}.logs"] = (2 * channels, 1, 1)
            at += 1
    assert formula.shapes(lambda: SRFlow(scale=scale)) == expected


def tamed(formula: Any, net: SRFlow) -> SRFlow:  # noqa: ANN401
    """Give a network weights by formula, small enough that the flow does not explode."""
    formula.fill(net)
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            parameter.mul_(0.2)
            if name.endswith("invconv.weight"):
                parameter.add_(torch.eye(len(parameter), dtype=torch.float64))
    return net


def wave(shape: tuple[int, ...]) -> Tensor:
    return torch.sin(torch.arange(math.prod(shape), dtype=torch.float64) * 0.9).view(1, *shape)


@pytest.mark.parametrize(
    ("scale", "golden"),
    [
        (4, (2.481106, 0.285031, 0.157697, -0.040551, 1.682906, 2.84821)),
        (8, (2.500031, 0.327072, 0.130182, -0.067709, 2.17083, -0.385765)),
    ],
)
def test_golden_figures(formula: Any, scale: int, golden: tuple[float, ...]) -> None:  # noqa: ANN401
    """Likelihood, latents and a picture come from a transcription of the authors' code with the same weights."""
    net = tamed(formula, SRFlow(scale=scale, **TINY))
    flow = net.flowUpsamplerNet
    lq, gt = formula.picture(3, 4, 6), formula.picture(3, 4 * scale, 6 * scale)
    with torch.no_grad():
        conditions = net.RRDB(lq)
        latents, log_det = flow.encode(gt, conditions)
        sr = flow.decode([wave(shape) for shape in flow.latent_shapes(4 * scale, 6 * scale)], conditions)
        again = flow.decode(latents, conditions)
    density = sum(float(-0.5 * (each.square() + math.log(2 * math.pi)).sum()) for each in latents)
    bits = -(float(log_det) + density) / (math.log(2) * gt.numel())
    found = torch.stack([torch.tensor(bits), latents[0].mean(), latents[-1].std(), sr.mean(), sr.std(), sr[0, 0, 5, 7]])
    torch.testing.assert_close(found, torch.tensor(golden, dtype=torch.float64), rtol=0, atol=2e-6)
    torch.testing.assert_close(again, gt, rtol=0, atol=1e-9)


@pytest.mark.parametrize("layer", ["step", "split"])
def test_log_determinant_is_that_of_the_jacobian(formula: Any, layer: str) -> None:  # noqa: ANN401
    net = tamed(formula, SRFlow(scale=4, **TINY))
    step, split = net.flowUpsamplerNet.layers[4], net.flowUpsamplerNet.layers[5]
    assert isinstance(split, Split)
    cond = 0.3 * wave((24, 2, 2))

    def run(x: Tensor) -> Tensor:
        if layer == "step":
            return step(x, cond)[0]
        return torch.cat(split(x)[:2], dim=1)

    x = 0.1 * wave((12, 2, 2))
    jacobian = torch.autograd.functional.jacobian(run, x)
    assert isinstance(jacobian, Tensor)
    stated = float((step(x, cond)[1] if layer == "step" else split(x)[2]).detach())
    assert float(jacobian.view(48, 48).slogdet().logabsdet) == pytest.approx(stated, abs=1e-9)
    assert abs(stated) > 0.1


def test_layers_invert() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 6, 4, 4, dtype=torch.float64)
    norm, conv = ActNorm(6).double(), InvertibleConv(6).double()
    torch.testing.assert_close(conv.inverse(conv(x)), x)
    first = norm(x)  # in training, so it is set from this batch
    assert float(first.detach().mean((0, 2, 3)).abs().max()) < 1e-12
    torch.testing.assert_close(first.var((0, 2, 3), correction=0), torch.ones(6, dtype=torch.float64), rtol=0, atol=1e-4)
    torch.testing.assert_close(norm.inverse(norm(x + 1)), x + 1)  # and not from the next
    assert torch.equal(Squeeze().inverse(Squeeze()(x)), x)
    assert not LastConv(6, 4)(x.float()).any()


def test_weights_of_a_file_are_not_set_from_the_first_batch() -> None:
    norm = ActNorm(3)
    with torch.no_grad():
        norm.bias.fill_(0.5)
    norm(torch.rand(1, 3, 4, 4))
    assert norm.bias.flatten().tolist() == [0.5] * 3
    assert not norm.logs.any()


def test_training_lowers_the_loss() -> None:
    torch.manual_seed(0)
    net = SRFlow(scale=2, **TINY)
    lq = torch.rand(2, 3, 8, 8)
    gt = nn.functional.interpolate(lq, scale_factor=2.0, mode="bilinear").clamp(0, 1)
    optimizer = torch.optim.Adam((each for each in net.parameters() if each.requires_grad), 1e-3)
    losses = []
    for _ in range(15):
        loss = net.loss(lq, gt)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] - 0.1
    missing = [name for name, each in net.named_parameters() if each.requires_grad and each.grad is None]
    assert missing == []


def test_loss_is_the_likelihood_of_gt_in_bits() -> None:
    """A flow that only folds pixels asks a standard normal for each value."""
    net = SRFlow(scale=2, **TINY).eval()
    for layer in net.flowUpsamplerNet.layers:
        if hasattr(layer, "invconv"):
            nn.init.eye_(layer.invconv.weight)  # type: ignore[union-attr, arg-type]
        if getattr(layer, "affine", None) is not None:
            layer.affine = None  # type: ignore[assignment]
    gt = torch.full((1, 3, 8, 8), 0.5)
    expected = math.log2(255) + 0.5 * (0.25 + math.log(2 * math.pi)) / math.log(2)
    assert float(net.loss(torch.rand(1, 3, 4, 4), gt).detach()) == pytest.approx(expected, abs=1e-3)


def test_seed_and_heat_say_all() -> None:
    net = SRFlow(scale=4, heat=0.7, seed=3, **TINY).eval()
    lq = torch.rand(2, 3, 5, 7)
    with torch.no_grad():
        first = net(lq)
        torch.rand(5)  # the global generator plays no part
        assert torch.equal(net(lq), first)
        assert torch.equal(net.sample(lq, heat=0.7, seed=3), first)
        assert not torch.equal(net.sample(lq, heat=0.7, seed=4), first)
        still = net.sample(lq, heat=0, seed=3)
        assert torch.equal(net.sample(lq, heat=0, seed=4), still)
        torch.testing.assert_close(net(lq[1:]), first[1:])
    assert first.shape == (2, 3, 20, 28)
    assert float((first - still).std()) > 0.1


def test_export_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.compiler, "is_exporting", lambda: True)
    with pytest.raises(UsageError, match="srflow cannot be exported: it draws random numbers and inverts matrices"):
        SRFlow(scale=2, **TINY)(torch.rand(1, 3, 4, 4))


@pytest.mark.parametrize(
    ("hyper", "message"),
    [
        ({"scale": 3}, r"scale \(3\) of SRFlow must be 2, 4 or 8"),
        ({"stacked": (1, 2)}, r"stacked \(\[1, 2\]\) of SRFlow must name blocks between 0 and 1"),
        ({"stacked": (1, 0)}, r"stacked \(\[1, 0\]\) of SRFlow must name blocks between 0 and 1, in order"),
        ({"stacked": ()}, r"stacked \(\[\]\) of SRFlow"),
        ({"heat": -1.0}, r"heat \(-1.0\) of SRFlow must be 0 or more"),
    ],
)
def test_refused_arguments(hyper: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        SRFlow(**(TINY | hyper))
