"""Other people's weight files as checkpoints: read safely, recognised, checked, given a card."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from clearvision.errors import ModelError
from clearvision.types import ModelInfo
from clearvision.zoo.checkpoint import Checkpoint, Weights
from clearvision.zoo.detect import Detection, detect
from clearvision.zoo.files import Arrays, read_tree
from clearvision.zoo.published import Published, find_published
from clearvision.zoo.unwrap import find_state_dicts

SLACK = 1 << 16  # bytes by which tensors may outgrow their file: shared scalars, never weights


@dataclass(frozen=True, eq=False)
class Foreign:
    """A file recognised, whether or not it fits.

    Attributes:
        path: the file.
        detection: what it is.
        info: the card made of it.
        sha256: its digest.
        published: what is known of it, or None.
        fault: why it cannot be used, in words; empty for a good file.
    """

    path: Path
    detection: Detection
    info: ModelInfo
    sha256: str
    published: Published | None
    fault: str

    @property
    def notes(self) -> list[str]:
        """What a user should know of how the file was read, in sentences."""
        detection = self.detection
        taken, notes = detection.taken, list(detection.match.assumed)
        if detection.passed_over:
            others = ", ".join(f"'{name}'" if name else "the top level" for name in detection.passed_over)
            notes.append(f"the weights under '{taken.wrapper}' were taken, not those under {others}")
        elif taken.wrapper:
            notes.append(f"the weights lie under '{taken.wrapper}'")
        if taken.prefix:
            notes.append(f"'{taken.prefix}' was taken off the front of every name")
        if taken.others:
            notes.append(f"{len(taken.others)} tensors of other networks in the file were left out")
        if detection.match.renamed:
            notes.append("its tensors have older names and are renamed")
        if detection.tables:
            notes.append(f"it lacks {len(detection.tables)} tables that the network computes by itself, and they are filled in")
        return notes


def inspect_foreign(path: Path) -> Foreign:
    """Recognise a file without a card of ours.

    Raises:
        ModelError: if the file is damaged, dangerous, or holds no network that is known; the text says which.
        MissingExtraError: if reading it needs a package that is not installed.
    """
    tree = read_tree(path)
    _check_claims(path, tree)
    try:
        detection = detect(tree)
    except ModelError as error:
        raise ModelError(f"model file '{path}' cannot be used: {error}") from error
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    published = find_published(sha256, path.stem)
    fault = _fault(detection)
    return Foreign(path, detection, _card(path, detection, published, sha256), sha256, published, fault)


def read_foreign_info(path: Path) -> ModelInfo:
    """Return the card made of a file; raises as :func:`read_foreign`."""
    return _usable(inspect_foreign(path)).info


def read_foreign(path: Path) -> Checkpoint:
    """Return a file without a card of ours as a checkpoint, its weights in memory of their own.

    Raises:
        ModelError: as :func:`inspect_foreign`, and if the weights do not fill the network or are not finite.
        MissingExtraError: if reading it needs a package that is not installed.
    """
    foreign = _usable(inspect_foreign(path))
    return Checkpoint(foreign.info, _owned(foreign.detection.weights()), None, foreign.sha256)


def _usable(foreign: Foreign) -> Foreign:
    if foreign.fault:
        raise ModelError(f"model file '{foreign.path}' cannot be used: {foreign.fault}")
    return foreign


def _check_claims(path: Path, tree: object) -> None:
    """Refuse tensors that repeat a few stored numbers over a vast shape, before anything spreads them out in memory."""
    size = path.stat().st_size
    claimed = max((state.claimed for state in find_state_dicts(tree)), default=0)
    if claimed > size + SLACK:
        raise ModelError(
            f"model file '{path}' cannot be used: its tensors claim {claimed:,} bytes, more than the file's {size:,}"
        )


def _fault(detection: Detection) -> str:
    family = detection.match.family
    if not detection.fits:
        return f"it is {family}, but {detection.misfit()}"
    for name, array in detection.weights().items():
        wrong = 0 if np.isfinite(array).all() else int((~np.isfinite(array)).sum())
        if wrong:
            return (
                f"tensor '{name}' holds {wrong:,} of {array.size:,} values that are not finite (NaN or infinity); its training "
                "went astray, so take an earlier file"
            )
    return ""


def _owned(arrays: Arrays) -> Weights:
    """Copy out of the mapped file, which others may change."""
    return {name: np.array(array, dtype=np.float32, order="C") for name, array in arrays.items()}


def _card(path: Path, detection: Detection, published: Published | None, sha256: str) -> ModelInfo:
    match, facts = detection.match, detection.facts
    origin = f"{published.name} of {published.source}" if published is not None and published.certain else path.name
    return ModelInfo(
        name=path.stem,
        task="unknown" if published is None else published.task,
        scale=facts.scale,
        arch=match.arch,
        hyper=dict(match.hyper),
        num_in_ch=facts.num_in_ch,
        num_out_ch=facts.num_out_ch,
        receptive_radius=facts.receptive_radius,
        size=facts.size,
        precisions=("f32",),
        description=f"{match.family}, from {origin}",
        training={"read from": path.name, "sha256 of that": sha256, "weights under": detection.taken.wrapper or "the top level"},
        licence="not known" if published is None else published.terms,
    )
