"""Distances between the features that pre-trained networks see in two pictures: LPIPS and VGG19. Needs the ``torch`` extra.

Papers: Zhang, Isola, Efros, Shechtman and Wang, "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", CVPR
        2018 -- section 3, equation 1; Ledig et al., "Photo-Realistic Single Image Super-Resolution Using a Generative
        Adversarial Network", CVPR 2017 -- section 2.2.1, equation 5.
Reference: richzhang/PerceptualSimilarity, version 0.1 (BSD-2-Clause), whose channel weights are in ``data/``.

The networks' own weights are files in torchvision's state-dict names (``features.0.weight`` ...); see
:mod:`clearvision.metrics.backbones`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from clearvision.errors import ImageShapeError, MissingExtraError, UsageError
from clearvision.metrics.backbones import find_backbone

try:
    import torch
    from torch import Tensor, nn

    from clearvision.archs.pretrained import FeatureChain, imagenet_normalised, load_weights, read_state
    from clearvision.archs.vgg import vgg_layers
except ImportError as error:
    raise MissingExtraError(
        f"LPIPS, the VGG19 distance and FID need PyTorch, which cannot be imported ({error}); pip install 'clearvision[torch]'"
    ) from error

_HEADS = Path(__file__).parent / "data" / "lpips_heads.safetensors"
_BACKBONES: dict[str, Literal["alexnet", "vgg16", "vgg19"]] = {"alex": "alexnet", "vgg": "vgg16", "vgg19": "vgg19"}
_ALEXNET_TAPS = (1, 4, 7, 9, 11)
_VGG_TAPS = {
    "vgg16": ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3"),
    "vgg19": ("relu1_2", "relu2_2", "relu3_4", "relu4_4", "relu5_4"),
}
_ALEXNET_SMALLEST = 31  # below it the second pooling has nothing left


class Lpips:
    """LPIPS v0.1 with the published channel weights; lower is nearer, equal pictures have 0.

    Args:
        net: the network: ``alex``, which papers report most, ``vgg``, VGG16, or ``vgg19``, for which no channel weights were
            learned: all are 1, as in the authors' uncalibrated distance, and its values are not LPIPS.
        weights: its file, ``.pth`` or ``.safetensors``; None takes the official one in the user's cache.
        device: PyTorch's name of the device.

    Raises:
        UsageError: if the network is unknown.
        ModelError: if the file is missing, unreadable or of another network.
    """

    def __init__(
        self, net: Literal["alex", "vgg", "vgg19"] = "alex", *, weights: str | Path | None = None, device: str = "cpu"
    ) -> None:
        if net not in _BACKBONES:
            raise UsageError(f"LPIPS network '{net}' is unknown; known: {', '.join(_BACKBONES)}")
        backbone = _BACKBONES[net]
        if backbone == "alexnet":
            layers, taps, smallest = _alexnet_layers(), _ALEXNET_TAPS, _ALEXNET_SMALLEST
        else:
            layers, index, smallest = vgg_layers(backbone, _VGG_TAPS[backbone][-1])
            taps = tuple(index[name] for name in _VGG_TAPS[backbone])
        self._smallest = smallest
        self._device = device
        self._features = FeatureChain(layers, taps)
        load_weights(self._features, find_backbone(backbone, weights), backbone)
        self._features.to(device)
        heads = read_state(_HEADS)
        alike = torch.ones(1)  # for a network that has none
        self._heads = [heads.get(f"{net}.{layer}", alike).view(1, -1, 1, 1).to(device) for layer in range(len(taps))]

    @torch.inference_mode()
    def __call__(self, a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
        """Return the distance of two pictures, (H, W) or (H, W, 1 or 3), uint8, RGB; grey is shown as RGB.

        Raises:
            ImageShapeError: if they are not uint8 of one shape and one or three channels, or too small for the network.
        """
        pair = imagenet_normalised(_pair_to_batch(a, b, self._smallest).to(self._device))
        total = 0.0
        for head, maps in zip(self._heads, self._features(pair), strict=True):
            unit = maps / (maps.square().sum(1, keepdim=True).sqrt() + 1e-10)
            total += float((head * (unit[:1] - unit[1:]).square()).sum(1).mean())
        return total


class Vgg19Distance:
    """Mean squared difference of one layer's features in VGG19, the content loss of SRGAN and its followers.

    Its size depends on the file of weights as well as on the layer: values of different files cannot be compared.

    Args:
        weights: the file, ``.pth`` or ``.safetensors``; None takes the official one in the user's cache.
        layer: ``conv<block>_<n>``, before the activation, or ``relu<block>_<n>``, after it.
        device: PyTorch's name of the device.

    Raises:
        UsageError: if there is no such layer.
        ModelError: if the file is missing, unreadable or of another network.
    """

    def __init__(self, *, weights: str | Path | None = None, layer: str = "conv5_4", device: str = "cpu") -> None:
        layers, index, self._smallest = vgg_layers("vgg19", layer)
        self._device = device
        self._features = FeatureChain(layers, (index[layer],))
        load_weights(self._features, find_backbone("vgg19", weights), "vgg19")
        self._features.to(device)

    @torch.inference_mode()
    def __call__(self, a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
        """Return the distance of two pictures; see :meth:`Lpips.__call__`."""
        pair = imagenet_normalised(_pair_to_batch(a, b, self._smallest).to(self._device))
        (maps,) = self._features(pair)
        return float((maps[0] - maps[1]).square().mean())


def picture_to_tensor(image: NDArray[np.uint8]) -> Tensor:
    """Return (1, 3, H, W) float32, RGB in [0, 1], of a picture (H, W) or (H, W, 1 or 3), uint8; grey is shown as RGB.

    Raises:
        ImageShapeError: if it is anything else.
    """
    if image.dtype != np.uint8 or not (image.ndim == 2 or (image.ndim == 3 and image.shape[2] in (1, 3))):
        raise ImageShapeError(f"perceptual metrics take uint8 (H, W) or (H, W, 1 or 3), got {image.dtype} of {image.shape}")
    planes = image.reshape(*image.shape[:2], -1).transpose(2, 0, 1).astype(np.float32) / np.float32(255)
    return torch.from_numpy(np.ascontiguousarray(planes))[None].expand(1, 3, -1, -1)


def _alexnet_layers() -> list[nn.Module]:
    with torch.device("meta"):  # no memory and no random numbers for values that a file replaces
        return [
            *(nn.Conv2d(3, 64, 11, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(3, stride=2)),
            *(nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, stride=2)),
            *(nn.Conv2d(192, 384, 3, padding=1), nn.ReLU()),
            *(nn.Conv2d(384, 256, 3, padding=1), nn.ReLU()),
            *(nn.Conv2d(256, 256, 3, padding=1), nn.ReLU()),
        ]


def _pair_to_batch(a: NDArray[np.uint8], b: NDArray[np.uint8], smallest: int) -> Tensor:
    if a.shape != b.shape:
        raise ImageShapeError(f"perceptual metrics compare pictures of one shape, got {a.shape} and {b.shape}")
    pair = torch.cat((picture_to_tensor(a), picture_to_tensor(b)))
    if min(pair.shape[-2:]) < smallest:
        raise ImageShapeError(f"this network needs {smallest} pixels on each side, the picture has {a.shape[1]}x{a.shape[0]}")
    return pair
