"""Networks whose weights others published: reading their files, and taking the outputs of layers on the way.

A file is a state dict in torchvision's names, ``.pth`` or ``.safetensors``. Weights of a safetensors file may be packed to eight
bits: beside ``x`` of unsigned bytes it then has ``x.scale`` and ``x.min``, and the value is ``byte * scale + min``.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from clearvision.errors import ModelError

# ImageNet's RGB in [0, 1]; the scaling layer of LPIPS v0.1, written for [-1, 1], is the same
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)


class FeatureChain(nn.Module):
    """A chain of layers, named as torchvision names them, that yields what some of them put out."""

    def __init__(self, layers: list[nn.Module], taps: tuple[int, ...]) -> None:
        super().__init__()
        self.features = nn.Sequential(*layers)
        self._taps = taps

    def forward(self, x: Tensor) -> Iterator[Tensor]:
        """Yield the output (B, C, h, w) of each tapped layer for x (B, 3, H, W), one after the other to save memory."""
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in self._taps:
                yield x


def imagenet_normalised(image: Tensor) -> Tensor:
    """Return image (B, 3, H, W), RGB in [0, 1], less ImageNet's mean and over its deviation."""
    mean, deviation = (
        torch.tensor(values, device=image.device, dtype=image.dtype).view(1, 3, 1, 1)
        for values in (IMAGENET_MEAN, IMAGENET_DEVIATION)
    )
    return (image - mean) / deviation


def read_state(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a ``.safetensors`` or ``.pth`` file as float32 on the CPU; no code in the file is run.

    Raises:
        ModelError: if the file is not readable, or is not a plain state dict.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        reason = str(error).strip().split("\n")[0]
        raise ModelError(f"'{path}' is not a readable file of weights ({reason})") from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ModelError(f"'{path}' is not a plain state dict of tensors")
    return {name: value.float() if value.is_floating_point() else value for name, value in _unpacked(state, path).items()}


def load_weights(net: nn.Module, path: Path, name: str) -> None:
    """Put a file's tensors into a network made on the ``meta`` device, and freeze it; tensors it does not have are ignored.

    Raises:
        ModelError: if a tensor is missing or has another shape; the text names it.
    """
    state = read_state(path)
    for key, parameter in net.named_parameters():
        if key not in state:
            raise ModelError(f"'{path}' does not hold the weights of {name}: it has no tensor '{key}'")
        if state[key].shape != parameter.shape:
            found, wanted = tuple(state[key].shape), tuple(parameter.shape)
            raise ModelError(f"'{path}' does not hold the weights of {name}: '{key}' has shape {found}, not {wanted}")
        if not state[key].is_floating_point():
            raise ModelError(
                f"'{path}' holds '{key}' as {str(state[key].dtype).removeprefix('torch.')} without '{key}.scale' and "
                f"'{key}.min'; convert the file to floating-point numbers first"
            )
    known = net.state_dict().keys()
    net.load_state_dict({key: value for key, value in state.items() if key in known}, assign=True)
    net.eval().requires_grad_(False)


def _unpacked(state: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Return the state with eight-bit tensors expanded, and without their scales."""
    packed = [name for name, value in state.items() if value.dtype == torch.uint8 and f"{name}.scale" in state]
    rest = dict(state)
    for name in packed:
        scale, low = rest.pop(f"{name}.scale"), rest.pop(f"{name}.min", None)
        if low is None:
            raise ModelError(f"'{path}' is packed to eight bits but has no tensor '{name}.min'")
        rest[name] = state[name].float() * scale.float() + low.float()
    return rest
