"""SRResNet with batch normalisation, and MSRResNet without: counts, official names, outputs by formula."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clearvision.archs import MSRResNet, SRResNet
from clearvision.archs.receptive import measured_receptive_radius
from clearvision.errors import UsageError


@pytest.mark.parametrize(
    ("arch", "upscale", "parameters"),
    [
        (SRResNet, 2, 1_399_637),
        (SRResNet, 3, 1_584_277),
        (SRResNet, 4, 1_547_350),
        (MSRResNet, 2, 1_369_859),
        (MSRResNet, 3, 1_554_499),
        (MSRResNet, 4, 1_517_571),
    ],
)
def test_parameter_count(formula: Any, arch: type[SRResNet | MSRResNet], upscale: int, parameters: int) -> None:  # noqa: ANN401
    assert formula.count(lambda: arch(upscale=upscale)) == parameters


def test_names_and_shapes_of_srresnet(formula: Any) -> None:  # noqa: ANN401
    expected: dict[str, tuple[int, ...]] = {}
    for name, outer, inner, side, bias in (
        ("conv1.0", 64, 3, 9, True),
        *((f"trunk.{index}.rcb.{layer}", 64, 64, 3, False) for index in range(16) for layer in (0, 3)),
        ("conv2.0", 64, 64, 3, False),
        *((f"upsampling.{index}.upsample_block.0", 256, 64, 3, True) for index in range(2)),
        ("conv3", 3, 64, 9, True),
    ):
        expected[f"{name}.weight"] = (outer, inner, side, side)
        if bias:
            expected[f"{name}.bias"] = (outer,)
    for name in (*(f"trunk.{index}.rcb.{layer}" for index in range(16) for layer in (1, 4)), "conv2.1"):
        expected |= {f"{name}.{part}": (64,) for part in ("weight", "bias", "running_mean", "running_var")}
        expected[f"{name}.num_batches_tracked"] = ()
    slopes = ("conv1.1", *(f"trunk.{index}.rcb.2" for index in range(16)), *(f"upsampling.{i}.upsample_block.2" for i in (0, 1)))
    expected |= {f"{name}.weight": (1,) for name in slopes}
    assert formula.shapes(SRResNet) == expected


def test_names_and_shapes_of_msrresnet(formula: Any) -> None:  # noqa: ANN401
    layers = {"conv_first": (3, 64), "upconv1": (64, 256), "upconv2": (64, 256), "conv_hr": (64, 64), "conv_last": (64, 3)}
    layers |= {f"body.{index}.conv{which}": (64, 64) for index in range(16) for which in (1, 2)}
    expected = {f"{name}.weight": (outer, inner, 3, 3) for name, (inner, outer) in layers.items()}
    expected |= {f"{name}.bias": (outer,) for name, (_, outer) in layers.items()}
    assert formula.shapes(MSRResNet) == expected
    three = formula.shapes(lambda: MSRResNet(upscale=3))
    assert three["upconv1.weight"] == (576, 64, 3, 3)
    assert set(three) == {name for name in expected if not name.startswith("upconv2")}


def srresnet(weights: Any, lq: Tensor, upscale: int) -> Tensor:  # noqa: ANN401
    """The reference's forward, written down a second time."""
    x = first = weights.prelu("conv1.1", weights.conv("conv1.0", lq))
    for index in range(16):
        block = f"trunk.{index}.rcb"
        inner = weights.prelu(f"{block}.2", weights.norm(f"{block}.1", weights.conv(f"{block}.0", x)))
        x = x + weights.norm(f"{block}.4", weights.conv(f"{block}.3", inner))
    x = first + weights.norm("conv2.1", weights.conv("conv2.0", x))
    for stage in range(2 if upscale == 4 else 1):
        block = f"upsampling.{stage}.upsample_block"
        x = weights.prelu(f"{block}.2", F.pixel_shuffle(weights.conv(f"{block}.0", x), 3 if upscale == 3 else 2))
    return weights.conv("conv3", x)


def msrresnet(weights: Any, lq: Tensor, upscale: int) -> Tensor:  # noqa: ANN401
    """The reference's forward, written down a second time."""

    def lrelu(x: Tensor) -> Tensor:
        return torch.where(x > 0, x, 0.1 * x)

    x = lrelu(weights.conv("conv_first", lq))
    for index in range(16):
        x = x + weights.conv(f"body.{index}.conv2", weights.conv(f"body.{index}.conv1", x).clamp(min=0))
    for name in ("upconv1", "upconv2") if upscale == 4 else ("upconv1",):
        x = lrelu(F.pixel_shuffle(weights.conv(name, x), 3 if upscale == 3 else 2))
    sr = weights.conv("conv_last", lrelu(weights.conv("conv_hr", x)))
    return sr + F.interpolate(lq, scale_factor=upscale, mode="bilinear", align_corners=False)


@pytest.mark.parametrize(
    ("arch", "upscale", "golden"),
    [
        (SRResNet, 2, (-0.033269, 0.075884, -0.041750, -0.144164)),
        (SRResNet, 3, (-0.032410, 0.102553, -0.025667, -0.143528)),
        (SRResNet, 4, (-0.033495, 0.083474, -0.038220, -0.145762)),
        (MSRResNet, 2, (0.441089, 0.088957, 0.143029, 0.590384)),
        (MSRResNet, 3, (0.441716, 0.422704, 0.828938, 0.799473)),
        (MSRResNet, 4, (0.441082, 0.520088, 0.588135, 0.436842)),
    ],
)
def test_outputs_by_formula(formula: Any, arch: type[nn.Module], upscale: int, golden: tuple[float, ...]) -> None:  # noqa: ANN401
    net = arch(upscale=upscale)
    weights, lq = formula.fill(net), formula.picture(3, 5, 6)
    expected = (srresnet if arch is SRResNet else msrresnet)(weights, lq, upscale)
    with torch.inference_mode():
        torch.testing.assert_close(net(lq), expected, rtol=0, atol=1e-9)
    found = torch.stack([expected.mean(), *expected[0, :, 4, 7]])
    torch.testing.assert_close(found, torch.tensor(golden, dtype=torch.float64), rtol=0, atol=1e-5)


@pytest.mark.parametrize("upscale", [2, 3, 4])
@pytest.mark.parametrize(("arch", "radius"), [(SRResNet, 40), (MSRResNet, 35)])
def test_radius_of_the_published_depth(arch: type[SRResNet | MSRResNet], upscale: int, radius: int) -> None:
    net = arch(num_feat=2, upscale=upscale)
    assert net.facts().receptive_radius == radius
    assert measured_receptive_radius(net) == radius


def test_untrained_msrresnet_is_nearly_bilinear() -> None:
    lq = torch.rand(1, 3, 8, 8)
    with torch.inference_mode():
        difference = MSRResNet()(lq) - F.interpolate(lq, scale_factor=4, mode="bilinear", align_corners=False)
    assert 0 < float(difference.abs().max()) < 0.02


def test_refused_arguments() -> None:
    for arch in (SRResNet, MSRResNet):
        with pytest.raises(UsageError, match=rf"upscale \(1\) of {arch.__name__} must be 2, 3 or 4"):
            arch(upscale=1)
    with pytest.raises(UsageError, match=r"num_in_ch \(4\) of MSRResNet must be 1 or equal to num_out_ch \(3\)"):
        MSRResNet(num_in_ch=4)
