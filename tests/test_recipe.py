from pathlib import Path

import pytest
import yaml

from clearvision.archs import ARCHS
from clearvision.errors import RecipeError
from clearvision.recipe import check_network, load_recipe


def minimal() -> dict:
    return {
        "name": "tiny",
        "task": "clean",
        "scale": 2,
        "network": {"arch": "span", "upscale": 2},
        "train": {"total_steps": 10, "phases": [{"gt_size": 16, "batch_size": 1}]},
    }


def write(tmp_path: Path, plain: object) -> Path:
    path = tmp_path / "r.yaml"
    path.write_text(yaml.safe_dump(plain))
    return path


def test_overrides_are_validated_like_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, minimal())
    assert load_recipe(path, ["train.total_steps=77", "train.optimizer.rate=1e-4"]).train.optimizer.rate == 1e-4
    with pytest.raises(RecipeError, match=r"train\.total_steps"):
        load_recipe(path, ["train.total_steps=many"])
    with pytest.raises(RecipeError, match="must read key=value"):
        load_recipe(path, ["train.total_steps"])
    with pytest.raises(RecipeError, match="'name' is not a section"):
        load_recipe(path, ["name.x=1"])


def test_all_faults_are_listed_at_once(tmp_path: Path) -> None:
    plain = minimal() | {"scale": 3, "colour": 1}
    plain["train"]["optimizer"] = {"rate": -1}
    with pytest.raises(RecipeError) as error:
        load_recipe(write(tmp_path, plain))
    assert "colour" in str(error.value)
    assert "train.optimizer.rate" in str(error.value)


def test_rules_across_fields(tmp_path: Path) -> None:
    plain = minimal()
    plain["train"]["phases"] = [{"until": 0.5, "gt_size": 15, "batch_size": 1}]
    with pytest.raises(
        RecipeError, match=r"rising 'until' that end at 1.0, got \[0.5\].*gt_size \(15\) must be divisible by scale \(2\)"
    ):
        load_recipe(write(tmp_path, plain))


def test_files_that_are_no_recipe(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="cannot be read"):
        load_recipe(tmp_path / "absent.yaml")
    with pytest.raises(RecipeError, match="must be a mapping"):
        load_recipe(write(tmp_path, [1, 2]))
    (tmp_path / "bad.yaml").write_text("a: [1")
    with pytest.raises(RecipeError, match="is not YAML"):
        load_recipe(tmp_path / "bad.yaml")


def test_network_arguments_are_the_constructors(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="unknown arch 'spam'; known: "):
        check_network(load_recipe(write(tmp_path, minimal()), ["network.arch=spam"]), ARCHS)
    with pytest.raises(RecipeError, match=r"span has no argument 'widht'; known: num_in_ch"):
        check_network(load_recipe(write(tmp_path, minimal()), ["network.widht=3"]), ARCHS)
