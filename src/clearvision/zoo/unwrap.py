"""Find state dicts inside what a file holds: wrappers such as ``params_ema``, prefixes such as ``module.``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from clearvision.zoo.files import Arrays, as_array, leaf_bytes, plain_mapping

# The moving average comes first: it is what was validated and what its authors mean to be used.
AVERAGES = ("params_ema", "ema", "generator_ema", "net_g_ema", "state_dict_ema", "model_ema", "ema_state_dict", "g_ema")
WRAPPERS = (
    *AVERAGES,
    "params",
    "generator",
    "net_g",
    "netG",
    "G",
    "g",
    "model_G",
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "net",
    "network",
    "weights",
)
PREFIXES = (
    "generator_ema.",
    "net_g_ema.",
    "ema_model.",
    "ema.",
    "module.",
    "_orig_mod.",
    "generator.",
    "net_g.",
    "netG.",
    "net_G.",
    "model.",
    "net.",
    "network.",
    "G.",
)
DEPTH = 4  # of wrappers in wrappers, and of prefixes on prefixes


@dataclass(frozen=True, eq=False)
class StateDict:
    """A candidate for a network's weights.

    Attributes:
        wrapper: the keys that led to it, such as ``params_ema``, joined by dots; empty for the file's top level.
        prefix: what was taken off the front of every name.
        leaves: name to tensor, as read.
        others: names with other or no prefix that were set aside.
    """

    wrapper: str
    prefix: str
    leaves: dict[str, Any]
    others: tuple[str, ...] = ()

    @property
    def claimed(self) -> int:
        """Bytes that the tensors claim to hold."""
        return sum(leaf_bytes(leaf) for leaf in self.leaves.values())

    def arrays(self) -> Arrays:
        """Return the tensors as arrays that share the file's memory where they can."""
        made = {name: as_array(leaf) for name, leaf in self.leaves.items()}
        return {name: array for name, array in made.items() if array is not None}


def find_state_dicts(tree: object) -> list[StateDict]:
    """Return every mapping of names to tensors in a tree, the likeliest first; optimisers' states are not among them."""
    found: list[StateDict] = []
    _collect(tree, (), found, seen=set())
    return sorted(found, key=lambda each: _rank(each.wrapper))


def variants(state: StateDict) -> Iterator[StateDict]:
    """Yield a state dict as it is, then what is left of it under each known prefix, and under prefixes on prefixes."""
    waiting = [state]
    while waiting:
        current = waiting.pop(0)
        yield current
        if current.prefix.count(".") >= DEPTH:
            continue
        for prefix in PREFIXES:
            kept = {name.removeprefix(prefix): leaf for name, leaf in current.leaves.items() if name.startswith(prefix)}
            if kept:
                others = tuple(name for name in current.leaves if not name.startswith(prefix))
                waiting.append(StateDict(state.wrapper, current.prefix + prefix, kept, current.others + others))


def is_training_state(tree: object) -> bool:
    """Whether a tree holds an optimiser's state at its top."""
    mapping = plain_mapping(tree)
    return mapping is not None and any(
        name in mapping for name in ("optimizer", "optimizers", "optimizer_state_dict", "optimizer_states", "param_groups")
    )


def _collect(tree: object, trail: tuple[str, ...], found: list[StateDict], seen: set[int]) -> None:
    mapping = plain_mapping(tree)
    if mapping is None or id(mapping) in seen or len(trail) > DEPTH:
        return
    seen.add(id(mapping))  # a pickle may hold a container that holds itself
    if "param_groups" in mapping:
        return
    leaves = {name: value for name, value in mapping.items() if as_leaf(value)}
    if leaves:
        found.append(StateDict(".".join(trail), "", leaves))
    for name, value in sorted(mapping.items(), key=lambda item: _rank(item[0])):  # of names for one container the best is told
        if isinstance(value, Mapping) and not name.startswith("optim"):
            _collect(value, (*trail, name), found, seen)


def as_leaf(value: Any) -> bool:  # noqa: ANN401
    """Whether a value is a tensor or an array."""
    return hasattr(value, "shape") and hasattr(value, "dtype")


def _rank(wrapper: str) -> tuple[int, int]:
    last = wrapper.rpartition(".")[2]
    place = WRAPPERS.index(last) if last in WRAPPERS else len(WRAPPERS)
    return (place if wrapper else len(WRAPPERS) + 1, wrapper.count("."))
