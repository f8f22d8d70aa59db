from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from clearvision.apps.cli.jobs import Job
from clearvision.apps.cli.manifest import NAME, Manifests
from clearvision.imaging.io import read_picture, write_picture
from clearvision.imaging.temporary import remove_abandoned, temporary_beside
from clearvision.types import Picture


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """A job that was done."""
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "in" / "ä b\n.png").write_bytes(b"input")
    (tmp_path / "out" / "ä b\n.png").write_bytes(b"output")
    return Job(tmp_path / "in" / "ä b\n.png", tmp_path / "out" / "ä b\n.png", tmp_path / "out")


def test_what_was_noted_is_done(job: Job) -> None:
    Manifests({"scale": 4}).add(job, {"seconds": 1.5})
    assert Manifests({"scale": 4}).is_done(job)
    (record,) = map(json.loads, (job.target.parent / NAME).read_text().splitlines())
    assert (record["output"], record["seconds"], record["output_bytes"]) == ("ä b\n.png", 1.5, 6)


@pytest.mark.parametrize("change", ["settings", "input", "output", "gone", "unnoted"])
def test_what_changed_is_done_again(job: Job, change: str) -> None:
    if change != "unnoted":
        Manifests({"scale": 4}).add(job, {})
    else:
        (job.target.parent / NAME).touch()
    if change == "input":
        job.source.write_bytes(b"other")
    if change == "output":
        job.target.write_bytes(b"broken")
    if change == "gone":
        job.target.unlink()
    assert not Manifests({"scale": 2 if change == "settings" else 4}).is_done(job)


def test_the_last_line_counts_and_a_broken_one_does_not(job: Job) -> None:
    Manifests({"scale": 2}).add(job, {})
    Manifests({"scale": 4}).add(job, {})
    with (job.target.parent / NAME).open("a") as file:
        file.write('{"output": "x", "sett')
    assert Manifests({"scale": 4}).is_done(job)
    assert not Manifests({"scale": 2}).is_done(job)


def test_without_a_manifest_the_newer_file_counts(job: Job) -> None:
    assert Manifests({}).is_done(job)
    os.utime(job.source, (time.time() + 60, time.time() + 60))
    assert not Manifests({}).is_done(job)


def test_only_files_of_dead_processes_are_abandoned(tmp_path: Path) -> None:
    mine = temporary_beside(tmp_path / "a.png")
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    theirs = mine.with_name(mine.name.replace(f"-{os.getpid()}-", f"-{dead.pid}-"))
    stranger = tmp_path / f".clearvision-elsewhere-{dead.pid}-0123456789abcdef.tmp"
    for path in (mine, theirs, stranger):
        path.touch()
    assert remove_abandoned(tmp_path) == 1
    assert sorted(tmp_path.iterdir()) == sorted((mine, stranger))


@pytest.mark.slow
def test_kills_at_any_moment_lose_and_repeat_nothing(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(40):
        write_picture(Picture(rng.integers(0, 256, (64, 64, 3)).astype(np.uint8)), tmp_path / "in" / f"{number:02}.png")
    command = [
        sys.executable,
        "-m",
        "clearvision.apps.cli",
        "upscale",
        str(tmp_path / "in"),
        "-o",
        str(tmp_path / "out"),
        "--resume",
        "--tile",
        "24",  # in several rows of windows, so that results are written while they are computed
    ]
    for wait in rng.uniform(0.7, 2.0, 10):
        run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(wait)
        run.send_signal(signal.SIGKILL)
        run.wait()
    subprocess.run(command, check=True, capture_output=True)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [f"{number:02}.png" for number in range(40)] + [NAME]
    for number in range(40):
        assert read_picture(tmp_path / "out" / f"{number:02}.png").pixels.shape == (256, 256, 3)
    lines = [json.loads(line)["output"] for line in (tmp_path / "out" / NAME).read_text().splitlines()]
    assert len(lines) == len(set(lines)) == 40
