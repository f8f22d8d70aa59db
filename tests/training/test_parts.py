"""What the loop is made of: batches, validation, freezing, terms, words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from clearvision.archs import vgg as vgg_module
from clearvision.archs.facts import ArchFacts
from clearvision.data.decode import Pair
from clearvision.data.sources import open_source
from clearvision.degradations.kernels import unsharp
from clearvision.errors import RecipeError
from clearvision.losses.perceptual import PerceptualLoss
from clearvision.metrics.psnr import psnr_y
from clearvision.recipe import Phase, Recipe
from clearvision.training.batches import Batch, Feeder
from clearvision.training.distributed import Team
from clearvision.training.ema import ema_copy, ema_update
from clearvision.training.networks import build_nets, freeze, learnable
from clearvision.training.report import Log
from clearvision.training.run import train
from clearvision.training.schedule import phase_at
from clearvision.training.terms import Terms, open_features
from clearvision.training.validate import Validator, deciding
from clearvision.training.words import figures_in_words, losses_in_words
from clearvision.types import SizeRequirements

CPU = torch.device("cpu")
Pictures = Callable[[int, int], tuple[np.ndarray, np.ndarray]]


def feeder_of(recipe: Recipe, data: Path, rank: int = 0, world: int = 1, *, ahead: bool = False) -> Feeder:
    source = open_source(recipe.data, scale=recipe.scale, seed=recipe.seed, root=data)
    return Feeder(source, recipe, Team(rank, world, CPU), ahead=ahead)


def assert_same(a: Batch, b: Batch) -> None:
    for x, y in zip(vars(a).values(), vars(b).values(), strict=True):
        assert torch.equal(x, y)


@pytest.mark.parametrize(
    "options", [{}, {"usm": True}, {"degradation": "clearvision"}, {"degradation": "realesrgan", "usm": True}]
)
def test_batches_are_functions_of_the_step(tiny: Any, data: Path, options: dict) -> None:  # noqa: ANN401
    recipe = tiny.recipe(sections={"data": {"val_count": 1, "val_size": 32} | options}, accumulate=2)
    feeder, again = feeder_of(recipe, data), feeder_of(recipe, data)
    again.batches(6)  # what was asked before does not matter
    first, second = feeder.batches(3)
    assert (first.lq.shape, first.gt.shape) == ((2, 3, 8, 8), (2, 3, 16, 16))
    assert_same(first, again.batches(3)[0])
    assert not torch.equal(first.lq, second.lq)
    assert not torch.equal(first.lq, feeder.batches(4)[0].lq)
    in_a_thread = feeder_of(recipe, data, ahead=True)
    for step in (2, 3, 4, 3):  # as when a run goes back
        ahead = in_a_thread.batches(step)
    in_a_thread.close()
    assert_same(first, ahead[0])
    assert_same(second, ahead[1])
    sharpened = bool(options.get("usm"))
    assert torch.equal(first.gt, unsharp(first.real)) == sharpened
    assert torch.equal(first.gt, first.real) != sharpened


@pytest.mark.parametrize("degradation", ["bicubic", "clearvision"])
def test_two_processes_see_what_one_with_the_double_batch_sees(tiny: Any, data: Path, degradation: str) -> None:  # noqa: ANN401
    section = {"data": {"val_count": 1, "val_size": 32, "degradation": degradation}}
    recipe = tiny.recipe(sections=section, phases=[{"gt_size": 16, "batch_size": 1}])
    double = tiny.recipe(sections=section, phases=[{"gt_size": 16, "batch_size": 2}])
    halves = [feeder_of(recipe, data, rank, 2).batches(5)[0] for rank in (0, 1)]
    whole = feeder_of(double, data).batches(5)[0]
    torch.testing.assert_close(torch.cat([half.lq for half in halves]), whole.lq, atol=1 / 250, rtol=0)
    assert torch.equal(torch.cat([half.gt for half in halves]), whole.gt)


class Enlarging(nn.Module):
    """Repeats pixels; takes multiples of four."""

    def facts(self) -> ArchFacts:
        return ArchFacts(scale=2, num_in_ch=3, num_out_ch=3, receptive_radius=0, size=SizeRequirements(multiple=4))

    def forward(self, lq: Tensor) -> Tensor:
        assert lq.shape[2] % 4 == lq.shape[3] % 4 == 0
        return lq.repeat_interleave(2, 2).repeat_interleave(2, 3)


@pytest.fixture
def vgg(make_weights: Callable, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the file of a VGG19 that is four channels wide."""
    monkeypatch.setattr(vgg_module, "_CHANNELS", (4,) * 5)
    shapes: dict[str, tuple[int, ...]] = {}
    for name, index in vgg_module.vgg_index("vgg19").items():
        if name.startswith("conv"):
            shapes[f"features.{index}.weight"] = (4, 3 if name == "conv1_1" else 4, 3, 3)
            shapes[f"features.{index}.bias"] = (4,)
    return make_weights("vgg19", shapes)


