"""Reading ahead and writing behind: order, bounds and failures."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clearvision.apps.cli.ahead import AHEAD, ReadAhead
from clearvision.apps.cli.jobs import Job
from clearvision.errors import PictureError
from clearvision.inference.files import Made, Ready
from clearvision.types import Picture


class Readers:
    """Stands for a chain; notes what was read in which order."""

    def __init__(self) -> None:
        self.read: list[str] = []
        self.prepared: list[str] = []
        self.prepared_one = threading.Event()

    def ready(self, job: Job) -> Ready:
        self.read.append(job.source.name)
        if "bad" in job.source.name:
            raise PictureError(f"{job.source} is damaged")
        return Ready(Picture(np.zeros((2, 2, 3), np.uint8), format=job.source.name), None, ())

    def prepare(self, coming: Any) -> None:  # noqa: ANN401
        if (ready := coming.result()) is not None:
            self.prepared.append(ready.content.format)
        self.prepared_one.set()


@pytest.fixture
def jobs(tmp_path: Path, photo_writer: Callable[..., Path]) -> list[Job]:
    names = [f"{number}{'bad' if number == 3 else ''}.png" for number in range(8)]
    sides = [40 if number == 5 else 8 for number in range(8)]
    return [
        Job(photo_writer(tmp_path / name, side, side), tmp_path / "out" / name) for name, side in zip(names, sides, strict=True)
    ]


def test_small_pictures_are_read_ahead_and_come_in_order(jobs: list[Job]) -> None:
    chain = Readers()
    reader = ReadAhead(jobs, chain, room=AHEAD * 1000)  # type: ignore[arg-type]
    taken = []
    for index in range(len(jobs)):
        try:
            taken.append(reader.take(index).content.format)  # type: ignore[union-attr]
        except PictureError as error:
            taken.append("damaged" if "damaged" in str(error) else str(error))
        if index == 0:
            assert chain.prepared_one.wait(10)
            assert chain.prepared == ["1.png"]
            while len(chain.read) < 1 + AHEAD:
                time.sleep(0.001)
            assert sorted(chain.read) == [job.source.name for job in jobs[: 1 + AHEAD]]
        if index == 4:
            assert "5.png" not in chain.read  # too large to be read before its turn
    reader.close()
    assert taken == ["0.png", "1.png", "2.png", "damaged", "4.png", "5.png", "6.png", "7.png"]
    assert sorted(chain.read) == [job.source.name for job in jobs]


def test_results_are_told_in_order_whatever_is_written_first(
    run: Callable, tmp_path: Path, photo_writer: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from clearvision.apps.cli.chain import Chain

    for number in range(9):
        photo_writer(tmp_path / f"in/{number}.png", 8, 8)
    (tmp_path / "in/4.png").write_bytes(b"no picture")
    write, second_done = Chain.write, threading.Event()

    def uneven(self: Chain, job: Job, made: Made, facts: dict[str, object]) -> None:
        if job.source.name == "0.png":
            assert second_done.wait(10)
        write(self, job, made, facts)
        if job.source.name == "1.png":
            second_done.set()

    monkeypatch.setattr(Chain, "write", uneven)
    ran = run("upscale", tmp_path / "in", "-o", tmp_path / "out", "--json")
    assert ran.code == 1
    assert [Path(picture["input"]).name for picture in ran.json["pictures"]] == [f"{number}.png" for number in range(9)]
    assert [picture["status"] for picture in ran.json["pictures"]] == ["done"] * 4 + ["failed"] + ["done"] * 4
    assert len((tmp_path / "out/clearvision-manifest.jsonl").read_text().splitlines()) == 8
