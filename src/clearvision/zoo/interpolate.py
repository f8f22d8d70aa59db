"""The space between two networks of one kind: weights mixed value by value, and the twins that ship together.

Paper: Wang et al., "Deep Network Interpolation for Continuous Imagery Effect Transition", CVPR 2019,
       https://arxiv.org/abs/1811.10515; used for ESRGAN in Wang et al., ECCVW 2018, section 3.4. It works where one network was
       fine-tuned from the other; networks trained apart have nothing of use between them.
"""

from __future__ import annotations

import inspect
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from clearvision.errors import ModelError, UsageError
from clearvision.types import ModelInfo
from clearvision.zoo.catalogue import VIVID, bundled_models, bundled_pairs, find_model
from clearvision.zoo.checkpoint import Checkpoint, read_checkpoint

SHOWN = 4
RELATED = 0.5  # cosine of the weights: near 1 after fine-tuning, near 0 for networks trained apart; half way is a lax bound


def interpolate(a: Checkpoint, b: Checkpoint, alpha: float) -> Checkpoint:
    """Return the network between two: ``(1 - alpha) * A + alpha * B`` for every value, summed in float64.

    Alpha 0 and 1 give A's and B's values bit for bit.

    Raises:
        UsageError: if alpha lies outside [0, 1].
        ModelError: if the networks differ; the text says how.
    """
    if not 0 <= alpha <= 1:  # NaN is neither
        raise UsageError(f"alpha ({alpha}) must be at least 0, which is '{a.info.name}', and at most 1, which is '{b.info.name}'")
    check_alike(a, b)
    if alpha in (0, 1):
        weights = {name: value.copy() for name, value in (b if alpha else a).weights.items()}
    else:
        weights = {
            name: ((1 - alpha) * value.astype(np.float64) + alpha * b.weights[name].astype(np.float64)).astype(np.float32)
            for name, value in a.weights.items()
        }
    return Checkpoint(_card(a, b, alpha), weights, None, "")


def check_alike(a: Checkpoint, b: Checkpoint) -> None:
    """Raise ModelError, saying how they differ, unless two models are the same network with other values."""
    told = f"'{a.info.name}' and '{b.info.name}' cannot be interpolated"
    if a.info.arch != b.info.arch:
        raise ModelError(f"{told}: one is network {a.info.arch}, the other {b.info.arch}")
    ours, theirs = a.info.hyper, b.info.hyper
    if ours != theirs:
        ours, theirs = _in_full(a.info), _in_full(b.info)
    keys = [key for key in {**ours, **theirs} if _plain(ours.get(key)) != _plain(theirs.get(key))]
    differing = [f"{key} {ours.get(key)} and {theirs.get(key)}" for key in keys]
    if differing:
        raise ModelError(f"{told}: they differ in {', '.join(differing)}")
    shapes_a, shapes_b = ({name: value.shape for name, value in each.weights.items()} for each in (a, b))
    if shapes_a != shapes_b:
        names = sorted(name for name in {**shapes_a, **shapes_b} if shapes_a.get(name) != shapes_b.get(name))
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        raise ModelError(f"{told}: they differ in the tensors {', '.join(names[:SHOWN])}{more}")


def similarity(a: Checkpoint, b: Checkpoint) -> float:
    """Return the cosine between all weights of two like networks, 1 for the same direction and about 0 for unrelated ones."""
    dot = square_a = square_b = 0.0
    for name, value in a.weights.items():
        x, y = value.astype(np.float64).ravel(), b.weights[name].astype(np.float64).ravel()
        dot, square_a, square_b = dot + float(x @ y), square_a + float(x @ x), square_b + float(y @ y)
    return dot / (square_a * square_b) ** 0.5 if square_a and square_b else 0.0


def mix_name(a: ModelInfo, b: ModelInfo, alpha: float) -> str:
    """Return a name for the network between two, different for every pair and alpha: 0.8 and 0.85 do not collide."""
    return f"{a.name}+{b.name}@{float(alpha)!r}"


def twins(model: str | Path) -> tuple[Path, Path]:
    """Return the files of a model's faithful and vivid form, given either: ``NAME`` and ``NAME-vivid``, bundled or in one folder.

    Raises:
        ModelError: if the model is unknown or has no twin.
    """
    path = find_model(model)
    stem, suffix = path.stem.removesuffix(VIVID), path.suffix
    faithful, vivid = path.with_name(stem + suffix), path.with_name(stem + VIVID + suffix)
    if faithful.is_file() and vivid.is_file():
        return faithful, vivid
    pairs = bundled_pairs()
    lacking = (vivid if faithful.is_file() else faithful).name if path not in bundled_models().values() else f"{stem}{VIVID}"
    raise ModelError(
        f"vividness needs twins, and '{stem}' has none: there is no '{lacking}'; "
        + (f"bundled models with twins: {', '.join(pairs)}" if pairs else "no bundled model has twins")
    )


def at_vividness(model: str | Path, vividness: float) -> Checkpoint:
    """Return a model between its twins: 0 is the faithful one, 1 the vivid one.

    Raises:
        UsageError: if vividness lies outside [0, 1].
        ModelError: if the model has no twin, or its twin is another network.
    """
    if not 0 <= vividness <= 1:
        raise UsageError(f"vividness ({vividness:g}) must be at least 0 (faithful) and at most 1 (vivid)")
    faithful, vivid = map(read_checkpoint, twins(model))
    return interpolate(faithful, vivid, vividness)


def _in_full(info: ModelInfo) -> dict[str, Any]:
    """Return a network's arguments with the defaults filled in, where PyTorch is there to tell them."""
    try:
        from clearvision.archs import ARCHS
    except ImportError:
        return info.hyper
    known = inspect.signature(ARCHS[info.arch]).parameters if info.arch in ARCHS else {}
    return {name: each.default for name, each in known.items()} | info.hyper


def _plain(value: Any) -> Any:  # noqa: ANN401
    return list(value) if isinstance(value, tuple) else value


def _card(a: Checkpoint, b: Checkpoint, alpha: float) -> ModelInfo:
    first, second = a.info, b.info
    licences = {first.licence: None, second.licence: None}
    return replace(
        first,
        name=mix_name(first, second, alpha),
        precisions=tuple(each for each in first.precisions if each in second.precisions) or ("f32",),
        description=f"{1 - alpha:.4g} of '{first.name}' and {alpha:.4g} of '{second.name}'",
        training={"A": first.name, "sha256 of A": a.sha256, "B": second.name, "sha256 of B": b.sha256, "alpha": alpha},
        figures={},  # measured of others
        licence="; ".join(each or "not known" for each in licences),
    )
