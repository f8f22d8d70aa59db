"""From steps to a plan: what exactly happens to one picture, every number drawn.

A plan is a tuple of operations, plain dicts that go into a manifest as they are. It is a pure function of the steps, the
picture's size, the scale and (seed, index): not of the order in which pictures are worked on, nor of the machine.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from clearvision.degradations.presets import Preset
from clearvision.degradations.steps import (
    Amount,
    Banding,
    Blur,
    Box,
    Defocus,
    Fill,
    Jpeg,
    Mix,
    Motion,
    Noise,
    OneOf,
    Patches,
    Poisson,
    Resize,
    Round,
    Shuffle,
    Sinc,
    Step,
    Webp,
    changes_size,
)
from clearvision.errors import ImageShapeError, UsageError

Operation = dict[str, Any]
Plan = tuple[Operation, ...]

SKIP: Operation = {"step": "skip"}
_SIZES = 1 << 63  # tells the stream of sizes from that of everything else


def draw_plan(preset: Preset, *, seed: int, index: int, height: int, width: int, scale: int, share_sizes: int = 1) -> Plan:
    """Draw what happens to one picture.

    Plans of one preset have one length: what does not happen is an operation ``skip``, so that samples of a batch stay in step.

    Args:
        preset: the steps.
        seed: with ``index``, decides every number; 0 to 2**63 - 1.
        index: which picture of the seed's sequence; 0 to 2**63 - 1.
        height: rows of the picture.
        width: columns of the picture.
        scale: how many times smaller the result is.
        share_sizes: that many pictures in a row get the same sizes, so that a batch of them stays one array.

    Raises:
        UsageError: if seed, index, scale or share_sizes is outside what is allowed.
        ImageShapeError: if the size is no multiple of the scale.
    """
    check_numbers(scale, seed, index)
    if share_sizes < 1:
        raise UsageError(f"share_sizes ({share_sizes}) must be 1 or more")
    if height < scale or width < scale or height % scale or width % scale:
        raise ImageShapeError(
            f"a picture of {width}x{height} cannot become {scale} times smaller: each side must be a multiple of {scale}; crop it"
        )
    drawer = _Drawer(seed, index, index // share_sizes, (height, width), (height // scale, width // scale))
    plan = [operation for step in preset.steps for operation in drawer.draw(step)]
    plan.append(drawer.resize(Resize()) if drawer.size != drawer.target else SKIP)
    plan.append({"step": "round"})
    return tuple(plan)


def check_numbers(scale: int, seed: int, index: int = 0) -> None:
    """Check the numbers that a user gives.

    Raises:
        UsageError: if one is outside what is allowed.
    """
    if scale < 1:
        raise UsageError(f"scale ({scale}) must be 1 or more")
    for name, value in (("seed", seed), ("index", index)):
        if not 0 <= value < 1 << 63:
            raise UsageError(f"{name} ({value}) must lie between 0 and 2**63 - 1")


def shown(plan: Iterable[Operation]) -> list[Operation]:
    """Return a plan as people and manifests want it: without what does not happen."""
    return [
        {**operation, "steps": shown(operation["steps"])} if "steps" in operation else operation
        for operation in plan
        if operation is not SKIP
    ]


def plan_length(step: Step) -> int:
    """Return how many operations a step always becomes."""
    if isinstance(step, OneOf):
        return max(sum(map(plan_length, branch)) for branch in step.branches)
    return sum(map(plan_length, step.steps)) if isinstance(step, Shuffle) else 1


class _Drawer:
    """The two streams of random numbers of one picture, and its size so far."""

    def __init__(self, seed: int, index: int, group: int, size: tuple[int, int], target: tuple[int, int]) -> None:
        self.own = np.random.Generator(np.random.Philox(key=np.array([seed, index], np.uint64)))
        self.shared = np.random.Generator(np.random.Philox(key=np.array([seed | _SIZES, group], np.uint64)))
        self.size, self.target = size, target

    def draw(self, step: Step) -> list[Operation]:
        """Return the operations of a step."""
        # what decides about sizes comes from the shared stream altogether, so that pictures of a group draw the same from it
        rng = self.shared if changes_size(step) else self.own
        if step.prob < 1 and rng.random() >= step.prob:
            return [SKIP] * plan_length(step)
        if isinstance(step, OneOf):
            branch = step.branches[_weighted(rng, step.weights or (1.0,) * len(step.branches))]
            drawn = [operation for inner in branch for operation in self.draw(inner)]
            return drawn + [SKIP] * (plan_length(step) - len(drawn))
        if isinstance(step, Shuffle):
            order = [step.steps[int(place)] for place in rng.permutation(len(step.steps))]
            sizes = (inner for inner in step.steps if changes_size(inner))
            return [operation for inner in order for operation in self.draw(next(sizes) if changes_size(inner) else inner)]
        if isinstance(step, Resize):
            return [self.resize(step)]
        return [self.patches(step) if isinstance(step, Patches) else self.plain(step)]

    def resize(self, step: Resize) -> Operation:
        """Return the operation of a resize and note the new size."""
        mode = _word(self.shared, step.mode)
        size = self.target
        if step.factor is not None:
            factor = _number(self.shared, step.factor)
            base = self.target if step.of == "target" else self.size
            size = (max(1, round(base[0] * factor)), max(1, round(base[1] * factor)))
        if size == self.size:
            return SKIP
        self.size = size
        return {"step": "resize", "height": size[0], "width": size[1], "mode": mode}

    def patches(self, step: Patches) -> Operation:
        """Return the operation of steps inside rectangles."""
        boxes = []
        for _ in range(_whole(self.own, step.count)):
            share = _number(self.own, step.size)
            height, width = (max(1, round(side * share)) for side in self.size)
            top, left = (int(self.own.integers(side - part + 1)) for side, part in zip(self.size, (height, width), strict=True))
            boxes.append([top, left, height, width])
        return {"step": "patches", "boxes": boxes, "steps": [inner for item in step.steps for inner in self.draw(item)]}

    def plain(self, step: Step) -> Operation:
        """Return the operation of a step that holds no others and keeps the size."""
        rng = self.own
        if isinstance(step, Blur):
            return self.blur(step)
        if isinstance(step, Sinc):
            return {"step": step.name, "size": _odd(rng, step.size), "cutoff": _number(rng, step.cutoff)}
        if isinstance(step, Motion):
            return {"step": step.name, "length": _number(rng, step.length), "angle": _number(rng, step.angle)}
        if isinstance(step, Defocus):
            return {"step": step.name, "radius": _number(rng, step.radius)}
        if isinstance(step, Box):
            return {"step": step.name, "size": _odd(rng, step.size)}
        if isinstance(step, Noise):
            return {"step": step.name, "sigma": _number(rng, step.sigma), **self.field(step.grey)}
        if isinstance(step, Poisson):
            return {"step": step.name, "scale": _number(rng, step.scale), "levels": step.levels, **self.field(step.grey)}
        if isinstance(step, Jpeg):
            return {"step": step.name, "quality": _whole(rng, step.quality), "chroma": step.chroma}
        if isinstance(step, Webp):
            return {"step": step.name, "quality": _whole(rng, step.quality)}
        if isinstance(step, Fill):
            return {"step": step.name, "value": _number(rng, step.value)}
        if isinstance(step, Banding):
            return {"step": step.name, "levels": _whole(rng, step.levels)}
        if isinstance(step, Round):
            return {"step": step.name}
        raise UsageError(f"the step {step!r} cannot be drawn")

    def blur(self, step: Blur) -> Operation:
        """Return the operation of a Gaussian or its kin."""
        rng = self.own
        kind, size, first = _word(rng, step.kind), _odd(rng, step.size), _number(rng, step.sigma)
        isotropic = not kind.endswith("aniso")
        second = first if isotropic else _number(rng, step.sigma)
        operation: Operation = {"step": step.name, "kind": kind, "size": size, "sigma": [first, second]}
        operation["angle"] = 0.0 if isotropic else _number(rng, step.angle)
        if kind.startswith("gen"):
            operation["beta"] = _around_one(rng, step.beta)
        elif kind.startswith("plateau"):
            operation["beta"] = _around_one(rng, step.plateau)
        return operation

    def field(self, grey: float) -> Operation:
        """Return what a field of noise needs: whether it is grey, and its own seed."""
        return {"grey": bool(self.own.random() < grey), "seed": int(self.own.integers(1 << 63))}


def _number(rng: np.random.Generator, amount: Amount) -> float:
    value = amount if not isinstance(amount, tuple) else float(rng.uniform(*amount))
    return float(f"{value:.6g}")  # as it stands in a manifest, so that the manifest says exactly what was done


def _whole(rng: np.random.Generator, amount: Amount) -> int:
    return int(rng.integers(int(amount[0]), int(amount[1]), endpoint=True)) if isinstance(amount, tuple) else int(amount)


def _odd(rng: np.random.Generator, amount: Amount) -> int:
    if not isinstance(amount, tuple):
        return int(amount)
    return int(amount[0]) + 2 * int(rng.integers((int(amount[1]) - int(amount[0])) // 2, endpoint=True))


def _around_one(rng: np.random.Generator, amount: Amount) -> float:
    if not isinstance(amount, tuple) or not amount[0] <= 1 <= amount[1]:
        return _number(rng, amount)
    return _number(rng, (amount[0], 1.0) if rng.random() < 0.5 else (1.0, amount[1]))


def _word(rng: np.random.Generator, mix: Mix) -> str:
    return mix if isinstance(mix, str) else mix[_weighted(rng, [weight for _, weight in mix])][0]


def _weighted(rng: np.random.Generator, weights: Iterable[float]) -> int:
    total = np.cumsum(np.array(list(weights), dtype=np.float64))
    return int(np.searchsorted(total, rng.random() * total[-1], side="right"))
