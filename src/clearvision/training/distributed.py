"""Several processes as one: what ``torchrun`` started, and the few things that its processes must do together.

Gradients are averaged by hand after the backward pass instead of by wrapping networks in ``DistributedDataParallel``: nets and
discriminators may then be frozen, accumulated and compiled as in one process, and the loop reads the same.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import distributed, nn

from clearvision.errors import TrainingError


@dataclass(frozen=True)
class Team:
    """Which process this is, of how many, and what it computes on."""

    rank: int
    world: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether this process writes files and talks."""
        return self.rank == 0


@contextmanager
def join_team(device: str) -> Iterator[Team]:
    """Join the processes that ``torchrun`` started, or be alone; leave them at the end.

    Raises:
        TrainingError: if the device is not available here.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    chosen = _device(device)
    if world == 1:
        yield Team(0, 1, chosen)
        return
    if chosen.type == "cuda":
        chosen = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(chosen)
    distributed.init_process_group("cpu:gloo,cuda:nccl" if chosen.type == "cuda" else "gloo")
    try:
        yield Team(distributed.get_rank(), world, chosen)
    finally:
        distributed.destroy_process_group()


def share_start(team: Team, nets: Iterable[nn.Module]) -> None:
    """Give every process the first one's parameters and buffers."""
    if team.world > 1:
        for net in nets:
            for tensor in net.state_dict().values():
                distributed.broadcast(tensor, src=0)


def average_gradients(team: Team, parameters: Iterable[nn.Parameter]) -> None:
    """Replace gradients by their mean over the processes, all in one message."""
    if team.world == 1:
        return
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if gradients:
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
        distributed.all_reduce(flat)
        flat /= team.world
        for gradient, part in zip(gradients, flat.split([gradient.numel() for gradient in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))


def average_logs(team: Team, logs: Mapping[str, float]) -> dict[str, float]:
    """Return each figure's mean over the processes."""
    if team.world == 1:
        return dict(logs)
    values = torch.tensor([logs[name] for name in sorted(logs)], dtype=torch.float64)
    distributed.all_reduce(values)
    return dict(zip(sorted(logs), (values / team.world).tolist(), strict=True))


def any_of(team: Team, flag: bool) -> bool:
    """Return whether the flag is raised in any process: all must stop, or go back, at the same step."""
    if team.world == 1:
        return flag
    raised = torch.tensor([float(flag)])
    distributed.all_reduce(raised)
    return bool(raised.item())


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not available.get(name, False):
        usable = ", ".join(key for key, value in available.items() if value)
        raise TrainingError(f"device '{name}' is not available here; usable: auto, {usable}")
    return torch.device(name)
