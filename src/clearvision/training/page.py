"""A run as one HTML page: headline figures, what went wrong, curves, fixed crops over time, recipe and machine.

The page is built from the files of the run's folder alone (``training/history.py`` and ``training/samples.py`` say which), at any
time, without PyTorch. It needs no script and no other file: pictures are inside.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from clearvision.pages.curves import CURVE_STYLE, curve_chart, told
from clearvision.pages.document import chart_figure, document
from clearvision.training.figures import Figure, figures_of, metric_of
from clearvision.training.findings import findings
from clearvision.training.history import Event, History, read_history, write_history
from clearvision.training.plot import write_plot
from clearvision.training.samples import Strip, read_strips

REPORT, PLOT = "report.html", "history.png"
FRAMES = 6  # steps of a strip that are shown at once; the others are behind a line to open

_STYLE = f"""{CURVE_STYLE}
.cards {{ display: flex; flex-wrap: wrap; gap: 12px; margin: 18px 0; padding: 0; list-style: none; }}
.cards li {{ background: var(--raised); border-radius: 8px; padding: 12px 18px; min-width: 150px; }}
.cards b {{ display: block; font-size: 24px; line-height: 1.25; font-variant-numeric: tabular-nums; }}
.cards .what {{ color: var(--quiet); font-size: 12px; font-weight: 600; }}
.cards .more {{ color: var(--quiet); font-size: 13px; display: block; }}
.strip {{ display: flex; gap: 10px; overflow-x: auto; padding: 2px 2px 10px; }}
.strip figure {{ margin: 0; flex: 1 1 0; min-width: 112px; max-width: 190px; }}
.strip img {{ display: block; width: 100%; aspect-ratio: 1; object-fit: contain; image-rendering: pixelated;
  background: var(--raised); border-radius: 4px; }}
.strip figcaption {{ font-size: 13px; color: var(--quiet); margin-top: 3px; font-variant-numeric: tabular-nums; }}
.strip .edge figcaption {{ color: var(--ink); font-weight: 600; }}
pre {{ background: var(--raised); border-radius: 8px; padding: 14px 18px; overflow-x: auto; font-size: 13px; line-height: 1.45; }}
summary {{ cursor: pointer; font-weight: 600; padding: 4px 0; }} summary:focus-visible {{ outline: 2px solid var(--s1); }}
.facts th {{ text-align: left; vertical-align: top; }} .facts td {{ white-space: normal; }}
"""


def write_report(run_dir: Path) -> Path:
    """Write ``report.html``, ``history.png`` and ``history.json`` from the run's other files, and return the page's path.

    Each appears by atomic rename, so that it may be read, and called again, while the run goes on.

    Raises:
        TrainingError: if the folder holds no log of a run.
    """
    history = read_history(run_dir)
    write_history(run_dir)
    write_plot(figures_of(history), run_dir / PLOT, title=_title(history))
    path = run_dir / REPORT
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_text(to_html(history, read_strips(run_dir)), encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def to_html(history: History, strips: Sequence[Strip]) -> str:
    """Return the page's text."""
    body = [
        f"<h1>{escape(history.name)}</h1>",
        f"<p>{escape(_state(history))}</p>",
        *_cards(history),
        *_notices(history),
        *_curves(figures_of(history)),
        *_strips(strips),
        *_tables(history),
    ]
    return document(f"{_title(history)}, training", body, _STYLE)


def duration(seconds: float) -> str:
    """Return a time as ``45 s``, ``5.7 min`` or ``2.3 h``."""
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


def _title(history: History) -> str:
    network = history.facts.get("network")
    return f"{history.name}, {network}" if network else history.name


def _state(history: History) -> str:
    last, total = history.last_step, history.facts.get("total_steps")
    network = history.facts.get("network")
    start = f"{network}. " if network else ""
    if not isinstance(total, int):
        return f"{start}At step {last:,}."
    if last >= total:
        return f"{start}Finished after {last:,} steps."
    return f"{start}At step {last:,} of {total:,}: stopped, or still running when this page was made."


def _cards(history: History) -> list[str]:
    cards = []
    baseline = history.facts.get("baseline", {})
    for column in history.series:
        metric = metric_of(column)
        last = history.last(column)
        if metric is None or last is None:
            continue
        best = history.best(column, higher_is_better=metric.higher_is_better)
        more = (
            []
            if best is None or metric.shown(best[1]) == metric.shown(last)
            else [f"best {metric.shown(best[1])} at step {best[0]:,}"]
        )
        if column in baseline:
            more.append(f"{history.against} {metric.shown(baseline[column])}")
        cards.append((metric.name, f"{metric.shown(last)} {metric.unit}".strip(), more))
    seconds, speed = history.last("seconds"), history.last("steps_per_second")
    cards.append(("Steps", f"{history.last_step:,}", []))
    if seconds is not None:
        cards.append(("Training time", duration(seconds), [] if speed is None else [f"{told(speed)} steps/s at the end"]))
    items = [
        f'<li><span class="what">{escape(what)}</span><b>{escape(value)}</b>'
        + "".join(f'<span class="more">{escape(line)}</span>' for line in more)
        + "</li>"
        for what, value, more in cards
    ]
    return ['<ul class="cards">', *items, "</ul>"]


