"""Export to OpenVINO's own format, a pair of files."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import openvino

from clearvision.errors import UsageError
from clearvision.export.onnx import build_onnx, openvino_runner, read_openvino, write_files
from clearvision.export.parity import ParityReport, check_parity
from clearvision.zoo.build import build_network
from clearvision.zoo.checkpoint import Checkpoint


def export_openvino(checkpoint: Checkpoint, path: Path) -> ParityReport:
    """Write a checkpoint as OpenVINO IR, float32, and prove that it computes the same as PyTorch.

    Inputs and outputs are those of the ONNX export, from which the IR is made. The card is in the model's runtime information
    under ``clearvision``, ``card``.

    Args:
        checkpoint: the model.
        path: the ``.xml`` file to write, by atomic rename; the weights go beside it into ``.bin``.

    Raises:
        UsageError: if the path does not end in ``.xml``.
        ExportError: if the outputs differ by more than 1e-4 or a file cannot be written; then nothing new is left.
    """
    if path.suffix != ".xml":
        raise UsageError(f"the path of an OpenVINO model must end in .xml, not '{path}'")
    net = build_network(checkpoint)
    model = read_openvino(build_onnx(checkpoint, net).SerializeToString())
    model.set_rt_info(json.dumps(dataclasses.asdict(checkpoint.info)), ["clearvision", "card"])
    with TemporaryDirectory() as folder:
        saved = Path(folder) / "model.xml"
        openvino.save_model(model, saved, compress_to_fp16=False)
        graph, weights = saved.read_bytes(), saved.with_suffix(".bin").read_bytes()
    reread = openvino.Core().read_model(graph, weights)
    report = check_parity(net, checkpoint.info, {"openvino": openvino_runner(reread)}, path)
    write_files({path.with_suffix(".bin"): weights, path: graph})
    return report
