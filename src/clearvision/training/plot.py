"""The curves of a report as one PNG picture, for places that show no HTML; drawn with Pillow, light ground only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from clearvision.pages.curves import Frame, binned, frame_of, step_label, told
from clearvision.pages.svg import axis, number, shortened, ticks
from clearvision.training.figures import Figure

WIDTH, HEIGHT = 640, 310  # of one chart
LEFT, RIGHT, TOP, BOTTOM = 66, 150, 54, 34
OVER = 2  # drawn this many times larger and shrunk, because Pillow's lines have hard edges

INK, QUIET, LINE, GROUND = "#1c1f23", "#5c636c", "#dde1e6", "#ffffff"
COLOURS = ("#7a7f87", "#0072b2", "#d55e00", "#009e73", "#b8579c", "#9a7b00")


def write_plot(figures: Sequence[Figure], path: Path, *, title: str) -> None:
    """Write the figures in two columns under a title, by atomic rename; nothing is written where there is nothing to draw."""
    drawable = [(figure, frame) for figure in figures if (frame := frame_of(figure.curves, figure.marks)) is not None]
    if not drawable:
        return
    columns = min(2, len(drawable))
    head = 46
    size = (columns * WIDTH, head + math.ceil(len(drawable) / columns) * HEIGHT)
    image = Image.new("RGB", (size[0] * OVER, size[1] * OVER), GROUND)
    draw = ImageDraw.Draw(image)
    _text(draw, 16, 14, title, 20, INK)
    for index, (figure, frame) in enumerate(drawable):
        _chart(draw, (index % columns) * WIDTH, head + (index // columns) * HEIGHT, figure, frame)
    partial = path.with_name(f".{path.name}.partial")
    try:
        image.resize(size, Image.Resampling.BOX).save(partial, "PNG")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _chart(draw: ImageDraw.ImageDraw, x0: float, y0: float, figure: Figure, frame: Frame) -> None:
    left, right, top, bottom = x0 + LEFT, x0 + WIDTH - RIGHT, y0 + TOP, y0 + HEIGHT - BOTTOM

    def place(step: float, value: float) -> tuple[float, float]:
        height = math.log10(max(value, 1e-300)) if frame.logarithmic else value
        x = left + (step - frame.first) / (frame.last - frame.first) * (right - left)
        return x, top + (frame.high - height) / (frame.high - frame.low) * (bottom - top)

    _text(draw, x0 + 16, y0 + 10, figure.title, 15, INK)
    for tick in ticks(frame.low, frame.high, frame.step):
        value = 10.0**tick if frame.logarithmic else tick
        _, y = place(frame.first, value)
        _line(draw, [(left, y), (right, y)], LINE, 1)
        _text(draw, left - 8, y, f"{value:g}" if frame.logarithmic else number(tick, frame.step), 12, QUIET, "rm")
    low, high, step = axis(frame.first, frame.last)
    for tick in ticks(low, high, step):
        if frame.first <= tick <= frame.last:
            _text(draw, place(tick, 1.0)[0], bottom + 14, step_label(float(number(tick, step))), 12, QUIET, "mm")
    for at, word in figure.marks.events:
        if frame.first <= at <= frame.last:
            x, _ = place(at, 1.0)
            _line(draw, [(x, top), (x, bottom)], LINE, 2)
            _text(draw, x, top - 9, shortened(word, 16), 11, QUIET, "mm")
    ends = []
    if figure.marks.baseline is not None:
        name, value = figure.marks.baseline
        _, y = place(frame.first, value)
        _line(draw, [(left, y), (right, y)], QUIET, 1)
        ends.append((y, f"{name} {told(value)}", QUIET))
    for curve in figure.curves:
        points = [place(step, mean) for step, mean, _, _ in binned(curve.points)]
        colour = COLOURS[curve.series % len(COLOURS)]
        if len(points) > 1:
            _line(draw, points, colour, 2)
        for x, y in points if len(points) <= 40 else points[-1:]:
            draw.ellipse([(x - 2.5) * OVER, (y - 2.5) * OVER, (x + 2.5) * OVER, (y + 2.5) * OVER], fill=colour)
        if points:
            last = next(value for _, value in reversed(curve.points) if math.isfinite(value))
            label = f"{shortened(curve.label, 13)} {told(last)}" if len(figure.curves) > 1 else told(last)
            ends.append((points[-1][1], label, colour))
    above = -math.inf
    for index, (y, label, colour) in enumerate(sorted(ends)):
        above = max(min(y, bottom - 16 * (len(ends) - 1 - index)), above + 16)
        _text(draw, right + 10, above, label, 12, colour, "lm")


def _line(draw: ImageDraw.ImageDraw, points: Sequence[tuple[float, float]], colour: str, width: float) -> None:
    draw.line([(x * OVER, y * OVER) for x, y in points], fill=colour, width=round(width * OVER), joint="curve")


def _text(draw: ImageDraw.ImageDraw, x: float, y: float, words: str, size: int, colour: str, anchor: str = "la") -> None:
    font = ImageFont.load_default(size * OVER)  # Pillow's own, so that it does not depend on the machine's
    if not isinstance(font, ImageFont.FreeTypeFont):  # a build without FreeType has one small bitmap font and no anchors
        draw.text((x * OVER, y * OVER), words.encode("ascii", "replace").decode("ascii"), fill=colour, font=font)
        return
    draw.text((x * OVER, y * OVER), words, fill=colour, font=font, anchor=anchor)
