"""Numbers that are no longer finite: seen where the log is written, and undone by going back to the last good state.

What is kept: a copy of the whole state in memory, taken at each row of the log and each saved state when all losses and weights
are finite. What happens: the state is put back, the learning rate is multiplied by ``train.guard.factor`` for the rest of the
run, and the steps are done again with the same batches. A saved state is such a copy too, so a run that was killed and resumed
goes back to the same step as one that was not, and stays the same to the bit; only a stop on purpose (Ctrl-C, ``--max-time``)
adds a copy that the uninterrupted run does not have. After ``train.guard.give_up_after`` returns the run ends with an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from clearvision.errors import TrainingError
from clearvision.recipe import Guard
from clearvision.training.state import TrainState, copy_state, put_state


@dataclass
class Keeper:
    """Holds the last good state of a run.

    Args:
        options: the recipe's section.
        good: copy of the last good state; None until there is one.
    """

    options: Guard
    good: dict[str, Any] | None = None

    def keep(self, state: TrainState) -> None:
        """Remember a state that was found good."""
        self.good = copy_state(state)

    def go_back(self, state: TrainState) -> str:
        """Put the last good state back with a lower rate, and return what happened in a sentence.

        Raises:
            TrainingError: if it happened too often.
        """
        assert self.good is not None  # the state before the first step is kept
        step, rollbacks, scale = state.step, state.rollbacks + 1, state.rate_scale * self.options.factor
        if rollbacks > self.options.give_up_after:
            raise TrainingError(
                f"losses or weights are not finite at step {step}, after {rollbacks - 1} returns to a good state with lower "
                "rates; lower train.optimizer.rate, set train.precision=f32, or look at the pictures (clearvision data inspect)"
            )
        put_state(state, self.good)
        state.rollbacks, state.rate_scale = rollbacks, scale
        return (
            f"losses or weights were not finite at step {step}: back to step {state.step} with {scale:g} times the learning rate "
            f"(return {rollbacks} of at most {self.options.give_up_after})"
        )


def is_finite(state: TrainState, losses: Mapping[str, float]) -> bool:
    """Return whether all losses and all weights are finite; waits for the device."""
    if not all(abs(value) < float("inf") for name, value in losses.items() if name.startswith("loss/")):
        return False
    sums = [value.detach().abs().sum() for net in state.nets.values() for value in net.parameters()]
    return bool(torch.isfinite(torch.stack(sums)).all())
