"""Read Keras' weight files (``.keras``, ``.h5``, ``.hdf5``, ``.weights.h5``) without Keras and without running what is in them.

Their weights are HDF5, read by h5py. HDF5 can point to other files (external links, raw storage elsewhere, virtual data sets) and
compress; Keras does neither, so all of that is refused. The description of the network is JSON, taken as data: it may hold
programs (Lambda layers), which are never looked into. What is read is bounded by the file's size.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearvision.errors import MissingExtraError, ModelError

WEIGHTS = "model.weights.h5"  # in a .keras archive
LARGEST_CONFIG = 16 << 20  # bytes
MOST_OBJECTS = 20_000  # groups and arrays in a file
SLACK = 1 << 20  # bytes by which an archive's members may outgrow it
_PASSED_OVER = ("optimizer", "optimizer_weights", "_optimizer", "top_level_model_weights")
_CONTAINERS = ("layers", "_layer_checkpoint_dependencies")
_PARTS = {"0": "kernel", "1": "bias"}  # of a layer's numbered variables


@dataclass(frozen=True)
class KerasLayer:
    """A layer as the file describes it.

    Attributes:
        kind: its class, such as ``Conv2D``.
        settings: its arguments.
        inputs: the layers whose outputs it takes, in their order.
    """

    kind: str
    settings: dict[str, Any]
    inputs: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class KerasModel:
    """What a Keras file holds.

    Attributes:
        arrays: the weights in Keras' layouts by ``LAYER.kernel``, ``LAYER.bias`` and so on, in the order of the layers.
        graph: the layers by name, in their order; None if the file does not tell, or is not of the functional kind.
        outputs: the layers whose outputs are the network's.
    """

    arrays: dict[str, NDArray[Any]]
    graph: dict[str, KerasLayer] | None = None
    outputs: tuple[str, ...] = ()


def read_keras(path: Path) -> KerasModel:
    """Return what a Keras file holds, its weights in memory.

    Raises:
        ModelError: if it is damaged, points out of itself, or claims more than it holds.
        MissingExtraError: if h5py is not installed.
    """
    try:
        import h5py
    except ImportError as error:
        raise MissingExtraError(
            f"reading '{path}' needs h5py, because it is a Keras file; pip install 'clearvision[keras]'"
        ) from error
    try:
        config, source = _opened(path)
        with h5py.File(source, "r") as file:
            if config is None and isinstance(file.attrs.get("model_config"), str | bytes):
                config = file.attrs["model_config"]
            stored = {where.removeprefix("model_weights/"): array for where, array in _walk(file, path)}
            listed = _listed(file.get("model_weights", file))  # after the walk, which refuses links
    except ModelError:
        raise
    except Exception as error:  # a crafted or damaged file can make the reader raise anything
        reason = " ".join(str(error).split())[:200]
        raise ModelError(f"model file '{path}' is a damaged or cut Keras file ({reason}); fetch it again") from error
    if not stored:
        raise ModelError(f"model file '{path}' is a Keras file without weights")
    graph, outputs = _graph(config)
    return KerasModel(_by_layer(stored, listed, graph), graph, outputs)


def _opened(path: Path) -> tuple[str | bytes | None, io.BytesIO | Path]:
    """Return the description of the network, if it is apart, and the HDF5 file or where it is."""
    if not zipfile.is_zipfile(path):
        return None, path
    with zipfile.ZipFile(path) as archive:
        unpacked, size = sum(member.file_size for member in archive.infolist()), path.stat().st_size
        if unpacked > size + SLACK:
            raise ModelError(
                f"model file '{path}' of {size:,} bytes would unpack to {unpacked:,}; Keras never compresses, so it is not opened"
            )
        config = archive.read("config.json") if "config.json" in archive.namelist() else None
        return config, io.BytesIO(archive.read(WEIGHTS))


def _walk(root: Any, path: Path) -> Iterator[tuple[str, NDArray[Any]]]:  # noqa: ANN401
    """Yield every array under a group with its path; raises ModelError for what Keras never writes."""
    import h5py

    room, seen = path.stat().st_size, 0
    waiting = [("", root)]
    while waiting:
        trail, group = waiting.pop()
        for name in group:
            where = f"{trail}{name}"
            seen += 1
            if seen > MOST_OBJECTS or where.count("/") > 16:
                raise ModelError(f"model file '{path}' nests or repeats groups without end, as Keras never does; it is not read")
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise ModelError(f"model file '{path}' holds the link '{where}', which Keras never writes; it is not followed")
            if not trail and name in _PASSED_OVER:
                continue
            item = group[name]
            if isinstance(item, h5py.Group):
                waiting.append((f"{where}/", item))
            elif isinstance(item, h5py.Dataset):
                room -= _checked(item, where, path)
                if room < 0:
                    raise ModelError(f"model file '{path}' claims more numbers than it has bytes; it is not read")
                yield where, np.asarray(item[()])


def _checked(data: Any, where: str, path: Path) -> int:  # noqa: ANN401
    """Return an array's size in bytes, once it is known to lie in the file as plain numbers."""
    told = f"model file '{path}' holds '{where}'"
    if data.is_virtual or data.external:
        raise ModelError(f"{told} as a pointer to another file, which is not followed")
    if data.dtype.kind not in "fiub":
        raise ModelError(f"{told} as {data.dtype}, which are no plain numbers; save the model in float32")
    if data.id.get_create_plist().get_nfilters():
        raise ModelError(f"{told} compressed, as Keras never does; it is not unpacked")
    size = int(data.size) * data.dtype.itemsize
    if size > data.id.get_storage_size():
        raise ModelError(f"{told} with {size:,} bytes, of which the file has {data.id.get_storage_size():,}; it is not read")
    return size


