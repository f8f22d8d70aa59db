import csv
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from clearvision.errors import TrainingError
from clearvision.recipe import Recipe, recipe_from_plain
from clearvision.training.ema import ema_copy, ema_update
from clearvision.training.run import phase_at, train
from clearvision.zoo.build import build_network
from clearvision.zoo.checkpoint import read_checkpoint

STEPS = 40


def tiny_recipe(**train_options: object) -> Recipe:
    plain = {
        "name": "tiny",
        "task": "clean",
        "scale": 2,
        "network": {"arch": "span", "feature_channels": 16, "num_block": 1, "upscale": 2, "img_range": 1.0, "skip": "bilinear"},
        "data": {"val_count": 1, "val_size": 32},
        "train": {
            "total_steps": STEPS,
            "phases": [{"until": 0.5, "gt_size": 16, "batch_size": 2}, {"gt_size": 24, "batch_size": 1}],
            "schedule": {"kind": "trapezoid", "warmup_steps": 5, "decay_fraction": 0.3},
            "log_every": 5,
            "validate_every": 10,
            "save_every": 3,
        }
        | train_options,
    }
    return recipe_from_plain(plain, "test")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for index in range(4):
        small = rng.integers(0, 255, (12, 12, 3), dtype=np.uint8)
        Image.fromarray(small).resize((48, 48), Image.Resampling.BICUBIC).save(folder / f"{index}.png")
    return folder


def state_of(out: Path) -> dict:
    return torch.load(out / "state.pt", weights_only=True)


def log_rows(out: Path) -> list[dict[str, str]]:
    with (out / "log.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def assert_same_state(a: Path, b: Path) -> None:
    one, two = state_of(a), state_of(b)
    for part in ("net", "ema"):
        for name, value in one[part].items():
            assert torch.equal(value, two[part][name]), f"{part} {name} differs"
    for index, moments in one["optimizer"]["state"].items():
        for name, value in moments.items():
            assert torch.equal(value, two["optimizer"]["state"][index][name])


def test_a_stop_and_resume_changes_nothing(tmp_path: Path, pictures: Path) -> None:
    whole = train(tiny_recipe(), data=pictures, out=tmp_path / "whole", device="cpu")
    assert whole.finished
    first = train(tiny_recipe(), data=pictures, out=tmp_path / "parts", device="cpu", max_seconds=0)
    assert first.step == 1
    assert not first.finished
    second = train(tiny_recipe(), data=pictures, out=tmp_path / "parts", device="cpu", resume=True)
    assert second.step == STEPS
    assert_same_state(tmp_path / "whole", tmp_path / "parts")
    steps = [int(row["step"]) for row in log_rows(tmp_path / "parts")]
    assert steps == sorted(steps)
    assert steps[-1] == STEPS


RUN = """
import sys, yaml
from pathlib import Path
import torch
torch.set_num_threads(1)
from clearvision.recipe import load_recipe
from clearvision.training.run import train
from clearvision.training import run
out, slow = Path(sys.argv[3]), sys.argv[4] == "slow"
if slow:
    import time
    step = run.ema_update
    run.ema_update = lambda *a: (time.sleep(0.05), step(*a))
train(load_recipe(Path(sys.argv[1])), data=Path(sys.argv[2]), out=out, device="cpu", resume=(out / "state.pt").exists())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_kill_9_and_resume_equals_an_uninterrupted_run(tmp_path: Path, pictures: Path) -> None:
    import yaml

    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(tiny_recipe().model_dump(mode="json")))

    def start(out: str, pace: str) -> subprocess.Popen:
        return subprocess.Popen([sys.executable, "-c", RUN, str(recipe), str(pictures), str(tmp_path / out), pace])

    assert start("whole", "fast").wait(60) == 0
    victim = start("killed", "slow")
    deadline = time.monotonic() + 60
    while not (tmp_path / "killed" / "state.pt").exists():
        assert victim.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(0.2)
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    assert 0 < state_of(tmp_path / "killed")["step"] < STEPS
    assert start("killed", "fast").wait(60) == 0
    assert_same_state(tmp_path / "whole", tmp_path / "killed")


def test_the_result_is_a_model_that_loads_and_beats_its_start(tmp_path: Path, pictures: Path) -> None:
    outcome = train(tiny_recipe(total_steps=60, ema_decay=0.9), data=pictures, out=tmp_path / "run", device="cpu")
    checkpoint = read_checkpoint(outcome.best)
    assert checkpoint.info.receptive_radius == 6
    assert checkpoint.recipe is not None
    assert checkpoint.recipe["name"] == "tiny"
    sr = build_network(checkpoint)(torch.rand(1, 3, 5, 7))
    assert sr.shape == (1, 3, 10, 14)
    assert outcome.psnr > 20
    rows = [row for row in log_rows(tmp_path / "run") if row["val/psnr_y"]]
    assert float(rows[-1]["val/psnr_y"]) > float(rows[0]["val/psnr_y"])


def test_init_takes_what_fits(tmp_path: Path, pictures: Path) -> None:
    first = train(tiny_recipe(total_steps=2), data=pictures, out=tmp_path / "a", device="cpu")
    plain = tiny_recipe(total_steps=1, optimizer={"rate": 1e-12}).model_dump(mode="json") | {"init": str(first.best), "seed": 9}
    second = train(recipe_from_plain(plain, "test"), data=pictures, out=tmp_path / "b", device="cpu")
    a, b = read_checkpoint(first.best).weights, read_checkpoint(second.best).weights
    for name, value in a.items():
        np.testing.assert_allclose(b[name], value, atol=1e-6)


def test_what_cannot_start(tmp_path: Path, pictures: Path) -> None:
    with pytest.raises(TrainingError, match="nothing to resume"):
        train(tiny_recipe(), data=pictures, out=tmp_path / "none", device="cpu", resume=True)
    train(tiny_recipe(total_steps=1), data=pictures, out=tmp_path / "run", device="cpu")
    with pytest.raises(TrainingError, match="already holds a run; continue it with --resume"):
        train(tiny_recipe(), data=pictures, out=tmp_path / "run", device="cpu")
    other = recipe_from_plain(tiny_recipe().model_dump(mode="json") | {"seed": 3}, "test")
    with pytest.raises(TrainingError, match="trained with another seed"):
        train(other, data=pictures, out=tmp_path / "run", device="cpu", resume=True)
    with pytest.raises(TrainingError, match="device 'tpu' is not available"):
        train(tiny_recipe(), data=pictures, out=tmp_path / "tpu", device="tpu")


def test_a_loss_that_explodes_stops_the_run(tmp_path: Path, pictures: Path) -> None:
    with pytest.raises(TrainingError, match=r"not finite at step .*lower train\.optimizer\.rate"):
        train(tiny_recipe(optimizer={"rate": 1e30}, precision="f32"), data=pictures, out=tmp_path / "run", device="cpu")


def test_phases_follow_the_step() -> None:
    phases = tiny_recipe().train.phases
    assert [phase_at(phases, step, 40).gt_size for step in (0, 19, 20, 39)] == [16, 16, 24, 24]


def test_the_average_moves_by_its_decay() -> None:
    net = torch.nn.Linear(2, 2)
    ema = ema_copy(net)
    start = net.weight.detach().clone()
    with torch.no_grad():
        net.weight.add_(1)
    ema_update(ema, net, 0.9)
    torch.testing.assert_close(ema.weight.detach(), start + 0.1)  # type: ignore[arg-type]
