"""The loop of a run: batch, step, average, and now and then a row of the log, a validation, a saved state.

One batch can be followed from here: :class:`Feeder` makes it, the objective learns from it, :func:`ema_update` averages.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from torch import nn

from clearvision.recipe import Recipe
from clearvision.training.batches import Feeder, seed_step
from clearvision.training.distributed import Team, any_of, average_logs
from clearvision.training.ema import ema_update
from clearvision.training.guard import Keeper, is_finite
from clearvision.training.history import add_event
from clearvision.training.networks import freeze
from clearvision.training.objectives import Objective
from clearvision.training.page import write_report
from clearvision.training.report import Log, Meter, Progress, Watcher
from clearvision.training.samples import write_samples
from clearvision.training.schedule import rate_factor
from clearvision.training.shipping import write_model
from clearvision.training.state import TrainState, save_state
from clearvision.training.validate import HIGHER_IS_BETTER, Validator
from clearvision.training.words import figures_in_words, losses_in_words


@dataclass
class Run:
    """What the loop works with.

    Attributes:
        recipe: the whole run.
        out: its folder.
        root: the folder that the report is written to; above ``out`` in a run of several stages.
        team: the processes that train together; the first one writes.
        state: what changes.
        objective: what a step does.
        feeder: where batches come from.
        parameters: the generator's that may learn, by name.
        validator: scores the averages.
        baseline: bicubic's figures on the same pictures.
        deciding: the figure that decides ``best.safetensors``; None: always the latest.
        log: None in processes that do not write.
        watch: told of progress.
        keeper: holds the last good state.
        meter: what was logged since the last row.
        figures: of the latest validation.
        validated: the step of it.
        told: how many unreadable pictures were told of.
    """

    recipe: Recipe
    out: Path
    root: Path
    team: Team
    state: TrainState
    objective: Objective
    feeder: Feeder
    parameters: dict[str, nn.Parameter]
    validator: Validator
    baseline: dict[str, float]
    deciding: str | None
    log: Log | None
    watch: Watcher
    keeper: Keeper
    meter: Meter = field(default_factory=Meter)
    figures: dict[str, float] = field(default_factory=dict)
    validated: int = -1
    told: int = 0


def fit(run: Run, stop: threading.Event, deadline: float | None) -> None:
    """Train until the last step, a request to stop, or the deadline; validate and save before leaving.

    Raises:
        TrainingError: if numbers are not finite again and again.
        DataError: if the data runs out of readable pictures.
    """
    options, state, team = run.recipe.train, run.state, run.team
    tell_unreadable(run)
    run.keeper.keep(state)
    while state.step < options.total_steps:
        freeze(run.parameters, options.freeze, state.step)
        rate = set_rates(run)
        seed_step(run.recipe.seed, state.step, team.rank)
        logs = run.objective.step(state, run.feeder.batches(state.step))
        for name, average in state.ema.items():
            ema_update(average, state.nets[name], options.ema_decay)
        state.step += 1
        run.meter.add(logs)

        late = any_of(team, stop.is_set() or (deadline is not None and time.monotonic() >= deadline))
        over = late or state.step >= options.total_steps
        validates = over or state.step % options.validate_every == 0
        saves = over or state.step % options.save_every == 0
        keeps = options.keep_every > 0 and state.step % options.keep_every == 0
        if not (validates or saves or keeps or state.step % options.log_every == 0):
            continue
        if not report(run, rate):  # not finite: the state is the last good one again
            continue
        if validates:
            validate(run)
        if saves or keeps:
            save(run, keep=keeps)
        run.keeper.keep(state)
        run.meter.restart()
        if late:
            return
    if run.validated < 0:  # resumed at the end: nothing was left to train
        validate(run)


def set_rates(run: Run) -> float:
    """Set every optimiser's learning rate for this step; return the generator's."""
    factor = rate_factor(run.recipe.train.schedule, run.state.step, run.recipe.train.total_steps) * run.state.rate_scale
    for optimizer in run.state.optimizers.values():
        for group in optimizer.param_groups:
            group["lr"] = optimizer.defaults["lr"] * factor
    return run.state.optimizers["g"].param_groups[0]["lr"]


def report(run: Run, rate: float) -> bool:
    """Write a row of the log; return False, and put the last good state back, if numbers are not finite."""
    state, meter = run.state, run.meter
    means = meter.means()
    if any_of(run.team, not is_finite(state, means)):
        tell(run, "rollback", run.keeper.go_back(state))
        meter.restart()
        return False
    elapsed = meter.elapsed()
    speed = meter.steps / max(elapsed, 1e-9)
    state.seconds += elapsed
    means = average_logs(run.team, means)
    warning = state.balance.watch(means)
    if run.log is not None:
        run.log.add(state.step, {"seconds": state.seconds, "rate": rate, **means, "steps_per_second": speed})
    if warning is not None:
        tell(run, "warning", warning)
    tell_unreadable(run)
    total = run.recipe.train.total_steps
    text = f"{losses_in_words(means)}, {speed:.1f} steps/s" if speed >= 1 else f"{losses_in_words(means)}, {1 / speed:.1f} s/step"
    run.watch(Progress("train", state.step, total, text, (total - state.step) / speed))
    return True


def tell_unreadable(run: Run) -> None:
    """Name the pictures that were left out since the last time."""
    unreadable = list(run.feeder.source.unreadable.values())
    for text in unreadable[run.told :]:
        tell(run, "skipped", text)
    run.told = len(unreadable)


def validate(run: Run) -> None:
    """Score the averages, write samples, the best model and the report; the first process does."""
    state, recipe = run.state, run.recipe
    run.validated = state.step
    if run.log is None:
        return
    run.figures, samples = run.validator.figures(state.ema)
    run.log.add(state.step, {"seconds": state.seconds, **run.figures})
    write_samples(run.out, state.step, samples)
    if is_best(run):
        state.best = None if run.deciding is None else run.figures[run.deciding]
        write_model(run.out / "best.safetensors", state, recipe, run.figures)
    write_report(run.root)
    text = figures_in_words(run.figures, run.baseline)
    run.watch(Progress("validate", state.step, recipe.train.total_steps, text))


def is_best(run: Run) -> bool:
    """Return whether the latest figures are the best so far."""
    if run.deciding is None or run.state.best is None:
        return True
    better = run.figures[run.deciding] > run.state.best
    return better if HIGHER_IS_BETTER[run.deciding] else run.figures[run.deciding] < run.state.best


def save(run: Run, *, keep: bool) -> None:
    """Write state and weights; the first process does."""
    if run.log is None:
        return
    state, recipe = run.state, run.recipe
    figures: Mapping[str, float] = run.figures if run.validated == state.step else {}
    save_state(state, recipe, run.out / "state.pt")
    write_model(run.out / "last.safetensors", state, recipe, figures)
    if "g_back" in state.ema:
        write_model(run.out / "last_back.safetensors", state, recipe, {}, net="g_back")
    if keep:
        write_model(run.out / "kept" / f"step-{state.step:08d}.safetensors", state, recipe, figures)


def tell(run: Run, kind: str, text: str) -> None:
    """Tell of something that the run's owner should know: at once, and in the run's record."""
    if run.log is not None:
        add_event(run.out, run.state.step, kind, text)  # type: ignore[arg-type]
    run.watch(Progress("warn", run.state.step, run.recipe.train.total_steps, text))
