import shutil
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file

from clearvision.archs.vgg import VGGFeatures
from clearvision.errors import ImageShapeError, ModelError, UsageError
from clearvision.metrics.perceptual import Lpips, Vgg19Distance

Pictures = Callable[[int, int], tuple[NDArray[np.uint8], NDArray[np.uint8]]]
Weights = Callable[[str, Mapping[str, tuple[int, ...]]], Path]

Shapes = dict[str, tuple[int, ...]]

ALEXNET: Shapes = {
    "features.0.weight": (64, 3, 11, 11),
    "features.3.weight": (192, 64, 5, 5),
    "features.6.weight": (384, 192, 3, 3),
    "features.8.weight": (256, 384, 3, 3),
    "features.10.weight": (256, 256, 3, 3),
}


def vgg(convs: dict[int, int]) -> Shapes:
    """Shapes of VGG's convolutions from their index to their channels out."""
    return {
        f"features.{index}.weight": (width, previous, 3, 3)
        for (_, previous), (index, width) in pairwise([(-1, 3), *convs.items()])
    }


VGG16 = vgg({0: 64, 2: 64, 5: 128, 7: 128, 10: 256, 12: 256, 14: 256, 17: 512, 19: 512, 21: 512, 24: 512, 26: 512, 28: 512})
VGG19 = vgg(
    {0: 64, 2: 64, 5: 128, 7: 128, 10: 256, 12: 256, 14: 256, 16: 256} | dict.fromkeys((19, 21, 23, 25, 28, 30, 32, 34), 512)
)


def with_biases(weights: Shapes) -> Shapes:
    return weights | {name.replace("weight", "bias"): shape[:1] for name, shape in weights.items()}


@pytest.mark.parametrize(
    ("net", "weights", "colour", "grey"),
    [
        # lpips 0.1.4 over torchvision's networks with the same made-up weights
        ("alex", ALEXNET, 0.004811440594494343, 0.004870492033660412),
        ("vgg", VGG16, 0.010323522612452507, 0.011638197116553783),
    ],
)
def test_lpips_of_the_reference(
    pictures: Pictures, make_weights: Weights, net: Literal["alex", "vgg"], weights: Shapes, colour: float, grey: float
) -> None:
    gt, sr = pictures(48, 40)
    lpips = Lpips(net, weights=make_weights(net, with_biases(weights)))
    assert lpips(sr, gt) == pytest.approx(colour, rel=1e-4)
    assert lpips(sr[:, :, 1], gt[:, :, 1]) == pytest.approx(grey, rel=1e-4)
    assert lpips(gt, gt) == 0


def test_vgg19_distance_of_the_reference(pictures: Pictures, make_weights: Weights) -> None:
    gt, sr = pictures(48, 40)
    path = make_weights("vgg19", with_biases(VGG19))
    # torchvision's vgg19().features[:35], [:36] and [:25] with the same made-up weights
    expected = {"conv5_4": 0.008660723455250263, "relu5_4": 0.004432555288076401, "relu4_3": 0.03552747145295143}
    found = {layer: Vgg19Distance(weights=path, layer=layer)(sr, gt) for layer in expected}
    assert found == pytest.approx(expected, rel=1e-4)


def test_over_vgg19_every_channel_counts_alike(pictures: Pictures, make_weights: Weights) -> None:
    gt, sr = pictures(48, 40)
    path = make_weights("vgg19", with_biases(VGG19))
    layers = ("relu1_2", "relu2_2", "relu3_4", "relu4_4", "relu5_4")
    features = VGGFeatures(path)
    seen = [features(torch.from_numpy(picture.transpose(2, 0, 1)[None] / np.float32(255)), layers) for picture in (sr, gt)]
    cosines = [torch.cosine_similarity(*(maps[layer].double() for maps in seen), dim=1).mean() for layer in layers]
    expected = sum(2 - 2 * float(cosine) for cosine in cosines)  # of vectors of length 1, their squared distance
    assert Lpips("vgg19", weights=path)(sr, gt) == pytest.approx(expected, rel=1e-4)


@pytest.fixture
def alexnet(make_weights: Weights) -> Path:
    return make_weights("alexnet", with_biases(ALEXNET))


def test_a_pth_file_of_half_precision_with_more_in_it(pictures: Pictures, alexnet: Path) -> None:
    gt, sr = pictures(48, 40)
    state = {name: torch.from_numpy(values).half() for name, values in load_file(alexnet).items()}
    torch.save(state | {"classifier.1.weight": torch.zeros(2, 2)}, alexnet.with_suffix(".pth"))
    assert Lpips(weights=alexnet.with_suffix(".pth"))(sr, gt) == pytest.approx(Lpips(weights=alexnet)(sr, gt), rel=1e-2)


def test_weights_of_the_cache_are_found(
    pictures: Pictures, alexnet: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(ModelError, match="the weights of alexnet are not on this machine; put https://"):
        Lpips()
    cached = tmp_path / "clearvision" / "backbones" / "alexnet-owt-7be5be79.pth"
    cached.parent.mkdir(parents=True)
    torch.save({name: torch.from_numpy(values) for name, values in load_file(alexnet).items()}, cached)
    gt, sr = pictures(48, 40)
    assert Lpips()(sr, gt) == pytest.approx(0.004811440594494343, rel=1e-4)


def test_building_a_network_draws_no_random_numbers(alexnet: Path) -> None:
    before = torch.get_rng_state()
    Lpips(weights=alexnet)
    assert torch.equal(before, torch.get_rng_state())


class Harmful:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return (Path("harmed").touch, ())


def test_files_that_are_not_these_weights(alexnet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"x": Harmful()}, "harmful.pth")
    torch.save([1, 2], "list.pth")
    Path("text.pth").write_text("weights")
    Path("empty.pth").touch()
    Path("text.safetensors").write_text("weights")
    shutil.copy(alexnet, "alexnet.bin")
    for name in ("harmful.pth", "text.pth", "empty.pth", "text.safetensors", "alexnet.bin"):
        with pytest.raises(ModelError, match=f"'{name}' is not a readable file of weights"):
            Lpips(weights=name)
    assert not Path("harmed").exists()
    with pytest.raises(ModelError, match=r"'list\.pth' is not a plain state dict"):
        Lpips(weights="list.pth")
    with pytest.raises(
        ModelError, match=r"does not hold the weights of vgg16: .*'features\.0\.weight'.* \(64, 3, 11, 11\), not \("
    ):
        Lpips("vgg", weights=alexnet)
    torch.save({"features.0.weight": torch.zeros(64, 3, 11, 11)}, "part.pth")
    with pytest.raises(ModelError, match=r"does not hold the weights of alexnet: it has no tensor 'features\.0\.bias'"):
        Lpips(weights="part.pth")


def test_what_cannot_be_compared(pictures: Pictures, alexnet: Path) -> None:
    gt, _ = pictures(48, 40)
    lpips = Lpips(weights=alexnet)
    with pytest.raises(ImageShapeError, match="one shape"):
        lpips(gt, gt[1:])
    with pytest.raises(ImageShapeError, match="needs 31 pixels on each side, the picture has 30x48"):
        lpips(gt[:, :30], gt[:, :30])
    assert lpips(gt[:31, :31], gt[:31, :31]) == 0
    with pytest.raises(ImageShapeError, match="got float64"):
        lpips(gt / 255, gt / 255)
    with pytest.raises(UsageError, match="LPIPS network 'squeeze' is unknown; known: alex, vgg"):
        Lpips("squeeze")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"layer 'conv6_1' is unknown; vgg19 has conv1_1, relu1_1"):
        Vgg19Distance(layer="conv6_1")
