"""What happens when numbers go wrong, and when one of two networks stops learning."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from clearvision.errors import TrainingError
from clearvision.training.balance import Balance
from clearvision.training.objectives import FidelityObjective
from clearvision.training.run import train


def poison(monkeypatch: pytest.MonkeyPatch, when: Callable[[Any], bool]) -> None:
    """Let a weight become NaN after a step, where asked for."""
    step = FidelityObjective.step

    def poisoned(self: FidelityObjective, state: Any, batches: Any) -> Any:  # noqa: ANN401
        logs = step(self, state, batches)
        if when(state):
            with torch.no_grad():
                next(iter(state.nets["g"].parameters())).fill_(float("nan"))
        return logs

    monkeypatch.setattr(FidelityObjective, "step", poisoned)


def test_a_run_goes_back_with_a_lower_rate(
    tiny: Any,  # noqa: ANN401
    tmp_path: Path,
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    poison(monkeypatch, lambda state: state.step == 5 and state.rollbacks == 0)
    recipe = tiny.recipe(schedule={"kind": "multistep", "milestones": [99]}, guard={"factor": 0.25})
    told = []
    outcome = train(recipe, data=data, out=tmp_path / "run", device="cpu", watch=told.append)
    assert (outcome.finished, outcome.rollbacks) == (True, 1)
    rates = {int(row["step"]): float(row["rate"]) for row in tiny.rows(tmp_path / "run") if row["rate"]}
    assert rates[5] == pytest.approx(2e-3)
    assert rates[8] == pytest.approx(5e-4)
    (event,) = [json.loads(line) for line in (tmp_path / "run/events.jsonl").read_text().splitlines()]
    assert event["kind"] == "rollback"
    assert event["text"] in [each.text for each in told if each.stage == "warn"]
    assert "not finite at step 6: back to step 5 with 0.25 times the learning rate" in event["text"]


def test_a_killed_run_goes_back_to_the_same_step(
    tiny: Any,  # noqa: ANN401
    tmp_path: Path,
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The kill falls between a saved state and the NaN; the return, the lowered rate and all weights stay the same to the bit."""
    poison(monkeypatch, lambda state: state.step == 8 and state.rollbacks == 0)
    recipe = tiny.recipe()
    train(recipe, data=data, out=tmp_path / "whole", device="cpu")

    class KilledError(Exception):
        pass

    def kill(state: Any) -> bool:  # noqa: ANN401
        if state.step == 7:
            raise KilledError
        return False

    with monkeypatch.context() as context:
        poison(context, kill)
        with pytest.raises(KilledError):
            train(recipe, data=data, out=tmp_path / "killed", device="cpu")
    assert tiny.state(tmp_path / "killed")["step"] == 6
    train(recipe, data=data, out=tmp_path / "killed", device="cpu", resume=True)
    assert tiny.state(tmp_path / "whole")["rollbacks"] == 1
    assert tiny.differences(tmp_path / "whole", tmp_path / "killed") == []


def test_it_gives_up_in_the_end(tiny: Any, tmp_path: Path, data: Path) -> None:  # noqa: ANN401
    recipe = tiny.recipe(optimizer={"rate": 1e30}, precision="f32", guard={"give_up_after": 2})
    with pytest.raises(TrainingError, match=r"not finite at step 3, after 2 returns .*; lower train\.optimizer\.rate"):
        train(recipe, data=data, out=tmp_path / "run", device="cpu")
    events = [json.loads(line)["kind"] for line in (tmp_path / "run/events.jsonl").read_text().splitlines()]
    assert events == ["rollback", "rollback"]
    assert not (tmp_path / "run/state.pt").exists()


def logs(accuracy: float, gap: float = 2.0) -> dict[str, float]:
    return {"d/accuracy": accuracy, "d/real": gap / 2, "d/fake": -gap / 2}


def test_a_discriminator_that_wins_is_told_once() -> None:
    balance = Balance()
    said = [balance.watch(logs(1.0, 9.0)) for _ in range(6)]
    assert [text is not None for text in said] == [False, False, False, True, False, False]
    assert str(said[3]).startswith("the discriminator wins: 100 % of its judgements are right, its logits lie 9.0 apart")
    assert "objective.d_every=2" in str(said[3])
    for _ in range(4):
        assert balance.watch(logs(0.7)) is None
    said = [balance.watch(logs(1.0)) for _ in range(30)]  # it wins again, and is told again
    assert sum(text is not None for text in said) == 1


def test_a_discriminator_that_guesses_is_told() -> None:
    balance = Balance()
    said = [balance.watch(logs(0.5, 0.0)) for _ in range(10)]
    assert said[:9] == [None] * 9, "a new discriminator knows nothing yet"
    assert str(said[9]).startswith("the discriminator is lost: 50 % of its judgements are right")


def test_an_even_game_is_quiet() -> None:
    balance = Balance()
    assert all(balance.watch(logs(accuracy)) is None for accuracy in (0.6, 0.99, 0.8, 0.9, 0.7, 0.95))
    assert balance.watch({"loss/g_l1": 0.1}) is None
    assert balance.rows == 6
