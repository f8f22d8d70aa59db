"""Curves over the steps of a run, as SVG: labelled at their ends, with marks at events, their best point and a baseline."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from clearvision.pages.svg import SERIES, WIDTH, axis, levels, line, number, shortened, svg, text, ticks

LEFT, RIGHT, TOP, BOTTOM = 52, 140, 20, 204
BINS = 240  # about one for two units of width; more points are drawn as their mean within the band of least and greatest
DOTTED = 40  # up to so many points get a dot each, which tells its value when pointed at
TURN = 30.0  # greatest divided by least value from which an axis of positive values is logarithmic

# goes behind the style sheet of clearvision.pages.svg
CURVE_STYLE = (
    """
.chart .curve { fill: none; stroke-width: 1.8; stroke-linejoin: round; }
.chart .band { opacity: .18; stroke: none; }
.chart .event { stroke: var(--quiet); stroke-width: 1; stroke-dasharray: 2 3; }
.chart .base { stroke: var(--quiet); stroke-width: 1.2; stroke-dasharray: 6 4; }
.chart .best { fill: var(--ground); stroke-width: 2; }
"""
    + "\n".join(f".chart .c{index} {{ stroke: var(--s{index}); }}" for index in range(SERIES))
    + "\n"
)


@dataclass(frozen=True)
class Curve:
    """A figure over the steps: label, (step, value) in rising steps, and the colour's number."""

    label: str
    points: tuple[tuple[int, float], ...]
    series: int


@dataclass(frozen=True)
class Frame:
    """What a figure's axes cover.

    Attributes:
        first: least step.
        last: greatest step.
        low: least value on the y axis, or its decimal logarithm.
        high: greatest value, likewise.
        step: distance of the y axis's ticks.
        logarithmic: whether the y axis is.
    """

    first: int
    last: int
    low: float
    high: float
    step: float
    logarithmic: bool


@dataclass(frozen=True)
class Marks:
    """What is drawn beside the curves.

    Attributes:
        events: steps at which something happened, such as a new stage, each with a word.
        baseline: a value to compare with and its name.
        best: the step and value of the best point of the first curve.
        linear: keep the y axis linear, however different the values are.
    """

    events: tuple[tuple[int, str], ...] = ()
    baseline: tuple[str, float] | None = None
    best: tuple[int, float] | None = None
    linear: bool = False


def frame_of(curves: Sequence[Curve], marks: Marks) -> Frame | None:
    """Return round axes around all finite values, or None where there is nothing to draw."""
    points = [point for curve in curves for point in curve.points if math.isfinite(point[1])]
    if not points:
        return None
    values = [value for _, value in points]
    least, most = min(values), max(values)
    if marks.baseline is not None and math.isfinite(marks.baseline[1]):
        least, most = min(least, marks.baseline[1]), max(most, marks.baseline[1])
    logarithmic = not marks.linear and least > 0 and most / least > TURN
    if logarithmic:
        low, high = math.floor(math.log10(least) + 1e-9), math.ceil(math.log10(most) - 1e-9)
        bounds = (float(low), float(max(high, low + 1)), 1.0)
    else:
        room = 0.04 * (most - least) or 0.05 * abs(most) or 1.0
        bounds = axis(least - room if least < 0 or least - room > 0 else 0.0, most + room)
    steps = [step for step, _ in points]
    return Frame(min(steps), max(max(steps), min(steps) + 1), *bounds, logarithmic)


def binned(points: Sequence[tuple[int, float]], bins: int = BINS) -> list[tuple[float, float, float, float]]:
    """Return (step, mean, least, greatest) of at most ``bins`` runs of neighbouring finite points."""
    finite = [(step, value) for step, value in points if math.isfinite(value)]
    size = max(1, math.ceil(len(finite) / bins))
    groups = [finite[start : start + size] for start in range(0, len(finite), size)]
    return [
        (
            sum(step for step, _ in group) / len(group),
            sum(value for _, value in group) / len(group),
            min(value for _, value in group),
            max(value for _, value in group),
        )
        for group in groups
    ]


