"""Export to other runtimes: a file appears only after it has computed what the PyTorch network computes."""

from __future__ import annotations

from importlib.util import find_spec

from clearvision.errors import MissingExtraError

_absent = [name for name in ("torch", "onnx", "onnxscript") if find_spec(name) is None]
if _absent:
    raise MissingExtraError(f"export needs {', '.join(_absent)}, not installed; pip install 'clearvision[export]'")

from clearvision.export.onnx import export_onnx  # noqa: E402  - needs what was looked for above
from clearvision.export.openvino import export_openvino  # noqa: E402
from clearvision.export.parity import ParityCheck, ParityReport  # noqa: E402

__all__ = ["ParityCheck", "ParityReport", "export_onnx", "export_openvino"]
