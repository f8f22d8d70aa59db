from __future__ import annotations

import math
from xml.etree import ElementTree

import pytest

from clearvision.pages.charts import Bar, Dot, bar_chart, column_chart, scatter_plot


def numbers(svg: str, tag: str, attribute: str) -> list[float]:
    return [float(element.attrib[attribute]) for element in ElementTree.fromstring(svg).iter(tag)]


def test_bars_are_as_long_as_their_values() -> None:
    svg = bar_chart([Bar("a & b", 1.0, 0.5, 1.5, "+1.0", 1), Bar("c", -0.5, -1, 0, "-0.5", 2)], "gain")
    first, second = numbers(svg, "rect", "width")
    assert first == pytest.approx(2 * second, abs=0.2)
    starts = numbers(svg, "rect", "x")
    assert starts[1] + second == pytest.approx(starts[0], abs=0.2)  # both start at zero
    assert "a &amp; b" in svg


def test_columns_share_an_axis_and_take_what_is_not_finite() -> None:
    values = [("a", 2.0), ("b", 1.0), ("c", math.inf), ("d", math.nan)]
    heights = numbers(column_chart(values, 1, "gain", span=(0, 4)), "rect", "height")
    assert heights[0] == pytest.approx(2 * heights[1], abs=0.2)
    assert heights[2] == pytest.approx(2 * heights[0], abs=0.2)
    assert heights[3] == 1


def test_dots_lie_on_a_logarithmic_axis_inside_the_chart() -> None:
    dots = [Dot("fast", 0.01, 26.0, 0), Dot("middle", 0.1, 27.0, 1), Dot("slow", 1.0, 28.0, 2)]
    svg = scatter_plot(dots, "seconds", "PSNR", "time")
    slow, middle, fast = numbers(svg, "circle", "cx")
    assert slow - middle == pytest.approx(middle - fast, abs=0.2)
    assert numbers(svg, "circle", "cy") == sorted(numbers(svg, "circle", "cy"))
    assert all(0 < x < 560 for x in (slow, middle, fast))
