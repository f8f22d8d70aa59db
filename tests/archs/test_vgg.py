"""VGG as a feature network, and the reading of files of weights that others published."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

from clearvision.archs.pretrained import read_state
from clearvision.archs.vgg import VGGFeatures, vgg_index
from clearvision.errors import ImageShapeError, ModelError, UsageError

Weights = Callable[[str, Mapping[str, tuple[int, ...]]], Path]

# the first two blocks, with torchvision's names
SHAPES = {
    **{"features.0.weight": (64, 3, 3, 3), "features.2.weight": (64, 64, 3, 3)},
    **{"features.5.weight": (128, 64, 3, 3), "features.7.weight": (128, 128, 3, 3)},
    **{"features.0.bias": (64,), "features.2.bias": (64,), "features.5.bias": (128,), "features.7.bias": (128,)},
}


@pytest.fixture
def weights(make_weights: Weights) -> Path:
    return make_weights("vgg", SHAPES)


@pytest.fixture
def vgg(weights: Path) -> VGGFeatures:
    return VGGFeatures(weights, last="relu2_2")


# torchvision's vgg16().features and vgg19().features: where the convolutions are; poolings follow 3, 8, 15 (16: 17) ...
VGG16 = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
VGG19 = (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34)


@pytest.mark.parametrize(("net", "convolutions", "names"), [("vgg16", VGG16, (2, 2, 3, 3, 3)), ("vgg19", VGG19, (2, 2, 4, 4, 4))])
def test_layers_have_torchvisions_numbers(net: str, convolutions: tuple[int, ...], names: tuple[int, ...]) -> None:
    expected = [f"{block}_{number}" for block, count in enumerate(names, 1) for number in range(1, count + 1)]
    index = vgg_index(net)  # type: ignore[arg-type]
    assert {name: index[f"conv{name}"] for name in expected} == dict(zip(expected, convolutions, strict=True))
    assert {name: index[f"relu{name}"] - 1 for name in expected} == dict(zip(expected, convolutions, strict=True))
    assert len(index) == 2 * len(expected)


def test_features_are_those_of_plain_convolutions(vgg: VGGFeatures, weights: Path) -> None:
    state = load_file(weights)
    image = torch.rand(2, 3, 9, 10)
    x = (image - torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)) / torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    expected = {}
    for index, name in ((0, "1_1"), (2, "1_2"), (5, "2_1"), (7, "2_2")):
        if index == 5:
            x = F.max_pool2d(x, 2)
        x = F.conv2d(x, state[f"features.{index}.weight"], state[f"features.{index}.bias"], padding=1)
        expected[f"conv{name}"] = x
        x = F.relu(x)
        expected[f"relu{name}"] = x
    found = vgg(image, list(expected))
    assert list(found) == list(expected)
    for name, maps in expected.items():
        torch.testing.assert_close(found[name], maps)


def test_only_what_is_asked_for_is_computed_and_kept(vgg: VGGFeatures) -> None:
    assert [tuple(maps.shape) for maps in vgg(torch.rand(1, 3, 8, 8), ["conv1_2"]).values()] == [(1, 64, 8, 8)]
    assert list(vgg.state_dict()) == [f"features.{i}.{part}" for i in (0, 2, 5, 7) for part in ("weight", "bias")]
    vgg(torch.rand(1, 3, 1, 1), ["conv1_2"])  # before the first pooling one pixel will do


def test_the_network_is_frozen_and_the_picture_is_not(vgg: VGGFeatures) -> None:
    assert not any(parameter.requires_grad for parameter in vgg.parameters())
    image = torch.rand(1, 3, 8, 8, requires_grad=True)
    vgg(image, ["conv2_2"])["conv2_2"].square().sum().backward()
    assert image.grad is not None
    assert image.grad.all()


def test_autocast_does_not_lower_the_precision(vgg: VGGFeatures) -> None:
    image = torch.rand(1, 3, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        found = vgg(image, ["conv2_2"])["conv2_2"]
    assert torch.equal(found, vgg(image, ["conv2_2"])["conv2_2"])


def test_bfloat16_on_request(weights: Path, vgg: VGGFeatures) -> None:
    image = torch.rand(1, 3, 8, 8)
    low = VGGFeatures(weights, last="conv2_2", dtype=torch.bfloat16)(image, ["conv2_2"])["conv2_2"]
    assert low.dtype == torch.bfloat16
    expected = vgg(image, ["conv2_2"])["conv2_2"]
    assert 0 < float((low.float() - expected).abs().mean()) < 0.01 * float(expected.abs().mean())


def test_a_file_packed_to_eight_bits_is_read(weights: Path, tmp_path: Path, vgg: VGGFeatures) -> None:
    packed = {}
    for name, value in load_file(weights).items():
        if not name.endswith("weight"):
            packed[name] = value
            continue
        low, scale = value.min(), (value.max() - value.min()) / 255
        packed[name] = ((value - low) / scale).round().byte()
        packed |= {f"{name}.scale": scale.view(1), f"{name}.min": low.view(1)}
    save_file(packed, tmp_path / "packed.safetensors")
    read = read_state(tmp_path / "packed.safetensors")
    assert set(read) == set(SHAPES)
    for name, value in load_file(weights).items():
        step = float(packed[f"{name}.scale"]) if f"{name}.scale" in packed else 0
        assert float((read[name] - value).abs().max()) <= 0.51 * step
    image = torch.rand(1, 3, 8, 8)
    found = VGGFeatures(tmp_path / "packed.safetensors", last="conv2_2")(image, ["conv2_2"])["conv2_2"]
    torch.testing.assert_close(found, vgg(image, ["conv2_2"])["conv2_2"], rtol=0.1, atol=0.1)


def test_files_that_will_not_do(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"the weights of vgg19 are not at '.*absent\.pth'; give the path"):
        VGGFeatures(tmp_path / "absent.pth")
    with pytest.raises(ModelError, match=r"does not hold the weights of vgg19: it has no tensor 'features\.10\.weight'"):
        VGGFeatures(weights, last="conv3_1")
    bare = {name: value.byte() for name, value in load_file(weights).items()}
    save_file(bare, tmp_path / "bare.safetensors")
    with pytest.raises(ModelError, match=r"holds 'features\.0\.weight' as uint8 without 'features\.0\.weight\.scale'"):
        VGGFeatures(tmp_path / "bare.safetensors", last="conv2_2")
    save_file(bare | {"features.0.weight.scale": torch.ones(1)}, tmp_path / "half.safetensors")
    with pytest.raises(ModelError, match=r"packed to eight bits but has no tensor 'features\.0\.weight\.min'"):
        VGGFeatures(tmp_path / "half.safetensors", last="conv2_2")


def test_refusals(vgg: VGGFeatures, weights: Path) -> None:
    with pytest.raises(UsageError, match=r"layer 'conv3_1' is unknown; there are conv1_1, relu1_1, .*relu2_2$"):
        vgg(torch.rand(1, 3, 8, 8), ["conv3_1"])
    with pytest.raises(UsageError, match="layer 'conv6_1' is unknown; vgg19 has conv1_1"):
        VGGFeatures(weights, last="conv6_1")
    with pytest.raises(UsageError, match="feature network 'vgg11' is unknown; known: vgg16, vgg19"):
        VGGFeatures(weights, net="vgg11")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="no layer is named; name one or more of conv1_1"):
        vgg(torch.rand(1, 3, 8, 8), [])
    with pytest.raises(ImageShapeError, match=r"\(B, 3, H, W\) of 2 pixels on each side for these layers, got \(1, 3, 8, 1\)"):
        vgg(torch.rand(1, 3, 8, 1), ["conv2_1"])
    with pytest.raises(ImageShapeError, match=r"got \(1, 1, 8, 8\)"):
        vgg(torch.rand(1, 1, 8, 8), ["conv1_1"])
