"""From a checkpoint to a PyTorch network and back."""

from __future__ import annotations

import inspect

import numpy as np
import torch
from torch import nn

from clearvision.archs import ARCHS
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


def network_weights(net: nn.Module) -> Weights:
    """Return a network's state dict as float32 arrays; re-parameterised branches are left out once folded."""
    folded = any(".eval_conv." in name for name in net.state_dict())
    kept = {
        name: value
        for name, value in net.state_dict().items()
        if not (folded and (".sk." in name or ".conv.0." in name or ".conv.1." in name or ".conv.2." in name))
    }
    return {name: value.detach().cpu().to(torch.float32).numpy().astype(np.float32, copy=True) for name, value in kept.items()}
