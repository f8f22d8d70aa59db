# ruff: noqa: ANN401 - fixtures hand over classes of conftest.py, which cannot be imported
from __future__ import annotations

import csv
import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clearvision.evaluation.evaluate import evaluate
from clearvision.evaluation.loading import PictureReader
from clearvision.evaluation.methods import Interpolation
from clearvision.evaluation.report import open_journal, write_report
from clearvision.evaluation.samples import choose_pictures, choose_window
from clearvision.evaluation.sets import open_set
from clearvision.evaluation.store import Store
from clearvision.evaluation.tables import compare, format_p, main_table, to_markdown
from clearvision.imaging.io import read_picture


def report(folder: Path, out: Path, *methods: Any, **options: Any) -> Any:
    reader, gallery = PictureReader(open_set(folder)), Store[Any]()
    everything = [Interpolation("bicubic"), *methods]
    evaluation = evaluate(reader, everything, journal=open_journal(out), gallery=gallery, **options)
    comparisons = compare(evaluation)
    write_report(out, evaluation, comparisons, everything, reader, gallery, command="clearvision evaluate <x>")
    return evaluation, comparisons


class Seen(HTMLParser):
    """Collects what a page links to, its text, and whether every tag is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.images: list[str] = []
        self.text = ""
        self.tags: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "img":
            self.images.append(dict(attrs)["src"] or "")
            assert dict(attrs)["alt"]
        elif tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_every_file_of_a_report(pairs_folder: Path, tmp_path: Path, counting: Any) -> None:
    out = tmp_path / "report"
    evaluation, comparisons = report(pairs_folder, out, counting("a<b"), counting("other", offset=1))
    assert {path.name for path in out.iterdir()} == {
        "finished.jsonl",
        "pictures",
        "report.html",
        "report.json",
        "report.md",
        "scores.csv",
    }
    document = json.loads((out / "report.json").read_text())
    assert document["protocol"]["name"] == "y"
    assert [method["label"] for method in document["methods"]] == ["bicubic", "a<b", "other"]
    assert document["methods"][1]["metrics"]["psnr"]["mean"] == evaluation.mean(evaluation.results[1], "psnr")
    assert document["methods"][1]["parameters"] == 1000
    assert document["methods"][1]["flops_per_pixel"] == 500
    assert len(document["comparisons"]) == len(comparisons) == 6

    rows = list(csv.DictReader((out / "scores.csv").read_text().splitlines()))
    assert len(rows) == 12
    assert {row["protocol"] for row in rows} == {"y"}
    assert float(rows[5]["psnr"]) == evaluation.results[1].scores["p1"].values["psnr"]

    markdown = (out / "report.md").read_text()
    assert "Protocol y: luma" in markdown
    assert re.search(r"\| bicubic \| \d\d\.\d\d \|", markdown)

    page = Seen()
    page.feed((out / "report.html").read_text())
    assert page.open == []
    assert "script" not in page.tags
    assert page.tags.count("svg") == 5  # two gains, two methods by picture, PSNR against time
    assert "Protocol y: luma" in page.text
    assert "a<b - bicubic" in page.text
    assert "clearvision evaluate <x>" in page.text
    assert len(page.images) == 3 * 4 * 2
    assert all((out / image).is_file() for image in page.images)
    assert {f"pictures/{path.name}" for path in (out / "pictures").glob("*.*g")} == set(page.images)


def test_a_finished_report_is_written_again_without_computing(pairs_folder: Path, tmp_path: Path, counting: Any) -> None:
    out = tmp_path / "report"
    report(pairs_folder, out, counting())
    html = (out / "report.html").read_text()
    method = counting()
    report(pairs_folder, out, method)
    assert method.calls == 0
    assert (out / "report.html").read_text() == html
    before = {path.name for path in (out / "pictures").iterdir()}
    other = counting("other", offset=5)
    report(pairs_folder, out, other)
    after = {path.name for path in (out / "pictures").iterdir()}
    assert len(after) == len(before)
    assert not before & after  # the pictures of the report that was overwritten are gone


def test_only_baseline_and_equal_pictures(tmp_path: Path, png: Any) -> None:
    for name in ("a", "b"):
        png(tmp_path / "s" / "HR" / f"{name}.png", np.full((48, 64, 3), 90, np.uint8))
        png(tmp_path / "s" / "LR" / f"{name}.png", np.full((24, 32, 3), 90, np.uint8))
    evaluation, comparisons = report(tmp_path / "s", tmp_path / "out", Interpolation("lanczos"))
    assert main_table(evaluation).rows[0][1] == "inf"
    assert json.loads((tmp_path / "out" / "report.json").read_text())["methods"][0]["metrics"]["psnr"]["mean"] is None
    assert comparisons[0].test.difference.mean == 0
    report(tmp_path / "s", tmp_path / "alone")
    assert "Differences" not in (tmp_path / "alone" / "report.html").read_text()


def test_best_median_and_worst_and_where_they_are_enlarged(pairs_folder: Path, tmp_path: Path, counting: Any) -> None:
    evaluation, _ = report(pairs_folder, tmp_path / "out", counting())
    scores = {name: evaluation.results[1].scores[name].values["psnr"] for name in evaluation.pictures}
    ranked = sorted(scores, key=lambda name: -scores[name])
    assert choose_pictures(evaluation) == [("best", ranked[0]), ("median", ranked[1]), ("worst", ranked[3])]
    first, second = np.zeros((200, 300, 3), np.uint8), np.zeros((200, 300, 3), np.uint8)
    second[100:140, 210:250] = 255
    top, left, side = choose_window(first, second)
    assert (side, top <= 100, top + side >= 140, left <= 210, left + side >= 250) == (66, True, True, True, True)
    assert choose_window(first[:20], second[:20]) == (0, 0, 20)
    crop = read_picture(next((tmp_path / "out" / "pictures").glob("*-crop.png"))).pixels
    assert crop.shape == (24, 24, 3)


def test_lower_is_better_counts_wins_the_other_way(pairs_folder: Path, tmp_path: Path, counting: Any) -> None:
    evaluation, comparisons = report(pairs_folder, tmp_path / "out", counting(), metrics=("mse", "psnr"))
    assert [(each.metric, each.better, each.test.wins) for each in comparisons] == [("mse", 0, 4), ("psnr", 0, 0)]
    assert "| MSE-Y |" in to_markdown(evaluation, comparisons)


@pytest.mark.parametrize(("p_value", "text"), [(0.0001, "< 0.0002"), (0.0625, "0.062"), (1.0, "1"), (math.nan, "-")])
def test_p_values(p_value: float, text: str) -> None:
    assert format_p(p_value) == text


def test_a_narrow_table_leaves_intervals_to_the_report(pairs_folder: Path, tmp_path: Path) -> None:
    two, _ = report(pairs_folder, tmp_path / "two")
    assert main_table(two, narrow=True) == main_table(two)
    three, _ = report(pairs_folder, tmp_path / "three", metrics=("psnr", "ssim", "mse"))
    assert main_table(three, narrow=True).heads[:4] == ("METHOD", "PSNR-Y dB", "SSIM-Y", "MSE-Y")
    assert len(main_table(three).heads) == len(main_table(three, narrow=True).heads) + 3
