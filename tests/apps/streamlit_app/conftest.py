"""Tiny networks of every kind that the app knows, the app called in this process, and the app served by one of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clearvision.zoo.checkpoint import read_checkpoint, write_checkpoint

pytest.importorskip("streamlit")

SECONDS = 60  # for whatever is waited for


@pytest.fixture(scope="session")
def models_dir(weights_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny models: ``clean-x2``, ``clean-x4``, ``photo-x4`` with its vivid twin, and ``restore-x1``."""
    folder = tmp_path_factory.mktemp("models")
    two, four = (read_checkpoint(weights_dir / f"clean-x{scale}.safetensors") for scale in (2, 4))
    draw = np.random.default_rng(5)
    moved = {name: value + draw.normal(0, 0.02, value.shape).astype(np.float32) for name, value in four.weights.items()}
    single = {name: value[:3] if name.startswith("upsampler") else value for name, value in two.weights.items()}
    hyper = {**two.info.hyper, "upscale": 1}
    for info, weights in (
        (two.info, two.weights),
        (four.info, four.weights),
        (replace(four.info, name="photo-x4", task="photo"), four.weights),
        (replace(four.info, name="photo-x4-vivid", task="photo"), moved),
        (replace(two.info, name="restore-x1", task="restore", scale=1, hyper=hyper), single),
    ):
        write_checkpoint(folder / f"{info.name}.safetensors", info, weights)
    return folder


@pytest.fixture
def models(models_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the tiny models stand for the bundled ones in this process."""
    monkeypatch.setattr("clearvision.zoo.catalogue.WEIGHTS_DIR", models_dir)
    return models_dir


@pytest.fixture(scope="session")
def patched(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which the tiny models stand for the bundled ones in every process of Python."""
    folder = tmp_path_factory.mktemp("patch")
    lines = (
        "from pathlib import Path",
        "import clearvision.zoo.catalogue",
        f"clearvision.zoo.catalogue.WEIGHTS_DIR = Path({str(models_dir)!r})",
    )
    (folder / "sitecustomize.py").write_text("\n".join(lines), encoding="utf-8")
    return {**os.environ, "PYTHONPATH": str(folder)}


@pytest.fixture(scope="session")
def runs_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one small run in it, a folder that is none, and a link that leads out."""
    root = tmp_path_factory.mktemp("runs")
    write_run(root / "first")
    write_run(root / "tries" / "second")
    (root / "empty").mkdir()
    outside = write_run(tmp_path_factory.mktemp("outside") / "secret")
    (root / "leak").symlink_to(outside)
    return root


def write_run(folder: Path, steps: int = 400) -> Path:
    """Write what a run's log says after some steps of 1,000."""
    folder.mkdir(parents=True)
    rows = [f"{step},{step / 10},{1 / step:.4f},{25 + step / 200:.2f}" for step in range(100, steps + 1, 100)]
    (folder / "log.csv").write_text("\n".join(["step,seconds,loss/pixel,val/psnr_y", *rows]) + "\n", encoding="utf-8")
    (folder / "run.json").write_text('{"total_steps": 1000, "network": "SPAN"}', encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def server(patched: dict[str, str], runs_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of ``clearvision app``, served by a process of its own with the tiny models."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    log = tmp_path_factory.mktemp("server") / "log"
    command = [sys.executable, "-m", "clearvision.apps.cli", "app", "--no-browser", "--port", str(port), "--runs", str(runs_dir)]
    with log.open("w") as file, subprocess.Popen(command, env=patched, stdout=file, stderr=file) as process:
        try:
            _wait_for(f"http://127.0.0.1:{port}/_stcore/health", process, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
    assert "Traceback" not in log.read_text(encoding="utf-8")


def _wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + SECONDS
    while process.poll() is None and time.monotonic() < end:
        try:
            with urllib.request.urlopen(address):
                return
        except OSError:
            time.sleep(0.1)
    pytest.fail(f"the server does not answer: {log.read_text(encoding='utf-8')}")


@pytest.fixture
def app(models: Path, runs_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Any]]:
    """Return a function that opens a page of the app in this process."""
    import streamlit as st
    from streamlit.testing.v1 import AppTest

    monkeypatch.setenv("CLEARVISION_APP_RUNS", str(runs_dir))
    monkeypatch.setenv("CLEARVISION_APP_MEGAPIXELS", "2")
    st.cache_resource.clear()

    def open_page(name: str) -> AppTest:
        script = f"from clearvision.apps.streamlit_app import {name}_page\n{name}_page.show()\n"
        return AppTest.from_string(script, default_timeout=SECONDS).run()

    yield open_page
    st.cache_resource.clear()
