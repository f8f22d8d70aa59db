"""The state of a run: all that is needed to go on as if it had never stopped."""

from __future__ import annotations

import os
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from clearvision.errors import TrainingError
from clearvision.recipe import Recipe
from clearvision.training.ema import ema_copy


@dataclass
class TrainState:
    """Changes with every step; batches and learning rates are functions of ``step`` and need no state of their own.

    Attributes:
        step: updates done.
        net: the network being trained.
        ema: its moving average, which is validated and shipped.
        optimizer: of ``net``.
        best_psnr: highest validation PSNR-Y so far, in dB; None before the first validation.
        seconds: time spent training, over all resumptions.
    """

    step: int
    net: nn.Module
    ema: nn.Module
    optimizer: torch.optim.Optimizer
    best_psnr: float | None = None
    seconds: float = 0.0


def new_state(net: nn.Module, recipe: Recipe) -> TrainState:
    """Return the state before the first step."""
    options = recipe.train.optimizer
    kind = torch.optim.AdamW if options.kind == "adamw" else torch.optim.Adam
    parameters = [parameter for parameter in net.parameters() if parameter.requires_grad]
    optimizer = kind(parameters, lr=options.rate, betas=options.betas, weight_decay=options.weight_decay, fused=True)
    return TrainState(step=0, net=net, ema=ema_copy(net), optimizer=optimizer)


def save_state(state: TrainState, recipe: Recipe, path: Path) -> None:
    """Write the state by atomic rename, flushed to the disk: after a power cut either the old or the new file is whole."""
    plain = {
        "step": state.step,
        "net": state.net.state_dict(),
        "ema": state.ema.state_dict(),
        "optimizer": state.optimizer.state_dict(),
        "best_psnr": state.best_psnr,
        "seconds": state.seconds,
        "rng": torch.get_rng_state(),
        "recipe": recipe.model_dump(mode="json"),
    }
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("wb") as file:
        torch.save(plain, file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def load_state(state: TrainState, recipe: Recipe, path: Path) -> None:
    """Fill ``state`` from a file.

    Raises:
        TrainingError: if the file is damaged or belongs to another network, naming what differs.
    """
    try:
        plain: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise TrainingError(f"training state '{path}' cannot be read ({error}); start anew with another --out") from error
    mine, theirs = recipe.model_dump(mode="json"), plain["recipe"]
    fixed = [key for key in ("network", "scale", "data", "seed") if mine[key] != theirs[key]]
    if fixed:
        raise TrainingError(
            f"'{path}' was trained with another {', '.join(fixed)}; resume with the same recipe or use another --out"
        )
    state.net.load_state_dict(plain["net"])
    state.ema.load_state_dict(plain["ema"])
    state.optimizer.load_state_dict(plain["optimizer"])
    state.step, state.best_psnr, state.seconds = plain["step"], plain["best_psnr"], plain["seconds"]
    torch.set_rng_state(plain["rng"])
