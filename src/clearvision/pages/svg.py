"""What every chart is drawn with: SVG elements as text, and axes on round numbers. The page's style sheet gives the colours."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
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


def svg(height: float, caption: str, parts: Sequence[str]) -> str:
    """Return a chart of ``WIDTH`` by ``height`` user units; ``caption`` is for readers of the screen."""
    size = f'viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" height="{height:.0f}"'
    return "\n".join([f'<svg class="chart" {size} role="img" aria-label="{escape(caption)}">', *parts, "</svg>"])


def line(x0: float, y0: float, x1: float, y1: float, kind: str = "grid") -> str:
    """Return a straight line of one of the style sheet's kinds."""
    return f'<path class="{kind}" d="M{x0:.1f} {y0:.1f}L{x1:.1f} {y1:.1f}"/>'


def text(x: float, y: float, words: str, *, anchor: str = "middle", quiet: bool = False) -> str:
    """Return a line of text; ``anchor`` is SVG's."""
    kind = ' class="quiet"' if quiet else ""
    return f'<text{kind} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def box(across: Sequence[float], down: Sequence[float], series: int, told: str = "") -> str:
    """Return a filled box in the colour of a series, at least 1 unit wide and high; ``told`` shows when it is pointed at."""
    width, height = (max(end - start, 1) for start, end in (across, down))
    place = f'x="{across[0]:.1f}" y="{down[0]:.1f}" width="{width:.1f}" height="{height:.1f}"'
    return f'<rect class="s{series % SERIES}" {place}>' + (f"<title>{escape(told)}</title>" if told else "") + "</rect>"


def levels(low: float, high: float, step: float, y: Callable[[float], float], left: float, end: float) -> list[str]:
    """Return the horizontal lines of a y axis with their numbers."""
    parts = []
    for tick in ticks(low, high, step):
        parts += [line(left, y(tick), end, y(tick)), text(left - 6, y(tick) + 4, number(tick, step), anchor="end", quiet=True)]
    return parts


def axis(low: float, high: float) -> tuple[float, float, float]:
    """Widen a range to round numbers and return it with a step that cuts it into four to eight parts."""
    if high <= low:
        high = low + 1
    raw = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(raw))
    step = power * next(factor for factor in (1, 2, 5, 10) if raw <= factor * power * (1 + 1e-9))
    return math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step, step


def ticks(low: float, high: float, step: float) -> list[float]:
    """Return the round numbers of an axis as :func:`axis` gave it."""
    return [low + index * step for index in range(round((high - low) / step) + 1)]


def number(value: float, step: float) -> str:
    """Return a value with the digits that its axis's step needs."""
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    if digits > 4:
        return f"{round(value, digits):.1e}".replace(".0e", "e").replace("e-0", "e-") if round(value, digits) else "0"
    return f"{round(value, digits) + 0.0:.{digits}f}"


def shortened(text: str, length: int) -> str:
    """Return a text cut to a length, which an ellipsis then ends."""
    return text if len(text) <= length else f"{text[: length - 1]}…"
