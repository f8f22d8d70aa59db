"""Export to ONNX, for any runtime that reads it."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import openvino
import torch
from numpy.typing import NDArray
from torch import nn

from clearvision.errors import ExportError, UsageError
from clearvision.export.parity import ParityReport, Runner, check_parity
from clearvision.zoo.build import build_network
from clearvision.zoo.checkpoint import Checkpoint

OLDEST_OPSET = 18  # the exporter's own; below it PyTorch falls back on a converter that loses operators
INPUT, OUTPUT = "lq", "sr"


def export_onnx(checkpoint: Checkpoint, path: Path, *, opset: int = OLDEST_OPSET) -> ParityReport:
    """Write a checkpoint as one ONNX file and prove that it computes the same as PyTorch.

    The graph maps ``lq`` (batch, C, height, width), float32 RGB in [0, 1], to ``sr``, not clamped; batch, height and width are
    free, the last two in multiples of the card's ``size.multiple``. The file's metadata holds the card as JSON under ``card`` and
    the checkpoint's digest under ``sha256``. The parity check runs in OpenVINO and, where it is installed, in ONNX Runtime.

    Args:
        checkpoint: the model.
        path: the file to write, by atomic rename; an existing one is replaced.
        opset: version of the operator set, 18 or later.

    Raises:
        UsageError: if the opset is not known to the exporter.
        ExportError: if the outputs differ by more than 1e-4 or the file cannot be written; then nothing is left at ``path``
            but what was there before.
    """
    net = build_network(checkpoint)
    model = build_onnx(checkpoint, net, opset=opset)
    serialised = model.SerializeToString()
    runners = {"openvino": openvino_runner(read_openvino(serialised))}
    if find_spec("onnxruntime") is not None:
        runners["onnxruntime"] = _onnxruntime_runner(serialised)
    report = check_parity(net, checkpoint.info, runners, path)
    write_files({path: serialised})
    return report


def build_onnx(checkpoint: Checkpoint, net: nn.Module, *, opset: int = OLDEST_OPSET) -> onnx.ModelProto:
    """Return the checked ONNX model of a checkpoint's network, card included, unproven.

    Raises:
        UsageError: if the opset is not known to the exporter.
    """
    newest = onnx.defs.onnx_opset_version()
    if not OLDEST_OPSET <= opset <= newest:
        raise UsageError(f"opset ({opset}) must lie between {OLDEST_OPSET} and {newest}")
    model = _trace(net, checkpoint, opset)
    _strip_traces(model)
    card = json.dumps(dataclasses.asdict(checkpoint.info))
    onnx.helper.set_model_props(model, {"card": card, "sha256": checkpoint.sha256})
    onnx.checker.check_model(model, full_check=True)
    return model


def _trace(net: nn.Module, checkpoint: Checkpoint, opset: int) -> onnx.ModelProto:
    # The exporter based on torch.export: slower than the TorchScript one (seconds instead of a tenth) and in need of onnxscript,
    # but that one is deprecated, warns on each call and will be removed, while both give the same operators.
    size = checkpoint.info.size
    side = 8 * size.multiple * -(-size.minimum // (8 * size.multiple))
    lq = torch.zeros(2, checkpoint.info.num_in_ch, side, 2 * side)  # no two free axes alike, or the exporter may merge them
    with _silence():
        program = torch.onnx.export(
            net,
            (lq,),
            dynamo=True,
            opset_version=opset,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes=({0: "batch", 2: "height", 3: "width"},),
            verbose=False,
        )
    assert program is not None
    return program.model_proto


@contextmanager
def _silence() -> Iterator[None]:
    """Keep the exporter's talk about its own internals and about the absent torchvision from the user."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    finally:
        logger.setLevel(level)


def _strip_traces(model: onnx.ModelProto) -> None:
    """Remove the exporter's notes, which hold stack traces with the paths of this machine."""
    graph = model.graph
    for item in (graph, *graph.node, *graph.initializer, *graph.value_info, *graph.input, *graph.output):
        del item.metadata_props[:]
        item.doc_string = ""


def read_openvino(serialised: bytes) -> openvino.Model:
    """Return OpenVINO's form of an ONNX model."""
    return openvino.Core().read_model(serialised)


def openvino_runner(model: openvino.Model) -> Runner:
    """Return a function that runs an OpenVINO model on the CPU in float32."""
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def run(lq: NDArray[np.float32]) -> NDArray[np.float32]:
        return compiled(lq)[0]

    return run


def _onnxruntime_runner(serialised: bytes) -> Runner:
    import onnxruntime  # pyright: ignore[reportMissingImports] - used where it is installed

    session = onnxruntime.InferenceSession(serialised, providers=["CPUExecutionProvider"])

    def run(lq: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(session.run([OUTPUT], {INPUT: lq})[0])

    return run


def write_files(contents: dict[Path, bytes]) -> None:
    """Write files that belong together: all complete beside their places, then all renamed into them.

    Raises:
        ExportError: if one cannot be written.
    """
    partial = {path: path.with_name(f".{path.name}.partial") for path in contents}
    try:
        for path, content in contents.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            with partial[path].open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        for path in contents:
            partial[path].replace(path)
    except OSError as error:
        raise ExportError(f"'{error.filename}' cannot be written ({error.strerror}); choose another path") from error
    finally:
        for path in partial.values():
            with suppress(OSError):  # not there: renamed, or its folder could not be made
                path.unlink()
