from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import clearvision


@pytest.fixture(autouse=True)
def without_torch(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the tests the seconds that importing PyTorch takes, but for the slow one."""
    if request.node.get_closest_marker("slow") is None:
        monkeypatch.setattr("clearvision.apps.cli.doctor.find_spec", lambda name: None)


def test_a_sound_machine_is_told_to_be_well(run: Callable) -> None:
    ran = run("doctor")
    assert ran.code == 0, ran.out
    assert f"clearvision      {clearvision.__version__}" in ran.out
    assert "  torch            [absent] not needed to upscale on the CPU; pip install 'clearvision[torch]' for GPUs" in ran.out
    assert ran.out.endswith("all well\n")


@pytest.mark.slow
def test_torch_and_what_it_can_use_are_told(run: Callable) -> None:
    torch = pytest.importorskip("torch")
    findings = {finding["name"]: finding for finding in run("doctor", "--json").json["findings"] if finding["group"] == "torch"}
    assert findings["torch"]["detail"] == torch.__version__
    assert findings["cuda"]["state"] == ("ok" if torch.cuda.is_available() else "absent")
    assert findings["mps"]["state"] == ("ok" if torch.backends.mps.is_available() else "absent")


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
