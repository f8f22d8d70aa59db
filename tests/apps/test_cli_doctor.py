from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import clearvision


def test_a_sound_machine_is_told_to_be_well(run: Callable) -> None:
    ran = run("doctor")
    assert ran.code == 0, ran.out
    assert f"clearvision      {clearvision.__version__}" in ran.out
    assert ran.out.endswith("all well\n")


def test_a_damaged_model_is_found(run: Callable, weights_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(weights_dir, tmp_path / "weights")
    whole = tmp_path / "weights/clean-x4.safetensors"
    whole.write_bytes(whole.read_bytes()[:-4])
    monkeypatch.setattr("clearvision.zoo.catalogue.WEIGHTS_DIR", tmp_path / "weights")
    ran = run("doctor", "--json")
    assert ran.code == 1
    assert ran.json["ok"] is False
    broken = [finding["name"] for finding in ran.json["findings"] if finding["state"] == "broken"]
    assert broken == ["clean-x4"]


def test_one_fault_does_not_hide_the_rest(run: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_disk(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("clearvision.imaging.io.write_picture", no_disk)
    ran = run("doctor", "--json")
    assert ran.code == 1
    by_name = {finding["name"]: finding for finding in ran.json["findings"]}
    assert by_name["png"] == {"group": "pictures", "name": "png", "state": "broken", "detail": "No space left on device"}
    assert by_name["clean-x4"]["state"] == "ok"


def test_missing_torch_is_no_fault(run: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clearvision.apps.cli.doctor.find_spec", lambda name: None)
    ran = run("doctor", "--json")
    assert ran.code == 0
    (torch,) = [finding for finding in ran.json["findings"] if finding["group"] == "torch"]
    assert torch["state"] == "absent"
    assert "pip install 'clearvision[torch]'" in torch["detail"]
