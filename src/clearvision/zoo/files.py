"""Read other people's weight files without running anything that is in them.

What a file is shows in its first bytes, never in its name. PyTorch's formats are pickles, which can call any function when they
are loaded, so they pass through ``torch.load(weights_only=True)`` alone: it rebuilds tensors and plain containers and refuses the
rest. Versions of PyTorch with known ways around that (CVE-2025-32434 before 2.6, CVE-2026-24747 before 2.10) are not let near
such files. Before the call the sizes in the archive's directory are checked, so that a small file cannot ask for a large memory.
"""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearvision.errors import MissingExtraError, ModelError

Arrays = dict[str, NDArray[Any]]

SAFE_TORCH = (2, 10)
HEAD = 512  # bytes that tell what a file is
_PICKLE = re.compile(rb"\x80[\x02-\x05]")
_REFUSED_NAME = re.compile(r"(?:[Uu]nsupported (?:global: )?GLOBAL|unrecognized function) ([\w.]+)")
_NOT_WEIGHTS = (  # first bytes, what such a file is, and what to do instead
    (b"version https://git-lfs", "is a pointer of Git LFS, not the weights; fetch them with 'git lfs pull'"),
    (b"<", "is a web page or XML, not weights; a download probably failed"),
    (b"\x93NUMPY", "is a NumPy array, not a network's weights; save a state dict as .safetensors"),
    (b"\x1f\x8b", "is a gzip archive; unpack it and give the file inside"),
    (b"7z\xbc\xaf", "is a 7-Zip archive; unpack it and give the file inside"),
    (b"Rar!", "is a RAR archive; unpack it and give the file inside"),
    (b"7767517", "is an ncnn graph; give the PyTorch weights that it was made from"),
    (b"\x89PNG", "is a picture, not weights"),
    (b"\xff\xd8\xff", "is a picture, not weights"),
)


def file_kind(path: Path) -> str:
    """Return ``safetensors``, ``zip`` (PyTorch since 1.6, Keras 3), ``pickle`` (PyTorch before 1.6) or ``hdf5`` (Keras).

    Raises:
        ModelError: if the file is missing, empty or something else, which the text names.
    """
    if not path.is_file():
        raise ModelError(f"model file '{path}' does not exist")
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except OSError as error:
        raise ModelError(f"model file '{path}' cannot be read ({error.strerror})") from error
    if not head:
        raise ModelError(f"model file '{path}' is empty")
    for sign, what in _NOT_WEIGHTS:
        if head.lstrip().startswith(sign):
            raise ModelError(f"model file '{path}' {what}")
    if head[257:262] == b"ustar":
        raise ModelError(f"model file '{path}' is a tar archive, a form that no PyTorch since 0.1 writes; it is not opened")
    if head.startswith(b"PK\x03\x04"):
        return "zip"
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        return "hdf5"
    if head[8:9] == b"{":
        return "safetensors"
    if _PICKLE.match(head):
        return "pickle"
    if path.suffix.lower() == ".onnx":
        raise ModelError(f"model file '{path}' is an ONNX graph; give the weights that it was exported from")
    raise ModelError(
        f"model file '{path}' is of no kind that is known: .safetensors, PyTorch's .pth .pt .ckpt, Keras' .keras .h5"
    )


def read_tree(path: Path) -> Any:  # noqa: ANN401 - what a file holds is known only when it has been looked at
    """Return what a file holds: containers of arrays and plain values, nested as in the file. Arrays may lie in the mapped file.

    Of a Keras file, return a :class:`~clearvision.zoo.keras.KerasModel`.

    Raises:
        ModelError: if the file is damaged, no file of weights, or holds more than weights.
        MissingExtraError: if reading it needs a package that is not installed.
    """
    kind = file_kind(path)
    if kind == "safetensors":
        return _read_safetensors(path)
    if kind == "hdf5" or (kind == "zip" and _members_are_keras(path)):
        from clearvision.zoo.keras import read_keras

        return read_keras(path)
    return _read_torch(path, mapped=kind == "zip")


def as_array(value: Any) -> NDArray[Any] | None:  # noqa: ANN401
    """Return a leaf of :func:`read_tree` as an array that shares its memory where it can, or None if it is no dense tensor."""
    if isinstance(value, np.ndarray):
        return value if value.dtype.kind in "fiub" else None
    if type(value).__module__.partition(".")[0] != "torch" or not hasattr(value, "dtype") or not hasattr(value, "layout"):
        return None
    if str(value.layout) != "torch.strided" or value.is_quantized or value.is_complex() or value.is_meta:
        return None
    return (value.detach().float() if str(value.dtype) == "torch.bfloat16" else value.detach()).numpy()


