"""One update of each objective: who changes, by which numbers, and what is logged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from clearvision.errors import RecipeError
from clearvision.losses.inputs import displayed
from clearvision.recipe import Recipe
from clearvision.training.adversarial import AdversarialObjective, verdict
from clearvision.training.arithmetic import Arithmetic, new_scaler
from clearvision.training.batches import Batch, seed_step
from clearvision.training.cycle import CycleObjective
from clearvision.training.distributed import Team
from clearvision.training.networks import build_nets
from clearvision.training.objectives import FidelityObjective, LikelihoodObjective
from clearvision.training.state import TrainState, new_state
from clearvision.training.terms import Terms

CPU = torch.device("cpu")


def start(recipe: Recipe) -> tuple[TrainState, Any]:
    """Return the state before the first step, and the objective."""
    nets = build_nets(recipe, CPU, start=True)
    state = new_state(nets, recipe, new_scaler(recipe.train, CPU))
    arithmetic, terms = Arithmetic(recipe.train, Team(0, 1, CPU), state.scaler), Terms(recipe.losses, None)
    if recipe.objective.kind == "fidelity":
        return state, FidelityObjective(arithmetic, terms, nets["g"])
    if recipe.objective.kind == "adversarial":
        return state, AdversarialObjective(arithmetic, terms, recipe.objective, nets["g"], nets["d"])
    return state, CycleObjective(arithmetic, terms, recipe.objective, nets)  # type: ignore[arg-type]


def batch_of(count: int = 2, side: int = 8, scale: int = 2) -> Batch:
    gt = torch.rand(count, 3, side * scale, side * scale)
    return Batch(torch.rand(count, 3, side, side), gt, gt)


def weights(net: nn.Module) -> Tensor:
    return torch.cat([parameter.detach().reshape(-1).clone() for parameter in net.parameters()])


def changed(state: TrainState, act: Callable[[], object]) -> set[str]:
    """Return which networks a call changes."""
    before = {name: weights(net) for name, net in state.nets.items()}
    act()
    return {name for name, net in state.nets.items() if not torch.equal(before[name], weights(net))}


def test_accumulated_batches_are_one_batch(tiny: Any) -> None:  # noqa: ANN401
    batch = batch_of(4)
    halves = [Batch(batch.lq[:2], batch.gt[:2], batch.real[:2]), Batch(batch.lq[2:], batch.gt[2:], batch.real[2:])]
    ends, logs = [], []
    for batches in ([batch], halves):
        state, objective = start(tiny.recipe(precision="f32"))
        logs.append(objective.step(state, batches))
        ends.append(weights(state.nets["g"]))
    torch.testing.assert_close(ends[0], ends[1], atol=1e-6, rtol=0)
    torch.testing.assert_close(logs[0]["loss/g_l1"], logs[1]["loss/g_l1"])
    assert set(logs[0]) == set(objective.columns)


def test_terms_are_weighted_and_logged_one_by_one(tiny: Any) -> None:  # noqa: ANN401
    losses = [{"kind": "l1", "weight": 0.5}, {"kind": "l1", "weight": 2.0}, {"kind": "ssim"}, {"kind": "tv", "weight": 0.1}]
    losses += [{"kind": "mse"}, {"kind": "charbonnier"}, {"kind": "psnr"}, {"kind": "frequency"}]
    state, objective = start(tiny.recipe(sections={"losses": losses}, precision="f32"))
    logs = objective.step(state, [batch_of(side=16)])
    assert logs["loss/g_l1_2"] == pytest.approx(4 * float(logs["loss/g_l1"]))
    assert set(logs) == {f"loss/g_{name}" for name in ("l1", "l1_2", "ssim", "tv", "mse", "charbonnier", "psnr", "frequency")} | {
        "grad_norm"
    }


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precisions_learn(tiny: Any, precision: str) -> None:  # noqa: ANN401
    state, objective = start(tiny.recipe(precision=precision))
    batch = batch_of()
    losses = [float(objective.step(state, [batch])["loss/g_l1"]) for _ in range(15)]
    assert losses[-1] < losses[0]
    assert all(value.dtype == torch.float32 for value in state.nets["g"].parameters())
    assert state.scaler.is_enabled() == (precision == "fp16")


def test_an_overflow_in_fp16_skips_the_update_and_lowers_the_scale(tiny: Any) -> None:  # noqa: ANN401
    state, objective = start(tiny.recipe(precision="fp16", sections={"losses": [{"kind": "l1", "weight": 1e6}]}))
    scale = state.scaler.get_scale()
    assert changed(state, lambda: objective.step(state, [batch_of()])) == set()
    assert state.scaler.get_scale() == scale / 2


def test_generator_and_discriminator_take_turns(tiny: Any) -> None:  # noqa: ANN401
    state, objective = start(tiny.recipe(tiny.gan(start=2, d_every=3)))
    logs: dict[int, Any] = {}

    def step() -> None:
        logs[state.step] = objective.step(state, [batch_of()])
        state.step += 1

    assert [changed(state, step) for _ in range(4)] == [{"g"}, {"g"}, {"g"}, {"g", "d"}]
    assert "loss/g_gan" not in logs[1]
    assert "loss/g_gan" in logs[2]
    assert "loss/d_gan" not in logs[2]
    assert set(logs[3]) == set(objective.columns)
    state, objective = start(tiny.recipe(tiny.gan(g_every=2)))
    assert [changed(state, step) for _ in range(2)] == [{"g", "d"}, {"d"}]


@pytest.mark.parametrize("gan", ["vanilla", "ragan", "lsgan", "hinge"])
@pytest.mark.parametrize("arch", ["patchgan", "unet", "vgg"])
def test_every_game_with_every_discriminator(tiny: Any, gan: str, arch: str) -> None:  # noqa: ANN401
    discriminator = {"arch": arch, "num_feat": 4} | {"patchgan": {"num_layer": 1}, "unet": {}, "vgg": {"num_level": 2}}[arch]
    state, objective = start(tiny.recipe(tiny.gan(gan=gan, discriminator=discriminator, weight=0.01)))
    assert changed(state, lambda: objective.step(state, [batch_of()])) == {"g", "d"}


def test_the_generator_moves_by_the_discriminators_gradient_alone(tiny: Any) -> None:  # noqa: ANN401
    """One plain gradient step of G, written out by hand, against the objective's; D must not feel the generator's loss."""
    recipe = tiny.recipe(tiny.gan(weight=0.5), precision="f32", clip_norm=None)
    state, objective = start(recipe)
    gt = torch.rand(2, 3, 16, 16)
    batch = Batch(3 * torch.rand(2, 3, 8, 8) - 1, gt, gt)
    sr = state.nets["g"](batch.lq)
    shown = displayed(sr)
    assert not torch.equal(shown, sr)  # D must not see what no screen shows
    loss = (sr - batch.gt).abs().mean() + 0.5 * nn.functional.softplus(-state.nets["d"](shown)).mean()
    wanted = torch.autograd.grad(loss, [value for value in state.nets["g"].parameters() if value.requires_grad])
    fake, real = state.nets["d"](shown.detach()), state.nets["d"](batch.real)
    loss_d = (nn.functional.softplus(-real).mean() + nn.functional.softplus(fake).mean()) / 2
    wanted_d = torch.autograd.grad(loss_d, list(state.nets["d"].parameters()))
    logs = objective.step(state, [batch])
    grads = [value.grad for value in state.nets["g"].parameters() if value.requires_grad]
    torch.testing.assert_close(grads, list(wanted))
    torch.testing.assert_close([value.grad for value in state.nets["d"].parameters()], list(wanted_d))
    torch.testing.assert_close(logs["loss/d_gan"], loss_d.detach())


def test_options_of_the_discriminator(tiny: Any) -> None:  # noqa: ANN401
    state, objective = start(tiny.recipe(tiny.gan(r1_weight=4.0, r1_every=2)))
    batch = batch_of()
    first = objective.step(state, [batch])
    state.step = 1
    assert float(first["loss/d_r1"]) > 0
    assert "loss/d_r1" not in objective.step(state, [batch])
    losses = {}
    for name, options in {
        "plain": {},
        "smooth": {"real_label": 0.9},
        "noise": {"noise": 0.3},
        "noise again": {"noise": 0.3},
    }.items():
        state, objective = start(tiny.recipe(tiny.gan(**options)))
        seed_step(0, 5, 0)
        losses[name] = float(objective.step(state, [batch])["loss/d_gan"])
    assert losses["noise"] == losses["noise again"]
    assert len({losses["plain"], losses["smooth"], losses["noise"]}) == 3


@pytest.mark.parametrize(("gan", "share"), [("vanilla", 0.5), ("lsgan", 0.625), ("ragan", 0.75)])
def test_what_counts_as_judged_rightly(gan: str, share: float) -> None:
    real, fake = torch.tensor([0.2, 0.4, 0.9, -0.3]), torch.tensor([-0.1, 0.05, 0.35, 0.02])
    assert float(verdict(gan, real, fake)["d/accuracy"]) == pytest.approx(share)


class Times(nn.Module):
    """Multiplies by one learned number."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor


