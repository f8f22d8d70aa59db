"""What the server loads for the first page: no engine, and never PyTorch, whose threads would slow the engine down."""

from __future__ import annotations

import subprocess
import sys


def loaded_after(code: str) -> set[str]:
    """Return which heavy packages a fresh interpreter holds after some code."""
    heavy = ("torch", "openvino", "pyvips", "flask", "matplotlib")
    command = [sys.executable, "-c", f"import sys\n{code}\nprint(*(name for name in {heavy!r} if name in sys.modules))"]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def test_pages_load_nothing_heavy() -> None:
    pages = ", ".join(f"clearvision.apps.streamlit_app.{name}_page" for name in ("enlarge", "compare", "models", "runs"))
    assert loaded_after(f"import {pages}") == set()


def test_making_a_damaged_picture_and_its_result_loads_no_pytorch(tmp_path: object) -> None:
    code = f"""
import numpy as np
from pathlib import Path
from clearvision.apps.streamlit_app.choices import Choices
from clearvision.apps.streamlit_app.damage import Damage
from clearvision.apps.streamlit_app.making import Given, Workshop, make
from clearvision.apps.streamlit_app.settings import Settings
from clearvision.imaging.io import picture_from_array, write_picture
path = Path({str(tmp_path)!r}) / "a.png"
write_picture(picture_from_array(np.zeros((64, 64, 3), np.uint8)), path)
given, damage, shop = Given("a.png", path, 64, 64), Damage(4, "clearvision-app"), Workshop(Settings.read())
made = make(given, Choices(), damage, path.parent, shop, lambda *_: 0)
assert made.scores is not None
"""
    found = loaded_after(code)
    assert "openvino" in found
    assert "torch" not in found
