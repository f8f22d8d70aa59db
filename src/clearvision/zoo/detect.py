"""Recognise a network from nothing but the names and shapes of its tensors, and say what does not fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clearvision.errors import ModelError
from clearvision.zoo.families import FAMILIES, LackingError, Match, keras_family
from clearvision.zoo.files import Arrays
from clearvision.zoo.keras import KerasModel
from clearvision.zoo.strangers import name_stranger
from clearvision.zoo.unwrap import StateDict, find_state_dicts, is_training_state, variants

if TYPE_CHECKING:
    from clearvision.archs.facts import ArchFacts

TABLES = ("attn_mask", "relative_position_index", "relative_position_index_SA", "relative_position_index_OCA")
SHOWN = 4  # names that a sentence lists before it only counts


@dataclass(frozen=True, eq=False)
class Detection:
    """What a file's weights turned out to be.

    Attributes:
        match: the network.
        taken: the state dict that was taken.
        passed_over: the wrappers of other state dicts in the file.
        facts: the network's own facts.
        missing: names that the network needs and the file lacks.
        left_over: names in the file that the network has no place for.
        misshapen: ``name (its shape, the network's shape)``.
        tables: names that the file lacks and the network computes.
    """

    match: Match
    taken: StateDict
    passed_over: tuple[str, ...]
    facts: ArchFacts
    missing: tuple[str, ...]
    left_over: tuple[str, ...]
    misshapen: tuple[str, ...]
    tables: tuple[str, ...] = ()

    @property
    def fits(self) -> bool:
        """Whether the weights fill the network exactly."""
        return not (self.missing or self.left_over or self.misshapen)

    def weights(self) -> Arrays:
        """Return the weights under the network's names, in the file's types."""
        given = self.match.apply(self.taken.arrays())
        if not self.tables:
            return given
        from clearvision.zoo.build import own_tables

        computed = own_tables(self.match.arch, self.match.hyper)
        return given | {name: computed[name] for name in self.tables}

    def misfit(self) -> str:
        """Return, in words, what does not fit."""
        told = (("missing", self.missing), ("of another shape", self.misshapen), ("left over", self.left_over))
        return "; ".join(f"{len(names)} tensors {what} ({listed(names)})" for what, names in told if names)


def detect(tree: object) -> Detection:
    """Recognise the network in what :func:`~clearvision.zoo.files.read_tree` returned.

    Of several state dicts the moving average is preferred; one that fits beats one that does not.

    Raises:
        ModelError: if nothing in it is a network of :data:`~clearvision.zoo.families.FAMILIES`; the text says what it is instead.
        MissingExtraError: if PyTorch, whose networks state the shapes, is not installed.
    """
    if isinstance(tree, KerasModel):
        return _compare(keras_family(tree), StateDict("", "", dict(tree.arrays)), ())
    states = find_state_dicts(tree)
    if not states:
        what = "the state of an optimiser without a network" if is_training_state(tree) else "no weights"
        raise ModelError(f"it holds {what}; give the file with the network's weights")
    fitting: list[Detection] = []
    reasons: list[str] = []
    for state in states:
        try:
            found = _detect_one(state, [each.wrapper for each in states if each is not state])
        except ModelError as error:
            reasons.append(str(error))
            continue
        if found.fits:
            return found
        fitting.append(found)
    if fitting:
        return fitting[0]
    raise ModelError(reasons[0])


def listed(names: Sequence[str]) -> str:
    """Return the first few of many names."""
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def _detect_one(state: StateDict, others: list[str]) -> Detection:
    kinds: list[str] = []
    lacking: list[str] = []
    for variant in variants(state):
        arrays = variant.arrays()
        for family in FAMILIES:
            try:
                match = family(arrays)
            except LackingError as error:
                lacking.append(
                    f"it looks like {_first_line(family.__doc__)} but lacks the tensor '{error}', so its size is unknown"
                )
                continue
            if match is not None:
                return _compare(match, variant, tuple(others))
        if (kind := name_stranger(arrays)) is not None:
            kinds.append(kind)
    if lacking:
        raise ModelError(lacking[0])
    if kinds:
        raise ModelError(f"it is {kinds[0]}, not a network that enlarges pictures; give the generator's weights")
    names = list(state.leaves)
    raise ModelError(
        f"its network is unknown: {len(names)} tensors, named {listed(names)}; "
        "'clearvision models families' lists what is recognised"
    )


def _compare(match: Match, taken: StateDict, others: tuple[str, ...]) -> Detection:
    from clearvision.zoo.build import stated_shapes

    shapes, facts = stated_shapes(match.arch, match.hyper)
    have = {name: array.shape for name, array in match.apply(taken.arrays()).items()}
    misshapen = [
        f"{name} {_sides(have[name])} for {_sides(side)}" for name, side in shapes.items() if name in have and have[name] != side
    ]
    missing = tuple(name for name in shapes if name not in have and not name.endswith(TABLES))
    tables = tuple(name for name in shapes if name not in have and name.endswith(TABLES))
    left_over = tuple(name for name in have if name not in shapes)
    return Detection(match, taken, others, facts, missing, left_over, tuple(misshapen), tables)


def _sides(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "scalar"


def _first_line(text: str | None) -> str:
    return (text or "").strip().partition("\n")[0].rstrip(".").partition(":")[0]
