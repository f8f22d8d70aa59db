"""What a training step does: the only part that differs between kinds of training. Fidelity here, GANs beside.

Every objective's ``step`` shows the whole update: zero_grad, forward, losses, backward, update. It takes the batches of one
update (several where gradients are accumulated) and returns what is logged, as tensors, so that nothing waits for the device.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from clearvision.training.arithmetic import Arithmetic
from clearvision.training.batches import Batch
from clearvision.training.state import TrainState
from clearvision.training.teacher import Teacher
from clearvision.training.terms import Terms

Logs = dict[str, Tensor]


class Objective(Protocol):
    """One kind of training."""

    @property
    def columns(self) -> tuple[str, ...]:
        """What ``step`` may log."""
        ...

    def step(self, state: TrainState, batches: Sequence[Batch]) -> Logs:
        """Update the networks once, in place; return what is logged."""
        ...


@dataclass(frozen=True)
class FidelityObjective:
    """Bring sr close to gt.

    Args:
        arithmetic: precision, scaling, clipping.
        terms: what is minimised.
        net_g: the generator, compiled where the recipe says so.
        teacher: moves gt; None leaves it as it is.
    """

    arithmetic: Arithmetic
    terms: Terms
    net_g: nn.Module
    teacher: Teacher | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """What ``step`` may log."""
        return (*self.terms.names, "grad_norm")

    def step(self, state: TrainState, batches: Sequence[Batch]) -> Logs:
        """Update the generator once."""
        optimizer, logs = state.optimizers["g"], []
        optimizer.zero_grad(set_to_none=True)
        for batch in batches:
            with self.arithmetic.autocast():
                sr = self.net_g(batch.lq)
            gt = batch.gt if self.teacher is None else self.teacher.aim(batch.lq, batch.gt)
            terms = self.terms(sr.float(), gt)
            self.arithmetic.backward(total(terms.values()) / len(batches))
            logs.append(terms)
        norm = self.arithmetic.update(optimizer, [state.nets["g"]])
        state.scaler.update()
        return mean_logs(logs) | {"grad_norm": norm}


@dataclass(frozen=True)
class LikelihoodObjective:
    """Make gt likely given lq.

    Args:
        arithmetic: scaling and clipping; the likelihood itself is float32.
        net_g: a network with ``loss(lq, gt)``, minus the mean log-likelihood.
    """

    arithmetic: Arithmetic
    net_g: nn.Module

    @property
    def columns(self) -> tuple[str, ...]:
        """What ``step`` may log."""
        return ("loss/g_nll", "grad_norm")

    def step(self, state: TrainState, batches: Sequence[Batch]) -> Logs:
        """Update the flow once."""
        optimizer, logs = state.optimizers["g"], []
        optimizer.zero_grad(set_to_none=True)
        for batch in batches:
            loss = self.net_g.loss(batch.lq, batch.gt)  # type: ignore[operator]
            self.arithmetic.backward(loss / len(batches))
            logs.append({"loss/g_nll": loss})
        norm = self.arithmetic.update(optimizer, [state.nets["g"]])
        state.scaler.update()
        return mean_logs(logs) | {"grad_norm": norm}


def total(terms: Iterable[Tensor]) -> Tensor:
    """Return the sum of scalar losses."""
    return torch.stack(list(terms)).sum()


def mean_logs(logs: Sequence[Mapping[str, Tensor]]) -> Logs:
    """Return each logged figure's mean over the batches that have it, without gradients."""
    names = dict.fromkeys(name for row in logs for name in row)
    return {name: torch.stack([row[name].detach() for row in logs if name in row]).mean() for name in names}
