"""``clearvision report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clearvision.apps.cli import console


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a training run.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")] = False,
) -> int:
    """Write a training run's report again: RUN/report.html, history.png and history.json, from the run's log and samples."""
    from clearvision.training.page import write_report

    path = write_report(run)
    if as_json:
        console.say_json({"report": path})
    else:
        console.say(f"{path}")
    return console.DONE
