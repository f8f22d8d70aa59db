"""From a source to what a step learns from: on the device, sharpened and degraded as the recipe says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from clearvision.data.sources import Source
from clearvision.degradations.kernels import unsharp
from clearvision.degradations.pipeline import degrade
from clearvision.recipe import Recipe
from clearvision.training.distributed import Team
from clearvision.training.schedule import phase_at

_SAMPLES = 1 << 20  # numbers kept for the samples of one batch of all processes


@dataclass(frozen=True)
class Batch:
    """What one backward pass learns from, on its device, float32 RGB in [0, 1].

    Attributes:
        lq: (B, 3, h, w); domain A with unpaired data.
        gt: (B, 3, h * scale, w * scale), what losses compare with, sharpened where the recipe says so; domain B.
        real: as ``gt``, never sharpened: what discriminators take for real.
    """

    lq: Tensor
    gt: Tensor
    real: Tensor


@dataclass(frozen=True)
class Feeder:
    """Makes the batches of a step: a pure function of (seed, step, rank).

    Args:
        source: where crops come from.
        recipe: crop sizes, degradation, sharpening, accumulation.
        team: whose share of the batch is made.
    """

    source: Source
    recipe: Recipe
    team: Team

    def batches(self, step: int) -> list[Batch]:
        """Return the batches of one update."""
        count = self.recipe.train.accumulate
        return [self._batch(step, step * count + place) for place in range(count)]

    def _batch(self, step: int, number: int) -> Batch:
        source, rank, device = self.source, self.team.rank, self.team.device
        phase = phase_at(self.recipe.train.phases, step, self.recipe.train.total_steps)
        size = phase.batch_size
        drawn = source.batch(number, gt_size=phase.gt_size, batch_size=size, rank=rank, world=self.team.world)
        real = drawn.gt.to(device, non_blocking=True)
        gt = unsharp(real) if self.recipe.data.usm else real
        if drawn.lq is not None:
            return Batch(drawn.lq.to(device, non_blocking=True), gt, real)
        assert source.preset is not None  # a source without lq names its degradation
        first = number * _SAMPLES + rank * size
        lq = degrade(gt, source.preset, scale=source.scale, seed=source.seed, index=first)
        mixed, gt_mixed = source.mix(lq, gt, step=number, rank=rank)
        return Batch(mixed, gt_mixed, source.mix(lq, real, step=number, rank=rank)[1] if gt is not real else gt_mixed)


def seed_step(seed: int, step: int, rank: int) -> None:
    """Make what a step draws (dropout, noise) a function of (seed, step, rank), so that resuming needs no generator's state."""
    torch.manual_seed(int(np.random.SeedSequence((seed, step, rank)).generate_state(1, np.uint64)[0] >> 1))
