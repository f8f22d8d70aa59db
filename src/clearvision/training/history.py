"""What a run's folder tells of the run: figures, events and facts, read back for reports, and written as one JSON file.

| file | written | what it holds |
|---|---|---|
| ``log.csv`` | by the loop, row by row | ``step``, ``seconds``, ``rate``, ``loss/...``, ``grad_norm``, ``val/...`` and others |
| ``events.jsonl`` | by :func:`add_event` | warnings, rollbacks, skipped pictures, stages: one JSON object a line |
| ``run.json`` | by :func:`write_facts` | what does not change: total steps, bicubic's figures, machine, pictures |
| ``recipe.yaml`` | by the loop | the recipe as it was run |
| ``history.json`` | by :func:`write_history` | all of the above in one document for other programs |

A run of several stages has a folder a stage; read together they make one history, whose steps count on.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import yaml

from clearvision.errors import TrainingError

LOG, EVENTS, FACTS, RECIPE, HISTORY = "log.csv", "events.jsonl", "run.json", "recipe.yaml", "history.json"
EventKind = Literal["warning", "rollback", "skipped", "stage", "resumed", "stopped"]

Points = tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Event:
    """Something that happened in a run: at which step, of which kind, and in a sentence."""

    step: int
    kind: EventKind
    text: str


@dataclass(frozen=True)
class History:
    """A run as its folder tells it.

    Attributes:
        name: the recipe's name, or the folder's.
        series: (step, value) of every column of the log that has values, in the log's order.
        events: in the order in which they were written.
        facts: of ``run.json``; empty where there is none.
        recipe: text of ``recipe.yaml``; empty where there is none.
    """

    name: str
    series: dict[str, Points]
    events: tuple[Event, ...]
    facts: dict[str, Any]
    recipe: str

    @property
    def against(self) -> str:
        """What baseline figures are of: bicubic enlargement, or at scale 1 the input as it is."""
        return "input" if re.search(r"^scale: 1$", self.recipe, re.MULTILINE) else "bicubic"

    @property
    def last_step(self) -> int:
        """The last step that the log knows."""
        return max((points[-1][0] for points in self.series.values()), default=0)

    def best(self, column: str, *, higher_is_better: bool = True) -> tuple[int, float] | None:
        """Return (step, value) of the best finite value of a column, the earliest of equals; None where there is none."""
        finite = [point for point in self.series.get(column, ()) if math.isfinite(point[1])]
        sign = -1 if higher_is_better else 1
        return min(finite, key=lambda point: (sign * point[1], point[0]), default=None)

    def last(self, column: str) -> float | None:
        """Return the last value of a column; None where there is none."""
        points = self.series.get(column, ())
        return points[-1][1] if points else None


def add_event(run_dir: Path, step: int, kind: EventKind, text: str) -> None:
    """Append an event: one line, so that an interruption damages no earlier one."""
    line = json.dumps({"step": step, "kind": kind, "text": text}, ensure_ascii=False)
    with (run_dir / EVENTS).open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")


def drop_events_after(run_dir: Path, step: int) -> None:
    """Forget the events after a step, because the run goes on from there and will meet them again."""
    path = run_dir / EVENTS
    if path.is_file():
        kept = [event for event in _events(path) if event.step <= step]
        _replace(path, "".join(f"{json.dumps(vars(event), ensure_ascii=False)}\n" for event in kept))


def write_facts(run_dir: Path, facts: Mapping[str, Any]) -> None:
    """Write ``run.json``.

    Args:
        run_dir: the run's folder.
        facts: plain values. Known to the report: ``network`` (in words), ``total_steps``, ``baseline`` (column of the log ->
            figure of bicubic, at scale 1 of the input, on the validation pictures), ``pictures`` and ``machine`` (both: what ->
            words or numbers).
    """
    _replace(run_dir / FACTS, json.dumps(dict(facts), indent=1, ensure_ascii=False) + "\n")


@dataclass(frozen=True)
class Part:
    """A stage of a run: its name (empty where there is only one), its folder, and the steps done before it."""

    name: str
    folder: Path
    offset: int


def read_parts(run_dir: Path) -> list[Part]:
    """Return the stages that have begun, in order; a run without stages is its own only one.

    Raises:
        TrainingError: if the folder holds no log of a run.
    """
    if (run_dir / LOG).is_file():
        return [Part("", run_dir, 0)]
    plain = yaml.safe_load(_text(run_dir / RECIPE))
    stages = plain.get("stages") if isinstance(plain, dict) else None
    parts: list[Part] = []
    offset = 0
    for name in (stage["name"] for stage in stages or ()):
        if (run_dir / name / LOG).is_file():
            parts.append(Part(name, run_dir / name, offset))
            offset += max((points[-1][0] for points in _series(run_dir / name / LOG).values()), default=0)
    if not parts:
        raise TrainingError(f"'{run_dir}' holds no run: there is no {LOG}; give the folder that 'clearvision train' wrote")
    return parts


def read_history(run_dir: Path) -> History:
    """Read a run's folder; a last line that was cut short by an interruption is left out.

    Raises:
        TrainingError: if the folder holds no log of a run.
    """
    series: dict[str, Points] = {}
    events: list[Event] = []
    facts: dict[str, Any] = {}
    seconds = 0.0
    for part in read_parts(run_dir):
        if part.name:
            events.append(Event(part.offset, "stage", part.name))
        for column, points in _series(part.folder / LOG).items():
            before = seconds if column == "seconds" else 0.0
            shifted = tuple((step + part.offset, value + before) for step, value in points)
            series[column] = series.get(column, ()) + shifted
        seconds = series["seconds"][-1][1] if "seconds" in series else 0.0
        events += (Event(event.step + part.offset, event.kind, event.text) for event in _events(part.folder / EVENTS))
        facts |= json.loads(_text(part.folder / FACTS) or "{}")
        if isinstance(facts.get("total_steps"), int):
            facts["total_steps"] += part.offset
    recipe = _text(run_dir / RECIPE)
    named = next((line.partition(":")[2].strip() for line in recipe.splitlines() if line.startswith("name:")), run_dir.name)
    return History(named, series, tuple(events), facts, recipe)


def write_history(run_dir: Path) -> Path:
    """Write ``history.json``, everything that the folder tells of the run, and return its path.

    Raises:
        TrainingError: if the folder holds no log of a run.
    """
    history = read_history(run_dir)
    series = {
        column: {"step": [step for step, _ in points], "value": [value if math.isfinite(value) else None for _, value in points]}
        for column, points in history.series.items()
    }
    document = {
        "name": history.name,
        "facts": history.facts,
        "events": [vars(event) for event in history.events],
        "series": series,
    }
    path = run_dir / HISTORY
    _replace(path, json.dumps(document, ensure_ascii=False) + "\n")
    return path


def _series(path: Path) -> dict[str, Points]:
    columns: dict[str, list[tuple[int, float]]] = {}
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if not (row.get("step") or "").isdigit():
                continue
            for column, cell in row.items():
                value = _number(cell)
                if column not in (None, "step") and value is not None:
                    columns.setdefault(column, []).append((int(row["step"]), value))
    return {column: tuple(points) for column, points in columns.items()}


def _number(cell: object) -> float | None:
    try:
        return float(cell) if isinstance(cell, str) and cell else None
    except ValueError:
        return None


def _events(path: Path) -> list[Event]:
    events = []
    for line in _text(path).splitlines():
        try:
            plain = json.loads(line)
        except ValueError:
            continue  # cut short by an interruption
        if isinstance(plain, dict) and plain.get("kind") in get_args(EventKind):
            events.append(Event(int(plain["step"]), plain["kind"], str(plain["text"])))
    return events


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _replace(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
