"""What a run's figures say, in plain words, where they say something that its owner should know."""

from __future__ import annotations

import math
from dataclasses import dataclass

from clearvision.training.figures import metric_of
from clearvision.training.history import History

STALE = 1 / 3  # share of the run without a better validation from which the best is called long ago
FALL = 3.0  # decibels


@dataclass(frozen=True)
class Finding:
    """A sentence, and whether it is good news."""

    text: str
    good: bool


def findings(history: History) -> list[Finding]:
    """Return what the validation figures say; empty before the first validation."""
    column = "val/psnr_y"
    points = [point for point in history.series.get(column, ()) if math.isfinite(point[1])]
    best = history.best(column)
    if best is None:
        return []
    adversarial = any(name.startswith("loss/d") for name in history.series)
    found = []
    level = history.facts.get("baseline", {}).get(column)
    if level is not None and not adversarial:
        gain = best[1] - float(level)
        how = f"PSNR-Y of {best[1]:.2f} dB at step {best[0]:,}, {gain:+.2f} dB from {history.against}"
        found.append(
            Finding(f"Best validation: {how}." if gain > 0 else f"Not better than {history.against} yet: {how}.", gain > 0)
        )
    if adversarial:
        fall = best[1] - points[-1][1]
        if fall > FALL:
            text = f"PSNR-Y fell by {fall:.2f} dB since step {best[0]:,}; up to {FALL:g} dB is usual with a discriminator."
            found.append(Finding(text, good=False))
        distance = next((name for name in ("val/lpips", "val/vgg") if len(history.series.get(name, ())) > 1), None)
        if distance is not None:
            first, last = _before(history, distance), history.series[distance][-1][1]
            name = metric_of(distance)
            what = f"{name.name if name else distance} went from {first:.4f} to {last:.4f}"
            text = f"{what}: results look more like the truth." if last < first else f"{what}: results look less like the truth."
            found.append(Finding(text, good=last < first))
    elif len(points) > 3 and history.last_step - best[0] > STALE * history.last_step:
        text = f"No better validation since step {best[0]:,} of {history.last_step:,}: more steps at this rate will not help."
        found.append(Finding(text, good=False))
    return found


def _before(history: History, column: str) -> float:
    """Return the column's value before the discriminator came in, or its first one."""
    start = min(points[0][0] for name, points in history.series.items() if name.startswith("loss/d"))
    points = history.series[column]
    return next((value for step, value in reversed(points) if step <= start), points[0][1])
