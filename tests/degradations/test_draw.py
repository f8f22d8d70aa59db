"""Plans: what is drawn, how often, and from what it does not depend."""

from __future__ import annotations

import itertools
import json
from collections import Counter

import pytest

from clearvision.degradations.draw import SKIP, Plan, draw_plan, shown
from clearvision.degradations.presets import PRESETS, Preset, preset_from
from clearvision.degradations.steps import Blur, Jpeg, Noise, OneOf, Patches, Resize, Round, Shuffle, Sinc, Step
from clearvision.errors import ImageShapeError, UsageError


def draw(degradation: str | list[Step], index: int = 0, *, seed: int = 0, size: int = 64, scale: int = 4, share: int = 1) -> Plan:
    return draw_plan(
        preset_from(degradation), seed=seed, index=index, height=size, width=size * 2, scale=scale, share_sizes=share
    )


def names(plan: Plan) -> list[str]:
    return [operation["step"] for operation in shown(plan)]


def test_order_of_a_preset_is_the_order_of_its_plan() -> None:
    assert names(draw("clearvision")) == ["resize", "noise", "round", "blur", "jpeg", "round"]
    plan = {operation["step"]: operation for operation in shown(draw("clearvision"))}
    assert plan["noise"]["sigma"] == 25
    assert (plan["blur"]["size"], plan["blur"]["sigma"]) == (5, [1, 1])
    assert plan["jpeg"]["quality"] == 30
    assert names(draw("clearvision", scale=1)) == ["noise", "round", "blur", "jpeg", "round"]
    app = {operation["step"]: operation for operation in shown(draw("clearvision-app"))}
    assert (app["noise"]["sigma"], app["blur"]["sigma"], app["jpeg"]["quality"]) == (10, [0.5, 0.5], 70)


def test_a_plan_is_a_function_of_seed_and_index() -> None:
    assert draw("realesrgan", 5) == draw("realesrgan", 5)
    plans = [json.dumps(draw("realesrgan", index, seed=seed)) for index, seed in itertools.product(range(20), range(3))]
    assert len(set(plans)) == len(plans)


def test_missing_size_is_made_up_for_at_the_end() -> None:
    assert shown(draw([Noise(sigma=25)]))[1:] == [
        {"step": "resize", "height": 16, "width": 32, "mode": "matlab"},
        {"step": "round"},
    ]


