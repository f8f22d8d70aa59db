import hashlib
from pathlib import Path

import pytest

from clearvision.errors import ModelError
from clearvision.types import ModelInfo
from clearvision.zoo import catalogue
from clearvision.zoo.catalogue import bundled_models, find_model, list_models, model_for
from clearvision.zoo.checkpoint import read_checkpoint


def test_every_bundled_model_is_whole_and_small() -> None:
    assert {"clean-x2", "clean-x4"} <= set(bundled_models())
    for name, path in bundled_models().items():
        checkpoint = read_checkpoint(path)
        info = checkpoint.info
        assert info.name == name
        assert path.stat().st_size < 4 << 20
        assert info.receptive_radius
        assert info.licence
        assert info.description
        assert info.intended_use
        assert checkpoint.recipe is not None
        assert {"data", "steps", "hours", "hardware"} <= set(info.training)
        assert any("Set5" in figure or info.task != "clean" for figure in info.figures if "validation" not in figure)
        assert checkpoint.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_names_and_paths(tmp_path: Path) -> None:
    assert find_model("clean-x4") == bundled_models()["clean-x4"]
    mine = tmp_path / "mine.safetensors"
    mine.touch()
    assert find_model(mine) == find_model(str(mine)) == mine
    with pytest.raises(ModelError, match=r"unknown model 'clean-4x'; did you mean 'clean-x4'\? Bundled: clean-x2, "):
        find_model("clean-4x")
    with pytest.raises(ModelError, match=r"unknown model 'zzz'\. Bundled: "):
        find_model("zzz")


@pytest.mark.parametrize(
    ("scale", "name"), [(1.5, "clean-x2"), (2, "clean-x2"), (2.1, "clean-x4"), (4, "clean-x4"), (9, "clean-x4")]
)
def test_the_nearest_native_scale_not_below_the_factor(scale: float, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cards = [ModelInfo(name=f"clean-x{s}", task="clean", scale=s, arch="span", hyper={}) for s in (4, 2)]
    monkeypatch.setattr(catalogue, "list_models", lambda: cards)
    assert model_for("clean", scale) == name


def test_unknown_task() -> None:
    assert list_models()
    with pytest.raises(ModelError, match="no bundled model for task 'paint'; there are models for: clean"):
        model_for("paint", 2)
