"""The commands of docs/serve.md, as they stand there."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.apps.web.conftest import Process

from clearvision.imaging.io import read_size

PAGE = Path(__file__).parents[3] / "docs" / "serve.md"


@pytest.mark.skipif(shutil.which("curl") is None or shutil.which("bash") is None, reason="needs curl and bash")
def test_the_commands_of_the_page_work(process_of: Callable[..., Process], photo_writer: Callable, tmp_path: Path) -> None:
    server = process_of()
    photo_writer(tmp_path / "photo.jpg", 90, 120)
    script = "\n".join(re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL))
    assert script.count("curl") == 7
    script = "set -e\n" + script.replace("http://localhost:8000", server.url)
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    sizes = {name: read_size(tmp_path / name) for name in ("big.jpg", "big.webp", "big.png")}
    assert sizes == {"big.jpg": (180, 240), "big.webp": (900, 1200), "big.png": (360, 480)}
    assert '"name":"clean-x4"' in done.stdout
    assert '"state":' in done.stdout
    assert server.end() == 0


def test_the_page_names_every_option() -> None:
    from clearvision.apps.web.schemas import Options

    text = PAGE.read_text()
    assert all(f"`{name}`" in text for name in Options.model_fields)
