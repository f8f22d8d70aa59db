"""Small charts as SVG text: bars with intervals, columns, points."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from clearvision.pages.svg import SERIES, WIDTH, axis, box, levels, line, number, shortened, svg, text, ticks


@dataclass(frozen=True)
class Bar:
    """One bar from zero, with an interval; ``series`` picks its colour."""

    label: str
    value: float
    low: float
    high: float
    text: str
    series: int


@dataclass(frozen=True)
class Dot:
    """One point of a scatter plot."""

    label: str
    x: float
    y: float
    series: int


def bar_chart(bars: Sequence[Bar], caption: str) -> str:
    """Return horizontal bars from zero with their intervals and values."""
    left, right, row, top = 150, 80, 30, 8
    bottom = top + row * len(bars)
    low, high, step = axis(min(0.0, min(bar.low for bar in bars)), max(0.0, max(bar.high for bar in bars)))

    def x(value: float) -> float:
        return left + (value - low) / (high - low) * (WIDTH - left - right)

    parts = []
    for tick in ticks(low, high, step):
        parts += [line(x(tick), top, x(tick), bottom), text(x(tick), bottom + 18, number(tick, step), quiet=True)]
    for index, bar in enumerate(bars):
        y = top + index * row
        middle = y + row / 2
        parts += [
            text(left - 8, middle + 4, shortened(bar.label, 20), anchor="end"),
            box(sorted((x(0), x(bar.value))), (y + 6, y + row - 6), bar.series),
            line(x(bar.low), middle, x(bar.high), middle, "whisker"),
            line(x(bar.low), middle - 4, x(bar.low), middle + 4, "whisker"),
            line(x(bar.high), middle - 4, x(bar.high), middle + 4, "whisker"),
            text(max(x(bar.high), x(bar.value), x(0)) + 6, middle + 4, bar.text, anchor="start"),
        ]
    parts.append(line(x(0), top, x(0), bottom, "axis"))
    return svg(bottom + 26, caption, parts)


def column_chart(values: Sequence[tuple[str, float]], series: int, caption: str, *, span: tuple[float, float]) -> str:
    """Return one thin column a picture, in the order given, which tells its name and value when pointed at.

    Args:
        values: name and value of each; values that are not finite are drawn up to the axis's end.
        series: of the colour.
        caption: for readers of the screen.
        span: least and greatest value of all charts that this one is to be compared with.
    """
    left, right, top, bottom = 46, 8, 10, 166
    low, high, step = axis(min(0.0, span[0]), max(0.0, span[1]))
    pitch = (WIDTH - left - right) / len(values)

    def y(value: float) -> float:
        return top + (high - min(max(value, low), high)) / (high - low) * (bottom - top)

    parts = levels(low, high, step, y, left, WIDTH - right)
    for index, (name, value) in enumerate(values):
        start = left + index * pitch
        told = f"{name}: {value:+.2f}"
        parts.append(
            box((start + pitch * 0.1, start + pitch * 0.9), sorted((y(0), y(0 if math.isnan(value) else value))), series, told)
        )
        if len(values) <= 16:
            parts.append(text(start + pitch / 2, bottom + 18, shortened(name, max(3, int(pitch / 7))), quiet=True))
    if len(values) > 16:
        parts.append(text((left + WIDTH) / 2, bottom + 18, f"{len(values)} pictures, sorted", quiet=True))
    parts.append(line(left, y(0), WIDTH - right, y(0), "axis"))
    return svg(bottom + 26, caption, parts)


def scatter_plot(dots: Sequence[Dot], x_title: str, y_title: str, caption: str) -> str:
    """Return points over a logarithmic x axis, each with its label."""
    left, right, top, bottom = 56, 24, 26, 236
    logs = [math.log10(dot.x) for dot in dots]
    first, last = math.floor(min(logs) - 0.05), math.ceil(max(logs) + 0.05)
    least, most = min(dot.y for dot in dots), max(dot.y for dot in dots)
    margin = 0.15 * max(most - least, 1e-3)
    low, high, step = axis(least - margin, most + margin)

    def x(value: float) -> float:
        return left + (math.log10(value) - first) / (last - first) * (WIDTH - left - right)

    def y(value: float) -> float:
        return top + (high - value) / (high - low) * (bottom - top)

    parts = levels(low, high, step, y, left, WIDTH - right)
    for power in range(first, last + 1):
        place = x(10.0**power)
        parts += [line(place, top, place, bottom), text(place, bottom + 18, f"{10.0**power:g}", quiet=True)]
    above = -math.inf
    for dot in sorted(dots, key=lambda dot: -dot.y):
        above = max(y(dot.y) + 4, above + 14)  # labels of near points are set one under the other
        reach = 16 + 7 * len(shortened(dot.label, 28))
        ahead = any(0 < x(other.x) - x(dot.x) < reach and abs(y(other.y) - above + 4) < 12 for other in dots)
        turned = x(dot.x) + reach > WIDTH or (ahead and x(dot.x) - reach > left)
        parts += [
            f'<circle class="s{dot.series % SERIES}" cx="{x(dot.x):.1f}" cy="{y(dot.y):.1f}" r="6"/>',
            text(x(dot.x) + (-10 if turned else 10), above, shortened(dot.label, 28), anchor="end" if turned else "start"),
        ]
    parts += [
        text((left + WIDTH - right) / 2, bottom + 36, x_title, quiet=True),
        text(left - 46, 14, y_title, anchor="start", quiet=True),
    ]
    return svg(bottom + 44, caption, parts)
