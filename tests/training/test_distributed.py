"""Two processes against one: the same network, and one writer."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from clearvision.training.distributed import Team, any_of, average_gradients, average_logs, join_team
from clearvision.training.run import train

PROCESS = """
import sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from clearvision.recipe import load_recipe
from clearvision.training.run import train
train(load_recipe(Path(sys.argv[1])), data=Path(sys.argv[2]), out=Path(sys.argv[3]), device="cpu")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="gloo between processes")
def test_two_processes_equal_one_with_the_double_batch(tiny: Any, tmp_path: Path, data: Path) -> None:  # noqa: ANN401
    """Weights agree to 1e-6 after five steps; the second process has a folder of its own, and leaves it alone."""

    def recipe(batch: int) -> Any:  # noqa: ANN401
        phases = [{"gt_size": 16, "batch_size": batch}]
        smooth = {"losses": [{"kind": "mse"}]}  # the last bit may turn the sign that is L1's gradient
        return tiny.recipe(None, smooth, phases=phases, precision="f32", total_steps=5, optimizer={"rate": 1e-3}, clip_norm=0.05)

    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe(1).model_dump(mode="json")))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    team = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2"}
    running = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, str(tmp_path / "recipe.yaml"), str(data), str(tmp_path / f"rank{rank}")],
            env=os.environ | team | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in (0, 1)
    ]
    assert [process.wait(120) for process in running] == [0, 0]
    train(recipe(2), data=data, out=tmp_path / "one", device="cpu")
    one, two = (tiny.state(tmp_path / name)["nets"]["g"] for name in ("one", "rank0"))
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, atol=1e-6, rtol=0)
    assert not (tmp_path / "rank1").exists()
    losses = [tiny.rows(tmp_path / name)[0]["loss/g_mse"] for name in ("one", "rank0")]
    assert float(losses[0]) == pytest.approx(float(losses[1]), rel=1e-4)


def test_alone_nothing_is_exchanged() -> None:
    with join_team("cpu") as team:
        assert (team.rank, team.world, team.first, team.device.type) == (0, 1, True, "cpu")
    alone = Team(0, 1, torch.device("cpu"))
    assert any_of(alone, True)
    assert not any_of(alone, False)
    assert average_logs(alone, {"a": 1.0}) == {"a": 1.0}
    average_gradients(alone, [])
