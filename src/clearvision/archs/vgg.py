"""VGG16 and VGG19 up to any convolution, as networks whose features losses and metrics compare.

Paper: Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015,
       https://arxiv.org/abs/1409.1556 -- table 1, columns D and E.
Reference: torchvision, ``vgg16`` and ``vgg19`` (BSD-3-Clause). Parameter names follow it: ``features.0.weight`` ...

Layers are called ``conv<block>_<n>``, before the activation, and ``relu<block>_<n>``, after it. Their index in torchvision's
``features``, for the convolution (its activation follows it):

|       | block 1 | block 2 | block 3        | block 4        | block 5        |
| VGG16 | 0 2     | 5 7     | 10 12 14       | 17 19 21       | 24 26 28       |
| VGG19 | 0 2     | 5 7     | 10 12 14 16    | 19 21 23 25    | 28 30 32 34    |

Shapes: B batch; block k works on H / 2^(k-1) with 64, 128, 256, 512 and 512 channels.
"""

from __future__ import annotations

from collections.abc import Collection
from itertools import islice
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from clearvision.archs.pretrained import imagenet_normalised, load_weights
from clearvision.errors import ImageShapeError, ModelError, UsageError

VggName = Literal["vgg16", "vgg19"]

_CHANNELS = (64, 128, 256, 512, 512)
_CONVS = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}


def vgg_index(net: VggName) -> dict[str, int]:
    """Return the index of every named layer in torchvision's ``features``, in order."""
    index: dict[str, int] = {}
    position = 0
    for block, convs in enumerate(_CONVS[net], 1):
        for number in range(1, convs + 1):
            index[f"conv{block}_{number}"] = position
            index[f"relu{block}_{number}"] = position + 1
            position += 2
        position += 1  # the pooling
    return index


def vgg_layers(net: VggName, last: str) -> tuple[list[nn.Module], dict[str, int], int]:
    """Return the layers up to the one named, without memory, the index of each name, and the smallest side of a picture.

    Raises:
        UsageError: if the network has no such layer.
    """
    index = vgg_index(net)
    if last not in index:
        raise UsageError(f"layer '{last}' is unknown; {net} has {', '.join(index)}")
    layers: list[nn.Module] = []
    channels = 3
    with torch.device("meta"):  # no memory and no random numbers for values that a file replaces
        for width, convs in zip(_CHANNELS, _CONVS[net], strict=True):
            for _ in range(convs):
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
                channels = width
            layers.append(nn.MaxPool2d(2))
    kept = layers[: index[last] + 1]
    return kept, index, 1 << sum(isinstance(layer, nn.MaxPool2d) for layer in kept)


class VGGFeatures(nn.Module):
    """A frozen VGG whose input is normalised as it was trained: by ImageNet's mean and deviation.

    Args:
        weights: a file in torchvision's names, ``.pth`` or ``.safetensors``, also packed to eight bits
            (:mod:`clearvision.archs.pretrained`); tensors of the classifier are ignored.
        last: the last layer that will be asked for; what follows it is not loaded.
        net: ``vgg16`` or ``vgg19``.
        dtype: type to compute in, also under autocast. bfloat16 halves memory and, where the processor has it, time.

    Raises:
        UsageError: if the network or the layer is unknown.
        ModelError: if the file is missing, unreadable or of another network.
    """

    def __init__(
        self,
        weights: str | Path,
        *,
        last: str = "relu5_4",
        net: VggName = "vgg19",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        if net not in get_args(VggName):
            raise UsageError(f"feature network '{net}' is unknown; known: {', '.join(get_args(VggName))}")
        layers, index, _ = vgg_layers(net, last)
        path = Path(weights).expanduser()
        if not path.is_file():
            raise ModelError(f"the weights of {net} are not at '{path}'; give the path of a file in torchvision's names")
        self.index = {name: position for name, position in index.items() if position < len(layers)}
        self.dtype = dtype
        self.features = nn.Sequential(*layers)
        load_weights(self, path, net)
        self.to(dtype)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # where bfloat16 is several times faster

    def forward(self, image: Tensor, layers: Collection[str]) -> dict[str, Tensor]:
        """Return what the named layers put out, (B, C, h, w) each, for image (B, 3, H, W), RGB in [0, 1].

        Raises:
            UsageError: if a layer is unknown or was not loaded.
            ImageShapeError: if the picture is not RGB, or a side vanishes before the last of the layers.
        """
        names = self.names_by_index(layers)
        self._check_shape(image, last=max(names))
        found: dict[str, Tensor] = {}
        with torch.autocast(image.device.type, enabled=False):
            x = imagenet_normalised(image.float()).to(dtype=self.dtype, memory_format=torch.channels_last)
            for position, layer in enumerate(islice(self.features, max(names) + 1)):
                x = layer(x)
                if position in names:
                    found[names[position]] = x
        return found

    def names_by_index(self, layers: Collection[str]) -> dict[int, str]:
        """Return the layers' names by their index in ``features``.

        Raises:
            UsageError: if there are none, or one is unknown or was not loaded.
        """
        if not layers:
            raise UsageError("no layer is named; name one or more of " + ", ".join(self.index))
        for name in layers:
            if name not in self.index:
                raise UsageError(f"layer '{name}' is unknown; there are {', '.join(self.index)}")
        return {self.index[name]: name for name in layers}

    def _check_shape(self, image: Tensor, *, last: int) -> None:
        smallest = 1 << sum(isinstance(layer, nn.MaxPool2d) for layer in islice(self.features, last))
        if image.ndim != 4 or image.shape[1] != 3 or min(image.shape[-2:]) < smallest:
            raise ImageShapeError(
                f"VGG needs pictures (B, 3, H, W) of {smallest} pixels on each side for these layers, got {tuple(image.shape)}"
            )