def curve_chart(curves: Sequence[Curve], caption: str, marks: Marks = Marks()) -> str:
    """Return curves over steps as SVG, or an empty text where no value is finite."""
    frame = frame_of(curves, marks)
    if frame is None:
        return ""
    x, y = _places(frame)
    parts = _grid(frame, y, x)
    for step, word in marks.events:
        if frame.first <= step <= frame.last:
            label = text(x(step), TOP - 6, shortened(word, 16), quiet=True)
            parts += [line(x(step), TOP, x(step), BOTTOM, "event"), label]
    for curve in curves:
        parts += _drawn(curve, x, y)
    ends = []
    for curve in curves:
        finite = [point for point in curve.points if math.isfinite(point[1])]
        if finite:
            label = f"{shortened(curve.label, 13)} {told(finite[-1][1])}" if len(curves) > 1 else told(finite[-1][1])
            ends.append((y(finite[-1][1]), label, f"s{curve.series % SERIES}"))
    if marks.baseline is not None and math.isfinite(marks.baseline[1]):
        name, value = marks.baseline
        parts.append(line(LEFT, y(value), WIDTH - RIGHT, y(value), "base"))
        ends.append((y(value), f"{name} {told(value)}", "quiet"))
    parts += _end_labels(ends)
    if marks.best is not None and curves:
        step, value = marks.best
        title = f"<title>best: {told(value)} at step {step:,}</title>"
        place = f'cx="{x(step):.1f}" cy="{y(value):.1f}" r="4.5"'
        parts.append(f'<circle class="best c{curves[0].series % SERIES}" {place}>{title}</circle>')
    return svg(BOTTOM + 28, f"{caption}: {_summary(curves)}", parts)


def told(value: float) -> str:
    """Return a value with about four significant digits, as people write it."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    if abs(value) >= 100000 or abs(value) < 0.001:
        return f"{value:.2e}".replace("e-0", "e-").replace("e+0", "e")
    return f"{value:.{min(4, max(0, 3 - math.floor(math.log10(abs(value)))))}f}"


def step_label(step: float) -> str:
    """Return a step as ``500``, ``20k`` or ``1.5M``."""
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if abs(step) >= size:
            return f"{step / size:g}{unit}"
    return f"{step:g}"


def _places(frame: Frame) -> tuple[Callable[[float], float], Callable[[float], float]]:
    def x(step: float) -> float:
        return LEFT + (step - frame.first) / (frame.last - frame.first) * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        place = math.log10(max(value, 1e-300)) if frame.logarithmic else value
        return TOP + (frame.high - place) / (frame.high - frame.low) * (BOTTOM - TOP)

    return x, y


def _grid(frame: Frame, y: Callable[[float], float], x: Callable[[float], float]) -> list[str]:
    if frame.logarithmic:
        parts = []
        for power in range(round(frame.low), round(frame.high) + 1):
            place = y(10.0**power)
            parts += [
                line(LEFT, place, WIDTH - RIGHT, place),
                text(LEFT - 6, place + 4, f"{10.0**power:g}", anchor="end", quiet=True),
            ]
    else:
        parts = levels(frame.low, frame.high, frame.step, y, LEFT, WIDTH - RIGHT)
    low, high, step = axis(frame.first, frame.last)
    for tick in ticks(low, high, step):
        if frame.first <= tick <= frame.last:
            parts.append(text(x(tick), BOTTOM + 18, step_label(float(number(tick, step))), quiet=True))
    return parts


def _drawn(curve: Curve, x: Callable[[float], float], y: Callable[[float], float]) -> list[str]:
    groups = binned(curve.points)
    if not groups:
        return []
    series = curve.series % SERIES
    parts = []
    if len(groups) < len(curve.points):
        upper = [f"{x(step):.1f} {y(most):.1f}" for step, _, _, most in groups]
        lower = [f"{x(step):.1f} {y(least):.1f}" for step, _, least, _ in reversed(groups)]
        parts.append(f'<path class="band s{series}" d="M{"L".join([*upper, *lower])}Z"/>')
    path = "L".join(f"{x(step):.1f} {y(mean):.1f}" for step, mean, _, _ in groups)
    parts.append(f'<path class="curve c{series}" d="M{path}"/>')
    if len(curve.points) <= DOTTED:
        for step, mean, _, _ in groups:
            title = f"<title>{told(mean)} at step {step:,.0f}</title>"
            parts.append(f'<circle class="s{series}" cx="{x(step):.1f}" cy="{y(mean):.1f}" r="2.6">{title}</circle>')
    return parts


def _end_labels(ends: Sequence[tuple[float, str, str]]) -> list[str]:
    """Return the labels at the right ends of the curves, moved apart where they would overlap."""
    parts = []
    above = -math.inf
    room = BOTTOM + 4 - 15 * (len(ends) - 1)
    for index, (place, label, kind) in enumerate(sorted(ends)):
        above = max(min(place + 4, room + 15 * index), above + 15)
        parts.append(f'<rect class="{kind}" x="{WIDTH - RIGHT + 8}" y="{above - 8:.1f}" width="8" height="8" rx="2"/>')
        parts.append(text(WIDTH - RIGHT + 21, above, label, anchor="start"))
    return parts


def _summary(curves: Sequence[Curve]) -> str:
    words = []
    for curve in curves:
        finite = [(step, value) for step, value in curve.points if math.isfinite(value)]
        if finite:
            (first, start), (last, end) = finite[0], finite[-1]
            words.append(f"{curve.label} from {told(start)} at step {first:,} to {told(end)} at step {last:,}")
    return "; ".join(words)
