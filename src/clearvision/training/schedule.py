"""Learning-rate schedules as pure functions of the step, so that resuming needs no schedule state."""

from __future__ import annotations

import math

from clearvision.recipe import CosineSchedule, MultiStepSchedule, Schedule, TrapezoidSchedule


def rate_factor(schedule: Schedule, step: int, total_steps: int) -> float:
    """Return the factor on the peak learning rate for the update that makes ``step`` into ``step + 1``."""
    if step < schedule.warmup_steps:
        return (step + 1) / schedule.warmup_steps
    match schedule:
        case CosineSchedule():
            span = max(1, total_steps - schedule.warmup_steps)
            progress = min(1.0, (step - schedule.warmup_steps) / span)
            return schedule.final + (1 - schedule.final) * 0.5 * (1 + math.cos(math.pi * progress))
        case MultiStepSchedule():
            return schedule.gamma ** sum(step >= milestone for milestone in schedule.milestones)
        case TrapezoidSchedule():
            start = total_steps * (1 - schedule.decay_fraction)
            if step < start:
                return 1.0
            progress = min(1.0, (step - start) / max(1.0, total_steps - start))
            return 1.0 - (1 - schedule.final) * progress