@pytest.mark.parametrize("scale", [1, 2, 4])
@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_every_plan_ends_at_its_size_and_has_one_length(preset: Preset, scale: int) -> None:
    lengths = set()
    for index in range(30):
        plan = draw_plan(preset, seed=1, index=index, height=48, width=80, scale=scale)
        lengths.add(len(plan))
        sizes = [(48, 80), *((step["height"], step["width"]) for step in plan if step["step"] == "resize")]
        assert sizes[-1] == (48 // scale, 80 // scale)
        assert json.loads(json.dumps(plan)) == list(plan)
    assert len(lengths) == 1


def test_realesrgan_draws_as_often_as_published() -> None:
    plans = [draw("realesrgan", index, size=400) for index in range(1000)]
    first = Counter(plan[0]["step"] for plan in plans)
    assert first["sinc"] / 1000 == pytest.approx(0.1, abs=0.03)
    kernels = [plan[0] for plan in plans]
    assert {kernel["size"] for kernel in kernels} == set(range(7, 22, 2))
    assert all(0.2 <= sigma <= 3 for kernel in kernels if kernel["step"] == "blur" for sigma in kernel["sigma"])
    assert all(kernel["cutoff"] >= (1 / 3 if kernel["size"] < 13 else 1 / 5) - 1e-6 for kernel in kernels if "cutoff" in kernel)
    kinds = Counter(kernel.get("kind", "sinc") for kernel in kernels)
    assert kinds["iso"] / 1000 == pytest.approx(0.9 * 0.45, abs=0.05)
    betas = [kernel["beta"] for kernel in kernels if kernel.get("kind", "").startswith("gen")]
    assert sum(beta < 1 for beta in betas) / len(betas) == pytest.approx(0.5, abs=0.15)
    assert all(kernel["beta"] >= 1 for kernel in kernels if kernel.get("kind", "").startswith("plateau"))
    assert sum(plan[4] is not SKIP for plan in plans) / 1000 == pytest.approx(0.8, abs=0.04)  # second blur
    assert Counter(plan[2]["step"] for plan in plans)["noise"] / 1000 == pytest.approx(0.5, abs=0.05)
    jpeg_last = sum(plan[9]["step"] == "jpeg" for plan in plans)
    assert jpeg_last / 1000 == pytest.approx(0.5, abs=0.05)  # both final orders
    heights = [plan[1]["height"] / 400 for plan in plans if plan[1] is not SKIP]
    assert min(heights) < 0.2
    assert max(heights) > 1.4
    assert sum(height > 1 for height in heights) / 1000 == pytest.approx(0.2, abs=0.04)


def test_isotropic_kinds_have_one_sigma() -> None:
    for kind in ("iso", "gen-iso", "plateau-iso"):
        sigma = draw([Blur(kind=kind, sigma=(0.5, 5))])[0]["sigma"]
        assert sigma[0] == sigma[1]
    plan = draw([Blur(kind="aniso", sigma=(0.5, 5))])[0]
    assert plan["sigma"][0] != plan["sigma"][1]
    assert plan["angle"] != 0


def test_sizes_are_shared_within_a_group_and_nothing_else_is() -> None:
    sizes, qualities = [], []
    for index in range(12):
        plan = draw("realesrgan", index, share=4)
        sizes.append([(step["height"], step["width"], step["mode"]) for step in plan if step["step"] == "resize"])
        qualities.append(plan[3]["quality"])
    assert all(sizes[group] == sizes[group + member] for group in (0, 4, 8) for member in range(4))
    assert sizes[0] != sizes[4]
    assert len(set(qualities)) > 6


def test_shuffle_keeps_the_order_of_sizes() -> None:
    steps: list[Step] = [Shuffle(steps=(Resize(factor=0.5), Resize(), Noise(), Jpeg(), Blur(size=3)))]
    orders = set()
    for index in range(60):
        plan = draw(steps, index)
        assert [step["height"] for step in plan if step["step"] == "resize"] == [32, 16]
        orders.add(tuple(names(plan)))
    assert len(orders) > 20


def test_prob_and_weights() -> None:
    steps: list[Step] = [
        Noise(prob=0.25),
        OneOf(branches=((Jpeg(), Round()), (Sinc(),), ()), weights=(1, 3, 0)),
    ]
    plans = [draw(steps, index) for index in range(600)]
    assert sum(plan[0] is not SKIP for plan in plans) / 600 == pytest.approx(0.25, abs=0.06)
    assert sum(plan[1]["step"] == "jpeg" for plan in plans) / 600 == pytest.approx(0.25, abs=0.06)
    assert all(plan[1] is not SKIP for plan in plans)
    assert all((plan[1]["step"] == "sinc") == (plan[2] is SKIP) for plan in plans)


def test_patches_lie_inside() -> None:
    steps: list[Step] = [Patches(steps=(Noise(sigma=50), Noise(prob=0.5)), count=(1, 3), size=(0.1, 0.9))]
    counts = set()
    for index in range(40):
        plan = draw(steps, index, scale=1)[0]
        counts.add(len(plan["boxes"]))
        assert all(top >= 0 and left >= 0 and top + tall <= 64 and left + wide <= 128 for top, left, tall, wide in plan["boxes"])
        assert all(operation["step"] == "noise" for operation in shown([plan])[0]["steps"])
    assert counts == {1, 2, 3}


def test_what_is_outside_is_told() -> None:
    with pytest.raises(ImageShapeError, match=r"a picture of 100x50 cannot become 4 times smaller: each side must be a multiple"):
        draw_plan(preset_from("bicubic"), seed=0, index=0, height=50, width=100, scale=4)
    with pytest.raises(UsageError, match=r"scale \(0\) must be 1 or more"):
        draw("bicubic", scale=0)
    with pytest.raises(UsageError, match=r"seed \(-1\) must lie between"):
        draw("bicubic", seed=-1)
    with pytest.raises(UsageError, match=r"share_sizes \(0\) must be 1 or more"):
        draw("bicubic", share=0)
