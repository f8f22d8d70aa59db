"""The state of a run: all that is needed to go on as if it had never stopped."""

from __future__ import annotations

import copy
import io
import os
import pickle
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from clearvision.errors import TrainingError
from clearvision.losses.cycle import ImagePool
from clearvision.recipe import Adversarial, Cycle, Optimizer, Recipe
from clearvision.training.balance import Balance
from clearvision.training.ema import ema_copy
from clearvision.training.muon import Muon

_MAY_CHANGE = ("storage", "memory_gb", "workers", "most_unreadable")  # entries of data that do not change what is learned


@dataclass
class TrainState:
    """Changes with every step; batches, rates, what is frozen and all random numbers are functions of ``step``.

    Attributes:
        nets: ``g``, and by objective ``d``, or ``g_back``, ``d_a`` and ``d_b``.
        ema: the moving averages of the generators, which are validated and shipped.
        optimizers: ``g`` for the generators, ``d`` for the discriminators.
        scaler: the loss scale of fp16.
        pools: made pictures that discriminators are shown again, by domain.
        balance: who wins, discriminator or generator.
        step: updates done.
        best: best validation figure so far; None before the first validation.
        seconds: time spent training, over all resumptions.
        rollbacks: returns to a good state after numbers that were not finite.
        rate_scale: factor on the learning rate that these returns have left.
    """

    nets: dict[str, nn.Module]
    ema: dict[str, nn.Module]
    optimizers: dict[str, torch.optim.Optimizer]
    scaler: torch.amp.GradScaler
    pools: dict[str, ImagePool] = field(default_factory=dict)
    balance: Balance = field(default_factory=Balance)
    step: int = 0
    best: float | None = None
    seconds: float = 0.0
    rollbacks: int = 0
    rate_scale: float = 1.0


def new_state(nets: dict[str, nn.Module], recipe: Recipe, scaler: torch.amp.GradScaler, rank: int = 0) -> TrainState:
    """Return the state before the first step; ``nets`` are already on their device."""
    generators = [name for name in nets if name.startswith("g")]
    judges = [name for name in nets if name.startswith("d")]
    optimizers = {"g": _optimizer(recipe.train.optimizer, [nets[name] for name in generators])}
    pools = {}
    if isinstance(recipe.objective, Adversarial | Cycle):
        optimizers["d"] = _optimizer(recipe.objective.optimizer or recipe.train.optimizer, [nets[name] for name in judges])
    if recipe.objective.kind == "cycle":
        seed = 4 * (recipe.seed + 1_000_003 * rank)
        pools = {domain: ImagePool(recipe.objective.pool, seed=seed + place) for place, domain in enumerate("ab")}
    return TrainState(nets, {name: ema_copy(nets[name]) for name in generators}, optimizers, scaler, pools)


def take_state(state: TrainState) -> dict[str, Any]:
    """Return everything as plain data and tensors; the tensors are the live ones."""
    return {
        "step": state.step,
        "nets": {name: net.state_dict() for name, net in state.nets.items()},
        "ema": {name: net.state_dict() for name, net in state.ema.items()},
        "optimizers": {name: optimizer.state_dict() for name, optimizer in state.optimizers.items()},
        "scaler": state.scaler.state_dict(),
        "pools": {name: pool.state_dict() for name, pool in state.pools.items()},
        "balance": vars(state.balance).copy(),
        "best": state.best,
        "seconds": state.seconds,
        "rollbacks": state.rollbacks,
        "rate_scale": state.rate_scale,
    }


def put_state(state: TrainState, plain: dict[str, Any]) -> None:
    """Fill ``state`` with what :func:`take_state` returned."""
    for name, net in state.nets.items():
        net.load_state_dict(plain["nets"][name])
    for name, net in state.ema.items():
        net.load_state_dict(plain["ema"][name])
    for name, optimizer in state.optimizers.items():
        optimizer.load_state_dict(plain["optimizers"][name])
    for name, pool in state.pools.items():
        pool.load_state_dict(plain["pools"][name])
    state.scaler.load_state_dict(plain["scaler"])
    state.balance = Balance(**plain["balance"])
    for name in ("step", "best", "seconds", "rollbacks", "rate_scale"):
        setattr(state, name, plain[name])


def copy_state(state: TrainState) -> dict[str, Any]:
    """Return a copy in the processor's memory that later steps do not change."""
    return _to_memory(take_state(state))


def save_state(state: TrainState, recipe: Recipe, path: Path) -> None:
    """Write the state by atomic rename, flushed to the disk: after a power cut either the old or the new file is whole.

    Raises:
        OSError: if the disk is full or fails; the old file stays as it was.
    """
    buffer = io.BytesIO()  # PyTorch's own writer dies without an error on a full disk
    torch.save(take_state(state) | {"recipe": recipe.model_dump(mode="json")}, buffer)
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as file:
            file.write(buffer.getbuffer())
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def load_state(state: TrainState, recipe: Recipe, path: Path) -> None:
    """Fill ``state`` from a file.

    Raises:
        TrainingError: if the file is damaged or belongs to another run, naming what differs.
    """
    try:
        plain: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        what = error.strerror if isinstance(error, OSError) and error.strerror else "it is damaged, or no state at all"
        raise TrainingError(f"training state '{path}' cannot be read ({what}); start anew with another --out") from error
    if "nets" not in plain:
        raise TrainingError(f"training state '{path}' is of an older version; start anew from its weights with init")
    mine, theirs = _fixed(recipe.model_dump(mode="json")), _fixed(plain["recipe"])
    changed = [key for key in mine if mine[key] != theirs[key]]
    if changed:
        raise TrainingError(
            f"'{path}' was trained with another {', '.join(changed)}; resume with the same recipe or use another --out"
        )
    put_state(state, plain)


def _fixed(recipe: dict[str, Any]) -> dict[str, Any]:
    """Return what a resumed run must not change."""
    return {
        "network": recipe["network"],
        "scale": recipe["scale"],
        "seed": recipe["seed"],
        "data": {key: value for key, value in recipe["data"].items() if key not in _MAY_CHANGE},
        "objective": recipe["objective"]["kind"],
        "discriminator": recipe["objective"].get("discriminator"),
    }


def _optimizer(options: Optimizer, nets: list[nn.Module]) -> torch.optim.Optimizer:
    if options.kind == "muon":
        return Muon(nets, lr=options.rate, betas=options.betas, weight_decay=options.weight_decay)
    kind = torch.optim.AdamW if options.kind == "adamw" else torch.optim.Adam
    parameters = [parameter for net in nets for parameter in net.parameters() if parameter.requires_grad]
    return kind(parameters, lr=options.rate, betas=options.betas, weight_decay=options.weight_decay, fused=True)


def _to_memory(value: Any) -> Any:  # noqa: ANN401 - whatever a state dict holds
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        return {key: _to_memory(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_to_memory(item) for item in value]
    return copy.copy(value)
