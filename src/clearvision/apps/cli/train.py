"""``clearvision train``."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clearvision.apps.cli import console
from clearvision.errors import MissingExtraError, UsageError

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

    from clearvision.training.report import Progress

SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}
SECONDS_BETWEEN_LINES = 10.0


def train(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE", help="A recipe, a YAML file.")],
    data: Annotated[Path, typer.Option("--data", metavar="DIR", help="Where the recipe's data folders are.")] = Path(),
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="RUN", help="Folder of the run: weights, state, log.", show_default="runs/<name>"),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change an entry of the recipe, such as train.total_steps=1000."),
    ] = None,
    max_time: Annotated[
        str | None, typer.Option("--max-time", metavar="T", help="Stop cleanly after 90s, 9m or 1.5h; --resume goes on.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run in --out.")] = False,
    device: Annotated[str, typer.Option(metavar="auto|cpu|cuda|mps", help="Where to compute.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")] = False,
) -> int:
    """Train a model by a recipe. Ctrl-C finishes the step, saves and stops; --resume goes on."""
    from clearvision.recipe import load_recipe

    loaded = load_recipe(recipe, overrides or [])
    max_seconds = None if max_time is None else parse_duration(max_time)
    folder = out if out is not None else Path("runs") / loaded.name
    try:
        from clearvision.training.run import train as run_training
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("clearvision"):
            raise
        raise MissingExtraError(f"training needs {error.name}, not installed; pip install 'clearvision[train]'") from error

    watcher = _Watcher(console.progress_bar())
    with watcher:
        outcome = run_training(
            loaded, data=data, out=folder, resume=resume, max_seconds=max_seconds, device=device, watch=watcher.show
        )
    if as_json:
        console.say_json(vars(outcome))
        return console.DONE
    total = loaded.train.total_steps
    state = "finished" if outcome.finished else f"stopped at step {outcome.step} of {total}; --resume goes on"
    console.say(
        f"{state}: best validation PSNR-Y {outcome.psnr:.2f} dB (bicubic {outcome.bicubic:.2f}), "
        f"{outcome.seconds / 60:.1f} minutes, {outcome.best}"
    )
    return console.DONE


def parse_duration(text: str) -> float:
    """Return the seconds of a duration such as ``90s``, ``9m`` or ``1.5h``; a bare number is seconds.

    Raises:
        UsageError: if the text is no duration above zero.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", text.strip().lower())
    seconds = float(found[1]) * SECONDS[found[2] or "s"] if found else 0.0
    if seconds <= 0:
        raise UsageError(f"--max-time '{text}' is not a duration above zero; write it like 90s, 9m or 1.5h")
    return seconds


class _Watcher:
    """Shows a run as a bar on a terminal, elsewhere as a line now and then."""

    def __init__(self, bar: Bar | None) -> None:
        self._bar = bar
        self._tasks: dict[str, int] = {}
        self._last_line = -SECONDS_BETWEEN_LINES
        self._psnr = ""

    def __enter__(self) -> None:
        if self._bar is not None:
            self._bar.start()

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, progress: Progress) -> None:
        """Show one report."""
        if progress.stage == "validate" and progress.psnr is not None:
            self._psnr = f", PSNR-Y {progress.psnr:.2f} dB (bicubic {progress.bicubic:.2f})"
        loss = f", loss {progress.loss:.4f}" if progress.loss is not None else ""
        speed = f", {progress.steps_per_second:.1f} steps/s" if progress.steps_per_second is not None else ""
        what = "reading pictures" if progress.stage == "read" else f"training{loss}{speed}{self._psnr}"
        if self._bar is not None:
            kind = "read" if progress.stage == "read" else "train"
            if kind not in self._tasks:
                self._tasks[kind] = self._bar.add_task(what, total=progress.total)
            self._bar.update(self._tasks[kind], completed=progress.done, description=what)  # type: ignore[arg-type]
            return
        now = time.monotonic()
        if progress.stage == "validate" or now - self._last_line >= SECONDS_BETWEEN_LINES:
            self._last_line = now
            console.note(f"{what} [{progress.done}/{progress.total}]")
