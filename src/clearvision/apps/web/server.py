"""The process: waitress around the application, signals, draining."""

from __future__ import annotations

import json
import logging
import os
import select
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from waitress.channel import HTTPChannel
from waitress.server import TcpWSGIServer
from waitress.task import ErrorTask

from clearvision.apps.web.app import create_app
from clearvision.apps.web.problems import BY_STATUS, MEDIA_TYPE, Problem
from clearvision.apps.web.service import Service
from clearvision.apps.web.settings import Settings
from clearvision.errors import UsageError

logger = logging.getLogger("clearvision.serve")

PAGES = 16  # threads for all that does not wait for a picture
CONNECTIONS = 100  # beside those that wait for a picture; each may hold a body of the largest size on disk
BACKLOG = 128  # connections that the system holds until they are taken
IDLE = 30  # seconds that a connection may be silent
HEADERS = 16_384  # bytes
HEADER_SECONDS = 20  # that the headers of one request may take to come
LEAST_RATE = 10_000  # bytes a second that a body must come at, on average, once it took a while
LINGER = 1.0  # seconds that a client which was refused may still send what nobody reads
CHUNK = 1 << 18


class _ProblemTask(ErrorTask):
    """Answers what waitress itself refuses with a problem document, and lets the client read it."""

    request: Any
    channel: Any

    def execute(self) -> None:
        refused = self.request.error
        problem = Problem(BY_STATUS.get(refused.code, "bad-request"), _REFUSALS.get(refused.code, "the request is malformed"))
        body = json.dumps(problem.document).encode()
        self.status = f"{problem.status} {problem.title}"
        headers = {"Content-Type": MEDIA_TYPE, "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
        self.response_headers = [*self.response_headers, *headers.items()]
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)
        self._swallow()

    def _swallow(self) -> None:
        """Read what is still coming for a moment: closing on unread bytes would reset the connection, and lose the answer."""
        until = time.monotonic() + LINGER
        sock = self.channel.socket
        with suppress(OSError, ValueError):
            while (left := until - time.monotonic()) > 0:
                if not select.select([sock], [], [], left)[0]:
                    return
                with suppress(BlockingIOError):  # the server's loop was faster
                    if not sock.recv(CHUNK):
                        return


_REFUSALS = {
    413: "the request is larger than this server takes",
    431: "the headers are larger than this server takes",
    501: "this transfer encoding is not known here",
}


class _Channel(HTTPChannel):
    """A connection that may not dawdle, and is not asked to go on with what is refused already."""

    request: Any

    error_task_class = _ProblemTask

    def handle_read(self) -> None:
        """Read what has come, unless :class:`_ProblemTask` has done so since; waitress would call that a fault."""
        try:
            data = self.recv(self.adj.recv_bytes)
        except BlockingIOError:
            return
        except OSError:
            self.handle_close()
            return
        if data:
            self.last_activity = time.time()
            self.received(data)
        else:
            self.connected = False

    def received(self, data: bytes) -> bool:
        if self.request is None and not self.requests:
            self._begun = time.monotonic()
        taken = super().received(data)
        if self.request is not None and self._is_slow():
            self.will_close = True
        return taken

    def send_continue(self) -> None:
        if self.request.error is None:
            super().send_continue()
        else:
            self.request.expect_continue = False

    def _is_slow(self) -> bool:
        seconds = time.monotonic() - self._begun
        if not self.request.headers_finished:
            return seconds > HEADER_SECONDS
        return seconds > HEADER_SECONDS and self.request.body_bytes_received < LEAST_RATE * seconds


class _Server(TcpWSGIServer):
    channel_class = _Channel
    active_channels: Any
    effective_host: str
    effective_port: str
    socket: Any


def serve(settings: Settings, say: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; then take nothing more, let running work end for a while, and return.

    Args:
        settings: how.
        say: called with the line that tells the address.

    Raises:
        UsageError: if the address cannot be listened on, or something of the settings cannot be used.
        ModelError: if a model's file cannot be used.
    """
    os.umask(0o077)
    _start_log()
    service = Service(settings)
    tempfile.tempdir = str(service.store.scratch)  # large bodies and canvases belong on the disk for pictures
    try:
        server = listen(settings, service)
    except BaseException:
        service.close()
        raise
    stop = threading.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, lambda *_: os._exit(1) if stop.is_set() else stop.set())
    threading.Thread(target=server.run, name="http", daemon=True).start()
    name = f"[{server.effective_host}]" if ":" in server.effective_host else server.effective_host
    try:
        service.start()
        say(f"ClearVision is at http://{name}:{server.effective_port}/")
        while not stop.wait(1):  # no longer: a signal that comes just before the wait begins does not end it
            pass
        _drain(service, server)
    finally:
        if not service.close():
            os._exit(0)  # a picture that cannot be interrupted; its job is in the queue again
        server.socket.close()


def _start_log() -> None:
    """Log requests and faults on stderr, and nothing of what the library says of single pictures, which names their files."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("clearvision").setLevel(logging.ERROR)
    logger.setLevel(logging.INFO)
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)


def listen(settings: Settings, service: Service) -> _Server:
    """Return the HTTP server for a service; it begins to answer when it is run.

    Raises:
        UsageError: if the address cannot be listened on.
    """
    proxy: dict[str, Any] = {}
    if settings.trusted_proxy is not None:
        headers = {"x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"}
        proxy = {"trusted_proxy": settings.trusted_proxy, "trusted_proxy_count": 1, "trusted_proxy_headers": headers}
    try:
        host = settings.host.strip("[]")
        family, kind, protocol, _, address = socket.getaddrinfo(host, settings.port, type=socket.SOCK_STREAM)[0]
        bound = socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except OSError as error:
        raise UsageError(f"cannot listen on {settings.host}:{settings.port}: {error.strerror or error}") from error
    return _Server(
        create_app(service),
        _sock=bound,
        bind_socket=False,
        sockinfo=(family, kind, protocol, address),
        threads=settings.max_visitors + PAGES,
        ident="",
        connection_limit=settings.max_visitors + CONNECTIONS,
        channel_timeout=IDLE,
        cleanup_interval=5,
        recv_bytes=CHUNK,
        max_request_header_size=HEADERS,
        max_request_body_size=settings.max_bytes + 1,
        channel_request_lookahead=1,  # to notice clients that left
        asyncore_use_poll=True,
        clear_untrusted_proxy_headers=True,
        **proxy,
    )


def _drain(service: Service, server: _Server) -> None:
    """Take no new work, and wait until what is running has ended and its answers are sent, or the time is up."""
    logger.info("stopping")
    service.drain()
    until = time.monotonic() + service.settings.drain_seconds
    while time.monotonic() < until and (service.busy or _is_sending(server)):
        time.sleep(0.05)


def _is_sending(server: _Server) -> bool:
    return any(channel.requests or channel.total_outbufs_len for channel in list(server.active_channels.values()))
