"""Which networks of a family do some work in a wished time: the plain ones if they can, else their smaller siblings.

Arithmetic is not chosen: by default it is already the fastest that stays near float32 on the machine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from clearvision.types import ModelInfo
from clearvision.zoo.catalogue import VIVID, bundled_models
from clearvision.zoo.checkpoint import read_info

MARGIN = 1.2  # what is not the network: reading, rounding and writing compete with it for the same cores


@dataclass(frozen=True)
class Hurry:
    """What was chosen for a wished time.

    Attributes:
        haste: how many steps down from the plain networks: 0 for them.
        seconds: what the work is expected to take.
        plain_seconds: what it would take with the plain networks.
        models: the networks chosen, without repetition.
    """

    haste: int
    seconds: float
    plain_seconds: float
    models: tuple[str, ...]


def variants_of(model: str) -> list[str]:
    """Return a bundled model and those of its task and scale with fewer weights, the largest first; vivid twins do not count.

    Anything but a bundled model's name comes back alone.
    """
    bundled = bundled_models()
    if model not in bundled or model.endswith(VIVID):
        return [model]
    own, size = read_info(bundled[model]), bundled[model].stat().st_size
    smaller = [
        name
        for name, path in bundled.items()
        if not name.endswith(VIVID) and path.stat().st_size < size and _kind(read_info(path)) == _kind(own)
    ]
    return [model, *sorted(smaller, key=lambda name: -bundled[name].stat().st_size)]


def hurried(model: str, haste: int) -> str:
    """Return the network that stands for a bundled model so many steps down, or the last of its siblings."""
    variants = variants_of(model)
    return variants[min(haste, len(variants) - 1)]


def choose_haste(megapixels: Mapping[str, float], seconds: float, speed: Callable[[str], float]) -> Hurry:
    """Return the best networks that do the work in time, or the fastest where none do.

    Args:
        megapixels: of the results, for every bundled model that the pictures would get.
        seconds: the wished time for all of them together.
        speed: returns a network's output megapixels a second; asked once for each that comes into question.
    """
    deepest = max((len(variants_of(model)) for model in megapixels), default=1)
    speeds: dict[str, float] = {}
    tried: list[Hurry] = []
    for haste in range(deepest):
        work = {model: hurried(model, haste) for model in megapixels}
        for name in work.values():
            if name not in speeds:
                speeds[name] = speed(name)
        expected = MARGIN * sum(megapixels[model] / speeds[name] for model, name in work.items())
        plain = tried[0].seconds if tried else expected
        tried.append(Hurry(haste, expected, plain, tuple(dict.fromkeys(work.values()))))
        if expected <= seconds:
            return tried[-1]
    return min(tried, key=lambda hurry: hurry.seconds)


def _kind(info: ModelInfo) -> tuple[str, int]:
    return info.task, info.scale
