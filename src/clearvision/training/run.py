"""A training run from recipe to checkpoint: what is set up before the loop, stage after stage, and how it ends."""

from __future__ import annotations

import os
import platform
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
import yaml
from torch import nn

from clearvision.data.sources import Source, open_source
from clearvision.errors import ClearVisionError, TrainingError
from clearvision.losses.perceptual import REAL_ESRGAN_LAYERS, PerceptualLoss
from clearvision.recipe import Adversarial, Cycle, Fidelity, Likelihood, Recipe, stage_recipes
from clearvision.training.adversarial import AdversarialObjective
from clearvision.training.arithmetic import Arithmetic, new_scaler
from clearvision.training.batches import Feeder
from clearvision.training.cycle import CycleObjective
from clearvision.training.distributed import Team, join_team, share_start
from clearvision.training.guard import Keeper
from clearvision.training.history import add_event, drop_events_after, write_facts
from clearvision.training.loop import Run, fit
from clearvision.training.networks import build_nets, check_freeze, learnable
from clearvision.training.objectives import FidelityObjective, LikelihoodObjective, Objective
from clearvision.training.page import write_report
from clearvision.training.report import Log, Progress, Watcher
from clearvision.training.samples import drop_samples_after
from clearvision.training.state import TrainState, load_state, new_state
from clearvision.training.teacher import Teacher, open_teacher
from clearvision.training.terms import Terms, open_features
from clearvision.training.validate import Validator, deciding
from clearvision.zoo.checkpoint import read_info

STATE, BEST, LAST = "state.pt", "best.safetensors", "last.safetensors"


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        step: updates done, in the last stage that began.
        total_steps: of that stage.
        finished: whether all steps of all stages were done; otherwise time ran out or someone asked to stop.
        stage: name of that stage; empty in a run without stages.
        figures: of the latest validation, such as ``val/psnr_y``.
        baseline: bicubic's on the same pictures (at scale 1: the input's).
        decided_by: the figure that chose ``best``; None where the latest weights count as the best.
        best_value: that figure of ``best``.
        best: checkpoint with the best average.
        report: the run's page.
        seconds: training time over all resumptions.
        rollbacks: returns to a good state after numbers that were not finite.
    """

    step: int
    total_steps: int
    finished: bool
    stage: str
    figures: dict[str, float]
    baseline: dict[str, float]
    decided_by: str | None
    best_value: float | None
    best: Path
    report: Path
    seconds: float
    rollbacks: int


def train(
    recipe: Recipe,
    *,
    data: Path,
    out: Path,
    resume: bool = False,
    max_seconds: float | None = None,
    device: str = "auto",
    watch: Watcher | None = None,
) -> Outcome:
    """Train by a recipe and leave models, state, log and report in ``out``, each stage's in a folder of its own inside.

    Under ``torchrun`` every process calls this with the same arguments; the first one writes and reports.

    Args:
        recipe: the whole run.
        data: folder that the recipe's ``data.folders`` are relative to.
        out: the run's folder; made when missing.
        resume: continue from the saved state; the result is bit for bit that of an uninterrupted run on a CPU.
        max_seconds: stop cleanly, validate and save after this long.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        watch: called with progress now and then.

    Raises:
        RecipeError: if a section does not fit the network.
        DataError: if there is too little to train on.
        ModelError: if weights that the recipe names are missing or damaged.
        TrainingError: if ``out`` already holds a run and ``resume`` is off, there is nothing to resume, numbers are not finite
            again and again, or the disk is full.
    """
    deadline = None if max_seconds is None else time.monotonic() + max_seconds
    stages = stage_recipes(recipe, out)
    _check_folder([out / name for name, _ in stages], out, resume=resume)
    with join_team(device) as team, _disk_faults(out), _stop_on_signal() as stop:
        told = watch if watch is not None and team.first else _nobody
        if team.first:
            out.mkdir(parents=True, exist_ok=True)
            _write_recipe(recipe, out)
        for index, (name, stage) in enumerate(stages):
            folder, last = out / name, index == len(stages) - 1
            if not last and _is_finished(folder, stage):
                continue
            outcome = _train_stage(stage, name, data, out, team, told, stop, deadline)
            if not outcome.finished or last:
                return outcome
    raise AssertionError("the last stage returns")


def _train_stage(
    recipe: Recipe, name: str, data: Path, root: Path, team: Team, watch: Watcher, stop: threading.Event, deadline: float | None
) -> Outcome:
    out = root / name
    run = _set_up(recipe, data, root, out, team, watch)
    try:
        fit(run, stop, deadline)
    finally:
        run.feeder.close()
        if run.log is not None:
            run.log.close()
    state, total = run.state, recipe.train.total_steps
    finished = state.step >= total
    if team.first and not finished:
        add_event(out, state.step, "stopped", f"stopped at step {state.step} of {total}")
        write_report(root)
    return Outcome(
        state.step,
        total,
        finished,
        name,
        run.figures,
        run.baseline,
        run.deciding,
        state.best,
        out / BEST,
        root / "report.html",
        state.seconds,
        state.rollbacks,
    )


def _set_up(recipe: Recipe, data: Path, root: Path, out: Path, team: Team, watch: Watcher) -> Run:
    resume = (out / STATE).is_file()
    features = open_features(recipe, team.device)
    nets = build_nets(recipe, team.device, start=not resume)
    share_start(team, nets.values())
    parameters = learnable(nets["g"])
    check_freeze(parameters, recipe.train.freeze)
    state = new_state(nets, recipe, new_scaler(recipe.train, team.device), team.rank)
    if resume:
        load_state(state, recipe, out / STATE)
    source = open_source(
        recipe.data,
        scale=recipe.scale,
        seed=recipe.seed,
        root=data,
        gt_sizes=[phase.gt_size for phase in recipe.train.phases],
        device=team.device,
        progress=lambda done, total: watch(Progress("read", done, total)),
    )
    paired = recipe.data.layout != "unpaired"
    distance = PerceptualLoss(features, REAL_ESRGAN_LAYERS) if paired and features is not None else None
    validator = Validator(source.held_out, recipe.scale, team.device, distance, paired)
    baseline = validator.baseline() if team.first else {}
    objective = _objective(recipe, state, Arithmetic(recipe.train, team, state.scaler), Terms(recipe.losses, features))
    log = None
    if team.first:
        log = _open_folder(recipe, out, state, objective, source, baseline, nets, resume=resume, told=watch)
    return Run(
        recipe=recipe,
        out=out,
        root=root,
        team=team,
        state=state,
        objective=objective,
        feeder=Feeder(source, recipe, team, ahead=team.device.type == "cuda"),
        parameters=parameters,
        validator=validator,
        baseline=baseline,
        deciding=deciding(recipe.train.best_by, recipe.objective.kind, validator),
        log=log,
        watch=watch,
        keeper=Keeper(recipe.train.guard),
    )


def _objective(recipe: Recipe, state: TrainState, arithmetic: Arithmetic, terms: Terms) -> Objective:
    compiled = _compiled if recipe.train.compile else _as_it_is
    nets = {name: compiled(net) for name, net in state.nets.items()}
    match recipe.objective:
        case Fidelity(teacher=options):
            teacher = options and Teacher(options, arithmetic, compiled(open_teacher(recipe, options, arithmetic.team.device)))
            return FidelityObjective(arithmetic, terms, nets["g"], teacher)
        case Likelihood():
            return LikelihoodObjective(arithmetic, nets["g"])
        case Adversarial():
            return AdversarialObjective(arithmetic, terms, recipe.objective, nets["g"], nets["d"])
        case Cycle():
            return CycleObjective(arithmetic, terms, recipe.objective, nets)


def _compiled(net: nn.Module) -> nn.Module:
    return torch.compile(net)  # type: ignore[return-value]


def _as_it_is(net: nn.Module) -> nn.Module:
    return net


def _open_folder(
    recipe: Recipe,
    out: Path,
    state: TrainState,
    objective: Objective,
    source: Source,
    baseline: dict[str, float],
    nets: dict[str, nn.Module],
    *,
    resume: bool,
    told: Watcher,
) -> Log:
    """Make or tidy the run's folder: what lies after the restored step is forgotten, for it will happen again."""
    out.mkdir(parents=True, exist_ok=True)
    _write_recipe(recipe, out)
    drop_events_after(out, state.step)
    drop_samples_after(out, state.step)
    total = recipe.train.total_steps
    if resume:
        add_event(out, state.step, "resumed", f"resumed at step {state.step} of {total}")
    for note in source.notes:
        if note not in source.unreadable.values():
            add_event(out, state.step, "warning", note)
            told(Progress("warn", state.step, total, note))
    facts = {
        "network": f"{recipe.network['arch']} x{recipe.scale}, {sum(p.numel() for p in nets['g'].parameters()):,} parameters",
        "objective": recipe.objective.kind,
        "total_steps": total,
        "baseline": baseline,
        "pictures": {"trained on": len(source.train), "held out": len(source.held_out), "storage": source.storage},
        "machine": {"device": _device_name(), "PyTorch": torch.__version__, "system": platform.system()},
    }
    write_facts(out, facts)
    columns = ("seconds", "rate", *objective.columns, "steps_per_second", "val/psnr_y", "val/ssim_y", "val/vgg", "val/cycle_psnr")
    return Log(out, columns, resume_step=state.step)