def leaf_bytes(value: Any) -> int:  # noqa: ANN401
    """Return what a tensor claims to hold, in bytes, without touching its memory."""
    return int(np.prod([int(side) for side in value.shape], dtype=object)) * int(value.dtype.itemsize)


def _read_safetensors(path: Path) -> Arrays:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return {name: _known_to_numpy(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118
    except TypeError:  # bfloat16, which numpy lacks
        return _read_safetensors_by_torch(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(f"model file '{path}' is not a readable safetensors file ({_first_line(error)})") from error


def _known_to_numpy(value: NDArray[Any]) -> NDArray[Any]:
    """Return an array of numpy's own types: bfloat16, which it knows once ml_dtypes is imported, as float32."""
    return value if value.dtype.kind in "biufc" else value.astype(np.float32)


def _read_safetensors_by_torch(path: Path) -> Any:  # noqa: ANN401
    _torch_for(path, "its tensors are bfloat16")
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise ModelError(f"model file '{path}' is not a readable safetensors file ({_first_line(error)})") from error


def _members_are_keras(path: Path) -> bool:
    """Tell Keras' zips from PyTorch's; refuse one that holds something else than weights, or would unpack to more than it is."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise ModelError(f"model file '{path}' is damaged or cut short ({_first_line(error)}); fetch it again") from error
    names = {member.filename for member in members}
    unpacked, size = sum(member.file_size for member in members), path.stat().st_size
    if any(name.endswith(".npy") for name in names):
        raise ModelError(f"model file '{path}' is a NumPy archive, not a network's weights; save a state dict as .safetensors")
    if any(name.endswith("/constants.pkl") or "/code/" in name for name in names):
        raise ModelError(
            f"model file '{path}' is a TorchScript program, which runs code; give the state dict that it was made from"
        )
    if "model.weights.h5" in names:
        return True
    if not any(name.endswith("data.pkl") for name in names):
        inside = ", ".join(sorted(names)[:3])
        raise ModelError(f"model file '{path}' is a zip archive of other files ({inside}); unpack it and give the weights inside")
    if unpacked > size + (1 << 20):
        raise ModelError(
            f"model file '{path}' of {size:,} bytes would unpack to {unpacked:,}; PyTorch never compresses, so it is not opened"
        )
    return False


def _read_torch(path: Path, *, mapped: bool) -> Any:  # noqa: ANN401
    torch = _torch_for(path, "it is a PyTorch file")
    if tuple(int(number) for number in re.findall(r"\d+", torch.__version__)[:2]) < SAFE_TORCH:
        raise ModelError(
            f"model file '{path}' is a PyTorch file, which PyTorch {torch.__version__} cannot open safely (CVE-2026-24747); "
            "update to 2.10 or later, or take the weights as .safetensors"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of storages' old names, on every file before 1.6
            return torch.load(str(path), map_location="cpu", weights_only=True, mmap=mapped)
    except Exception as error:  # a crafted or damaged pickle can make the reader raise anything
        text = str(error)
        if "weights_only" in text.lower() or "Weights only" in text:
            found = _REFUSED_NAME.search(text)
            what = f" ('{found[1]}')" if found else ""
            raise ModelError(
                f"model file '{path}' holds more than weights{what}, and loading that could run code, so it is refused; "
                "in the program that made it, save net.state_dict() instead"
            ) from error
        raise ModelError(f"model file '{path}' is damaged, cut short or no PyTorch file ({_first_line(error)})") from error


def _torch_for(path: Path, why: str) -> Any:  # noqa: ANN401
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError(
            f"reading '{path}' needs PyTorch, because {why}; pip install 'clearvision[torch]', "
            "or convert it to .safetensors where PyTorch is installed: clearvision models convert"
        ) from error
    return torch


def _first_line(error: BaseException) -> str:
    line = str(error).strip().partition("\n")[0]
    return line if len(line) <= 200 else f"{line[:200]} ..."


def plain_mapping(value: Any) -> Mapping[str, Any] | None:  # noqa: ANN401
    """Return a container whose keys are all names, or None."""
    return value if isinstance(value, Mapping) and all(isinstance(key, str) for key in value) else None
