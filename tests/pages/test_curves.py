from __future__ import annotations

import math
from xml.etree import ElementTree

import pytest

from clearvision.pages.curves import BOTTOM, TOP, Curve, Marks, binned, curve_chart, frame_of, step_label, told


def elements(chart: str, tag: str) -> list[ElementTree.Element]:
    return list(ElementTree.fromstring(chart).iter(tag))


def test_a_curve_runs_through_its_points_from_edge_to_edge() -> None:
    chart = curve_chart([Curve("PSNR", ((0, 20.0), (50, 25.0), (100, 30.0)), 1)], "PSNR")
    dots = [(float(dot.attrib["cx"]), float(dot.attrib["cy"])) for dot in elements(chart, "circle")]
    assert dots[1][0] - dots[0][0] == pytest.approx(dots[2][0] - dots[1][0], abs=0.2)
    assert dots[0][1] - dots[1][1] == pytest.approx(dots[1][1] - dots[2][1], abs=0.2)
    assert all(TOP <= y <= BOTTOM for _, y in dots)
    assert "PSNR from 20.00 at step 0 to 30.00 at step 100" in ElementTree.fromstring(chart).attrib["aria-label"]


def test_many_points_become_means_within_a_band() -> None:
    points = tuple((step, float(step % 2)) for step in range(1000))
    groups = binned(points, 100)
    assert len(groups) == 100
    assert groups[0] == (4.5, 0.5, 0.0, 1.0)
    chart = curve_chart([Curve("loss", points, 0)], "loss")
    assert 'class="band s0"' in chart
    assert not elements(chart, "circle")


def test_what_is_not_finite_is_left_out() -> None:
    points = ((1, 1.0), (2, math.nan), (3, math.inf), (4, 2.0))
    assert [step for step, *_ in binned(points)] == [1, 4]
    assert curve_chart([Curve("loss", ((1, math.nan),), 0)], "loss") == ""
    assert curve_chart([], "loss") == ""


def test_values_of_many_sizes_get_a_logarithmic_axis() -> None:
    near = frame_of([Curve("a", ((1, 1.0), (2, 20.0)), 0)], Marks())
    far = frame_of([Curve("a", ((1, 0.005), (2, 20.0)), 0)], Marks())
    assert near is not None
    assert far is not None
    assert not near.logarithmic
    assert (far.low, far.high, far.logarithmic) == (-3, 2, True)
    kept = frame_of([Curve("a", ((1, 0.005), (2, 20.0)), 0)], Marks(linear=True))
    assert kept is not None
    assert not kept.logarithmic
    below = frame_of([Curve("a", ((1, -0.005), (2, 20.0)), 0)], Marks())
    assert below is not None
    assert not below.logarithmic


def test_one_constant_point_has_axes_too() -> None:
    frame = frame_of([Curve("a", ((7, 0.0),), 0)], Marks())
    assert frame is not None
    assert frame.low < frame.high
    assert frame.first < frame.last
    ElementTree.fromstring(curve_chart([Curve("a", ((7, 0.0),), 0)], "a"))


def test_marks_and_labels() -> None:
    marks = Marks(events=((5, "a<b"), (99, "outside")), baseline=("bicubic", 24.0), best=(10, 29.0))
    chart = curve_chart([Curve("one", ((0, 28.0), (10, 29.0)), 1), Curve("two", ((0, 28.0), (10, 29.01)), 2)], "x", marks)
    words = ["".join(element.itertext()) for element in elements(chart, "text")]
    assert "a<b" in words
    assert "outside" not in words
    assert "bicubic 24.00" in words
    assert "one 29.00" in words
    heights = sorted(float(e.attrib["y"]) for e in elements(chart, "text") if "".join(e.itertext())[:3] in ("one", "two"))
    assert heights[1] - heights[0] >= 15  # labels of curves that end together stand apart
    assert "best: 29.00 at step 10" in chart


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (29.3456, "29.35"), (0.03183, "0.0318"), (0.00021, "2.10e-4"), (1234.5, "1234"), (2e6, "2.00e6")],
)
def test_numbers_as_people_write_them(value: float, text: str) -> None:
    assert told(value) == text


def test_steps_as_people_write_them() -> None:
    assert [step_label(step) for step in (0, 500, 20_000, 1_500_000)] == ["0", "500", "20k", "1.5M"]