def _device_name() -> str:
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads"


def _write_recipe(recipe: Recipe, out: Path) -> None:
    partial = out / ".recipe.yaml.partial"
    partial.write_text(yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True), encoding="utf-8")
    partial.replace(out / "recipe.yaml")


def _check_folder(folders: list[Path], out: Path, *, resume: bool) -> None:
    begun = any((folder / STATE).is_file() for folder in folders)
    if begun and not resume:
        raise TrainingError(f"'{out}' already holds a run; continue it with --resume or choose another --out")
    if resume and not begun:
        raise TrainingError(f"nothing to resume: '{folders[0] / STATE}' does not exist; start without --resume")


def _is_finished(folder: Path, recipe: Recipe) -> bool:
    try:
        return (folder / BEST).is_file() and read_info(folder / LAST).training["steps"] >= recipe.train.total_steps
    except (ClearVisionError, KeyError):
        return False


def _nobody(progress: Progress) -> None:
    pass


@contextmanager
def _disk_faults(out: Path) -> Iterator[None]:
    """Turn a disk that is full or fails into a sentence; every file is replaced whole or not at all."""
    try:
        yield
    except OSError as error:
        if isinstance(error, ClearVisionError):
            raise
        raise TrainingError(
            f"'{error.filename or out}' cannot be written ({error.strerror or error}); what was saved before is whole: "
            "make room and go on with --resume"
        ) from error


@contextmanager
def _stop_on_signal() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C or SIGTERM into a request to finish the step, validate and save."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    old = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
