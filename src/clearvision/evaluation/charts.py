"""Small charts as SVG text, to be put into a page whose style sheet gives the colours (:data:`STYLE`), light and dark."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH = 560
SERIES = 6  # colours that the style sheet has

# Okabe and Ito's palette, apart for the colour-blind, and lighter on dark ground
STYLE = """
.chart { font: 12px system-ui, sans-serif; max-width: 100%; height: auto; }
.chart text { fill: var(--ink); }
.chart .quiet { fill: var(--quiet); }
.chart .grid { stroke: var(--line); stroke-width: 1; }
.chart .axis { stroke: var(--quiet); stroke-width: 1; }
.chart .whisker { stroke: var(--ink); stroke-width: 1.5; fill: none; }
.chart .s0 { fill: var(--s0); } .chart .s1 { fill: var(--s1); } .chart .s2 { fill: var(--s2); }
.chart .s3 { fill: var(--s3); } .chart .s4 { fill: var(--s4); } .chart .s5 { fill: var(--s5); }
"""
LIGHT = "--s0: #7a7f87; --s1: #0072b2; --s2: #d55e00; --s3: #009e73; --s4: #b8579c; --s5: #9a7b00;"
DARK = "--s0: #9aa0a8; --s1: #56b4e9; --s2: #f08a3c; --s3: #2fc79a; --s4: #e094c6; --s5: #e0c341;"


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
    low, high, step = _axis(min(0.0, min(bar.low for bar in bars)), max(0.0, max(bar.high for bar in bars)))

    def x(value: float) -> float:
        return left + (value - low) / (high - low) * (WIDTH - left - right)

    parts = []
    for tick in _ticks(low, high, step):
        parts += [_line(x(tick), top, x(tick), bottom), _text(x(tick), bottom + 18, _number(tick, step), quiet=True)]
    for index, bar in enumerate(bars):
        y = top + index * row
        middle = y + row / 2
        parts += [
            _text(left - 8, middle + 4, _shortened(bar.label, 20), anchor="end"),
            _box(sorted((x(0), x(bar.value))), (y + 6, y + row - 6), bar.series),
            _line(x(bar.low), middle, x(bar.high), middle, "whisker"),
            _line(x(bar.low), middle - 4, x(bar.low), middle + 4, "whisker"),
            _line(x(bar.high), middle - 4, x(bar.high), middle + 4, "whisker"),
            _text(max(x(bar.high), x(bar.value), x(0)) + 6, middle + 4, bar.text, anchor="start"),
        ]
    parts.append(_line(x(0), top, x(0), bottom, "axis"))
    return _svg(bottom + 26, caption, parts)


def column_chart(values: Sequence[tuple[str, float]], series: int, caption: str, *, span: tuple[float, float]) -> str:
    """Return one thin column a picture, in the order given, which tells its name and value when pointed at.

    Args:
        values: name and value of each; values that are not finite are drawn up to the axis's end.
        series: of the colour.
        caption: for readers of the screen.
        span: least and greatest value of all charts that this one is to be compared with.
    """
    left, right, top, bottom = 46, 8, 10, 166
    low, high, step = _axis(min(0.0, span[0]), max(0.0, span[1]))
    pitch = (WIDTH - left - right) / len(values)

    def y(value: float) -> float:
        return top + (high - min(max(value, low), high)) / (high - low) * (bottom - top)

    parts = _levels(low, high, step, y, left, WIDTH - right)
    for index, (name, value) in enumerate(values):
        start = left + index * pitch
        told = f"{name}: {value:+.2f}"
        parts.append(
            _box((start + pitch * 0.1, start + pitch * 0.9), sorted((y(0), y(0 if math.isnan(value) else value))), series, told)
        )
        if len(values) <= 16:
            parts.append(_text(start + pitch / 2, bottom + 18, _shortened(name, max(3, int(pitch / 7))), quiet=True))
    if len(values) > 16:
        parts.append(_text((left + WIDTH) / 2, bottom + 18, f"{len(values)} pictures, sorted", quiet=True))
    parts.append(_line(left, y(0), WIDTH - right, y(0), "axis"))
    return _svg(bottom + 26, caption, parts)


def scatter_plot(dots: Sequence[Dot], x_title: str, y_title: str, caption: str) -> str:
    """Return points over a logarithmic x axis, each with its label."""
    left, right, top, bottom = 56, 24, 26, 236
    logs = [math.log10(dot.x) for dot in dots]
    first, last = math.floor(min(logs) - 0.05), math.ceil(max(logs) + 0.05)
    least, most = min(dot.y for dot in dots), max(dot.y for dot in dots)
    margin = 0.15 * max(most - least, 1e-3)
    low, high, step = _axis(least - margin, most + margin)

    def x(value: float) -> float:
        return left + (math.log10(value) - first) / (last - first) * (WIDTH - left - right)

    def y(value: float) -> float:
        return top + (high - value) / (high - low) * (bottom - top)

    parts = _levels(low, high, step, y, left, WIDTH - right)
    for power in range(first, last + 1):
        place = x(10.0**power)
        parts += [_line(place, top, place, bottom), _text(place, bottom + 18, f"{10.0**power:g}", quiet=True)]
    above = -math.inf
    for dot in sorted(dots, key=lambda dot: -dot.y):
        above = max(y(dot.y) + 4, above + 14)  # labels of near points are set one under the other
        reach = 16 + 7 * len(_shortened(dot.label, 28))
        ahead = any(0 < x(other.x) - x(dot.x) < reach and abs(y(other.y) - above + 4) < 12 for other in dots)
        turned = x(dot.x) + reach > WIDTH or (ahead and x(dot.x) - reach > left)
        parts += [
            f'<circle class="s{dot.series % SERIES}" cx="{x(dot.x):.1f}" cy="{y(dot.y):.1f}" r="6"/>',
            _text(x(dot.x) + (-10 if turned else 10), above, _shortened(dot.label, 28), anchor="end" if turned else "start"),
        ]
    parts += [
        _text((left + WIDTH - right) / 2, bottom + 36, x_title, quiet=True),
        _text(left - 46, 14, y_title, anchor="start", quiet=True),
    ]
    return _svg(bottom + 44, caption, parts)


def _svg(height: float, caption: str, parts: Sequence[str]) -> str:
    size = f'viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" height="{height:.0f}"'
    return "\n".join([f'<svg class="chart" {size} role="img" aria-label="{escape(caption)}">', *parts, "</svg>"])


def _line(x0: float, y0: float, x1: float, y1: float, kind: str = "grid") -> str:
    return f'<path class="{kind}" d="M{x0:.1f} {y0:.1f}L{x1:.1f} {y1:.1f}"/>'


def _text(x: float, y: float, text: str, *, anchor: str = "middle", quiet: bool = False) -> str:
    kind = ' class="quiet"' if quiet else ""
    return f'<text{kind} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _box(across: Sequence[float], down: Sequence[float], series: int, told: str = "") -> str:
    width, height = (max(end - start, 1) for start, end in (across, down))
    place = f'x="{across[0]:.1f}" y="{down[0]:.1f}" width="{width:.1f}" height="{height:.1f}"'
    return f'<rect class="s{series % SERIES}" {place}>' + (f"<title>{escape(told)}</title>" if told else "") + "</rect>"


def _levels(low: float, high: float, step: float, y: Callable[[float], float], left: float, end: float) -> list[str]:
    parts = []
    for tick in _ticks(low, high, step):
        parts += [_line(left, y(tick), end, y(tick)), _text(left - 6, y(tick) + 4, _number(tick, step), anchor="end", quiet=True)]
    return parts


def _axis(low: float, high: float) -> tuple[float, float, float]:
    """Widen a range to round numbers and return it with a step that cuts it into four to eight parts."""
    if high <= low:
        high = low + 1
    raw = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(raw))
    step = power * next(factor for factor in (1, 2, 5, 10) if raw <= factor * power * (1 + 1e-9))
    return math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step, step


def _ticks(low: float, high: float, step: float) -> list[float]:
    return [low + index * step for index in range(round((high - low) / step) + 1)]


def _number(value: float, step: float) -> str:
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    return f"{round(value, digits) + 0.0:.{digits}f}"


def _shortened(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"