def test_figures_follow_the_protocol_at_any_size(tiny: Any, pictures: Pictures, vgg: Path) -> None:  # noqa: ANN401
    lq, _ = pictures(21, 26)
    gt, _ = pictures(42, 52)
    features = open_features(tiny.recipe(sections={"vgg": str(vgg)}), CPU)
    assert features is not None
    validator = Validator([Pair(Path("a.png"), lq, gt)], 2, CPU, PerceptualLoss(features, {"conv1_1": 1.0}))
    figures, (sample,) = validator.figures({"g": Enlarging()})
    sr = lq.repeat(2, 0).repeat(2, 1)
    assert np.array_equal(sample.sr, sr)
    assert figures["val/psnr_y"] == pytest.approx(psnr_y(sr, gt, crop_border=2), abs=1e-9)
    assert figures.keys() == {"val/psnr_y", "val/ssim_y", "val/vgg"} == validator.baseline().keys()
    assert figures["val/vgg"] > 0
    assert deciding("auto", "adversarial", validator) == "val/vgg"
    assert deciding("auto", "fidelity", validator) == "val/psnr_y"
    assert deciding("ssim_y", "fidelity", validator) == "val/ssim_y"
    assert deciding("auto", "cycle", replace(validator, paired=False)) is None


def test_an_undamaged_picture_left_alone_scores_the_rounding_of_its_truth(pictures: Pictures) -> None:
    gt, _ = pictures(16, 24)
    validator = Validator([Pair(Path("a.png"), gt, gt)], 1, CPU)
    assert validator.baseline()["val/psnr_y"] == pytest.approx(58.92, abs=0.005)


def test_a_gan_with_vgg19_is_judged_by_its_distance(tiny: Any, tmp_path: Path, data: Path, vgg: Path) -> None:  # noqa: ANN401
    losses = [{"kind": "l1"}, {"kind": "perceptual", "layers": {"relu1_1": 2.0}, "criterion": "mse", "weight": 0.5}]
    losses += [{"kind": "style", "layers": {"conv2_2": 1.0}}, {"kind": "ms_ssim_l1", "alpha": 0.5}]
    recipe = tiny.recipe(
        tiny.gan(), {"losses": losses, "vgg": str(vgg)}, total_steps=4, phases=[{"gt_size": 32, "batch_size": 1}], precision="f32"
    )
    outcome = train(recipe, data=data, out=tmp_path / "run", device="cpu")
    assert outcome.decided_by == "val/vgg"
    assert outcome.best_value == pytest.approx(outcome.figures["val/vgg"])
    row = tiny.rows(tmp_path / "run")[0]
    for name in ("l1", "perceptual", "style", "ms_ssim_l1", "gan"):
        assert float(row[f"loss/g_{name}"]) > 0
    terms = Terms(recipe.losses, open_features(recipe, CPU))
    gt = torch.rand(1, 3, 32, 32)
    assert all(float(value.detach()) == pytest.approx(0, abs=1e-6) for value in terms(gt, gt).values())
    white = torch.ones(1, 3, 32, 32)
    beyond = terms(1.5 * white, white)
    assert float(beyond["loss/g_l1"]) == 0.5
    assert float(beyond["loss/g_perceptual"]) == float(beyond["loss/g_style"]) == 0  # VGG19 is shown what a screen shows


