"""Engines: what runs a network. OpenVINO on the processor, PyTorch elsewhere, behind one protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from clearvision.errors import UsageError
from clearvision.inference.graphs import GRAPHS
from clearvision.zoo.checkpoint import Checkpoint

NAMES = ("openvino", "torch")
DEVICES = ("auto", "cpu", "cuda", "mps")

Batch = NDArray[np.float32]


class Engine(Protocol):
    """A network ready to run.

    Attributes:
        name: ``openvino`` or ``torch``.
        device: ``cpu``, ``cuda`` or ``mps``.
        precision: ``f32``, ``bf16`` or ``f16``: what convolutions multiply in.

    An engine may also have ``run_many`` and ``prepare``; see :func:`run_many` and :func:`prepare`.
    """

    name: str
    device: str
    precision: str

    def run(self, batch: Batch) -> Batch:
        """Map lq (B, C, h, w), RGB in [0, 1], to sr (B, C, h * scale, w * scale), not clamped; both in any memory order.

        Raises:
            ImageShapeError: if the batch does not fit the network.
            MemoryError: if there is not enough memory for a batch of this size; a smaller one may do.
            EngineError: if the device fails.
        """
        ...


def run_many(engine: Engine, batches: Iterable[Batch]) -> Iterator[Batch]:
    """Run batches in turn, and the next one while a result is being used where the engine can.

    A result is valid until the next one is asked for.
    """
    pipelined: Callable[[Iterable[Batch]], Iterator[Batch]] | None = getattr(engine, "run_many", None)
    return pipelined(batches) if pipelined else map(engine.run, batches)


def prepare(engine: Engine, count: int, height: int, width: int) -> None:
    """Compile what a batch of so many pictures of a size will need, where the engine compiles by size."""
    compile_for: Callable[[int, int, int], None] | None = getattr(engine, "prepare", None)
    if compile_for is not None:
        compile_for(count, height, width)


def open_engine(checkpoint: Checkpoint, *, device: str = "auto", precision: str = "auto", name: str | None = None) -> Engine:
    """Return an engine for a model.

    Args:
        checkpoint: the model.
        device: ``auto`` is a GPU where the torch engine is asked for and finds one, and the CPU otherwise.
        precision: ``f32``, ``bf16``, ``f16``, or ``auto`` for the fastest that the device computes natively and the card
            calls safe.
        name: the engine; by default ``openvino`` on the CPU where it has a graph of the network, else ``torch``.

    Raises:
        UsageError: if a choice is unknown, or cannot be had together or on this machine.
        ModelError: if the weights do not fit the network.
        MissingExtraError: if the torch engine is needed and PyTorch is not installed.
    """
    if device not in DEVICES:
        raise UsageError(f"unknown device '{device}'; known: {', '.join(DEVICES)}")
    if name is not None and name not in NAMES:
        raise UsageError(f"unknown engine '{name}'; known: {', '.join(NAMES)}")
    if name is None:
        name = "openvino" if device in ("auto", "cpu") and checkpoint.info.arch in GRAPHS else "torch"
    if name == "openvino":
        if device not in ("auto", "cpu"):
            raise UsageError(f"the openvino engine runs on the CPU only, not on '{device}'; leave the engine out, or name torch")
        from clearvision.inference.engines.openvino import OpenVINOEngine

        return OpenVINOEngine(checkpoint, precision=precision)
    from clearvision.inference.engines.torch import TorchEngine

    return TorchEngine(checkpoint, device=device, precision=precision)