def test_the_terms_of_a_cycle_by_hand(tiny: Any) -> None:  # noqa: ANN401
    """G doubles, G back keeps: every term is a multiple of the pictures' means."""
    recipe = tiny.cycle({"pool": 0, "weight": 3.0, "identity_weight": 5.0}, precision="f32", clip_norm=None)
    state, objective = start(recipe)
    state = new_state({"g": Times(2.0), "g_back": Times(1.0), "d_a": Times(1.0), "d_b": Times(1.0)}, recipe, state.scaler)
    objective = CycleObjective(objective.arithmetic, objective.terms, recipe.objective, state.nets)  # type: ignore[arg-type]
    a, b = torch.full((1, 3, 4, 4), 0.25), torch.full((1, 3, 4, 4), 0.5)
    logs = objective.step(state, [Batch(a, b, b)])
    assert float(logs["loss/g_l1"]) == pytest.approx(10 * (0.25 + 0.5))  # A comes back doubled, and so does B
    assert float(logs["loss/g_identity"]) == pytest.approx(5 * (0.5 + 0.0))
    assert float(logs["loss/g_gan"]) == pytest.approx(3 * ((0.5 - 1) ** 2 + (0.5 - 1) ** 2))
    judged = ((0.25 - 1) ** 2 + 0.5**2) / 2, ((0.5 - 1) ** 2 + 0.5**2) / 2  # d_a on a and G back(b), d_b on b and G(a)
    assert float(logs["loss/d_gan"]) == pytest.approx(sum(judged) / 2)
    assert set(logs) == set(objective.columns)


