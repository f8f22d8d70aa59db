"""How far a mean can be trusted: bootstrap intervals and a paired test, seeded and in numpy.

Papers: Efron, "Bootstrap Methods: Another Look at the Jackknife", Annals of Statistics 1979 (percentile interval); Fisher, "The
        Design of Experiments", 1935, section 21 (sign-flip randomisation test); Phipson and Smyth, "Permutation P-values Should
        Never Be Zero", SAGMB 2010 (the +1 in sampled p-values).

Both treat the pictures as drawn at random from those one cares about. A test set is not quite that, and five pictures are few:
the percentile interval is then too narrow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clearvision.errors import UsageError

RESAMPLES = 10_000
EXACT_UP_TO = 16  # pictures: 65,536 sign patterns
_CHUNK_VALUES = 1 << 22  # random numbers held at once


@dataclass(frozen=True)
class Interval:
    """A mean with its bootstrap interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class PairedTest:
    """Whether one method beats another on the same pictures.

    Attributes:
        difference: mean of first minus second, with its interval.
        wins: pictures on which the first has the greater value.
        p_value: how often chance alone, flipping who is first on each picture, gives a mean difference as large, either way.
        exact: whether every flip was counted rather than a sample of them.
    """

    difference: Interval
    wins: int
    p_value: float
    exact: bool


def bootstrap_mean(values: Sequence[float], *, level: float = 0.95, resamples: int = RESAMPLES, seed: int = 0) -> Interval:
    """Return the mean with its percentile bootstrap interval; infinite values make all three infinite.

    Args:
        values: one a picture, at least one.
        level: share of the resampled means that the interval holds, between 0 and 1.
        resamples: how many times the pictures are drawn again.
        seed: of the draws.

    Raises:
        UsageError: if there are no values or the level is not between 0 and 1.
    """
    array = _checked(values)
    if not 0 < level < 1:
        raise UsageError(f"level ({level}) must lie between 0 and 1")
    mean = float(array.mean())
    if not np.isfinite(array).all():
        return Interval(mean, mean, mean)
    generator = np.random.default_rng(seed)
    means = np.empty(resamples)
    step = max(1, _CHUNK_VALUES // len(array))
    for start in range(0, resamples, step):
        drawn = generator.integers(len(array), size=(min(step, resamples - start), len(array)))
        means[start : start + step] = array[drawn].mean(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(mean, float(low), float(high))


def paired_test(
    first: Sequence[float], second: Sequence[float], *, level: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> PairedTest:
    """Compare two methods on the same pictures by the sign-flip test, exact for up to 16 pictures.

    Args:
        first: one value a picture.
        second: the other method's, in the same order.
        level: of the interval of the mean difference.
        resamples: sign patterns drawn where there are too many to count.
        seed: of the draws.

    Raises:
        UsageError: if there are no values, or not as many of one as of the other.
    """
    a, b = _checked(first), _checked(second)
    if len(a) != len(b):
        raise UsageError(f"a paired test compares the same pictures, got {len(a)} and {len(b)} values")
    with np.errstate(invalid="ignore"):
        differences = np.where(a == b, 0.0, a - b)  # infinite against infinite is a tie
    interval = bootstrap_mean(differences.tolist(), level=level, resamples=resamples, seed=seed)
    wins, exact = int((differences > 0).sum()), len(differences) <= EXACT_UP_TO
    if not np.isfinite(differences).all():
        return PairedTest(interval, wins, float("nan"), exact)
    observed = abs(differences.sum()) * (1 - 1e-12)  # sums in another order may differ in the last bit
    if exact:
        patterns = np.arange(1 << len(differences))[:, None] >> np.arange(len(differences)) & 1
        p_value = float(np.mean(np.abs((1 - 2 * patterns) @ differences) >= observed))
    else:
        extreme = sum(int((np.abs(sums) >= observed).sum()) for sums in _flipped_sums(differences, resamples, seed))
        p_value = (extreme + 1) / (resamples + 1)
    return PairedTest(interval, wins, p_value, exact)


def _flipped_sums(differences: NDArray[np.float64], count: int, seed: int) -> list[NDArray[np.float64]]:
    generator = np.random.default_rng(seed)
    step = max(1, _CHUNK_VALUES // len(differences))
    sizes = [min(step, count - start) for start in range(0, count, step)]
    return [(1 - 2 * generator.integers(2, size=(size, len(differences)))) @ differences for size in sizes]


def _checked(values: Sequence[float]) -> NDArray[np.float64]:
    array = np.asarray(values, np.float64)
    if array.ndim != 1 or array.size == 0:
        raise UsageError("statistics need one value or more")
    return array
