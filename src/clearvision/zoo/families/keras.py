"""Keras networks: the RDN of concatenations, and RRDN of idealo/image-super-resolution.

Where a file describes how its layers are connected, that is checked: activations are read off it, and kernels whose inputs are
concatenated in another order are put into ours. Otherwise layers are taken by their shapes and order.
"""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearvision.errors import ModelError
from clearvision.zoo.families.match import LackingError, Match, count, root, shape
from clearvision.zoo.files import Arrays
from clearvision.zoo.keras import KerasLayer, KerasModel

Atom = tuple[str, str]  # a layer and the activation that its output went through
_WIDEST = 1_000  # outputs that a concatenation may hold, in layers
_NO_RELU = ("max_value", "negative_slope", "threshold")  # settings that make a ReLU layer another function


def keras_family(model: KerasModel) -> Match:
    """Return the network in a Keras file.

    Raises:
        ModelError: if it is none that is known, or is connected otherwise.
    """
    for family in KERAS_FAMILIES:
        try:
            match = family(model)
        except LackingError as error:
            raise ModelError(f"it lacks the tensor '{error}', so the size of its network is unknown") from error
        if match is not None:
            return match
    names = list(dict.fromkeys(name.rpartition(".")[0] for name in model.arrays))
    raise ModelError(
        f"it is a Keras network that is unknown: {len(names)} layers, named {', '.join(names[:4])} ...; "
        "of Keras' networks only the small RDN of concatenations and idealo's RRDN are recognised"
    )


