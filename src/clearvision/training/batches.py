"""From a source to what a step learns from: on the device, sharpened and degraded as the recipe says."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from clearvision.data.sources import Batch as Drawn
from clearvision.data.sources import Source
from clearvision.degradations.kernels import unsharp
from clearvision.degradations.pipeline import degrade
from clearvision.recipe import Recipe
from clearvision.training.distributed import Team
from clearvision.training.schedule import phase_at

_SAMPLES = 1 << 20  # numbers kept for the samples of one batch of all processes
_AHEAD = 2  # batches


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


class Feeder:
    """Makes the batches of a step: a pure function of (seed, step, rank).

    Args:
        source: where crops come from.
        recipe: crop sizes, degradation, sharpening, accumulation.
        team: whose share of the batch is made.
        ahead: cut the next batch in a thread while the device computes; without one the processor would do both anyway.
    """

    def __init__(self, source: Source, recipe: Recipe, team: Team, *, ahead: bool = False) -> None:
        self.source, self._recipe, self._team = source, recipe, team
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="clearvision-batch") if ahead else None
        self._begun: dict[int, Future[Drawn]] = {}

    def batches(self, step: int) -> list[Batch]:
        """Return the batches of one update."""
        count = self._recipe.train.accumulate
        return [self._batch(number) for number in range(step * count, (step + 1) * count)]

    def close(self) -> None:
        """Stop working ahead."""
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)
        self.source.close()

    def _batch(self, number: int) -> Batch:
        source, rank, device, data = self.source, self._team.rank, self._team.device, self._recipe.data
        drawn = self._draw(number) if self._thread is None else self._take(number)
        real = drawn.gt.to(device, non_blocking=True)
        gt = unsharp(real) if data.usm else real
        if drawn.lq is not None and not (data.usm and data.layout == "hr"):
            return Batch(drawn.lq.to(device, non_blocking=True), gt, real)
        first = number * _SAMPLES + rank * len(gt)
        lq = degrade(gt, source.preset or "bicubic", scale=source.scale, seed=source.seed, index=first)
        if drawn.lq is not None:  # the source has mixed these already
            return Batch(lq, gt, real)
        mixed, gt_mixed = source.mix(lq, gt, step=number, rank=rank)
        return Batch(mixed, gt_mixed, source.mix(lq, real, step=number, rank=rank)[1] if data.usm else gt_mixed)

    def _draw(self, number: int) -> Drawn:
        train, team = self._recipe.train, self._team
        phase = phase_at(train.phases, number // train.accumulate, train.total_steps)
        drawn = self.source.batch(number, gt_size=phase.gt_size, batch_size=phase.batch_size, rank=team.rank, world=team.world)
        if team.device.type != "cuda" or drawn.gt.is_cuda:
            return drawn
        return Drawn(None if drawn.lq is None else drawn.lq.pin_memory(), drawn.gt.pin_memory())

    def _take(self, number: int) -> Drawn:
        """Return a batch that was begun before, and begin the next ones."""
        assert self._thread is not None
        for later in range(number, number + 1 + _AHEAD):
            if later not in self._begun:
                self._begun[later] = self._thread.submit(self._draw, later)
        for passed in [key for key in self._begun if not number <= key <= number + _AHEAD]:  # the run went back
            self._begun.pop(passed).cancel()
        return self._begun.pop(number).result()


def seed_step(seed: int, step: int, rank: int) -> None:
    """Make what a step draws (dropout, noise) a function of (seed, step, rank), so that resuming needs no generator's state."""
    torch.manual_seed(int(np.random.SeedSequence((seed, step, rank)).generate_state(1, np.uint64)[0] >> 1))
