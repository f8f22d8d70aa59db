"""``clearvision train``."""

from __future__ import annotations

import dataclasses
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from clearvision.apps.cli import console
from clearvision.errors import MissingExtraError

if TYPE_CHECKING:
    from clearvision.training.report import Progress
    from clearvision.training.run import Outcome

SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}


def train(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE", help="A recipe, a YAML file.")],
    data: Annotated[Path, typer.Option("--data", metavar="DIR", help="Where the recipe's data folders are.")] = Path(),
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="RUN", help="Folder of the run: weights, state, log, report.", show_default="runs/<name>"
        ),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change an entry of the recipe, such as train.total_steps=1000."),
    ] = None,
    tiny: Annotated[
        bool, typer.Option("--tiny", help="Shrink the recipe to a trial of a minute, by its section 'tiny'.")
    ] = False,
    max_time: Annotated[
        str | None, typer.Option("--max-time", metavar="T", help="Stop cleanly after 90s, 9m or 1.5h; --resume goes on.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run in --out.")] = False,
    device: Annotated[Literal["auto", "cpu", "cuda", "mps"], typer.Option(help="Where to compute.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")] = False,
) -> int:
    """Train a model by a recipe. Ctrl-C finishes the step, saves and stops; --resume goes on."""
    from clearvision.recipe import load_recipe

    loaded = load_recipe(recipe, overrides or [], tiny=tiny)
    max_seconds = None if max_time is None else console.duration(max_time, "--max-time")
    folder = out if out is not None else Path("runs") / (f"{loaded.name}-tiny" if tiny else loaded.name)
    try:
        from clearvision.training.run import train as run_training
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("clearvision"):
            raise
        raise MissingExtraError(f"training needs {error.name}, not installed; pip install 'clearvision[train]'") from error

    logging.getLogger("clearvision").addHandler(logging.NullHandler())  # the watcher tells the same, above its bar
    with console.Watcher() as watcher:
        outcome = run_training(
            loaded,
            data=data,
            out=folder,
            resume=resume,
            max_seconds=max_seconds,
            device=device,
            watch=lambda progress: _show(watcher, progress),
        )
    if os.environ.get("RANK", "0") != "0":  # under torchrun the first process tells
        return console.DONE
    if as_json:
        console.say_json(dataclasses.asdict(outcome))
    else:
        console.say(_in_words(outcome))
    return console.DONE


def _show(watcher: console.Watcher, progress: Progress) -> None:
    if progress.stage == "warn":
        watcher.tell(f"step {progress.done}: {progress.text}")
    elif progress.stage == "read":
        watcher.show("read", "reading pictures", progress.done, progress.total)
    elif progress.stage == "validate":
        watcher.tell(f"step {progress.done} of {progress.total}: {progress.text}")
    else:
        watcher.show("train", progress.text, progress.done, progress.total, left=progress.seconds_left)


def _in_words(outcome: Outcome) -> str:
    from clearvision.training.words import figures_in_words

    stage = f"stage {outcome.stage}, " if outcome.stage else ""
    where = (
        "finished" if outcome.finished else f"stopped at {stage}step {outcome.step} of {outcome.total_steps}; --resume goes on"
    )
    figures = figures_in_words(outcome.figures, outcome.baseline)
    if outcome.decided_by is not None and outcome.best_value is not None:
        best = figures_in_words({outcome.decided_by: outcome.best_value}, outcome.baseline)
        figures = f"best validation {best}" + ("" if len(outcome.figures) == 1 else f"; latest {figures}")
    minutes = f"{outcome.seconds / 60:.1f} minutes"
    return f"{where}: {figures}\n{minutes}, {outcome.best}, {outcome.report}"
