"""The SRGAN generator with a bicubic skip, in both forms, and the sharpener that may follow it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from clearvision.archs import Sharpener, SRGANBicubic
from clearvision.archs.receptive import measured_receptive_radius
from clearvision.errors import UsageError


@pytest.mark.parametrize(
    ("hyper", "parameters"),
    [
        ({}, 653_955),
        ({"scale": 4}, 801_731),
        ({"form": "sigmoid"}, 572_035),
        ({"form": "sigmoid", "narrow": False}, 719_747),
        ({"sharpener": True}, 653_955 + 14_505),
    ],
)
def test_parameter_count(formula: Any, hyper: dict[str, Any], parameters: int) -> None:  # noqa: ANN401
    assert formula.count(lambda: SRGANBicubic(**hyper)) == parameters


def test_names_and_shapes_of_the_sigmoid_form(formula: Any) -> None:  # noqa: ANN401
    layers = {"initial.cnn": (64, 3, 7), "upsamples.0.conv": (256, 64, 2), "final": (3, 64, 9)}
    expected: dict[str, tuple[int, ...]] = {"upsamples.0.act.weight": (64,)}
    normalised = {"convblock": 64}
    for b in range(8):
        layers |= {f"residuals.{b}.narrow": (32, 64, 3), f"residuals.{b}.widen": (64, 32, 3)}
        normalised |= {f"residuals.{b}.block1": 32, f"residuals.{b}.block2": 32}
    for name, width in normalised.items():
        expected[f"{name}.cnn.weight"] = (width, width, 3, 3)
        expected |= {f"{name}.bn.{part}": (width,) for part in ("weight", "bias", "running_mean", "running_var")}
        expected[f"{name}.bn.num_batches_tracked"] = ()
    expected |= {f"{name}.weight": (o, i, k, k) for name, (o, i, k) in layers.items()}
    expected |= {f"{name}.bias": (outer,) for name, (outer, _, _) in layers.items()}
    assert formula.shapes(lambda: SRGANBicubic(form="sigmoid")) == expected


def lrelu(x: Tensor) -> Tensor:
    return torch.where(x > 0, x, 0.2 * x)


def transcribed(weights: Any, lq: Tensor, scale: int, *, sigmoid: bool, sharpen: bool) -> Tensor:  # noqa: ANN401
    x = first = lrelu(weights.conv("initial.cnn", lq, padding=4 if sigmoid else 3))
    for b in range(2):
        block = f"residuals.{b}"
        inner = weights.conv(f"{block}.narrow", x)
        inner = lrelu(weights.norm(f"{block}.block1.bn", weights.conv(f"{block}.block1.cnn", inner)))
        inner = weights.norm(f"{block}.block2.bn", weights.conv(f"{block}.block2.cnn", inner))
        x = x + weights.conv(f"{block}.widen", inner)
    x = first + weights.norm("convblock.bn", weights.conv("convblock.cnn", x))
    for stage in range(2 if scale == 4 else 1):
        x = F.pixel_shuffle(weights.conv(f"upsamples.{stage}.conv", x, padding=1), 3 if scale == 3 else 2)
        x = weights.prelu(f"upsamples.{stage}.act", x)
    sr = weights.conv("final", x, padding=1 if sigmoid else 4)
    sr = sr + F.interpolate(lq, scale_factor=scale, mode="bicubic", align_corners=False)
    for b in range(3 if sharpen else 0):
        sr = sr + weights.conv(f"sharpener.body.{b}.conv2", lrelu(weights.conv(f"sharpener.body.{b}.conv1", sr)))
    return 1 / (1 + (-sr).exp()) if sigmoid else sr


@pytest.mark.parametrize(
    ("scale", "sigmoid", "sharpen", "golden"),
    [
        (2, False, False, (0.582397, 0.099798, 0.205414, 0.778255)),
        (3, False, False, (0.582295, 0.516220, 1.067075, 0.912069)),
        (4, False, True, (0.632170, 0.514646, 0.966823, 0.825886)),
        (2, True, False, (0.638540, 0.528200, 0.552897, 0.685026)),
        (2, True, True, (0.649008, 0.536575, 0.529334, 0.723872)),
    ],
)
def test_outputs_by_formula(
    formula: Any,  # noqa: ANN401
    scale: int,
    sigmoid: bool,
    sharpen: bool,
    golden: tuple[float, ...],
) -> None:
    net = SRGANBicubic(num_block=2, scale=scale, sharpener=sharpen, form="sigmoid" if sigmoid else "residual")
    weights, lq = formula.fill(net), formula.picture(3, 5, 6)
    expected = transcribed(weights, lq, scale, sigmoid=sigmoid, sharpen=sharpen)
    with torch.inference_mode():
        torch.testing.assert_close(net(lq), expected, rtol=0, atol=1e-10)
    found = torch.stack([expected.mean(), *expected[0, :, 4, 7]])
    torch.testing.assert_close(found, torch.tensor(golden, dtype=torch.float64), rtol=0, atol=1e-5)


@pytest.mark.parametrize("sharpener", [False, True])
def test_a_silent_network_returns_the_bicubic_picture(sharpener: bool) -> None:
    """The skip comes last and whole, so black stays black and white white; the sigmoid form cannot do that."""
    lq = torch.rand(1, 3, 5, 7)
    expected = F.interpolate(lq, scale_factor=2, mode="bicubic", align_corners=False)
    for form, same in (("residual", True), ("sigmoid", False)):
        net = SRGANBicubic(num_feat=8, num_block=1, sharpener=sharpener, form=form).eval()  # type: ignore[arg-type]
        with torch.inference_mode():
            for parameter in net.parameters():
                parameter.zero_()
            assert torch.equal(net(lq), expected) is same


def test_a_bias_before_a_normalisation_goes_into_its_mean(formula: Any) -> None:  # noqa: ANN401
    """What the head of srgan_bicubic.py says of files whose normalised convolutions have a bias."""
    net = SRGANBicubic(num_feat=8, num_block=1)
    weights, lq = formula.fill(net), formula.picture(3, 5, 6)
    bias = torch.linspace(-1, 1, 8, dtype=torch.float64)
    feat = formula.picture(8, 5, 6)
    expected = weights.norm("convblock.bn", weights.conv("convblock.cnn", feat) + bias[:, None, None])
    with torch.inference_mode():
        net.get_buffer("convblock.bn.running_mean").sub_(bias)
        torch.testing.assert_close(net.convblock(feat), expected, rtol=0, atol=1e-12)
        assert net(lq).shape == (1, 3, 10, 12)


@pytest.mark.parametrize(
    ("hyper", "radius"),
    [
        ({}, 39),
        ({"scale": 3}, 39),
        ({"scale": 4}, 39),
        ({"form": "sigmoid"}, 39),
        ({"narrow": False}, 23),
        ({"sharpener": True}, 45),
        ({"sharpener": True, "scale": 4}, 42),
        ({"sharpener": True, "form": "sigmoid"}, 45),
    ],
)
def test_radius(hyper: dict[str, Any], radius: int) -> None:
    net = SRGANBicubic(num_feat=2, **hyper)
    assert net.facts().receptive_radius == radius
    assert measured_receptive_radius(net) == radius


def test_refused_arguments() -> None:
    with pytest.raises(UsageError, match=r"scale \(1\) of SRGANBicubic must be 2, 3 or 4, in the sigmoid form 2"):
        SRGANBicubic(scale=1)
    with pytest.raises(UsageError, match=r"scale \(4\) of SRGANBicubic must be 2, 3 or 4, in the sigmoid form 2"):
        SRGANBicubic(scale=4, form="sigmoid")
    with pytest.raises(UsageError, match="unknown form 'tanh' of SRGANBicubic; known: residual, sigmoid"):
        SRGANBicubic(form="tanh")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"num_in_ch \(4\) of SRGANBicubic must be 1 or equal to num_out_ch \(3\)"):
        SRGANBicubic(num_in_ch=4)


# --- the sharpener by itself


@pytest.mark.parametrize(("num_feat", "parameters"), [(32, 14_505), (3, 1_368)])
def test_parameter_count_of_the_sharpener(formula: Any, num_feat: int, parameters: int) -> None:  # noqa: ANN401
    assert formula.count(lambda: Sharpener(num_feat=num_feat)) == parameters


def test_untrained_sharpener_hardly_changes_a_picture() -> None:
    lq = torch.rand(1, 3, 16, 16)
    with torch.inference_mode():
        difference = Sharpener().eval()(lq) - lq
    assert 0 < float(difference.abs().max()) < 0.1


def test_sharpener_by_formula(formula: Any) -> None:  # noqa: ANN401
    net = Sharpener()
    weights, lq = formula.fill(net), formula.picture(3, 5, 8)
    expected = lq
    for b in range(3):
        expected = expected + weights.conv(f"body.{b}.conv2", lrelu(weights.conv(f"body.{b}.conv1", expected)))
    with torch.inference_mode():
        torch.testing.assert_close(net(lq), expected, rtol=0, atol=1e-12)
    found = torch.stack([expected.mean(), *expected[0, :, 4, 7]])
    torch.testing.assert_close(
        found, torch.tensor((0.478348, -0.064353, -0.266423, 2.021023), dtype=torch.float64), rtol=0, atol=1e-5
    )


def test_sharpener_can_learn_to_undo_a_blur() -> None:
    """The structure is able to do its work: a few steps on a blurred noise picture halve the error."""
    torch.manual_seed(0)
    gt = F.interpolate(torch.rand(4, 3, 12, 12), scale_factor=2, mode="bicubic").clamp(0, 1)
    lq = F.avg_pool2d(F.pad(gt, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    net = Sharpener(num_feat=16)
    optimizer = torch.optim.Adam(net.parameters(), 3e-3)
    for _ in range(60):
        loss = (net(lq) - gt).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.inference_mode():
        assert float((net(lq) - gt).square().mean()) < 0.5 * float((lq - gt).square().mean())
