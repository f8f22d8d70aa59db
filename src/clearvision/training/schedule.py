"""Learning rates and phases as pure functions of the step, so that resuming needs no schedule state."""

from __future__ import annotations

import math
from typing import assert_never

from clearvision.recipe import (
    CosineRestartsSchedule,
    CosineSchedule,
    LinearSchedule,
    MultiStepSchedule,
    Phase,
    Schedule,
    TrapezoidSchedule,
)


def rate_factor(schedule: Schedule, step: int, total_steps: int) -> float:
    """Return the factor on the peak learning rate for the update that makes ``step`` into ``step + 1``."""
    if step < schedule.warmup_steps:
        return (step + 1) / schedule.warmup_steps
    match schedule:
        case CosineSchedule():
            return _half_cosine(step - schedule.warmup_steps, total_steps - schedule.warmup_steps, schedule.final)
        case CosineRestartsSchedule():
            return _restarted(schedule, step - schedule.warmup_steps)
        case MultiStepSchedule():
            return schedule.gamma ** sum(step >= milestone for milestone in schedule.milestones)
        case TrapezoidSchedule():
            return _line_down(step, total_steps * (1 - schedule.decay_fraction), total_steps, schedule.final)
        case LinearSchedule():
            return _line_down(step, schedule.decay_from, total_steps, schedule.final)
        case _:
            assert_never(schedule)


def phase_at(phases: tuple[Phase, ...], step: int, total_steps: int) -> Phase:
    """Return the phase that a step belongs to."""
    return next(phase for phase in phases if step < phase.until * total_steps or phase is phases[-1])


def _half_cosine(step: int, steps: int, final: float) -> float:
    progress = min(1.0, step / max(1, steps))
    return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * progress))


def _restarted(schedule: CosineRestartsSchedule, step: int) -> float:
    index = 0
    while step >= schedule.periods[min(index, len(schedule.periods) - 1)]:
        step -= schedule.periods[min(index, len(schedule.periods) - 1)]
        index += 1
    weight = schedule.weights[min(index, len(schedule.weights) - 1)]
    return weight * _half_cosine(step, schedule.periods[min(index, len(schedule.periods) - 1)], schedule.final)


def _line_down(step: int, start: float, end: int, final: float) -> float:
    if step < start:
        return 1.0
    return 1.0 - (1 - final) * min(1.0, (step - start) / max(1.0, end - start))
