"""A training run from recipe to checkpoint: setup, the loop, validation, saving."""

from __future__ import annotations

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

from clearvision.archs import ARCHS
from clearvision.data.pool import Pair, PatchPool, find_pictures, load_pairs, split_pictures
from clearvision.errors import TrainingError
from clearvision.recipe import Recipe, check_network
from clearvision.training.ema import ema_update
from clearvision.training.objectives import FidelityObjective
from clearvision.training.report import Log, Progress, Watcher
from clearvision.training.schedule import phase_at, rate_factor
from clearvision.training.state import TrainState, load_state, new_state, save_state
from clearvision.training.validate import bicubic_psnr, centre_crops, validate
from clearvision.types import ModelInfo
from clearvision.zoo.build import network_weights
from clearvision.zoo.catalogue import find_model
from clearvision.zoo.checkpoint import read_checkpoint, write_checkpoint


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        step: updates done.
        finished: whether ``total_steps`` was reached; otherwise time ran out or someone asked to stop.
        psnr: best validation PSNR-Y in dB.
        bicubic: bicubic's on the same pictures.
        best: checkpoint with the best average.
        seconds: training time over all resumptions.
    """

    step: int
    finished: bool
    psnr: float
    bicubic: float
    best: Path
    seconds: float


@dataclass
class _Run:
    recipe: Recipe
    out: Path
    device: torch.device
    state: TrainState
    pool: PatchPool
    held_out: list[Pair]
    bicubic: float
    log: Log
    watch: Watcher


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
    """Train by a recipe and leave ``best.safetensors``, ``last.safetensors``, ``state.pt`` and ``log.csv`` in ``out``.

    Args:
        recipe: the whole run.
        data: folder that the recipe's ``data.folders`` are relative to.
        out: the run's folder; made when missing.
        resume: continue from ``out/state.pt``; the result is bit for bit that of an uninterrupted run on a CPU.
        max_seconds: stop cleanly, validate and save after this long.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        watch: called with progress now and then.

    Raises:
        RecipeError: if the network section does not fit.
        DataError: if there is too little to train on.
        TrainingError: if ``out`` already holds a run and ``resume`` is off, or there is nothing to resume, or the loss is
            no longer finite.
    """
    started = time.monotonic()
    check_network(recipe, ARCHS)
    state_file = out / "state.pt"
    if state_file.exists() and not resume:
        raise TrainingError(f"'{out}' already holds a run; continue it with --resume or choose another --out")
    if resume and not state_file.exists():
        raise TrainingError(f"nothing to resume: '{state_file}' does not exist; start without --resume")
    run = _set_up(recipe, data, out, _device(device), watch or (lambda progress: None), resume=resume)
    try:
        with _stop_on_signal() as stop:
            _fit(run, stop, deadline=None if max_seconds is None else started + max_seconds)
        psnr = run.state.best_psnr
        assert psnr is not None
        finished = run.state.step >= recipe.train.total_steps
        return Outcome(run.state.step, finished, psnr, run.bicubic, out / "best.safetensors", run.state.seconds)
    finally:
        run.log.close()


def _set_up(recipe: Recipe, data: Path, out: Path, device: torch.device, watch: Watcher, *, resume: bool) -> _Run:
    torch.manual_seed(recipe.seed)
    arguments = {key: value for key, value in recipe.network.items() if key != "arch"}
    net = ARCHS[recipe.network["arch"]](**arguments)
    if recipe.init is not None and not resume:
        _start_from(net, recipe.init)
    net = net.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    state = new_state(net, recipe)
    if resume:
        load_state(state, recipe, out / "state.pt")
    paths = find_pictures([data / folder for folder in recipe.data.folders])
    train_paths, val_paths = split_pictures(paths, recipe.data.val_count)
    total = len(paths)
    pairs = load_pairs(train_paths, recipe.scale, progress=lambda done, _: watch(Progress("read", done, total)))
    held_out = load_pairs(val_paths, recipe.scale, progress=lambda done, _: watch(Progress("read", len(pairs) + done, total)))
    held_out = centre_crops(held_out, recipe.scale, recipe.data.val_size)
    pool = PatchPool(pairs, scale=recipe.scale, seed=recipe.seed, flat_below=recipe.data.flat_below)
    out.mkdir(parents=True, exist_ok=True)
    (out / "recipe.yaml").write_text(yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False), encoding="utf-8")
    log = Log(out, resume_step=state.step)
    return _Run(recipe, out, device, state, pool, held_out, bicubic_psnr(held_out, recipe.scale), log, watch)


def _fit(run: _Run, stop: threading.Event, deadline: float | None) -> None:
    recipe, state = run.recipe, run.state
    options = recipe.train
    objective = FidelityObjective(options, recipe.losses[0].kind, run.device)
    losses: list[torch.Tensor] = []
    mark = time.monotonic()
    while state.step < options.total_steps:
        phase = phase_at(options.phases, state.step, options.total_steps)
        lq, gt = run.pool.batch(state.step, gt_size=phase.gt_size, batch_size=phase.batch_size)
        rate = options.optimizer.rate * rate_factor(options.schedule, state.step, options.total_steps)
        for group in state.optimizer.param_groups:
            group["lr"] = rate
        logs = objective.step(state, lq.to(run.device, non_blocking=True), gt.to(run.device, non_blocking=True))
        ema_update(state.ema, state.net, options.ema_decay)
        state.step += 1
        losses.append(logs["loss/g_pixel"])
        late = stop.is_set() or (deadline is not None and time.monotonic() >= deadline)
        last = state.step >= options.total_steps
        if state.step % options.log_every == 0 or late or last:
            elapsed, mark = time.monotonic() - mark, time.monotonic()
            state.seconds += elapsed
            _report(run, losses, elapsed, rate, float(logs["grad_norm"]))
            losses = []
        if state.step % options.validate_every == 0 or late or last:
            _validate(run)
        if state.step % options.save_every == 0 or late or last:
            save_state(state, recipe, run.out / "state.pt")
            write_checkpoint(run.out / "last.safetensors", *_shipped(run))
        if late:
            return
    if state.best_psnr is None:  # resumed at the end: nothing was left to train
        _validate(run)


def _report(run: _Run, losses: list[torch.Tensor], elapsed: float, rate: float, grad_norm: float) -> None:
    loss = float(torch.stack(losses).mean())  # host-device sync
    if not torch.isfinite(torch.tensor(loss)):
        raise TrainingError(
            f"the loss is not finite at step {run.state.step}; the last good state is in '{run.out}': "
            "resume it with a lower train.optimizer.rate"
        )
    speed = len(losses) / max(elapsed, 1e-9)
    run.log.add(
        run.state.step, seconds=run.state.seconds, rate=rate, loss__g_pixel=loss, grad_norm=grad_norm, steps_per_second=speed
    )
    total = run.recipe.train.total_steps
    run.watch(Progress("train", run.state.step, total, loss, speed, run.state.best_psnr, run.bicubic))


def _validate(run: _Run) -> None:
    state, total = run.state, run.recipe.train.total_steps
    state.ema.train().eval()  # leaving training folds re-parameterised convolutions
    psnr = validate(state.ema, run.held_out, run.recipe.scale, run.device)
    run.log.add(state.step, val__psnr_y=psnr, seconds=state.seconds)
    if state.best_psnr is None or psnr > state.best_psnr:
        state.best_psnr = psnr
        write_checkpoint(run.out / "best.safetensors", *_shipped(run))
    run.watch(Progress("validate", state.step, total, psnr=psnr, bicubic=run.bicubic))


def _shipped(run: _Run) -> tuple[ModelInfo, dict, dict]:
    """Return card, average weights and recipe of the run as it stands."""
    recipe, state = run.recipe, run.state
    facts = state.ema.facts()  # type: ignore[operator]
    hyper = {key: value for key, value in recipe.network.items() if key not in ("arch", "reparam")}
    info = ModelInfo(
        name=recipe.name,
        task=recipe.task,
        scale=recipe.scale,
        arch=recipe.network["arch"],
        hyper=hyper,
        num_in_ch=facts.num_in_ch,
        num_out_ch=facts.num_out_ch,
        receptive_radius=facts.receptive_radius,
        size=facts.size,
        description=recipe.card.description,
        training={
            "recipe": recipe.name,
            "data": recipe.card.data,
            "steps": state.step,
            "hours": round(state.seconds / 3600, 2),
            "hardware": recipe.card.hardware,
        },
        figures={} if state.best_psnr is None else {"validation PSNR-Y": round(state.best_psnr, 3)},
        licence=recipe.card.licence,
        intended_use=recipe.card.intended_use,
    )
    return info, network_weights(state.ema), recipe.model_dump(mode="json")


def _start_from(net: nn.Module, init: str) -> None:
    weights = {name: torch.from_numpy(value) for name, value in read_checkpoint(find_model(init)).weights.items()}
    own = dict(net.named_parameters())
    fits = {name for name, value in weights.items() if name in own and own[name].requires_grad and own[name].shape == value.shape}
    fitting = {name: weights[name] for name in fits}
    if not fitting:
        raise TrainingError(f"init '{init}' shares no tensor with the network; choose a checkpoint of the same architecture")
    net.load_state_dict(fitting, strict=False)


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not available.get(name, False):
        usable = ", ".join(key for key, value in available.items() if value)
        raise TrainingError(f"device '{name}' is not available here; usable: auto, {usable}")
    return torch.device(name)


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
