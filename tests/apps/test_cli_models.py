from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

from clearvision.zoo.checkpoint import Checkpoint


@dataclass(frozen=True)
class Check:
    runtime: str
    shape: tuple[int, ...]
    max_difference: float


@dataclass(frozen=True)
class Report:
    path: Path
    checks: tuple[Check, ...]
    max_difference: float


def test_list_shows_every_bundled_model(run: Callable) -> None:
    ran = run("models", "list")
    assert ran.code == 0
    head, first, second = ran.out.splitlines()
    assert head.split() == ["NAME", "TASK", "SCALE", "NETWORK", "PARAMETERS", "SIZE", "FIGURES"]
    assert first.split()[:4] == ["clean-x2", "clean", "x2", "span"]
    assert second.endswith("Set5 PSNR-Y 30.5")


def test_list_as_json_counts_parameters(run: Callable, bundled: Path) -> None:
    card = run("models", "list", "--json").json[1]
    expected = (3 * 9 + 1) * 16 + 4 * (16 * 9 + 1) * 16 + (4 * 16 + 1) * 16 + (16 * 9 + 1) * 48
    assert (card["name"], card["parameters"]) == ("clean-x4", expected)
    assert card["bytes"] == (bundled / "clean-x4.safetensors").stat().st_size


def test_an_installation_without_models_says_so(run: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clearvision.zoo.catalogue.WEIGHTS_DIR", tmp_path)
    ran = run("models", "list")
    assert ran.code == 2
    assert "no bundled models" in ran.err


@pytest.mark.parametrize("by_file", [False, True])
def test_info_shows_the_card_of_a_name_or_a_file(run: Callable, bundled: Path, by_file: bool) -> None:
    path = bundled / "clean-x4.safetensors"
    ran = run("models", "info", path if by_file else "clean-x4")
    assert ran.code == 0
    shown = dict(line.split(maxsplit=1) for line in ran.out.splitlines() if not line.startswith(("receptive", "input")))
    assert shown["scale"] == "x4"
    assert shown["licence"] == "CC0-1.0"
    assert shown["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert "receptive radius  6 pixels: tiles overlap by it and are exact" in ran.out
    assert run("models", "info", "clean-x4", "--json").json["receptive_radius"] == 6


def test_info_of_what_is_no_model(run: Callable, tmp_path: Path) -> None:
    (tmp_path / "fake.safetensors").write_text("no model")
    assert run("models", "info", tmp_path / "fake.safetensors").code == 2
    unknown = run("models", "info", "photo-x9")
    assert unknown.code == 2
    assert unknown.err.startswith("clearvision: unknown model 'photo-x9'")
    assert "clean-x2, clean-x4" in unknown.err


@pytest.mark.slow
@pytest.mark.parametrize(("to", "name"), [("onnx", "net.onnx"), ("openvino", "net.xml")])
def test_export_writes_the_file(run: Callable, tmp_path: Path, to: str, name: str) -> None:
    pytest.importorskip("onnxscript")
    ran = run("models", "export", "clean-x2", "--to", to, "-o", tmp_path / name)
    assert ran.code == 0, ran.err
    assert (tmp_path / name).is_file()
    assert any(" ".join(line.split()).startswith("openvino 1 x 3 x 17 x 23 ") for line in ran.out.splitlines())
    assert f"{tmp_path / name}: computes what PyTorch computes, within " in ran.out


def test_export_prints_the_parity(run: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def export_onnx(checkpoint: Checkpoint, path: Path) -> Report:
        assert checkpoint.info.name == "clean-x2"
        return Report(path, (Check("openvino", (1, 3, 17, 23), 2.4e-7), Check("onnxruntime", (2, 3, 9, 32), 1.2e-7)), 2.4e-7)

    stand_in = ModuleType("clearvision.export")  # exporting takes seconds and is tested where it lives
    stand_in.export_onnx = export_onnx  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "clearvision.export", stand_in)
    ran = run("models", "export", "clean-x2", "-o", tmp_path / "net.onnx")
    assert ran.code == 0, ran.err
    assert [line.split() for line in ran.out.splitlines()[:3]] == [
        ["RUNTIME", "INPUT", "MAX", "DIFFERENCE"],
        ["openvino", "1", "x", "3", "x", "17", "x", "23", "2.4e-07"],
        ["onnxruntime", "2", "x", "3", "x", "9", "x", "32", "1.2e-07"],
    ]
    assert ran.out.endswith(f"{tmp_path / 'net.onnx'}: computes what PyTorch computes, within 2.4e-07 of a range of 1\n")
    told = run("models", "export", "clean-x2", "-o", tmp_path / "net.onnx", "--json").json
    assert told["checks"][1] == {"runtime": "onnxruntime", "shape": [2, 3, 9, 32], "max_difference": 1.2e-7}


def test_export_refuses_what_it_cannot_write(run: Callable, tmp_path: Path) -> None:
    unknown = run("models", "export", "clean-x2", "--to", "tflite", "-o", tmp_path / "net.tflite")
    assert (unknown.code, unknown.err) == (2, "clearvision: cannot export to 'tflite'; known: onnx, openvino\n")


def test_export_without_its_extra_says_what_to_install(run: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "onnx" else find_spec(name, *rest))
    for name in [name for name in sys.modules if name.startswith("clearvision.export")]:
        monkeypatch.delitem(sys.modules, name)
    ran = run("models", "export", "clean-x2", "-o", tmp_path / "net.onnx")
    assert ran.code == 2
    assert ran.err == "clearvision: export needs onnx, not installed; pip install 'clearvision[export]'\n"
