import pytest

from clearvision.recipe import CosineSchedule, MultiStepSchedule, Schedule, TrapezoidSchedule
from clearvision.training.schedule import rate_factor


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (CosineSchedule(), {0: 1.0, 500: 0.5, 1000: 0.0}),
        (CosineSchedule(final=0.1), {0: 1.0, 500: 0.55, 1000: 0.1}),
        (CosineSchedule(warmup_steps=100), {0: 0.01, 99: 1.0, 100: 1.0, 550: 0.5}),
        (MultiStepSchedule(milestones=(200, 600)), {199: 1.0, 200: 0.5, 599: 0.5, 600: 0.25}),
        (TrapezoidSchedule(decay_fraction=0.4), {0: 1.0, 600: 1.0, 800: 0.5, 999: 0.0025}),
    ],
)
def test_values(schedule: Schedule, expected: dict[int, float]) -> None:
    for step, factor in expected.items():
        assert rate_factor(schedule, step, 1000) == pytest.approx(factor)


def test_the_flat_part_of_a_trapezoid_does_not_depend_on_the_end() -> None:
    schedule = TrapezoidSchedule(warmup_steps=10, decay_fraction=0.3)
    assert [rate_factor(schedule, s, 1000) for s in range(700)] == [rate_factor(schedule, s, 9000) for s in range(700)]
