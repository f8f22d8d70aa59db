"""The teacher: what it makes of the ground truth, and that a run learns from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from clearvision.errors import RecipeError
from clearvision.inference.upscaler import Upscaler
from clearvision.recipe import Recipe
from clearvision.training.arithmetic import Arithmetic, new_scaler
from clearvision.training.batches import Batch, seed_step
from clearvision.training.distributed import Team
from clearvision.training.networks import build_nets
from clearvision.training.objectives import FidelityObjective
from clearvision.training.run import train
from clearvision.training.state import new_state
from clearvision.training.teacher import Teacher, open_teacher
from clearvision.training.terms import Terms

CPU = torch.device("cpu")


@pytest.fixture
def taught(tiny: Any, data: Path, tmp_path: Path) -> Recipe:  # noqa: ANN401
    """Return a recipe in float32 whose network starts from a short run's, which also teaches it."""
    best = train(tiny.recipe(), data=data, out=tmp_path / "before", device="cpu").best
    teacher = {"kind": "fidelity", "teacher": {"share": 0.75}}
    return tiny.recipe(teacher, {"init": str(best)}, precision="f32")


def arithmetic_of(recipe: Recipe) -> Arithmetic:
    return Arithmetic(recipe.train, Team(0, 1, CPU), new_scaler(recipe.train, CPU))


def opened(recipe: Recipe) -> Teacher:
    options = recipe.objective.teacher  # type: ignore[union-attr]
    return Teacher(options, arithmetic_of(recipe), open_teacher(recipe, options, CPU))


def test_over_many_steps_the_eight_views_are_averaged(taught: Recipe) -> None:
    """The oracle is the self-ensemble that pictures are enlarged with."""
    teacher, lq = opened(taught), torch.randint(0, 256, (1, 3, 12, 16)).float() / 255
    gt = torch.rand(1, 3, 24, 32)
    aims: dict[bytes, torch.Tensor] = {}
    for step in range(100):
        seed_step(0, step, 0)
        aim = teacher.aim(lq, gt)
        aims.setdefault(aim.numpy().tobytes(), aim)
    assert len(aims) == 8
    picture = (lq[0].permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()
    ensemble = Upscaler(taught.init, tta=True)(picture).astype(np.float32)
    taught_part = (torch.stack([*aims.values()]).mean(0) - 0.25 * gt) / 0.75
    shown = taught_part[0].permute(1, 2, 0).clamp(0, 1).numpy() * 255
    assert np.abs(shown - ensemble).max() <= 0.51  # the picture is rounded to 8 bits
    assert np.ptp(ensemble) > 50


def test_a_step_learns_from_what_the_teacher_says(taught: Recipe) -> None:
    nets = build_nets(taught, CPU, start=True)
    state, teacher = new_state(nets, taught, new_scaler(taught.train, CPU)), opened(taught)
    objective = FidelityObjective(arithmetic_of(taught), Terms(taught.losses, None), nets["g"], teacher)
    lq, gt = torch.rand(2, 3, 8, 8), torch.rand(2, 3, 16, 16)
    seed_step(0, 0, 0)
    expected = (nets["g"](lq) - teacher.aim(lq, gt)).abs().mean()
    seed_step(0, 0, 0)
    logs = objective.step(state, [Batch(lq, gt, gt)])
    torch.testing.assert_close(logs["loss/g_l1"], expected.detach())


def test_a_taught_run_resumes_to_the_bit(tiny: Any, data: Path, tmp_path: Path, taught: Recipe) -> None:  # noqa: ANN401
    recipe = tiny.recipe({"kind": "fidelity", "teacher": {"model": taught.init}})
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert train(recipe, data=data, out=whole, device="cpu").finished
    assert not train(recipe, data=data, out=parts, device="cpu", max_seconds=0).finished
    assert train(recipe, data=data, out=parts, device="cpu", resume=True).finished
    assert tiny.differences(whole, parts) == []


def test_a_teacher_that_does_not_fit(tiny: Any, data: Path, tmp_path: Path) -> None:  # noqa: ANN401
    with pytest.raises(RecipeError, match="no model and the run no init to teach itself by: give one of the two"):
        tiny.recipe({"kind": "fidelity", "teacher": {}})
    recipe = tiny.recipe({"kind": "fidelity", "teacher": {"model": "clean-x4"}})
    with pytest.raises(RecipeError, match=r"'clean-x4' makes 3 channels of 3 at scale 4; a teacher for .* has 3 of 3 at scale 2"):
        train(recipe, data=data, out=tmp_path / "run", device="cpu")
    recipe = tiny.recipe({"kind": "fidelity", "teacher": {"model": "photo-x2"}}, phases=[{"gt_size": 18, "batch_size": 1}])
    with pytest.raises(RecipeError, match=r"\(18\) gives lq of 9 pixels; teacher 'photo-x2' takes multiples of 2 from"):
        train(recipe, data=data, out=tmp_path / "run", device="cpu")