def test_freezing_follows_the_step_and_keeps_what_is_frozen_by_nature(tiny: Any, tmp_path: Path, data: Path) -> None:  # noqa: ANN401
    recipe = tiny.recipe(freeze=[{"names": ["conv_1.*"], "until": 4}, {"names": ["upsampler.0.bias"]}])
    net = build_nets(recipe, CPU, start=True)["g"]
    parameters = learnable(net)
    fixed = [name for name, value in net.named_parameters() if not value.requires_grad]
    for step, expected in ((0, True), (3, True), (4, False)):
        freeze(parameters, recipe.train.freeze, step)
        assert all(value.requires_grad != expected for name, value in parameters.items() if name.startswith("conv_1."))
        assert not parameters["upsampler.0.bias"].requires_grad
        assert all(not value.requires_grad for name, value in net.named_parameters() if name in fixed)
    start = {name: value.detach().clone() for name, value in parameters.items()}
    train(recipe, data=data, out=tmp_path / "run", device="cpu")
    end = tiny.state(tmp_path / "run")["nets"]["g"]
    assert torch.equal(start["upsampler.0.bias"], end["upsampler.0.bias"])
    moved = [name for name in parameters if name.startswith("conv_1.") and not torch.equal(start[name], end[name])]
    assert moved, "what is frozen until step 4 learns after it"


def test_sizes_that_the_network_does_not_take_are_refused(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ANN401
    monkeypatch.setitem(build_nets.__globals__["ARCHS"], "span", Enlarging)
    recipe = tiny.recipe(sections={"network": {"arch": "span"}}, phases=[{"gt_size": 20, "batch_size": 1}])
    with pytest.raises(RecipeError, match=r"phases\.0\.gt_size \(20\) gives lq of 10 pixels; .* multiples of 4 from 1 on"):
        build_nets(recipe, CPU, start=True)


def test_phases_follow_the_step() -> None:
    phases = (Phase(until=0.5, gt_size=16, batch_size=2), Phase(gt_size=24, batch_size=1))
    assert [phase_at(phases, step, 40).gt_size for step in (0, 19, 20, 39)] == [16, 16, 24, 24]


def test_the_average_moves_by_its_decay() -> None:
    net = nn.Linear(2, 2)
    ema = ema_copy(net)
    start = net.weight.detach().clone()
    with torch.no_grad():
        net.weight.add_(1)
    ema_update(ema, net, 0.9)
    torch.testing.assert_close(ema.weight.detach(), start + 0.1)  # type: ignore[arg-type]


def test_a_log_goes_on_where_the_state_was_saved(tmp_path: Path) -> None:
    log = Log(tmp_path, ("rate", "old"), resume_step=0)
    for step in (2, 4, 6):
        log.add(step, {"rate": step / 10, "old": 1.0})
    log.close()
    with log.path.open("a") as file:
        file.write("7,0.")  # a kill in the middle of a row
    log = Log(tmp_path, ("rate", "new"), resume_step=4)
    log.add(5, {"rate": 0.5, "new": 2.0})
    log.close()
    assert log.path.read_text().split() == ["step,rate,new,old", "2,0.2,,1", "4,0.4,,1", "5,0.5,2,"]


def test_figures_in_words() -> None:
    assert losses_in_words({"loss/g_l1": 0.01234, "grad_norm": 3.0}) == "loss 0.01234"
    logs = {"loss/g_l1": 0.01, "loss/g_gan": 0.5, "loss/d_gan": 0.69}
    assert losses_in_words(logs) == "l1 0.01, gan 0.5, d 0.69"
    figures = {"val/psnr_y": 30.126, "val/vgg": 0.25}
    assert figures_in_words(figures, {"val/psnr_y": 28.4}) == "PSNR-Y 30.13 dB (bicubic 28.40), VGG distance 0.2500"
