"""What an evaluation comes to: values without behaviour beyond their own averages."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field

from clearvision.evaluation.protocols import Protocol
from clearvision.evaluation.sets import Fault, PictureSet
from clearvision.evaluation.standards import SelfCheck
from clearvision.types import ModelInfo
from clearvision.zoo.cost import ModelCost


@dataclass(frozen=True)
class PictureScore:
    """One picture of one method.

    Attributes:
        picture: name.
        values: metric to value.
        seconds: of the method alone: no reading, no scoring; the first picture of a size includes compiling for it.
        megapixels: of the result.
        computed_by: engine, device and precision.
        key: identity of method, files and protocol, by which a finished picture is found again.
        grey: whether it is stored with one channel.
        reused: whether it was found finished rather than computed in this run.
    """

    picture: str
    values: dict[str, float]
    seconds: float
    megapixels: float
    computed_by: str
    key: str
    grey: bool = False
    reused: bool = False


@dataclass(frozen=True)
class MethodResult:
    """One method on all pictures.

    Attributes:
        label: what tables call it.
        scores: by picture, in the set's order.
        faults: pictures that it could not do.
        cost: parameters and multiply-adds, None for an interpolation.
        info: the model's card, None for an interpolation.
        sha256: of the model's file.
        retries: what went wrong and was mended.
        reused: how many scores were found finished.
        set_values: metrics that exist for the common pictures together only.
    """

    label: str
    scores: dict[str, PictureScore]
    faults: tuple[Fault, ...] = ()
    cost: ModelCost | None = None
    info: ModelInfo | None = None
    sha256: str | None = None
    retries: tuple[str, ...] = ()
    reused: int = 0
    set_values: Mapping[str, float] = field(default_factory=dict)

    @property
    def seconds_per_megapixel(self) -> float:
        """Median over the pictures, which passes over the few that include compiling; nan without pictures."""
        rates = [score.seconds / score.megapixels for score in self.scores.values()]
        return statistics.median(rates) if rates else float("nan")

    @property
    def computed_by(self) -> str:
        """Engine, device and precision; all of them if pictures differ."""
        return ", ".join(dict.fromkeys(score.computed_by for score in self.scores.values()))


@dataclass(frozen=True)
class Evaluation:
    """All methods on one set under one protocol.

    Attributes:
        picture_set: the set.
        protocol: what the numbers mean.
        metrics: in the order asked for.
        results: the bicubic baseline first.
        pictures: those that every method did, in order: averages are over these and no others.
        faults: pictures left out, each with its reason.
        notes: what a reader must know, in sentences.
        check: the bicubic row against the literature's, on a recognised set.
        seconds: the whole run took.
    """

    picture_set: PictureSet
    protocol: Protocol
    metrics: tuple[str, ...]
    results: tuple[MethodResult, ...]
    pictures: tuple[str, ...]
    faults: tuple[Fault, ...]
    notes: tuple[str, ...]
    check: SelfCheck | None
    seconds: float

    def values(self, result: MethodResult, metric: str) -> list[float]:
        """Return a method's values of one metric on the common pictures."""
        return [result.scores[name].values[metric] for name in self.pictures]

    def mean(self, result: MethodResult, metric: str) -> float:
        """Return the mean over the common pictures, or the value of a metric that only their set has."""
        if metric in result.set_values:
            return result.set_values[metric]
        values = self.values(result, metric)
        return sum(values) / len(values)
