"""``clearvision app`` starts Streamlit with the app's script and limits, and refuses in words."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


class Server:
    """Stands for the process that serves; remembers how it was started."""

    def __init__(self, command: list[str], env: dict[str, str]) -> None:
        self.command, self.env = command, env
        started.append(self)

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to end."""

    def wait(self) -> int:
        return 0


started: list[Server] = []


def test_streamlit_is_started_with_the_script_and_the_limits(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("streamlit")
    monkeypatch.setattr(subprocess, "Popen", Server)
    started.clear()
    done = run("app", "--port", 9000, "--runs", tmp_path, "--max-megapixels", 12, "--max-upload", 50, "--no-browser")
    assert done.code == 0
    (server,) = started
    assert server.command[:4] == [sys.executable, "-m", "streamlit", "run"]
    assert Path(server.command[4]).is_file()
    assert server.command[5:] == [
        *("--server.address", "127.0.0.1", "--server.port", "9000", "--server.headless", "true", "--server.maxUploadSize", "50"),
    ]
    assert server.env["CLEARVISION_APP_RUNS"] == str(tmp_path)
    assert server.env["CLEARVISION_APP_MEGAPIXELS"] == "12.0"
    assert set(os.environ) <= set(server.env)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--port", "0"), "--port (0) must be at least 1 and at most 65535"),
        (("--max-megapixels", "0"), "--max-megapixels (0) must be above 0 and at most 10000"),
        (("--max-upload", "0"), "--max-upload (0) must be at least 1"),
    ],
)
def test_wrong_limits_are_refused(run: Callable[..., Any], words: tuple[str, ...], told: str) -> None:
    pytest.importorskip("streamlit")
    done = run("app", *words)
    assert done.code == 2
    assert told in done.err


def test_without_streamlit_it_says_what_to_install(run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["clearvision.apps.cli.app"], "find_spec", lambda name: None)
    done = run("app")
    assert done.code == 2
    assert "pip install 'clearvision[app]'" in done.err


def test_cloud_installs_what_the_core_and_the_app_need() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["app"]]
    lines = (ROOT / "deploy" / "streamlit" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    given = [line for line in lines if line and not line.startswith("#")]
    assert {line.partition(">")[0] for line in given} == {line.partition(">")[0] for line in wanted}
    assert (ROOT / "deploy" / "streamlit" / ".streamlit" / "config.toml").is_file()
