from __future__ import annotations

import math

import numpy as np
import pytest

from clearvision.errors import UsageError
from clearvision.evaluation.statistics import bootstrap_mean, paired_test


def test_interval_of_many_values_is_the_normal_one() -> None:
    values = np.random.default_rng(0).normal(30, 2, 400)
    interval = bootstrap_mean(values.tolist())
    half = 1.96 * values.std() / 20
    assert interval.mean == pytest.approx(values.mean())
    assert interval.low == pytest.approx(values.mean() - half, abs=0.02)
    assert interval.high == pytest.approx(values.mean() + half, abs=0.02)
    assert bootstrap_mean(values.tolist()) == interval
    assert bootstrap_mean(values.tolist(), seed=1) != interval
    narrow = bootstrap_mean(values.tolist(), level=0.5)
    assert interval.low < narrow.low < narrow.high < interval.high


def test_degenerate_values() -> None:
    one = bootstrap_mean([3.0])
    assert (one.mean, one.low, one.high) == (3.0, 3.0, 3.0)
    assert bootstrap_mean([math.inf, 30.0]).low == math.inf
    tie = paired_test([math.inf, 30.0], [math.inf, 29.0])
    assert tie.difference.mean == 0.5
    assert math.isnan(paired_test([math.inf], [30.0]).p_value)


@pytest.mark.parametrize(
    ("differences", "p_value"),
    [
        ([1, 2, 3, 4, 5], 2 / 32),  # all of one sign: only the two patterns that keep or turn all
        ([5, 4, 3, 2, -1], 4 / 32),  # and the two with the 1 turned as well: 15 or 13 of 15
        ([0, 0, 0], 1.0),
    ],
)
def test_exact_sign_flips(differences: list[float], p_value: float) -> None:
    test = paired_test(differences, [0.0] * len(differences))
    assert test.exact
    assert test.p_value == p_value
    assert test.wins == sum(each > 0 for each in differences)


def test_sampled_sign_flips_agree_with_counting() -> None:
    draw = np.random.default_rng(3)
    differences = draw.normal(0.35, 1, 16).tolist()
    exact = paired_test(differences, [0.0] * 16)
    assert exact.exact
    # a zero changes no sum, but makes them too many to count
    sampled = paired_test([*differences, 0.0], [0.0] * 17)
    assert not sampled.exact
    assert sampled.p_value == pytest.approx(exact.p_value, abs=0.015)
    assert paired_test([1.0] * 40, [0.0] * 40).p_value == pytest.approx(1 / 10_001)


def test_refusals() -> None:
    with pytest.raises(UsageError, match="one value or more"):
        bootstrap_mean([])
    with pytest.raises(UsageError, match=r"level \(1.0\) must lie between 0 and 1"):
        bootstrap_mean([1.0], level=1.0)
    with pytest.raises(UsageError, match="got 2 and 1 values"):
        paired_test([1.0, 2.0], [1.0])
