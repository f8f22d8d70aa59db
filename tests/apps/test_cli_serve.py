"""``clearvision serve`` as typed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

web = pytest.importorskip("clearvision.apps.web")


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list:
    """Settings with which a server was started."""
    seen: list = []
    monkeypatch.setattr(web, "serve", lambda settings, say: seen.append(settings))
    return seen


def test_options_become_settings(run: Callable, served: list, tmp_path: Path) -> None:
    words = ["--data-dir", tmp_path, "--max-bytes", "8M", "--max-megapixels", 2, "--keep-hours", 0.5, "--workers", 3]
    words += ["--allow-host", "a.example", "--allow-host", "b.example", "--cors", "https://c.example", "--api-only"]
    assert run("serve", *words).code == 0
    (settings,) = served
    assert (settings.max_bytes, settings.max_pixels, settings.keep_seconds, settings.workers) == (8_000_000, 2_000_000, 1800, 3)
    assert settings.allowed_hosts == ("a.example", "b.example")
    assert settings.origins == ("https://c.example",)
    assert settings.api_only


def test_the_usual_options_are_the_usual_settings(run: Callable, served: list) -> None:
    assert run("serve").code == 0
    assert served == [web.Settings(Path("clearvision-data"))]


def test_the_environment_sets_options_too(run: Callable, served: list, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in {
        "PORT": "8123",
        "DATA_DIR": str(tmp_path),
        "MAX_WAITING": "7",
        "ALLOW_HOST": "a.example b.example",
    }.items():
        monkeypatch.setenv(f"CLEARVISION_SERVE_{name}", value)
    assert run("serve", "--max-waiting", 8).code == 0
    (settings,) = served
    assert (settings.port, settings.data_dir, settings.max_waiting) == (8123, tmp_path, 8)
    assert settings.allowed_hosts == ("a.example", "b.example")


def test_a_key_is_shown_once_and_its_line_is_for_the_file(run: Callable, served: list, tmp_path: Path) -> None:
    ran = run("serve", "--new-key", "anna")
    assert ran.code == 0
    (tmp_path / "keys").write_text(ran.out)
    from clearvision.apps.web.keys import Gate, read_keys

    holder = Gate(read_keys(tmp_path / "keys"), b"secret").holder(ran.err.split()[-1])
    assert holder is not None
    assert holder.name == "anna"
    assert ran.err.split()[-1] not in ran.out
    assert served == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--host", "0.0.0.0"], "lets every machine of the network use this server"),
        (["--workers", 0], "--workers (0) must be at least 1"),
        (["--max-megapixels", "nan"], "--max-megapixels (nan) must be above 0"),
        (["--keep-hours", "-1"], "--keep-hours (-1) must be a number that is not below 0"),
        (["--port", "x"], "'x' is not a whole number"),
        (["--max-bytes", "many"], "--max-bytes 'many' is not a size"),
        (["--new-key", "an na"], "a key's name"),
        (["--keys", "missing"], "--keys missing cannot be read"),
        (["--models-dir", "missing"], "--models-dir missing is not a folder"),
    ],
)
def test_wrong_words_are_told_before_anything_starts(run: Callable, words: list, told: str, tmp_path: Path) -> None:
    ran = run("serve", "--data-dir", tmp_path / "data", "--port", 0, *words)
    assert (ran.code, told in ran.err) == (2, True)


def test_other_commands_do_not_import_the_server() -> None:
    code = (
        "import sys; sys.modules['flask'] = sys.modules['waitress'] = None\n"
        "from clearvision.apps.cli import main\n"
        "assert main(['models', 'list']) == 0\n"
        "assert main(['serve', '--port', '0']) == 2"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "pip install 'clearvision[serve]'" in done.stderr
