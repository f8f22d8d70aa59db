"""What a family function finds, and the ways to read a network's size off its tensors."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import isqrt
from typing import Any

from clearvision.errors import ModelError
from clearvision.zoo.files import Arrays


@dataclass(frozen=True)
class Match:
    """A network recognised.

    Attributes:
        family: what it is, for people.
        arch: its key in ``clearvision.archs.ARCHS``.
        hyper: arguments of the constructor.
        renamed: the file's names to ours, where they differ.
        dropped: names that hold no weights of the network.
        assumed: sentences on what the file does not tell.
        adjust: turns the renamed arrays into those of the network, where values change; None where they do not.
    """

    family: str
    arch: str
    hyper: dict[str, Any]
    renamed: Mapping[str, str] = field(default_factory=dict)
    dropped: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()
    adjust: Callable[[Arrays], Arrays] | None = None

    def apply(self, arrays: Arrays) -> Arrays:
        """Return a file's arrays under the network's names."""
        ours = {self.renamed.get(name, name): array for name, array in arrays.items() if name not in self.dropped}
        return ours if self.adjust is None else self.adjust(ours)


class LackingError(Exception):
    """A tensor without which a network's size cannot be read."""


def shape(arrays: Arrays, name: str, axis: int) -> int:
    """Return one side of a tensor.

    Raises:
        LackingError: if there is no such tensor or no such axis.
    """
    if name not in arrays or arrays[name].ndim <= axis:
        raise LackingError(name)
    return int(arrays[name].shape[axis])


def count(arrays: Arrays, pattern: str) -> int:
    """Return how many blocks there are, from the highest number that the pattern's group finds in a name.

    A number beyond that of the tensors is not believed: a made-up name must not build a network of a billion blocks.
    """
    numbers = {int(found[1]) for name in arrays if (found := re.match(pattern, name)) and len(found[1]) < 6}
    return min(max(numbers, default=-1) + 1, len(arrays))


def root(value: int, what: str) -> int:
    """Return the whole square root of a channel ratio.

    Raises:
        ModelError: if it has none, so that the file cannot be of the family.
    """
    if value < 1 or isqrt(value) ** 2 != value:
        raise ModelError(f"{what} ({value}) is not the square of a scale")
    return isqrt(value)


def changed(renamed: Mapping[str, str]) -> dict[str, str]:
    """Return the renamings that change a name."""
    return {old: new for old, new in renamed.items() if old != new}


def shuffle_scale(arrays: Arrays, prefix: str) -> int:
    """Return the scale of a chain of convolutions and pixel shuffles named ``prefix`` and an even number; 1 if there is none."""
    steps = [name for name in arrays if re.fullmatch(re.escape(prefix) + r"\d+\.weight", name)]
    scale = 1
    for name in steps:
        scale *= root(shape(arrays, name, 0) // max(shape(arrays, name, 1), 1), f"the channels that '{name}' multiplies by")
    return scale