def _notices(history: History) -> list[str]:
    parts = [f'<p class="check{"" if found.good else " bad"}">{escape(found.text)}</p>' for found in findings(history)]
    serious = [event for event in history.events if event.kind in ("warning", "rollback", "skipped")]
    parts += [f'<p class="check bad">{escape(_told(event))}</p>' for event in serious[:8]]
    if len(serious) > 8:
        rows = "".join(f"<li>{escape(_told(event))}</li>" for event in serious[8:])
        parts.append(f"<details><summary>{len(serious) - 8} more</summary><ul>{rows}</ul></details>")
    others = [event for event in history.events if event not in serious]
    if others:
        rows = "".join(f"<li>{escape(_told(event))}</li>" for event in others)
        parts.append(f'<details><summary>What happened</summary><ul class="quiet">{rows}</ul></details>')
    return parts


def _told(event: Event) -> str:
    return f"Step {event.step:,}, {event.kind}: {event.text}"


def _curves(figures: Sequence[Figure]) -> list[str]:
    drawn = [(figure, curve_chart(figure.curves, figure.title, figure.marks)) for figure in figures]
    charts = [chart_figure(figure.title, chart) for figure, chart in drawn if chart]
    note = "Over the steps. Where a line stands for many values, it is their mean and the band reaches from least to greatest."
    return ["<h2>Curves</h2>", f'<p class="quiet">{note}</p>', '<div class="charts">', *charts, "</div>"] if charts else []


def _strips(strips: Sequence[Strip]) -> Iterator[str]:
    if not strips:
        return
    yield "<h2>The same crops over time</h2>"
    yield '<p class="quiet">Pictures that are never trained on: the input, what the averaged network makes of it, the truth.</p>'
    for strip in strips:
        shown = spread(len(strip.steps), FRAMES)
        frames = [_frame("input", strip.lq, strip.name, edge=True)]
        frames += [_frame(f"step {step:,}", path, strip.name) for step, path in (strip.steps[index] for index in shown)]
        if strip.gt is not None:
            frames.append(_frame("truth", strip.gt, strip.name, edge=True))
        yield f'<h3>{escape(strip.name)}</h3><div class="strip" tabindex="0">{"".join(frames)}</div>'


def spread(count: int, most: int) -> list[int]:
    """Return at most ``most`` of ``count`` places, evenly apart, the first and the last among them."""
    if count <= most:
        return list(range(count))
    return [round(index * (count - 1) / (most - 1)) for index in range(most)]


def _frame(caption: str, path: Path, name: str, *, edge: bool = False) -> str:
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    image = f'<img src="data:image/png;base64,{data}" alt="{escape(f"{name}, {caption}")}">'
    kind = ' class="edge"' if edge else ""
    return f"<figure{kind}>{image}<figcaption>{escape(caption)}</figcaption></figure>"


def _tables(history: History) -> Iterator[str]:
    columns = {column: metric for column in history.series if (metric := metric_of(column)) is not None}
    if columns:
        values = {column: dict(history.series[column]) for column in columns}
        steps = sorted({step for points in values.values() for step in points})
        head = "".join(f'<th class="number">{escape(metric.title)}</th>' for metric in columns.values())
        rows = []
        for step in steps:
            cells = (metric.shown(values[column][step]) if step in values[column] else "" for column, metric in columns.items())
            rows.append(
                f'<tr><td class="number">{step:,}</td>{"".join(f"""<td class="number">{cell}</td>""" for cell in cells)}</tr>'
            )
        table = f'<div class="wide"><table><tr><th class="number">Step</th>{head}</tr>{"".join(rows)}</table></div>'
        yield f"<h2>Every validation</h2><details><summary>{len(steps)} validations</summary>{table}</details>"
    for key, title in (("machine", "Machine"), ("pictures", "Pictures")):
        facts = history.facts.get(key)
        if isinstance(facts, dict) and facts:
            rows = [f"<tr><th>{escape(str(name))}</th><td>{escape(_plain(value))}</td></tr>" for name, value in facts.items()]
            yield f'<h2>{title}</h2><div class="wide"><table class="facts">{"".join(rows)}</table></div>'
    if history.recipe:
        yield f"<h2>Recipe</h2><details><summary>As it was run</summary><pre>{escape(history.recipe.rstrip())}</pre></details>"


def _plain(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return told(value) if isinstance(value, float) else str(value)
