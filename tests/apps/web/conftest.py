"""A service over the tiny models, its application called in this process, and a server as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from clearvision.apps.web.app import create_app
from clearvision.apps.web.service import Service
from clearvision.apps.web.settings import Settings

LAUNCH = (
    "import sys; from pathlib import Path; import clearvision.zoo.catalogue as catalogue\n"
    "catalogue.WEIGHTS_DIR = Path(sys.argv.pop(1))\n"
    "from clearvision.apps.cli import main; sys.exit(main())"
)
PATIENCE = 60  # seconds, on a busy machine

Services = Callable[..., Service]


@pytest.fixture
def service_of(bundled: Path, tmp_path: Path) -> Iterator[Services]:
    """Return a function that starts a service with settings."""
    with ExitStack() as stack:

        def open_service(*, start: bool = True, **settings: Any) -> Service:  # noqa: ANN401
            service = Service(Settings(**{"data_dir": tmp_path / "data", "workers": 1, **settings}))
            stack.callback(service.close)
            if start:
                service.start()
            return service

        yield open_service


@pytest.fixture
def service(service_of: Services) -> Service:
    return service_of()


class Client(FlaskClient):
    """Reads answers at once, so that no file stays open."""

    def open(self, *words: Any, **options: Any) -> TestResponse:  # noqa: ANN401
        return super().open(*words, **{"buffered": True, **options})


def client_of(service: Service) -> FlaskClient:
    app = create_app(service)
    app.test_client_class = Client
    return app.test_client()


@pytest.fixture
def client(service: Service) -> FlaskClient:
    return client_of(service)


def ended(client: FlaskClient, address: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return a job's document once it is finished."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        document = client.get(address, **more).get_json()
        if document["state"] not in ("queued", "running"):
            return document
        time.sleep(0.02)
    raise AssertionError(f"{address} does not end")


class Process:
    """``clearvision serve`` as a process of its own."""

    def __init__(self, weights: Path, data: Path, *options: str, before: str = "") -> None:
        words = [str(weights), "serve", "--port", "0", "--data-dir", str(data)]
        command = [sys.executable, "-W", "error", "-c", f"{before}\n{LAUNCH}", *words]
        self._process = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if " at " not in line:
            self.kill()
            raise AssertionError(f"the server did not start: {self.log}")
        self.url = line.split()[-1].rstrip("/")

    def ask(self, path: str, body: bytes | None = None, method: str | None = None, **headers: str) -> tuple[int, bytes, Any]:
        """Return status, body and headers of an answer."""
        kind = {} if body is None else {"Content-Type": "image/png"}
        request = urllib.request.Request(self.url + path, body, {**kind, **headers}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return answer.status, answer.read(), answer.headers
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read(), error.headers

    def job(self, address: str) -> dict[str, Any]:
        return json.loads(self.ask(address)[1])

    def ended(self, address: str) -> dict[str, Any]:
        until = time.monotonic() + PATIENCE
        while (document := self.job(address))["state"] in ("queued", "running"):
            assert time.monotonic() < until
            time.sleep(0.05)
        return document

    @property
    def pid(self) -> int:
        return self._process.pid

    def end(self, sign: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        with suppress(ProcessLookupError):
            os.kill(self._process.pid, sign)
        _, self.log = self._process.communicate(timeout=PATIENCE)
        return self._process.returncode

    def kill(self) -> None:
        """End at once, as if the power were gone."""
        self.end(signal.SIGKILL)


@pytest.fixture
def process_of(weights_dir: Path, tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Return a function that starts a server in a process of its own."""
    with ExitStack() as stack:

        def start(*options: str, before: str = "") -> Process:
            process = Process(weights_dir, tmp_path / "data", *options, before=before)
            stack.callback(lambda: process.end(signal.SIGKILL) if process._process.returncode is None else None)
            return process

        yield start
