"""How a step computes: in which precision, with which loss scale, over which processes, and how far an update may go."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from clearvision.recipe import Train
from clearvision.training.distributed import Team, average_gradients

_TYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Arithmetic:
    """What the objectives share.

    Args:
        options: the recipe's section.
        team: who averages gradients.
        scaler: keeps small gradients of fp16 above zero; does nothing in other precisions.
    """

    options: Train
    team: Team
    scaler: torch.amp.GradScaler

    def autocast(self) -> torch.autocast:
        """Return the context in which networks run."""
        dtype = _TYPES[self.options.precision]
        return torch.autocast(self.team.device.type, dtype, enabled=dtype is not torch.float32)

    def backward(self, loss: Tensor) -> None:
        """Add the loss's gradients to what is there."""
        self.scaler.scale(loss).backward()

    def update(self, optimizer: torch.optim.Optimizer, nets: Sequence[nn.Module]) -> Tensor:
        """Average, clip and apply the gradients; return their norm before clipping."""
        parameters = [parameter for net in nets for parameter in net.parameters()]
        average_gradients(self.team, parameters)
        self.scaler.unscale_(optimizer)
        norm = nn.utils.clip_grad_norm_(parameters, self.options.clip_norm or math.inf)
        self.scaler.step(optimizer)  # left out where fp16 overflowed
        return norm


def new_scaler(options: Train, device: torch.device) -> torch.amp.GradScaler:
    """Return the loss scaler, which is switched off in any precision but fp16."""
    kind = device.type if device.type in ("cuda", "cpu") else "cpu"
    return torch.amp.GradScaler(kind, enabled=options.precision == "fp16")