def test_every_network_of_a_cycle_learns_and_the_pool_remembers(tiny: Any) -> None:  # noqa: ANN401
    state, objective = start(tiny.cycle())
    batch = batch_of(1, 8, 1)
    assert changed(state, lambda: objective.step(state, [batch])) == {"g", "g_back", "d_a", "d_b"}
    assert state.pools["a"].state_dict()["images"].shape == (1, 3, 8, 8)
    assert not torch.equal(state.pools["a"].state_dict()["images"], state.pools["b"].state_dict()["images"])


def test_a_flow_learns_its_likelihood(tiny: Any) -> None:  # noqa: ANN401
    small = {"num_feat": 8, "num_block": 1, "num_grow_ch": 4, "stacked": [0], "num_step": 2, "num_hidden": 8}
    flow = {"arch": "srflow", "scale": 2} | small
    recipe = tiny.recipe({"kind": "likelihood"}, {"network": flow}, precision="f32")
    nets = build_nets(recipe, CPU, start=True)
    state = new_state(nets, recipe, new_scaler(recipe.train, CPU))
    objective = LikelihoodObjective(Arithmetic(recipe.train, Team(0, 1, CPU), state.scaler), nets["g"])
    torch.manual_seed(0)
    batch = batch_of()
    losses = [float(objective.step(state, [batch])["loss/g_nll"]) for _ in range(12)]
    assert losses[-1] < losses[0] - 0.1
    with pytest.raises(RecipeError, match="objective likelihood needs a network with a likelihood: srflow, not span"):
        build_nets(tiny.recipe({"kind": "likelihood"}), CPU, start=True)
