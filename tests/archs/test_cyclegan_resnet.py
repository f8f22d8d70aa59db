"""CycleGAN's ResNet generator: published counts, official names, outputs by formula."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from clearvision.archs import CycleGANResnet
from clearvision.errors import UsageError
from clearvision.types import SizeRequirements


@pytest.mark.parametrize(("num_block", "parameters"), [(9, 11_378_179), (6, 7_837_699)])
@pytest.mark.parametrize("upsampling", ["transposed", "resize"])
def test_parameter_count(formula: Any, num_block: int, upsampling: Any, parameters: int) -> None:  # noqa: ANN401
    assert formula.count(lambda: CycleGANResnet(num_block=num_block, upsampling=upsampling)) == parameters


def test_names_and_shapes_are_the_official_ones(formula: Any) -> None:  # noqa: ANN401
    kernels = {"1": (64, 3, 7, 7), "4": (128, 64, 3, 3), "7": (256, 128, 3, 3)}
    kernels |= {f"{10 + b}.conv_block.{layer}": (256, 256, 3, 3) for b in range(9) for layer in (1, 5)}
    kernels |= {"19": (256, 128, 3, 3), "22": (128, 64, 3, 3), "26": (3, 64, 7, 7)}
    expected: dict[str, tuple[int, ...]] = {f"model.{name}.weight": shape for name, shape in kernels.items()}
    expected |= {f"model.{name}.bias": (shape[1 if name in ("19", "22") else 0],) for name, shape in kernels.items()}
    assert formula.shapes(CycleGANResnet) == expected
    resized = formula.shapes(lambda: CycleGANResnet(upsampling="resize"))
    assert set(resized) == set(expected)
    assert resized["model.19.weight"] == (128, 256, 3, 3)


def normalised(x: Tensor) -> Tensor:
    mean, variance = x.mean((2, 3), keepdim=True), x.var((2, 3), keepdim=True, unbiased=False)
    return (x - mean) / (variance + 1e-5).sqrt()


def mirrored(x: Tensor, by: int) -> Tensor:
    rows = [*range(by, 0, -1), *range(x.shape[2]), *range(x.shape[2] - 2, x.shape[2] - 2 - by, -1)]
    columns = [*range(by, 0, -1), *range(x.shape[3]), *range(x.shape[3] - 2, x.shape[3] - 2 - by, -1)]
    return x[:, :, rows][:, :, :, columns]


def transcribed(weights: Any, lq: Tensor, blocks: int, *, resize: bool) -> Tensor:  # noqa: ANN401
    """The reference's forward, written down a second time, between the maps from and to [0, 1]."""
    x = normalised(weights.conv("model.1", mirrored(2 * lq - 1, 3), padding=0)).clamp(min=0)
    for name in ("model.4", "model.7"):
        x = normalised(weights.conv(name, x, stride=2)).clamp(min=0)
    for b in range(blocks):
        block = f"model.{10 + b}.conv_block"
        inner = normalised(weights.conv(f"{block}.1", mirrored(x, 1), padding=0)).clamp(min=0)
        x = x + normalised(weights.conv(f"{block}.5", mirrored(inner, 1), padding=0))
    for name in (f"model.{10 + blocks}", f"model.{13 + blocks}"):
        if resize:
            x = weights.conv(name, x.repeat_interleave(2, 2).repeat_interleave(2, 3))
        else:  # a transposed convolution is an ordinary one with the turned kernel over the picture spread by zeros
            spread = x.new_zeros(1, x.shape[1], 2 * x.shape[2], 2 * x.shape[3])
            spread[:, :, ::2, ::2] = x
            kernel = weights.state[f"{name}.weight"].transpose(0, 1).flip(2, 3)
            x = F.conv2d(spread, kernel, weights.state[f"{name}.bias"], padding=1)
        x = normalised(x).clamp(min=0)
    return (weights.conv(f"model.{17 + blocks}", mirrored(x, 3), padding=0).tanh() + 1) / 2


@pytest.mark.parametrize(
    ("resize", "golden"), [(False, (0.572125, 0.574254, 0.650833, 0.583670)), (True, (0.576167, 0.599598, 0.654071, 0.558837))]
)
def test_outputs_by_formula(formula: Any, resize: bool, golden: tuple[float, ...]) -> None:  # noqa: ANN401
    net = CycleGANResnet(num_feat=32, num_block=2, upsampling="resize" if resize else "transposed")
    weights, lq = formula.fill(net), formula.picture(3, 8, 12)
    expected = transcribed(weights, lq, 2, resize=resize)
    with torch.inference_mode():
        torch.testing.assert_close(net(lq), expected, rtol=0, atol=1e-9)
    found = torch.stack([expected.mean(), *expected[0, :, 4, 7]])
    torch.testing.assert_close(found, torch.tensor(golden, dtype=torch.float64), rtol=0, atol=1e-5)


def test_range_and_sizes() -> None:
    net = CycleGANResnet(num_feat=4, num_block=1).eval()
    assert net.facts().size == SizeRequirements(multiple=4, minimum=8)
    with torch.inference_mode():
        net.get_parameter("model.18.bias").fill_(50)
        assert float(net(torch.rand(1, 3, 8, 8)).max()) == 1.0


def test_refused_upsampling() -> None:
    with pytest.raises(UsageError, match="unknown upsampling 'nearest' of CycleGANResnet; known: transposed, resize"):
        CycleGANResnet(upsampling="nearest")  # type: ignore[arg-type]
