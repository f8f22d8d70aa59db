from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

import clearvision
from clearvision.apps.cli.jobs import Job
from clearvision.apps.cli.watch import Watch
from clearvision.imaging.io import read_picture, write_picture
from clearvision.types import Picture


def test_a_picture_is_taken_when_it_has_stopped_growing(tmp_path: Path) -> None:
    watch, source = Watch(), tmp_path / "a.png"
    job = Job(source, tmp_path / "out.png")
    assert watch.ready([job]) == []  # not there
    source.write_bytes(b"half")
    assert watch.ready([job]) == []
    source.write_bytes(b"half and more")
    assert watch.ready([job]) == []  # still growing
    assert watch.ready([job]) == [job]
    assert watch.ready([job]) == []  # taken
    source.write_bytes(b"another picture")
    assert watch.ready([job]) == []
    assert watch.ready([job]) == [job]


def test_the_command_enlarges_what_appears_and_ends_by_ctrl_c(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    command = [
        sys.executable,
        "-m",
        "clearvision.apps.cli",
        "upscale",
        str(tmp_path / "in"),
        "-o",
        str(tmp_path / "out"),
        "--watch",
    ]
    environment = {**os.environ, "PYTHONPATH": str(Path(clearvision.__file__).parents[1])}
    watching = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        assert watching.stderr is not None
        assert "watching" in watching.stderr.readline()
        write_picture(Picture(np.zeros((8, 9, 3), np.uint8)), tmp_path / "in" / "a.png")
        end = time.monotonic() + 30
        while not (tmp_path / "out" / "a.png").exists() and time.monotonic() < end:
            time.sleep(0.1)
        assert read_picture(tmp_path / "out" / "a.png").pixels.shape == (32, 36, 3)
    finally:
        watching.send_signal(signal.SIGINT)
        out, _ = watching.communicate(timeout=20)
    assert watching.returncode == 130
    assert "a.png" in out