def rrdn_idealo(model: KerasModel) -> Match | None:
    """RRDN with the names of idealo/image-super-resolution, ``.hdf5``."""
    arrays = model.arrays
    if not {"F_1_1_1.kernel", "LFF_1_1.kernel", "PreShuffle.kernel"} <= arrays.keys():
        return None
    out = max(shape(arrays, "SR.kernel", 3), 1)
    hyper = {
        "num_in_ch": shape(arrays, "Pre_blocks_conv.kernel", 2),
        "num_out_ch": out,
        "num_feat": shape(arrays, "Pre_blocks_conv.kernel", 3),
        "num_grow_ch": shape(arrays, "F_1_1_1.kernel", 3),
        "num_block": count(arrays, r"F_(\d+)_1_1\.") - 1,
        "num_dense": count(arrays, r"F_1_(\d+)_1\.") - 1,
        "num_layer": count(arrays, r"F_1_1_(\d+)\.") - 1,
        "upscale": root(shape(arrays, "PreShuffle.kernel", 3) // out, f"the channels of 'PreShuffle' over {out}"),
    }

    def ours(arrays: Arrays) -> Arrays:
        made = {re.sub(r"\.kernel$", ".weight", name): _oihw(array) for name, array in arrays.items()}
        for name in ("PreShuffle.weight", "PreShuffle.bias"):  # TensorFlow orders (row, column, colour), PyTorch colour first
            if name in made and len(made[name]) % out == 0:
                cells = made[name].reshape(-1, out, *made[name].shape[1:])
                made[name] = cells.swapaxes(0, 1).reshape(made[name].shape)
        return made

    return Match("RRDN of idealo's Keras package", "rrdn", hyper, adjust=ours)


def rdn_concat(model: KerasModel) -> Match | None:
    """RDN of concatenations: a small Keras network, ``.keras`` or ``.h5``."""
    kernels = {name.removesuffix(".kernel"): array for name, array in model.arrays.items() if name.endswith(".kernel")}
    named = {f"{layer}.{part}" for layer in kernels for part in ("kernel", "bias")}
    if len(kernels) < 8 or any(array.ndim != 4 for array in kernels.values()) or named != model.arrays.keys():
        return None
    hyper = _sizes([array.shape for array in kernels.values()])
    slots = None if hyper is None else _slots(hyper, kernels)
    if hyper is None or slots is None:
        return None
    assumed = "how its layers are connected is not in the file, and is taken to be as in the project that such files come from"
    order: dict[str, list[int]] = {}
    if model.graph is not None and (connected := _connections(model)) is not None:
        hyper["relu_after"], order = _checked(slots, connected, model)
        assumed = ""

    def ours(arrays: Arrays) -> Arrays:
        made: Arrays = {}
        for slot, layer in slots.items():
            kernel = arrays[f"{layer}.kernel"]
            made[f"{slot}.weight"] = _oihw(kernel[:, :, order[slot]] if slot in order else kernel)
            made[f"{slot}.bias"] = arrays[f"{layer}.bias"]
        return made

    return Match("RDN of concatenations, from Keras", "rdn_concat", hyper, assumed=(assumed,) if assumed else (), adjust=ours)


def _oihw(array: NDArray[Any]) -> NDArray[Any]:
    """Turn (kh, kw, in, out), or (kh, kw, out, in) of a transposed convolution, round; leave a bias as it is."""
    return np.ascontiguousarray(array.transpose(3, 2, 0, 1)) if array.ndim == 4 else array


def _sizes(shapes: list[tuple[int, ...]]) -> dict[str, Any] | None:
    """Read the constructor's arguments off the kernels in their order, or return None if they are of another network."""
    fusions = [each for each in shapes if each[:2] == (1, 1)]
    grown, feat = shapes[1][3], fusions[0][3] if fusions else 0
    blocks, layers = len(fusions) - 1, sum(each[:2] == (3, 3) and each[3] == grown for each in shapes)
    ups = Counter(shapes)[3, 3, feat, feat]
    last = [each[3] for each in shapes if each[2] == feat and each[3] not in (feat, grown)]
    if blocks < 1 or layers % blocks or not 1 <= ups <= 3 or len(last) != 1:
        return None
    first = shapes[0]
    return {
        "num_in_ch": first[2],
        "num_out_ch": last[0],
        "num_first": first[3],
        "num_feat": feat,
        "num_grow_ch": grown,
        "num_block": blocks,
        "num_layer": layers // blocks,
        "upscale": 2**ups,
        "relu_after": ["dense", "local", "up"],
    }


def _slots(hyper: dict[str, Any], kernels: Arrays) -> dict[str, str] | None:
    """Give every layer of ours the next of theirs that has its shape; None if one is wanting or left over."""
    first, feat, grown = hyper["num_first"], hyper["num_feat"], hyper["num_grow_ch"]
    wanted = {"conv_first": (3, 3, hyper["num_in_ch"], first)}
    for block in range(hyper["num_block"]):
        width = feat if block else first
        for layer in range(hyper["num_layer"]):
            wanted[f"blocks.{block}.layers.{layer}"] = (3, 3, width + layer * grown, grown)
        wanted[f"blocks.{block}.fuse"] = (1, 1, 2 * width + hyper["num_layer"] * grown, feat)
    wanted |= {"fuse": (1, 1, feat * hyper["num_block"], feat), "merge": (3, 3, feat + first, feat)}
    wanted |= {f"up.{step}": (3, 3, feat, feat) for step in range(hyper["upscale"].bit_length() - 1)}
    wanted["conv_last"] = (3, 3, feat, hyper["num_out_ch"])
    left = {name: array.shape for name, array in kernels.items()}
    slots: dict[str, str] = {}
    for slot, side in wanted.items():
        layer = next((name for name, each in left.items() if each == side), None)
        if layer is None:
            return None
        slots[slot] = layer
        del left[layer]
    return None if left else slots


# --- how the layers are connected, where the file tells


def _connections(model: KerasModel) -> dict[str, list[Atom]] | None:
    """Return, for every layer with a kernel and for ``output``, the layers that it sees, in the order of its channels.

    None where layers of the author's own class, with kernels in them, hide it.
    """
    graph = model.graph or {}
    if any(name not in graph and "/" in name for name in (key.rpartition(".")[0] for key in model.arrays)):
        return None
    gives: dict[str, list[Atom]] = {}
    sees: dict[str, list[Atom]] = {}
    for name, layer in graph.items():  # Keras lists layers after those that they take
        if any(source not in gives for source in layer.inputs):
            raise ModelError(f"its layer '{name}' takes what no layer before it gives")
        taken = [atom for source in layer.inputs for atom in gives[source]]
        if len(taken) > _WIDEST:
            raise ModelError(f"its layer '{name}' takes more than {_WIDEST:,} outputs")
        if layer.kind in ("Conv2D", "Conv2DTranspose"):
            sees[name] = taken
            gives[name] = [(name, str(layer.settings.get("activation")))]
        else:
            gives[name] = _passed(name, layer, taken)
    sees["output"] = [atom for name in model.outputs for atom in gives.get(name, [])]
    return sees


def _passed(name: str, layer: KerasLayer, taken: list[Atom]) -> list[Atom]:
    """Return what a layer without weights makes of what it takes."""
    settings = layer.settings
    if layer.kind == "InputLayer":
        return [("picture", "linear")]
    if layer.kind == "Concatenate" and settings.get("axis", -1) in (-1, 3):
        return taken
    if layer.kind in ("Dropout", "SpatialDropout2D"):  # at rest
        return taken
    plain = layer.kind == "ReLU" and not any(settings.get(key) for key in _NO_RELU)
    if (plain or layer.kind == "Activation") and len(taken) == 1 and taken[0][1] == "linear":
        return [(taken[0][0], "relu" if plain else str(settings.get("activation")))]
    if layer.kind == "Lambda":
        raise ModelError(f"its layer '{name}' is a Lambda, a program inside the file, which is never run")
    raise ModelError(
        f"its layer '{name}' of kind {layer.kind} has no counterpart in the network that its weights have the shapes of"
    )


def _checked(
    slots: dict[str, str], connected: dict[str, list[Atom]], model: KerasModel
) -> tuple[list[str], dict[str, list[int]]]:
    """Compare a file's connections with ours; return the stages with a ReLU, and how to order the inputs of kernels.

    Raises:
        ModelError: if a layer is connected or set otherwise, or a stage's layers have unlike activations.
    """
    ours = _expected(slots)
    forms: dict[str, set[str]] = {}
    order: dict[str, list[int]] = {}
    for slot, wanted in ours.items():
        theirs = connected.get(slots.get(slot, "output"), [])
        names = [name for name, _ in theirs]
        if Counter(names) != Counter(slots.get(each, each) for each in wanted):
            raise ModelError(
                f"it has the layers of the RDN of concatenations, but '{slots.get(slot, 'the output')}' takes {names}"
            )
        for name, form in theirs:
            forms.setdefault(name, set()).add(form)
        order[slot] = _order(names, [slots.get(each, each) for each in wanted], model.arrays)
    for slot, layer in slots.items():
        _check_settings(layer, transposed=slot.startswith("up."), model=model)
    if forms[slots["conv_last"]] != {"sigmoid"}:
        raise ModelError(f"its last layer ends in {' and '.join(sorted(forms[slots['conv_last']]))}, where a sigmoid is known")
    stages = {"first": ["conv_first"], "dense": [s for s in slots if ".layers." in s], "global": ["fuse"], "merge": ["merge"]}
    stages |= {"local": [s for s in slots if s.endswith(".fuse")], "up": [s for s in slots if s.startswith("up.")]}
    relu = []
    for stage, members in stages.items():
        found = {form for slot in members for form in forms[slots[slot]]}
        if found not in ({"relu"}, {"linear"}):
            raise ModelError(f"its layers {', '.join(slots[s] for s in members)} have the activations {', '.join(sorted(found))}")
        relu += [stage] if found == {"relu"} else []
    return relu, {slot: places for slot, places in order.items() if places != sorted(places)}


def _expected(slots: dict[str, str]) -> dict[str, list[str]]:
    """Return what each layer of ours sees, in our order; ``output`` is the network's."""
    sees, before, local = {"conv_first": ["picture"]}, "conv_first", []
    for block in range(sum(slot.endswith(".layers.0") for slot in slots)):
        layers = [slot for slot in slots if slot.startswith(f"blocks.{block}.layers.")]
        for index, layer in enumerate(layers):
            sees[layer] = [before, *layers[:index]]
        sees[f"blocks.{block}.fuse"] = [before, before, *layers]
        before = f"blocks.{block}.fuse"
        local.append(before)
    sees |= {"fuse": local, "merge": ["fuse", "conv_first"]}
    chain = ["merge", *(slot for slot in slots if slot.startswith("up.")), "conv_last", "output"]
    return sees | {after: [prior] for prior, after in pairwise(chain)}


def _order(theirs: list[str], wanted: list[str], arrays: Arrays) -> list[int]:
    """Return, for each input channel of ours, its place in theirs."""
    starts: dict[str, list[range]] = {}
    start = 0
    for name in theirs:
        width = arrays[f"{name}.kernel"].shape[3] if f"{name}.kernel" in arrays else 1
        starts.setdefault(name, []).append(range(start, start + width))
        start += width
    return [place for name in wanted for place in starts[name].pop(0)]


def _check_settings(layer: str, *, transposed: bool, model: KerasModel) -> None:
    found = (model.graph or {})[layer]
    settings = found.settings
    expected = {"strides": [2, 2] if transposed else [1, 1], "padding": "same"}
    known = {"dilation_rate": [1, 1], "data_format": "channels_last", "groups": 1, "output_padding": None}
    if found.kind != ("Conv2DTranspose" if transposed else "Conv2D"):
        raise ModelError(f"its layer '{layer}' is of kind {found.kind}, where the RDN of concatenations has another")
    for key, value in (expected | known).items():
        if settings.get(key, value) != value:
            raise ModelError(f"its layer '{layer}' has {key} {settings[key]}, where {value} is known")


KERAS_FAMILIES = (rrdn_idealo, rdn_concat)
