"""The parts beneath the API: the line, the store, keys, settings, names."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clearvision.apps.web.intake import clean_name
from clearvision.apps.web.keys import Gate, new_key, read_keys, secret_of
from clearvision.apps.web.line import Line
from clearvision.apps.web.metrics import Metrics
from clearvision.apps.web.problems import Problem, problem_of
from clearvision.apps.web.settings import Settings
from clearvision.apps.web.store import ATTEMPTS, Job, Store, new_id
from clearvision.errors import EngineError, ModelError, PictureError, PictureWriteError, UsageError


def go_on() -> None:
    """Find nothing that speaks against waiting."""


def in_thread(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def wait_for(fact: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    while not fact():
        assert time.monotonic() < until
        time.sleep(0.001)


def test_a_line_lets_in_as_many_as_there_are_places_in_the_order_they_came() -> None:
    line, order, inside, most = Line(2), [], [], []
    leave = threading.Semaphore(0)

    def visit(number: int) -> None:
        with line.place(go_on):
            order.append(number)
            inside.append(number)
            most.append(len(inside))
            leave.acquire()
            inside.remove(number)

    threads = []
    for number in range(6):
        threads.append(in_thread(lambda number=number: visit(number)))
        wait_for(lambda number=number: len(order) + line.length == number + 1)
    for _ in range(6):
        leave.release()
    for thread in threads:
        thread.join()
    assert sorted(order[:2]) == [0, 1]
    assert sorted(order) == list(range(6))
    assert order.index(2) < order.index(4) < 6
    assert max(most) == 2


def test_a_line_bounds_room_and_lets_a_giant_in_alone() -> None:
    line = Line(8, room=100)
    with line.place(go_on, 60), line.place(go_on, 40):
        entered = threading.Event()

        def giant() -> None:
            with line.place(go_on, 1000):
                entered.set()

        def small() -> None:
            with line.place(go_on, 1):
                assert entered.is_set()  # nobody passes it

        threads = [in_thread(giant)]
        wait_for(lambda: line.length == 1)
        threads.append(in_thread(small))
        assert not entered.wait(0.05)
    for thread in threads:
        thread.join()
    assert entered.is_set()


def test_whoever_gives_up_waiting_leaves_the_line() -> None:
    line = Line(1)

    def give_up() -> None:
        raise Problem("queue-full", "no")

    with line.place(go_on):
        with pytest.raises(Problem), line.place(give_up):
            pytest.fail("let in")
        assert line.length == 0
    with line.place(go_on):
        assert line.length == 0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "data")
    yield store
    store.close()


def add(store: Store, **facts: object) -> Job:
    with store.scratch_folder() as folder:
        (folder / "source.png").write_bytes(b"picture")
        usual = {
            "owner": "me",
            "state": "queued",
            "name": "photo",
            "options": "{}",
            "source": "source.png",
            "target": "result.png",
            "format": "png",
            "frames": 1,
            "width": 2,
            "height": 2,
            "result_width": 8,
            "result_height": 8,
            "cost": 1.0,
            "bytes": 7,
            "created": time.time(),
        }
        job = Job(id=new_id(), **{**usual, **facts})  # type: ignore[arg-type]
        store.add(job, folder)
    return job


def finish(store: Store, job: Job) -> bool:
    (store.folder(job.id) / "result.png").write_bytes(b"result")
    return store.finish(job.id, model="clean-x4", choice=None, seconds=1.0, result_size=(8, 8))


def test_jobs_are_claimed_in_the_order_they_came(store: Store) -> None:
    jobs = [add(store, created=float(number)) for number in (2, 1, 3)]
    claimed = [store.claim() for _ in range(4)]
    assert [job.id if job else None for job in claimed] == [jobs[1].id, jobs[0].id, jobs[2].id, None]
    assert claimed[0] is not None
    assert (claimed[0].state, claimed[0].attempts) == ("running", 1)


def test_a_job_that_was_begun_too_often_fails(store: Store) -> None:
    job = add(store)
    for _ in range(ATTEMPTS):
        assert store.claim() is not None
        store._run("UPDATE jobs SET state = 'queued'")  # as after a crash
    assert store.claim() is None
    found = store.get(job.id)
    assert found is not None
    assert found.state == "failed"


def test_a_job_that_was_put_back_on_purpose_may_be_begun_again_and_again(store: Store) -> None:
    job = add(store)
    for _ in range(2 * ATTEMPTS):
        assert store.claim() is not None
        store.requeue(job.id)
    assert store.claim() is not None


def test_a_cancelled_job_is_not_finished(store: Store) -> None:
    job = add(store)
    store.claim()
    assert store.cancel(job.id) == "running"
    store.folder(job.id).mkdir()  # the picture was just being written
    assert not finish(store, job)
    found = store.get(job.id)
    assert found is not None
    assert (found.state, found.name) == ("cancelled", "")
    assert store.cancel(job.id) == "cancelled"
    assert store.get(job.id) is None
    assert store.cancel(job.id) is None


def test_finished_jobs_expire_and_others_do_not(store: Store) -> None:
    done, waiting = add(store), add(store, created=time.time() + 1)
    store.claim()
    assert finish(store, done)
    assert store.expire(time.time() - 60) == 0
    assert store.expire(time.time() + 60) == 1
    assert store.get(done.id) is None
    assert not store.folder(done.id).exists()
    assert store.get(waiting.id) is not None


def test_what_was_running_is_queued_again_and_strays_are_cleared_away(tmp_path: Path) -> None:
    store = Store(tmp_path)
    job = add(store)
    store.claim()
    store.close()
    stray = tmp_path / "clearvision-jobs" / new_id()
    stray.mkdir()
    others = tmp_path / "clearvision-jobs" / "holiday"
    others.mkdir()
    store = Store(tmp_path)
    found = store.get(job.id)
    assert found is not None
    assert (found.state, (store.folder(job.id) / "source.png").read_bytes()) == ("queued", b"picture")
    assert not stray.exists()
    assert others.exists()  # not ours
    store.close()


def test_two_servers_do_not_share_a_folder(store: Store, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="another server uses it"):
        Store(tmp_path / "data")


def test_a_folder_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"--data-dir .* cannot be used"):
        Store(tmp_path / "file")


@pytest.mark.parametrize("job_id", ["../../etc", "", "a" * 23, "a/b" + "c" * 19, "é" * 22])
def test_no_path_is_made_of_what_is_no_id(store: Store, job_id: str) -> None:
    with pytest.raises(ValueError, match="no job's id"):
        store.folder(job_id)


def test_keys_are_known_by_their_digests_alone(tmp_path: Path) -> None:
    key, line = new_key("anna")
    assert line == f"anna:{hashlib.sha256(key.encode()).hexdigest()}"
    (tmp_path / "keys").write_text(f"# who may\n\n{line}\n")
    gate = Gate(read_keys(tmp_path / "keys"), b"secret")
    holder = gate.holder(key)
    assert holder is not None
    assert holder.name == "anna"
    assert gate.holder(key + "x") is None
    assert gate.holder("") is None
    assert gate.holder(line) is None
    assert gate.holder_of_session(gate.session(holder)) == holder
    assert gate.holder_of_session(gate.session(holder)[:-1] + "~") is None
    assert Gate(read_keys(tmp_path / "keys"), b"other").holder_of_session(gate.session(holder)) is None
    (tmp_path / "keys").write_text(new_key("anna")[1])  # another key of the same name
    assert Gate(read_keys(tmp_path / "keys"), b"secret").holder_of_session(gate.session(holder)) is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "holds no key"),
        ("anna", "line 1 is not name:sha256"),
        ("anna:secret-in-the-clear", "line 1 is not name:sha256"),
        (f"a:{'0' * 64}\na:{'1' * 64}", "line 2 names 'a' again"),
        (f"an na:{'0' * 64}", "line 1 is not"),
    ],
)
def test_a_file_that_holds_no_keys_is_refused_without_showing_it(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "keys").write_text(text)
    with pytest.raises(UsageError, match=told) as caught:
        read_keys(tmp_path / "keys")
    assert "in-the-clear" not in str(caught.value)


def test_a_missing_file_of_keys_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        read_keys(tmp_path / "keys")


def test_the_secret_stays_and_is_ours_alone(tmp_path: Path) -> None:
    secret = secret_of(tmp_path)
    assert len(secret) == 32
    assert secret_of(tmp_path) == secret
    assert (tmp_path / "clearvision-secret").stat().st_mode & 0o77 == 0


def test_form_tokens_hold_for_their_cookie_alone() -> None:
    gate = Gate((), b"secret")
    token = gate.form_token("cookie")
    assert gate.is_form_token(token, "cookie")
    assert not gate.is_form_token(token, "another")
    assert not gate.is_form_token(gate.form_token(""), "")
    assert not gate.is_form_token("é", "cookie")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "[::1]", "127.8.8.8"])
def test_loopback_is_open_and_answers_to_its_own_names(host: str, tmp_path: Path) -> None:
    assert Settings(tmp_path, host).hosts == ("localhost", "127.0.0.1", "[::1]")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "studio.example"])
def test_other_machines_are_let_in_on_purpose_only(host: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="give --keys FILE, or --open if everybody may"):
        Settings(tmp_path, host)
    assert Settings(tmp_path, host, open=True).hosts == ()
    assert Settings(tmp_path, host, key_file=tmp_path / "keys").hosts == ()


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"workers": 0}, r"--workers \(0\) must be at least 1"),
        ({"port": 70_000}, "--port"),
        ({"max_seconds": -1}, r"--max-seconds \(-1\)"),
        ({"keep_hours": float("nan")}, "--keep-hours"),
    ],
)
def test_wrong_settings_are_told(settings: dict, told: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=told):
        Settings(tmp_path, **settings)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("photo.jpg", "photo"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\a.b.png", "a.b"),
        ("写真.png", "写真"),
        ('a"b<c>|d?*.png', "abcd"),
        ("evil\u202egnp.exe", "evilgnp"),
        ("line\r\nSet-Cookie: a=b.png", "lineSet-Cookie a=b"),
        ("...", "picture"),
        (".png", "png"),
        ("", "picture"),
        ("a" * 500 + ".png", "a" * 150),
    ],
)
def test_names_are_cleaned_for_showing(name: str, shown: str) -> None:
    assert clean_name(name) == shown


def test_errors_become_problems_without_paths() -> None:
    path = Path("/data/clearvision-jobs/secret/source.png")

    def told(error: Exception) -> tuple[int, str]:
        problem = problem_of(error, path)
        assert str(path) not in problem.detail
        return problem.status, problem.slug

    assert told(PictureError(f"{path} is damaged")) == (422, "damaged-picture")
    assert told(UsageError("scale (99) must be at most 16")) == (422, "invalid-options")
    assert told(ModelError("no vivid twin")) == (422, "invalid-options")
    assert told(PictureWriteError(f"cannot write {path}: too large")) == (422, "result-too-large")
    full = PictureWriteError(f"cannot write {path}: No space left on device")
    full.__cause__ = OSError(28, "No space left on device")
    assert told(full) == (503, "storage")
    assert told(OSError(28, "No space left on device")) == (503, "storage")
    assert problem_of(ModelError("model file '/srv/models/studio.pth' is no image/png")).detail == (
        "model file 'studio.pth' is no image/png"
    )
    assert told(MemoryError()) == (500, "not-computed")
    assert told(EngineError("failed")) == (500, "not-computed")
    assert told(KeyError(str(path))) == (500, "internal")


def test_a_histogram_counts_up_to_each_bound() -> None:
    metrics = Metrics()
    for seconds in (0.005, 0.01, 0.2, 1000):
        metrics.note_seconds(seconds, 1)
    text = metrics.text({"now": ("Something.", 2)})
    assert 'clearvision_compute_seconds_bucket{le="0.01"} 2' in text
    assert 'clearvision_compute_seconds_bucket{le="300.0"} 3' in text
    assert 'clearvision_compute_seconds_bucket{le="+Inf"} 4' in text
    assert "clearvision_compute_seconds_sum 1000.215" in text
    assert "# TYPE clearvision_now gauge\nclearvision_now 2\n" in text
