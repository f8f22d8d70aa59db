"""From a checkpoint to a PyTorch network and back."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from clearvision.archs import ARCHS
from clearvision.archs.facts import ArchFacts
from clearvision.errors import ModelError
from clearvision.zoo.checkpoint import Checkpoint, Weights


def build_network(checkpoint: Checkpoint) -> nn.Module:
    """Return the checkpoint's network with its weights, strictly loaded, in evaluation mode, on the CPU.

    Raises:
        ModelError: if the network is unknown, its arguments do not fit it, or tensors are missing, left over or misshapen.
    """
    info = checkpoint.info
    if info.arch not in ARCHS:
        raise ModelError(f"model '{info.name}' needs the unknown network '{info.arch}'; known: {', '.join(sorted(ARCHS))}")
    known = inspect.signature(ARCHS[info.arch]).parameters
    if unknown := [name for name in info.hyper if name not in known]:
        raise ModelError(f"model '{info.name}': network {info.arch} has no argument {', '.join(unknown)}")
    net = ARCHS[info.arch](**info.hyper)
    try:
        net.load_state_dict({name: torch.from_numpy(value) for name, value in checkpoint.weights.items()})
    except RuntimeError as error:
        raise ModelError(f"model '{info.name}' does not fit network {info.arch}: {' '.join(str(error).split())}") from error
    return net.eval()


def stated_shapes(arch: str, hyper: dict[str, Any]) -> tuple[dict[str, tuple[int, ...]], ArchFacts]:
    """Return the shape of every tensor that a network needs, by name, and the network's facts, without filling any memory.

    Raises:
        ModelError: if the network does not take the arguments.
    """
    try:
        with _Valueless():
            net = ARCHS[arch](**hyper)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ModelError(f"network {arch} does not take {hyper}: {error}") from error
    return {name: tuple(value.shape) for name, value in net.state_dict().items()}, net.facts()  # type: ignore[operator]


def own_tables(arch: str, hyper: dict[str, Any]) -> dict[str, np.ndarray]:
    """Return what a network computes by itself and yet keeps in its state, such as tables of positions in a window, by name."""
    with _Valueless():
        net = ARCHS[arch](**hyper)
    return {name: value.numpy() for name, value in net.named_buffers() if not value.is_meta}


class _Valueless(TorchFunctionMode):
    """Gives layers parameters without memory, whatever sizes a file made up, and skips what would only write values into them.

    Not ``torch.device("meta")``: that computes index tables on "meta" too, for which PyTorch loads its compiler, in seconds.
    """

    _SHAPING = frozenset(("requires_grad_", "detach_", "unsqueeze_", "squeeze_", "transpose_", "t_", "resize_", "set_"))

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401
        name = getattr(func, "__name__", "")
        if func is torch.empty:
            return func(*args, **{**(kwargs or {}), "device": "meta"})
        if name.endswith("_") and not name.endswith("__") and name not in self._SHAPING and args and args[0].is_meta:
            return args[0]
        return func(*args, **(kwargs or {}))


def network_weights(net: nn.Module) -> Weights:
    """Return a network's state dict as float32 arrays; re-parameterised branches are left out once folded."""
    folded = any(".eval_conv." in name for name in net.state_dict())
    kept = {
        name: value
        for name, value in net.state_dict().items()
        if not (folded and (".sk." in name or ".conv.0." in name or ".conv.1." in name or ".conv.2." in name))
    }
    return {name: value.detach().cpu().to(torch.float32).numpy().astype(np.float32, copy=True) for name, value in kept.items()}