def _listed(group: Any) -> list[str]:  # noqa: ANN401
    """Return the layers' names in their order, as ``.h5`` files list them, in parts if they are many; empty in other files."""
    names = [key for key in group.attrs if re.fullmatch(r"layer_names\d*", key)]
    parts = [np.ravel(group.attrs[key]) for key in sorted(names, key=_natural)]
    return [each.decode("utf-8", "replace") if isinstance(each, bytes) else str(each) for part in parts for each in part]


def _by_layer(stored: dict[str, NDArray[Any]], listed: list[str], graph: dict[str, KerasLayer] | None) -> dict[str, NDArray[Any]]:
    """Name arrays by layer and part, and put them in the order of the layers."""
    numbered = _numbered(graph or {})
    named: dict[str, NDArray[Any]] = {}
    within = Counter((path.partition("/")[0], _last(path)) for path in stored)
    for path, array in stored.items():
        *trail, last = path.split("/")
        if len(trail) > 1 and trail[-1] == "vars":  # Keras 3: layers/conv2d_1/vars/0, where 1 counts the layers of the class
            trail = trail[1:-1] if trail[0] in _CONTAINERS else trail[:-1]
            trail[0] = numbered.get(trail[0], trail[0])
            last = _PARTS.get(last, last)
        else:  # before: conv2d_7/conv2d_7/kernel:0, where the first is the layer's name
            last = _last(path)
            trail = trail[:1] if within[path.partition("/")[0], last] == 1 else trail
        named[f"{'/'.join(trail)}.{last}"] = array
    place = {name: index for index, name in enumerate(graph or listed)}
    ranked = sorted(named, key=lambda name: (place.get(re.split(r"[/.]", name)[0], len(place)), _natural(name)))
    return {name: named[name] for name in ranked}


def _last(path: str) -> str:
    return path.rpartition("/")[2].partition(":")[0]


def _numbered(graph: dict[str, KerasLayer]) -> dict[str, str]:
    """Return the names of layers by the name that Keras 3 stores them under: class in snake case, and a count."""
    counts: dict[str, int] = {}
    names: dict[str, str] = {}
    for name, layer in graph.items():
        snake = re.sub(r"([a-z])([A-Z])", r"\1_\2", re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", layer.kind))).lower()
        counts[snake] = counts.get(snake, -1) + 1
        names[f"{snake}_{counts[snake]}" if counts[snake] else snake] = name
    return names


def _graph(config: Any) -> tuple[dict[str, KerasLayer] | None, tuple[str, ...]]:  # noqa: ANN401
    """Return the layers that a description tells of; it is another's JSON, so nothing in it is taken for granted."""
    if config is None or len(config) > LARGEST_CONFIG:
        return None, ()
    try:
        model = json.loads(config)
        inner = model["config"]
        if model["class_name"] not in ("Functional", "Model"):
            return None, ()
        layers = {
            str(each["config"]["name"]): KerasLayer(
                str(each["class_name"]), dict(each["config"]), tuple(_sources(each["inbound_nodes"]))
            )
            for each in inner["layers"]
        }
        return layers, tuple(_sources(inner["output_layers"]))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None, ()


def _sources(nodes: Any) -> Iterator[str]:  # noqa: ANN401
    """Yield the layers named in ``["conv2d", 0, 0]`` (Keras 2) or ``"keras_history": ["conv2d", 0, 0]`` (Keras 3), in order."""
    if isinstance(nodes, list) and len(nodes) >= 3 and isinstance(nodes[0], str) and nodes[1:3] == [0, 0]:
        yield nodes[0]
    elif isinstance(nodes, list):
        for each in nodes:
            yield from _sources(each)
    elif isinstance(nodes, dict):
        for each in nodes.values():
            yield from _sources(each)


def _natural(name: str) -> list[tuple[int, str]]:
    """Sort ``conv2d``, ``conv2d_2``, ``conv2d_10`` in this order."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.findall(r"\d+|\D+", name)]
