"""Counters and histograms in the text format of Prometheus."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter

BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Labels = tuple[tuple[str, str], ...]


class Histogram:
    """How many values lie below each bound."""

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS) + 1)
        self._sum = 0.0

    def add(self, value: float) -> None:
        """Count a value."""
        self._counts[bisect_left(BOUNDS, value)] += 1
        self._sum += value

    def lines(self, name: str) -> list[str]:
        """Return it as lines of text."""
        below, lines = 0, []
        for bound, count in zip((*BOUNDS, "+Inf"), self._counts, strict=True):
            below += count
            lines.append(f'{name}_bucket{{le="{bound}"}} {below}')
        return [*lines, f"{name}_sum {self._sum:.6f}", f"{name}_count {below}"]


class Metrics:
    """What happened since the start."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: Counter[Labels] = Counter()
        self._pictures: Counter[str] = Counter()
        self._computing, self._waiting = Histogram(), Histogram()

    def count_request(self, route: str, method: str, status: int) -> None:
        """Count an answer; the route is the rule, not the address, which may hold a job's id."""
        with self._lock:
            self._requests[(("route", route), ("method", method), ("status", str(status)))] += 1

    def count_picture(self, outcome: str) -> None:
        """Count a picture by what became of it: ``done``, or the slug of a problem."""
        with self._lock:
            self._pictures[outcome] += 1

    def note_seconds(self, computing: float, whole: float) -> None:
        """Note how long a picture was computed, and how long it took from the beginning of work on it to its file."""
        with self._lock:
            self._computing.add(computing)
            self._waiting.add(whole)

    def text(self, gauges: dict[str, tuple[str, float]]) -> str:
        """Return everything.

        Args:
            gauges: name to meaning and value of what is measured now.
        """
        with self._lock:
            lines = _head("requests_total", "counter", "Answers by route, method and status.")
            lines += [f"clearvision_requests_total{_shown(labels)} {count}" for labels, count in sorted(self._requests.items())]
            lines += _head("pictures_total", "counter", "Pictures by outcome.")
            lines += [f'clearvision_pictures_total{{outcome="{slug}"}} {count}' for slug, count in sorted(self._pictures.items())]
            for name, histogram, meaning in (
                ("compute_seconds", self._computing, "Seconds that the engine worked on a picture."),
                ("picture_seconds", self._waiting, "Seconds from accepting a picture, or taking its job up, to its result."),
            ):
                lines += [*_head(name, "histogram", meaning), *histogram.lines(f"clearvision_{name}")]
        for name, (meaning, value) in gauges.items():
            lines += [*_head(name, "gauge", meaning), f"clearvision_{name} {value:g}"]
        return "\n".join([*lines, ""])


def _head(name: str, kind: str, meaning: str) -> list[str]:
    return [f"# HELP clearvision_{name} {meaning}", f"# TYPE clearvision_{name} {kind}"]


def _shown(labels: Labels) -> str:
    return "{" + ",".join(f'{name}="{value}"' for name, value in labels) + "}"
