from pathlib import Path
from typing import get_args

import pytest
import yaml
from pydantic import BaseModel

from clearvision.archs import ARCHS
from clearvision.errors import RecipeError
from clearvision.recipe import Recipe, check_network, load_recipe, stage_recipes


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


def gan(**options: object) -> dict:
    return {"kind": "adversarial", "discriminator": {"arch": "unet", "num_feat": 32}} | options


def test_overrides_reach_into_lists(tmp_path: Path) -> None:
    path = write(tmp_path, minimal() | {"losses": [{"kind": "l1"}, {"kind": "tv"}]})
    recipe = load_recipe(path, ["losses.1.weight=0.5", "train.phases.0={gt_size: 32, batch_size: 4}"])
    assert recipe.losses[1].weight == 0.5
    assert recipe.train.phases[0].gt_size == 32
    with pytest.raises(RecipeError, match=r"override 'losses.2.weight': '2' is no place in a list of 2; the first is 0"):
        load_recipe(path, ["losses.2.weight=1"])
    with pytest.raises(RecipeError, match=r"override 'seed=\[1': the value is not YAML"):
        load_recipe(path, ["seed=[1"])


def test_the_old_place_of_the_loss_is_pointed_out(tmp_path: Path) -> None:
    plain = minimal()
    plain["train"]["loss"] = "mse"
    with pytest.raises(RecipeError, match=r"'loss' has moved: write losses: \[\{kind: mse\}\] beside train"):
        load_recipe(write(tmp_path, plain))


def test_a_tiny_trial_changes_what_it_names_and_set_wins(tmp_path: Path) -> None:
    path = write(tmp_path, minimal() | {"tiny": {"train.total_steps": 3, "train.phases.0.gt_size": 8}})
    assert load_recipe(path).train.total_steps == 10
    tiny = load_recipe(path, tiny=True)
    assert (tiny.train.total_steps, tiny.train.phases[0].gt_size) == (3, 8)
    assert load_recipe(path, ["train.total_steps=4"], tiny=True).train.total_steps == 4
    with pytest.raises(RecipeError, match="has no section 'tiny'"):
        load_recipe(write(tmp_path, minimal()), tiny=True)


def test_stages_are_whole_recipes(tmp_path: Path) -> None:
    plain = minimal() | {
        "stages": [
            {"name": "psnr"},
            {"name": "gan", "set": {"objective": gan(), "train.total_steps": 5, "losses": [{"kind": "l1", "weight": 0.01}]}},
            {"name": "polish", "set": {"init": "clean-x2", "train.optimizer.rate": 1e-5}},
        ],
        "tiny": {"train.total_steps": 2},
    }
    path = write(tmp_path, plain)
    stages = stage_recipes(load_recipe(path), Path("run"))
    assert [name for name, _ in stages] == ["psnr", "gan", "polish"]
    psnr, second, polish = (recipe for _, recipe in stages)
    assert (psnr.init, second.init, polish.init) == (None, str(Path("run/psnr/best.safetensors")), "clean-x2")
    assert (psnr.train.total_steps, second.train.total_steps) == (10, 5)
    assert second.objective.kind == "adversarial"
    assert polish.objective.kind == "fidelity", "each stage changes what is written above, not the stage before"
    assert not second.stages
    small = stage_recipes(load_recipe(path, ["train.optimizer.rate=3e-5"], tiny=True))
    assert [recipe.train.total_steps for _, recipe in small] == [2, 2, 2]
    assert [recipe.train.optimizer.rate for _, recipe in small] == [3e-5] * 3
    plain["stages"][1]["set"]["train.total_steps"] = 0
    with pytest.raises(RecipeError, match=r"stage gan' has 1 fault\(s\): train.total_steps"):
        load_recipe(write(tmp_path, plain))
    plain["stages"] = [{"name": "a"}, {"name": "a"}]
    with pytest.raises(RecipeError, match="different names, got a, a"):
        load_recipe(write(tmp_path, plain))


def test_a_gan_needs_a_start_or_a_reason(tmp_path: Path) -> None:
    path = write(tmp_path, minimal() | {"objective": gan()})
    with pytest.raises(RecipeError, match=r"starts from random weights, which rarely ends well: give .* in init"):
        load_recipe(path)
    assert load_recipe(path, ["init=clean-x2"]).objective.kind == "adversarial"
    assert load_recipe(path, ["objective.cold_start=as its authors trained it"]).init is None
    with pytest.raises(RecipeError, match="cold_start"):
        load_recipe(path, ["objective.cold_start=why not"])
    first = minimal() | {"stages": [{"name": "gan", "set": {"objective": gan()}}]}
    with pytest.raises(RecipeError, match="starts from random weights"):
        load_recipe(write(tmp_path, first))


CYCLE = {"scale": 1, "network": {"arch": "span", "upscale": 1}, "data": {"layout": "unpaired"}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"objective": {"kind": "cycle", "discriminator": {"arch": "patchgan"}}}, "scale must be 1, got 2"),
        ({"data": {"layout": "unpaired"}}, "no ground truth for objective fidelity: use cycle, or pairs"),
        ({"init": "x", "objective": gan(d_every=2, g_every=2)}, "slow each other down"),
        ({"init": "x", "objective": gan(gan="hinge", real_label=0.9)}, "must be 1 for gan hinge"),
        ({"objective": {"kind": "adversarial", "discriminator": {"num_feat": 3}}}, r"discriminator\.arch: Field required"),
        ({"objective": {"kind": "diffusion"}}, "'fidelity', 'likelihood', 'adversarial', 'cycle'"),
        ({"losses": [{"kind": "l7"}]}, "'l1', 'mse', 'charbonnier', 'psnr', 'ssim'"),
        ({"losses": [{"kind": "l1", "layers": {}}]}, r"losses\.0\..*layers: Extra inputs are not permitted"),
        ({"losses": [{"kind": "style", "criterion": "unit"}]}, "style compares by l1 or mse; criterion unit is for perceptual"),
    ],
)  # fmt: skip
def test_faults_of_objectives_and_losses(tmp_path: Path, change: dict, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        load_recipe(write(tmp_path, minimal() | change))


def test_a_pool_keeps_one_size(tmp_path: Path) -> None:
    plain = minimal() | CYCLE | {"objective": {"kind": "cycle", "discriminator": {"arch": "patchgan"}}}
    load_recipe(write(tmp_path, plain))
    phases = [{"until": 0.5, "gt_size": 16, "batch_size": 1}, {"gt_size": 32, "batch_size": 1}]
    with pytest.raises(RecipeError, match=r"a pool of one size: give all train\.phases the same gt_size"):
        load_recipe(write(tmp_path, plain | {"train": {"total_steps": 1, "phases": phases}}))


def test_every_entry_is_described() -> None:
    seen: set[type] = set()

    def check(model: type[BaseModel]) -> None:
        if model in seen:
            return
        seen.add(model)
        for name, field in model.model_fields.items():
            nested = [part for part in _parts(field.annotation) if isinstance(part, type) and issubclass(part, BaseModel)]
            assert nested or field.description or name == "kind", f"{model.__name__}.{name}"
            for part in nested:
                check(part)

    check(Recipe)
    assert len(seen) > 15


def _parts(annotation: object) -> list[object]:
    inner = [part for argument in get_args(annotation) for part in _parts(argument)]
    return [annotation, *inner]
