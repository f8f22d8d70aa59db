from __future__ import annotations

import csv
import json
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clearvision.errors import TrainingError
from clearvision.training.findings import findings
from clearvision.training.history import add_event, drop_events_after, read_history, write_facts
from clearvision.training.page import duration, spread, write_report
from clearvision.training.samples import Sample, choose_crop, drop_samples_after, read_strips, write_samples

COLUMNS = ["step", "seconds", "rate", "loss/g_l1", "grad_norm", "steps_per_second", "val/psnr_y", "val/ssim_y"]


class Seen(HTMLParser):
    """Collects a page's text, tags and pictures, and checks that every tag is closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text, self.tags, self.images, self.open = "", [], [], []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "img":
            self.images.append(dict(attrs))
        elif tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def write_log(folder: Path, rows: list[dict[str, float]], columns: list[str] = COLUMNS) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "log.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


def sample(value: int = 0) -> Sample:
    rng = np.random.default_rng(0)
    lq = np.zeros((40, 50, 3), np.uint8)
    lq[20:36, 30:46] = rng.integers(0, 255, (16, 16, 3))
    return Sample("a b/c", lq, np.full((160, 200, 3), value, np.uint8), np.full((160, 200, 3), 9, np.uint8))


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    rows: list[dict[str, float]] = []
    for step in range(10, 101, 10):
        rows.append({"step": step, "seconds": step, "rate": 1e-3, "loss/g_l1": 1 / step, "grad_norm": 0.5, "steps_per_second": 2})
        if step % 50 == 0:
            rows.append({"step": step, "seconds": step, "val/psnr_y": 25 + step / 50, "val/ssim_y": 0.7})
            write_samples(folder, step, [sample(step)]) if folder.exists() else folder.mkdir()
    write_log(folder, rows)
    write_facts(folder, {"total_steps": 100, "baseline": {"val/psnr_y": 25.5}, "machine": {"device": "cpu"}})
    (folder / "recipe.yaml").write_text("name: tiny<x>\nscale: 4\n")
    add_event(folder, 20, "skipped", "'a.png' is damaged")
    add_event(folder, 60, "warning", "the discriminator wins")
    add_event(folder, 80, "resumed", "from step 80")
    return folder


def test_every_part_of_the_page(run_dir: Path) -> None:
    assert write_report(run_dir) == run_dir / "report.html"
    text = (run_dir / "report.html").read_text()
    page = Seen(text)
    assert "script" not in page.tags
    assert "http" not in text
    assert page.tags.count("svg") == 6  # PSNR, SSIM, loss, rate, gradient norm, speed
    for words in (
        "tiny<x>",
        "Losses",
        "Finished after 100 steps.",
        "27.00 dB",
        "bicubic 25.50",
        "Best validation: PSNR-Y of 27.00 dB at step 100, +1.50 dB from bicubic.",
        "Step 20, skipped: 'a.png' is damaged",
        "Step 60, warning: the discriminator wins",
        "name: tiny<x>",
        "2 validations",
        "device",
    ):
        assert words in page.text, words
    assert [image["alt"] for image in page.images] == ["a_b_c, input", "a_b_c, step 100", "a_b_c, truth"]
    assert all((image["src"] or "").startswith("data:image/png;base64,") for image in page.images)
    with Image.open(run_dir / "history.png") as plot:
        assert plot.size[0] > 1000
        assert len(set(plot.convert("L").resize((64, 64)).tobytes())) > 5
    history = json.loads((run_dir / "history.json").read_text())
    assert history["series"]["val/psnr_y"] == {"step": [50, 100], "value": [26.0, 27.0]}
    assert [event["kind"] for event in history["events"]] == ["skipped", "warning", "resumed"]
    assert not list(run_dir.glob("*.partial")) + list(run_dir.glob(".*"))


def test_the_same_report_from_the_same_files(run_dir: Path) -> None:
    first = write_report(run_dir).read_bytes(), (run_dir / "history.png").read_bytes()
    assert (write_report(run_dir).read_bytes(), (run_dir / "history.png").read_bytes()) == first


def test_a_folder_without_a_run(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"holds no run: there is no log\.csv; give the folder"):
        write_report(tmp_path)


def test_a_run_that_has_only_begun(tmp_path: Path) -> None:
    write_log(tmp_path, [])
    (tmp_path / "events.jsonl").write_text('{"step": 1, "kind": "war')  # cut short by a kill
    assert "At step 0." in Seen(write_report(tmp_path).read_text()).text


def test_stages_are_one_run_whose_steps_count_on(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("name: two\nstages: [{name: psnr}, {name: gan}, {name: later}]\n")
    write_log(tmp_path / "psnr", [{"step": 10, "seconds": 5, "val/psnr_y": 28}])
    write_log(tmp_path / "gan", [{"step": 4, "seconds": 3, "loss/d_real": 0.5, "val/psnr_y": 24}], [*COLUMNS, "loss/d_real"])
    for folder, steps in ((tmp_path / "psnr", (10,)), (tmp_path / "gan", (2, 4))):
        write_facts(folder, {"total_steps": 10})
        for step in steps:
            write_samples(folder, step, [sample(step)])
    history = read_history(tmp_path)
    assert history.series["val/psnr_y"] == ((10, 28.0), (14, 24.0))
    assert history.last("seconds") == 8
    assert history.facts["total_steps"] == 20
    assert [(event.step, event.text) for event in history.events] == [(0, "psnr"), (10, "gan")]
    assert [step for step, _ in read_strips(tmp_path)[0].steps] == [10, 12, 14]
    (found,) = findings(history)
    assert found.text.startswith("PSNR-Y fell by 4.00 dB since step 10")
    assert not found.good


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((27, 28, 29, 30), "Best validation: PSNR-Y of 30.00 dB at step 40, +2.50 dB from bicubic."),
        ((27, 26, 26, 26), "Not better than bicubic yet: PSNR-Y of 27.00 dB at step 10, -0.50 dB from bicubic."),
        ((29, 28, 28, 28), "No better validation since step 10 of 40"),
    ],
)
def test_what_figures_say(tmp_path: Path, values: tuple[float, ...], expected: str) -> None:
    write_log(tmp_path, [{"step": 10 * (index + 1), "val/psnr_y": value} for index, value in enumerate(values)])
    write_facts(tmp_path, {"baseline": {"val/psnr_y": 27.5}})
    assert any(found.text.startswith(expected) for found in findings(read_history(tmp_path)))


def test_crops_stay_where_they_are_and_show_where_something_is(tmp_path: Path) -> None:
    assert choose_crop(sample().lq, 16) == (20, 32, 16, 16)
    for step in (0, 7, 30):
        write_samples(tmp_path, step, [sample(step)])
    write_log(tmp_path, [])
    (strip,) = read_strips(tmp_path)
    assert [step for step, _ in strip.steps] == [0, 7, 30]
    assert strip.gt is not None
    for _, path in (*strip.steps, (0, strip.gt)):
        with Image.open(path) as image:
            assert image.size == (128, 128)
    with Image.open(strip.steps[1][1]) as image:
        assert image.getpixel((0, 0)) == (7, 7, 7)
    drop_samples_after(tmp_path, 7)
    assert [step for step, _ in read_strips(tmp_path)[0].steps] == [0, 7]


def test_going_back_forgets_later_events(run_dir: Path) -> None:
    drop_events_after(run_dir, 60)
    assert [event.step for event in read_history(run_dir).events] == [20, 60]


def test_small_words() -> None:
    assert [duration(seconds) for seconds in (45, 342, 8280)] == ["45 s", "5.7 min", "2.3 h"]
    assert spread(3, 5) == [0, 1, 2]
    assert spread(101, 5) == [0, 25, 50, 75, 100]
