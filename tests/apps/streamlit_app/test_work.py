"""Work waits for its turn, tells how far it is, can be cancelled, and never takes the server down."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from clearvision.apps.streamlit_app.session import Attendance, Session, remove_abandoned
from clearvision.apps.streamlit_app.work import Advance, CancelledError, Work, sentence
from clearvision.errors import PictureError

SOON = 10.0  # seconds


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + SOON
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def endless(advance: Advance) -> None:
    while True:
        advance(0.5, "turning")
        time.sleep(0.01)


def started(task: Callable[[Advance], object], turn: threading.Semaphore | None = None) -> Work:
    work = Work(task, turn or threading.Semaphore())
    work.start()
    return work


def test_result_is_kept() -> None:
    work = started(lambda advance: 7)
    work.wait(SOON)
    assert (work.state, work.result, work.busy) == ("done", 7, False)


def test_progress_and_time_left_are_told() -> None:
    work = started(endless)
    until(lambda: work.share == 0.5)
    left = work.seconds_left
    assert work.what == "turning"
    assert left is not None
    assert 0 <= left < SOON
    work.cancel()
    work.wait(SOON)
    assert (work.state, work.result) == ("cancelled", None)


def test_only_as_much_runs_as_the_turn_allows_and_waiting_work_can_be_cancelled() -> None:
    turn = threading.Semaphore()
    first, second, third = started(endless, turn), started(lambda advance: 1, turn), started(endless, turn)
    until(lambda: first.state == "running")
    assert (second.state, third.state) == ("waiting", "waiting")
    third.cancel()
    until(lambda: third.state == "cancelled")
    first.cancel()
    second.wait(SOON)
    assert (first.state, second.state) == ("cancelled", "done")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (PictureError("a.png is\nempty"), "a.png is empty"),
        (PictureError("a\x1b[2Jb"), "a\\x1b[2Jb"),
        (MemoryError(), "there is not enough memory for this; try a smaller picture or a smaller result"),
        (ZeroDivisionError("secret"), "something went wrong that should not (ZeroDivisionError); the server's log says where"),
    ],
)
def test_failures_are_sentences_and_give_the_turn_back(error: Exception, told: str) -> None:
    def fail(advance: Advance) -> None:
        raise error

    turn = threading.Semaphore()
    work = started(fail, turn)
    work.wait(SOON)
    assert (work.state, work.error) == ("failed", told)
    assert sentence(error) == told
    assert turn.acquire(blocking=False)


def test_cancelled_work_gives_its_turn_back() -> None:
    turn = threading.Semaphore()
    work = started(endless, turn)
    work.cancel()
    work.wait(SOON)
    assert turn.acquire(blocking=False)
    with pytest.raises(CancelledError):
        work.advance(0.1)


def test_session_ends_with_its_folder_and_its_work() -> None:
    session = Session()
    folder = session.new_folder()
    (folder / "picture").write_bytes(b"1")
    work = Work(endless, threading.Semaphore())
    session.begin("page", work)
    until(lambda: work.state == "running")
    root = session.folder
    del session
    work.wait(SOON)
    assert work.state == "cancelled"
    assert not root.exists()


def test_sessions_of_those_who_left_end_after_a_while() -> None:
    here = {"a", "b"}
    attendance = Attendance(here.__contains__, patience=0.05)
    staying, leaving = Session(), Session()
    attendance.enter("a", staying)
    attendance.enter("b", leaving)
    here.remove("b")
    attendance.look()
    assert not leaving.ended
    time.sleep(0.1)
    attendance.look()
    assert (staying.ended, leaving.ended) == (False, True)
    assert (staying.folder.exists(), leaving.folder.exists()) == (True, False)


def test_new_work_of_a_page_cancels_what_it_did_before() -> None:
    session = Session()
    first = Work(endless, threading.Semaphore())
    session.begin("page", first)
    session.begin("page", Work(lambda advance: 1, threading.Semaphore()))
    first.wait(SOON)
    assert first.state == "cancelled"


def test_folders_of_killed_servers_are_removed(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    alive = Session()
    dead = alive.folder.with_name("clearvision-app-999999999-abc")
    dead.mkdir()
    (dead / "picture").write_bytes(b"1")
    remove_abandoned()
    assert not dead.exists()
    assert alive.folder.is_dir()
