from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from clearvision.archs.vgg import VGGFeatures
from clearvision.errors import ImageShapeError, UsageError
from clearvision.losses import FEATURE_LOSSES
from clearvision.losses.perceptual import REAL_ESRGAN_LAYERS, PerceptualLoss, StyleLoss, gram_matrix
from clearvision.metrics.perceptual import Lpips

Pictures = Callable[[int, int], tuple[NDArray[np.uint8], NDArray[np.uint8]]]
Weights = Callable[[str, Mapping[str, tuple[int, ...]]], Path]

VGG19 = {0: 64, 2: 64, 5: 128, 7: 128, 10: 256, 12: 256, 14: 256, 16: 256} | dict.fromkeys((19, 21, 23, 25, 28, 30, 32, 34), 512)


def shapes(convolutions: Mapping[int, int]) -> dict[str, tuple[int, ...]]:
    weights = {
        f"features.{index}.weight": (width, previous, 3, 3)
        for (_, previous), (index, width) in pairwise([(-1, 3), *convolutions.items()])
    }
    return weights | {name.replace("weight", "bias"): shape[:1] for name, shape in weights.items()}


def to_tensor(picture: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255


@pytest.fixture
def features(make_weights: Weights) -> VGGFeatures:
    return VGGFeatures(make_weights("small", shapes({0: 64, 2: 64, 5: 128})), last="conv2_1")


def test_the_distance_of_torchvisions_network(pictures: Pictures, make_weights: Weights) -> None:
    gt, sr = (to_tensor(picture) for picture in pictures(48, 40))
    vgg = VGGFeatures(make_weights("vgg19", shapes(VGG19)))
    # torchvision's vgg19().features[:35], [:36] and [:25] with the same made-up weights
    expected = {"conv5_4": 0.008660723455250263, "relu5_4": 0.004432555288076401, "relu4_3": 0.03552747145295143}
    loss = PerceptualLoss(vgg, {"conv5_4": 2.0, "relu5_4": 3.0, "relu4_3": 5.0}, "mse")
    with torch.no_grad():
        found = {name: float(term) for name, term in loss.terms(sr, gt).items()}
        assert found == pytest.approx(expected, rel=1e-4)
        assert float(loss(sr, gt)) == pytest.approx(2 * found["conv5_4"] + 3 * found["relu5_4"] + 5 * found["relu4_3"])
    PerceptualLoss(vgg, REAL_ESRGAN_LAYERS)


def test_l1_and_squared_differences(features: VGGFeatures) -> None:
    sr, gt = torch.rand(2, 3, 8, 8), torch.rand(2, 3, 8, 8)
    a, b = features(sr, ["conv2_1"])["conv2_1"], features(gt, ["conv2_1"])["conv2_1"]
    torch.testing.assert_close(PerceptualLoss(features, {"conv2_1": 1.5})(sr, gt), 1.5 * (a - b).abs().mean())
    torch.testing.assert_close(PerceptualLoss(features, {"conv2_1": 1.5}, "mse")(sr, gt), 1.5 * (a - b).square().mean())


def test_unit_is_the_distance_that_evaluation_measures(pictures: Pictures, make_weights: Weights) -> None:
    file = make_weights("vgg19", shapes(VGG19))
    layers = dict.fromkeys(("relu1_2", "relu2_2", "relu3_4", "relu4_4", "relu5_4"), 1.0)
    gt, sr = pictures(48, 40)
    loss = PerceptualLoss(VGGFeatures(file), layers, "unit")
    assert float(loss(to_tensor(sr), to_tensor(gt))) == pytest.approx(Lpips("vgg19", weights=file)(sr, gt), rel=1e-4)
    dark = torch.zeros(1, 3, 32, 32, requires_grad=True)
    loss(dark, dark.detach()).backward()
    assert dark.grad is not None
    assert dark.grad.isfinite().all()


def test_style_is_the_difference_of_gram_matrices(features: VGGFeatures) -> None:
    sr, gt = torch.rand(2, 3, 8, 6), torch.rand(2, 3, 8, 6)
    a, b = (features(x, ["relu1_2"])["relu1_2"].double().numpy() for x in (sr, gt))
    grams = [np.einsum("bchw,bdhw->bcd", x, x) / (64 * 8 * 6) for x in (a, b)]
    expected = {"l1": np.abs(grams[0] - grams[1]).mean(), "mse": ((grams[0] - grams[1]) ** 2).mean()}
    for criterion in ("l1", "mse"):
        loss = StyleLoss(features, {"relu1_2": 2.0}, criterion)  # type: ignore[arg-type]
        assert float(loss(sr, gt)) == pytest.approx(2 * expected[criterion], rel=1e-4)


def test_style_does_not_care_where_things_are(features: VGGFeatures) -> None:
    maps = torch.randn(1, 5, 4, 4, dtype=torch.float64)
    shuffled = maps.flatten(2)[..., torch.randperm(16)].view(1, 5, 4, 4)
    torch.testing.assert_close(gram_matrix(shuffled), gram_matrix(maps))
    assert torch.autograd.gradcheck(gram_matrix, maps.requires_grad_())


@pytest.mark.parametrize("kind", FEATURE_LOSSES)
def test_what_every_feature_loss_must_do(kind: str, features: VGGFeatures) -> None:
    loss = FEATURE_LOSSES[kind](features, {"conv1_2": 0.1, "conv2_1": 1.0})
    sr, gt = torch.rand(2, 3, 12, 12, requires_grad=True), torch.rand(2, 3, 12, 12, requires_grad=True)
    value = loss(sr, gt)
    value.backward()
    assert value.shape == ()
    assert sr.grad is not None
    assert sr.grad.all()
    assert gt.grad is None
    with torch.no_grad():
        assert float(loss(gt, gt)) == 0
        torch.testing.assert_close(loss(sr.to(memory_format=torch.channels_last), gt), value)
        with torch.autocast("cpu", torch.bfloat16):
            torch.testing.assert_close(loss(sr, gt), value)
            assert loss(sr.bfloat16(), gt).dtype == torch.float32


@pytest.mark.parametrize("kind", FEATURE_LOSSES)
def test_refusals(kind: str, features: VGGFeatures) -> None:
    make = FEATURE_LOSSES[kind]
    with pytest.raises(UsageError, match="layer 'conv9_9' is unknown; there are conv1_1"):
        make(features, {"conv9_9": 1.0})
    with pytest.raises(UsageError, match="no layer is named"):
        make(features, {})
    with pytest.raises(UsageError, match="unknown criterion 'l2' of a feature loss; known: l1, mse"):
        make(features, {"conv1_2": 1.0}, "l2")  # type: ignore[arg-type]
    with pytest.raises(ImageShapeError, match="one shape"):
        make(features, {"conv1_2": 1.0})(torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 9))
