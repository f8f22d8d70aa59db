"""The public surface, and the promise that it is light: what a name costs to import is part of the interface."""

from __future__ import annotations

import subprocess
import sys

import pytest

import clearvision

HEAVY = ("torch", "openvino", "pyvips", "PIL", "onnx", "tensorboard", "flask", "waitress", "streamlit")


def run_python(code: str) -> str:
    """Return what a fresh interpreter prints for ``code``, with warnings as errors."""
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_all_names_exist_and_are_what_the_package_promises() -> None:
    assert len(set(clearvision.__all__)) == len(clearvision.__all__)
    for name in clearvision.__all__:
        assert getattr(clearvision, name) is not None
    assert {"upscale", "Upscaler", "load_model", "Picture", "ClearVisionError"} <= set(clearvision.__all__)


def test_version_is_a_plain_release() -> None:
    assert all(part.isdigit() for part in clearvision.__version__.split("."))


@pytest.mark.parametrize(
    "module",
    [
        "clearvision",
        "clearvision.apps.cli",
        "clearvision.errors",
        "clearvision.imaging.resize",
        "clearvision.imaging.tiling",
        "clearvision.inference.engines",
        "clearvision.inference.engines.openvino",
        "clearvision.inference.graphs",
        "clearvision.inference.upscaler",
        "clearvision.types",
        "clearvision.zoo.catalogue",
        "clearvision.zoo.checkpoint",
        "clearvision.zoo.foreign",
        "clearvision.zoo.interpolate",
    ],
)
def test_importing_it_loads_nothing_heavy(module: str) -> None:
    loaded = run_python(f"import sys, {module}; print(*(name for name in {HEAVY!r} if name in sys.modules))")
    assert loaded.split() == []


def test_upscaling_works_where_torch_cannot_be_imported() -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import numpy as np, clearvision\n"
        "print(*clearvision.upscale(np.zeros((20, 24, 3), np.uint8), scale=4).shape)"
    )
    assert run_python(code).split() == ["80", "96", "3"]


def test_command_line_answers_without_heavy_imports() -> None:
    code = (
        "import sys; from clearvision.apps.cli import main\n"
        "assert main(['--help']) == 0\n"
        f"print('heavy:', *(name for name in {HEAVY!r} if name in sys.modules))"
    )
    out = run_python(code)
    assert out.splitlines()[-1] == "heavy:"
    for command in ("upscale", "models", "train", "serve", "doctor"):
        assert command in out
