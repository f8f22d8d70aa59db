"""``clearvision app``: the app for the browser, run by Streamlit in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from clearvision.apps.cli import console
from clearvision.errors import MissingExtraError, UsageError

SCRIPT = Path(__file__).parents[1] / "streamlit_app" / "main.py"


def open_app(
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Where to listen; 0.0.0.0 for all that reach this machine.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="P", parser=console.whole_number, help="The port.")] = 8501,
    runs: Annotated[Path, typer.Option(metavar="DIR", help="The folder whose training runs are shown.")] = Path("runs"),
    max_megapixels: Annotated[
        float,
        typer.Option(metavar="M", parser=console.number, help="Refuse larger pictures; results may have four times as many."),
    ] = 100.0,
    max_upload: Annotated[int, typer.Option(metavar="MB", parser=console.whole_number, help="Refuse larger files.")] = 200,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open a browser.")] = False,
) -> int:
    """Open the app in the browser: enlarge, restore and compare pictures, look at models and training runs. Ctrl-C ends it."""
    if find_spec("streamlit") is None:
        raise MissingExtraError("the app needs Streamlit, which is not installed; pip install 'clearvision[app]'")
    if not 1 <= port <= 65_535:
        raise UsageError(f"--port ({port}) must be at least 1 and at most 65535")
    if not 0 < max_megapixels <= 10_000:
        raise UsageError(f"--max-megapixels ({max_megapixels:g}) must be above 0 and at most 10000")
    if max_upload < 1:
        raise UsageError(f"--max-upload ({max_upload}) must be at least 1")
    options = {
        "server.address": host,
        "server.port": port,
        "server.headless": str(no_browser).lower(),
        "server.maxUploadSize": max_upload,
    }
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    environment = {
        **os.environ,
        "CLEARVISION_APP_RUNS": str(runs.absolute()),
        "CLEARVISION_APP_MEGAPIXELS": str(max_megapixels),
    }
    with subprocess.Popen([sys.executable, "-m", "streamlit", "run", str(SCRIPT), *words], env=environment) as server:
        try:
            return server.wait()
        except KeyboardInterrupt:
            server.terminate()
            return console.INTERRUPTED
