"""The process: what was accepted survives ``kill -9``, SIGTERM drains, and nobody can hold the server up."""

from __future__ import annotations

import json
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.apps.web.conftest import PATIENCE, Process, Services
from waitress.adjustments import Adjustments

from clearvision.apps.web import server as server_module
from clearvision.apps.web.problems import TYPE
from clearvision.apps.web.server import listen
from clearvision.apps.web.store import Store
from clearvision.errors import UsageError

UPSCALE, JOBS = "/api/v1/upscale", "/api/v1/jobs"
Processes = Callable[..., Process]


def test_kill_9_loses_no_accepted_job(process_of: Processes, photo_writer: Callable, tmp_path: Path) -> None:
    picture = photo_writer(tmp_path / "photo.png", 300, 300).read_bytes()
    first = process_of("--workers", "1")
    addresses = []
    for _ in range(8):
        status, _, headers = first.ask(JOBS, picture)
        assert status == 202
        addresses.append(headers["Location"])
    first.kill()
    second = process_of("--workers", "1")
    ended = [second.ended(address) for address in addresses]
    assert [job["state"] for job in ended] == ["done"] * 8
    results = {second.ask(address + "/result")[1] for address in addresses}
    assert len(results) == 1  # every picture whole and the same, those that were begun twice too
    assert second.end() == 0


def test_sigterm_ends_what_runs_and_keeps_what_waits(process_of: Processes, photo_writer: Callable, tmp_path: Path) -> None:
    picture = photo_writer(tmp_path / "photo.png", 300, 300).read_bytes()
    first = process_of("--workers", "1")
    addresses = [first.ask(JOBS, picture)[2]["Location"] for _ in range(12)]
    begun = time.monotonic()
    assert first.end(signal.SIGTERM) == 0
    assert time.monotonic() - begun < 30
    second = process_of("--workers", "1")
    states = [second.job(address)["state"] for address in addresses]
    assert "failed" not in states
    assert [second.ended(address)["state"] for address in addresses] == ["done"] * 12
    assert second.end(signal.SIGINT) == 0


def test_a_job_that_outlasts_the_time_to_drain_goes_back_to_the_queue(
    process_of: Processes, photo_writer: Callable, tmp_path: Path
) -> None:
    picture = photo_writer(tmp_path / "photo.png", 1000, 1000).read_bytes()  # seconds of work: a signal may be seen one late
    server = process_of("--workers", "1", "--drain-seconds", "0")
    address = server.ask(JOBS + "?tta=true", picture)[2]["Location"]
    while server.job(address)["state"] == "queued":
        time.sleep(0.01)
    assert server.end(signal.SIGTERM) == 0
    store = Store(tmp_path / "data")
    assert [store.states()] == [{"queued": 1}]
    store.close()


@pytest.fixture(scope="module")
def server(weights_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    server = Process(weights_dir, tmp_path_factory.mktemp("serve") / "data", "--max-bytes", "1M")
    yield server
    assert server.end() == 0
    assert "ERROR" not in server.log, server.log


def answer_of(connection: socket.socket) -> tuple[int, dict]:
    """Return status and problem document of an answer that is followed by the end of the connection."""
    with connection.makefile("rb") as stream:
        content = stream.read()
    head, _, body = content.partition(b"\r\n\r\n")
    assert b"Content-Type: application/problem+json" in head
    return int(head.split()[1]), json.loads(body)


def connect(server: Process) -> socket.socket:
    host, _, port = server.url.removeprefix("http://").partition(":")
    return socket.create_connection((host, int(port)), timeout=PATIENCE)


@pytest.mark.parametrize("more", ["", "Expect: 100-continue\r\n"])
def test_a_body_of_300_mb_is_refused_before_it_is_sent(server: Process, more: str) -> None:
    with closing(connect(server)) as connection:
        head = f"POST {UPSCALE} HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nContent-Length: 300000000\r\n{more}\r\n"
        connection.sendall(head.encode() + bytes(1000))
        status, document = answer_of(connection)
    assert (status, document["type"]) == (413, TYPE + "body-too-large")


def test_a_body_that_grows_too_large_is_refused_while_it_comes(server: Process) -> None:
    with closing(connect(server)) as connection:
        head = f"POST {UPSCALE} HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(head.encode())
        for _ in range(11):
            connection.sendall(b"186A0\r\n" + bytes(100_000) + b"\r\n")
        status, document = answer_of(connection)
    assert (status, document["type"]) == (413, TYPE + "body-too-large")


def test_a_channel_outlives_bytes_that_another_thread_has_read() -> None:
    ours, theirs = socket.socketpair()
    with closing(ours), closing(theirs):
        channel = server_module._Channel(SimpleNamespace(active_channels={}), ours, ("127.0.0.1", 1), Adjustments(), map={})
        channel.handle_read()  # the loop was told that bytes are there, and they are gone
        assert channel.connected
        theirs.sendall(b"GET / HT")
        channel.handle_read()
        assert channel.request is not None
        theirs.close()
        channel.handle_read()
        assert not channel.connected


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 20_000 + b"\r\n\r\n", 431),
        (b"nonsense\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"GET /readyz HTTP/1.1\r\nHost: stranger.example\r\nConnection: close\r\n\r\n", 400),
    ],
)
def test_malformed_requests_get_problem_documents(server: Process, request_: bytes, status: int) -> None:
    with closing(connect(server)) as connection:
        connection.sendall(request_)
        assert answer_of(connection)[0] == status


def test_a_client_that_leaves_costs_no_more(server: Process, photo_writer: Callable, tmp_path: Path) -> None:
    picture = photo_writer(tmp_path / "photo.png", 300, 300).read_bytes()
    until = time.monotonic() + PATIENCE

    def wait_for(*lines: bytes) -> None:
        while not all(line in server.ask("/metrics")[1] for line in lines):
            assert time.monotonic() < until
            time.sleep(0.01)

    for _ in range(3):
        with closing(connect(server)) as connection:
            head = f"POST {UPSCALE}?tta=true HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
            connection.sendall(f"{head}Content-Length: {len(picture)}\r\n\r\n".encode() + picture)
            wait_for(b"clearvision_visitors 1")  # who leaves before has never been one
        wait_for(b'outcome="bad-request"', b"clearvision_visitors 0")


def drip(connection: socket.socket) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        connection.sendall(b"x")
        time.sleep(0.05)


def test_clients_that_dawdle_are_cut_off(process_of: Processes) -> None:
    server = process_of(before="import clearvision.apps.web.server as server; server.HEADER_SECONDS = 0.5")
    body = f"POST {UPSCALE} HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nContent-Length: 900000\r\n\r\n"
    for begun in (b"GET / HTTP/1.1\r\nX: ", body.encode()):
        with closing(connect(server)) as connection:
            connection.sendall(begun)
            with pytest.raises(OSError, match=r"reset|pipe"):
                drip(connection)
    assert server.end() == 0


def test_an_address_that_is_taken_is_told(service_of: Services) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        service = service_of(port=taken.getsockname()[1], start=False)
        with pytest.raises(UsageError, match=r"cannot listen on 127\.0\.0\.1"):
            listen(service.settings, service)
