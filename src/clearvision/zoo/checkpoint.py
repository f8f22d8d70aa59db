"""The checkpoint format: one ``.safetensors`` file that holds weights, card and recipe. Numpy only.

Files without our card are other people's, and are handed to :mod:`clearvision.zoo.foreign`, which needs PyTorch.

The file's metadata has two keys: ``card``, the JSON of :class:`~clearvision.types.ModelInfo`, and ``recipe``, the JSON of the
recipe that made it (absent for converted files). Tensors are float32 or float16; float16 is widened on reading.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from clearvision.errors import ModelError
from clearvision.types import ModelInfo, SizeRequirements

Weights = dict[str, NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A model read from a file.

    Attributes:
        info: its card.
        weights: state-dict name to float32 array.
        recipe: the recipe that trained it, as plain data, or None.
        sha256: digest of the file, in hexadecimal.
    """

    info: ModelInfo
    weights: Weights
    recipe: dict[str, Any] | None
    sha256: str


def read_info(path: Path) -> ModelInfo:
    """Return the card in the file's header, without reading the weights; of another's file, the card made of it.

    Raises:
        ModelError: if the file is missing, damaged, dangerous, or holds no network that is known.
        MissingExtraError: if it is another's file and reading it needs a package that is not installed.
    """
    if not has_card(path):
        from clearvision.zoo.foreign import read_foreign_info

        return read_foreign_info(path)
    return _read(path, weights=False)[0]


def read_checkpoint(path: Path) -> Checkpoint:
    """Return card, recipe and weights of a checkpoint or of another's file, all in memory.

    Raises:
        ModelError: if the file is missing, damaged, dangerous, or holds no network that is known.
        MissingExtraError: if it is another's file and reading it needs a package that is not installed.
    """
    if not has_card(path):
        from clearvision.zoo.foreign import read_foreign

        return read_foreign(path)
    info, recipe, weights = _read(path, weights=True)
    return Checkpoint(info, weights, recipe, hashlib.sha256(path.read_bytes()).hexdigest())


def write_checkpoint(
    path: Path, info: ModelInfo, weights: Weights, recipe: dict[str, Any] | None = None, *, half: bool = False
) -> None:
    """Write a checkpoint by atomic rename, in float16 with ``half`` and in float32 otherwise."""
    dtype = np.float16 if half else np.float32
    metadata = {"card": json.dumps(dataclasses.asdict(info))}
    if recipe is not None:
        metadata["recipe"] = json.dumps(recipe)
    tensors = {name: np.ascontiguousarray(value, dtype=dtype) for name, value in sorted(weights.items())}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as file:
            file.write(save(tensors, metadata))
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def has_card(path: Path) -> bool:
    """Whether a file is a safetensors file with our card; only its header is read.

    Raises:
        ModelError: if the file is missing or is a damaged safetensors file.
    """
    from clearvision.zoo.files import file_kind

    if file_kind(path) != "safetensors":
        return False
    try:
        with safe_open(path, framework="numpy") as file:
            return "card" in (file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise ModelError(f"model file '{path}' is not a readable safetensors file ({error})") from error


def _read(path: Path, *, weights: bool) -> tuple[ModelInfo, dict[str, Any] | None, Weights]:
    if not path.is_file():
        raise ModelError(f"model file '{path}' does not exist")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            info = info_from_card(json.loads(metadata["card"]))
            recipe = json.loads(metadata["recipe"]) if "recipe" in metadata else None
            tensors = {name: file.get_tensor(name).astype(np.float32) for name in file.keys()} if weights else {}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ModelError(f"model file '{path}' is not a readable safetensors file ({error})") from error
    except (TypeError, KeyError, ValueError) as error:
        raise ModelError(f"model file '{path}' has a card that cannot be understood ({error})") from error
    return info, recipe, tensors


def info_from_card(card: dict[str, Any]) -> ModelInfo:
    """Build the card's value from its JSON form; unknown or missing keys raise TypeError."""
    fields = dict(card)
    fields["size"] = SizeRequirements(**fields.get("size", {}))
    fields["precisions"] = tuple(fields.get("precisions", ("f32",)))
    return ModelInfo(**fields)
