"""The parity check: the same pictures through the PyTorch network and through the exported file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from clearvision.errors import ExportError
from clearvision.types import ModelInfo

TOLERANCE = 1e-4  # a fortieth of an 8-bit level
# Batch, height and width in units of the size multiple: odd, neither square nor alike, so that a frozen axis shows.
TRIAL_SHAPES = ((1, 17, 23), (2, 9, 32), (1, 31, 20))

Runner = Callable[[NDArray[np.float32]], NDArray[np.float32]]


@dataclass(frozen=True)
class ParityCheck:
    """One picture size in one runtime.

    Attributes:
        runtime: ``openvino`` or ``onnxruntime``.
        shape: shape of the batch (B, C, h, w).
        max_difference: largest absolute difference from PyTorch in float32, where pictures lie in [0, 1].
    """

    runtime: str
    shape: tuple[int, ...]
    max_difference: float


@dataclass(frozen=True)
class ParityReport:
    """What an export wrote and how well it agrees.

    Attributes:
        path: the exported file.
        checks: every size in every runtime found on this machine.
    """

    path: Path
    checks: tuple[ParityCheck, ...]

    @property
    def max_difference(self) -> float:
        """The largest difference of all checks."""
        return max(check.max_difference for check in self.checks)


def check_parity(net: nn.Module, info: ModelInfo, runners: dict[str, Runner], path: Path) -> ParityReport:
    """Run random pictures of three sizes through the network and every runner.

    Args:
        net: the network in eval mode, float32, on the CPU.
        info: its card.
        runners: runtime name to a function that maps lq (B, C, h, w) to sr.
        path: what the report and the errors call the export.

    Raises:
        ExportError: if an output's shape differs, or a value by more than 1e-4 or by NaN.
    """
    unit = max(info.size.multiple, -(-info.size.minimum // 9 // info.size.multiple) * info.size.multiple)
    generator = np.random.default_rng(0)
    checks: list[ParityCheck] = []
    for batch, height, width in TRIAL_SHAPES:
        lq = generator.random((batch, info.num_in_ch, height * unit, width * unit), dtype=np.float32)
        with torch.inference_mode():
            expected = net(torch.from_numpy(lq)).numpy()
        for runtime, run in runners.items():
            checks.append(_compare(runtime, lq, expected, run(lq), path))
    return ParityReport(path, tuple(checks))


def _compare(
    runtime: str, lq: NDArray[np.float32], expected: NDArray[np.float32], found: NDArray[np.float32], path: Path
) -> ParityCheck:
    if found.shape != expected.shape:
        raise ExportError(f"'{path}' is not written: {runtime} makes {found.shape} of {lq.shape} instead of {expected.shape}")
    difference = float(np.abs(found - expected).max())
    if not difference <= TOLERANCE:  # so that NaN fails
        raise ExportError(
            f"'{path}' is not written: {runtime} differs from PyTorch by {difference:.2g} at {lq.shape}, above {TOLERANCE:.0e}"
        )
    return ParityCheck(runtime, lq.shape, difference)
