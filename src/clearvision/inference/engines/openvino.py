"""The OpenVINO engine: the processor, without PyTorch.

A graph compiled for one shape runs fastest, but compiling takes 0.06 s of CPU time (SPAN): more than a small picture needs to
run. So all small shapes share a graph that takes any, which keeps a folder of thumbnails fast, and each large shape gets its
own. Which of the two serves depends on the shape alone, so that a picture's result never depends on what ran before it. There
is no cache on disk: reading a compiled SPAN back was measured to save 0.02 s.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from clearvision.errors import EngineError, ImageShapeError, UsageError
from clearvision.inference.graphs import build_graph
from clearvision.types import ModelInfo
from clearvision.zoo.checkpoint import Checkpoint

if TYPE_CHECKING:
    from openvino import CompiledModel, Core, InferRequest

    from clearvision.inference.engines import Batch

Shape = tuple[int, int, int]  # pictures, height, width; the sizes -1 where they are left open

SMALL = 192 * 192  # pixels of a batch up to which the graph for any shape serves
KEPT = 2 * 256 * 256  # pixels of all graphs kept compiled: each holds the memory of its activations
LOW_PRECISIONS = {"bf16": "BF16", "f16": "FP16"}  # by the names of OpenVINO's capabilities
OUT_OF_MEMORY = ("Failed to allocate", "bad_alloc", "out of memory")


class OpenVINOEngine:
    """Runs a checkpoint's graph on the processor.

    Args:
        checkpoint: the model; its network must have a graph.
        precision: ``f32``, ``bf16`` or ``f16``; ``auto`` takes what the processor multiplies natively, if the card calls it safe.

    Attributes:
        name: ``openvino``.
        device: ``cpu``.
        precision: ``f32``, ``bf16`` or ``f16``.

    Raises:
        UsageError: if the precision is unknown or the processor lacks it.
        ModelError: if there is no graph for the network, or the weights do not fit it.
    """

    name = "openvino"
    device = "cpu"

    def __init__(self, checkpoint: Checkpoint, *, precision: str = "auto") -> None:
        from openvino import Core

        self._core = Core()
        self._checkpoint = checkpoint
        self.precision = _choose_precision(self._core, precision, checkpoint.info)
        self._compiled: dict[Shape, Future[CompiledModel]] = {}
        self._lock = threading.Lock()

    def run(self, batch: Batch) -> Batch:
        """Map lq (B, C, h, w), RGB in [0, 1], to sr (B, C, h * scale, w * scale), not clamped; fastest if channels lie last.

        Raises:
            ImageShapeError: if the batch does not have the network's channels or size multiple.
            MemoryError: if there is not enough memory for the batch.
            EngineError: if OpenVINO fails otherwise.
        """
        return next(self.run_many([batch]))

    def run_many(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """Run batches in turn; while a result is being used, the next batch is computed. A result lives until the next.

        Raises:
            ImageShapeError: as :meth:`run`, for the batch after the one whose result came last; as do the others.
            MemoryError: as :meth:`run`.
            EngineError: as :meth:`run`.
        """
        pairs: dict[Shape, list[_Request]] = {}  # this run's own, so that several threads may run at once
        running: _Request | None = None
        try:
            for batch in batches:
                shape, graph = self._graph(batch)
                pair = pairs.setdefault(shape, [])
                pair.insert(0, pair.pop() if len(pair) == 2 else _Request(graph.create_infer_request()))
                pair[0].start(batch)
                if running is not None:
                    yield running.result()
                running = pair[0]
            if running is not None:
                yield running.result()
        finally:
            for request in itertools.chain.from_iterable(pairs.values()):
                request.settle()

    def prepare(self, count: int, height: int, width: int) -> None:
        """Compile what a batch of so many pictures of a size will need, unless it is there; other threads may run meanwhile.

        Raises:
            MemoryError: if there is not enough memory.
            EngineError: if OpenVINO fails otherwise.
        """
        self._graph_for(_shape(count, height, width))

    def _graph(self, batch: Batch) -> tuple[Shape, CompiledModel]:
        """Return the graph that serves a batch, and the shape it was compiled for."""
        info = self._checkpoint.info
        multiple = info.size.multiple
        if batch.ndim != 4 or batch.shape[1] != info.num_in_ch or batch.shape[2] % multiple or batch.shape[3] % multiple:
            raise ImageShapeError(
                f"model '{info.name}' takes batches (B, {info.num_in_ch}, h, w) with h and w multiples of {multiple}, "
                f"not {tuple(batch.shape)}"
            )
        shape = _shape(batch.shape[0], *batch.shape[2:])
        return shape, self._graph_for(shape)

    def _graph_for(self, shape: Shape) -> CompiledModel:
        """Return the graph of a shape; threads that want the same one wait for the first of them to compile it."""
        with self._lock:
            graph = self._compiled.get(shape)
            mine = Future[Any]() if graph is None else None
            if mine is not None:
                self._make_room(shape)
                self._compiled[shape] = mine
        if graph is not None:
            return graph.result()
        assert mine is not None
        config = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": self.precision}
        try:
            with _translated((shape[0], 0, *shape[1:])):
                mine.set_result(self._core.compile_model(build_graph(self._checkpoint, *shape), "CPU", config))
        except BaseException as error:
            with self._lock:
                self._compiled.pop(shape, None)
            mine.set_exception(error)
            raise
        return mine.result()

    def _make_room(self, shape: Shape) -> None:
        """Drop graphs, those compiled first before the others, until a new one fits in."""
        pixels = {key: SMALL if key[1] < 0 else key[0] * key[1] * key[2] for key in (*self._compiled, shape)}
        for oldest in list(self._compiled):
            if sum(pixels.values()) <= KEPT:
                break
            self._compiled.pop(oldest, None)
            del pixels[oldest]


def _shape(count: int, height: int, width: int) -> Shape:
    """Return the shape whose graph serves a batch."""
    return (count, height, width) if count * height * width > SMALL else (count, -1, -1)


class _Request:
    """One run at a time, sharing memory with the arrays that go in and come out."""

    def __init__(self, request: InferRequest) -> None:
        self._request = request
        self._running = False
        self._source: Batch | None = None  # alive while it is read
        self._shape: tuple[int, ...] = ()

    def start(self, batch: Batch) -> None:
        self._shape = batch.shape
        self._source = np.require(batch.transpose(0, 2, 3, 1), np.float32, ["C", "W"])
        with _translated(self._shape):
            self._request.start_async([self._source], share_inputs=True)
        self._running = True

    def result(self) -> Batch:
        self._running = False
        with _translated(self._shape):
            self._request.wait()
        return self._request.get_output_tensor(0).data.transpose(0, 3, 1, 2)

    def settle(self) -> None:
        if self._running:
            with suppress(EngineError, MemoryError):
                self.result()


@contextmanager
def _translated(shape: tuple[int, ...]) -> Iterator[None]:
    """Turn OpenVINO's errors, which are all RuntimeError, into what callers can act on."""
    try:
        yield
    except RuntimeError as error:
        lines = [line for line in str(error).splitlines() if line.strip() and not line.startswith("Exception from")]
        reason = " ".join(lines) or type(error).__name__
        size = f"{shape[0]} x {shape[2]} x {shape[3]} pixels"
        if any(sign in reason for sign in OUT_OF_MEMORY):
            raise MemoryError(f"not enough memory for {size} ({reason})") from None
        raise EngineError(f"OpenVINO failed on {size}: {reason}") from error


def _choose_precision(core: Core, precision: str, info: ModelInfo) -> str:
    capabilities = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    available = ["f32", *(name for name, sign in LOW_PRECISIONS.items() if sign in capabilities)]
    if precision == "auto":
        # the plugin's own default is what the processor multiplies natively; it also lists what it can only emulate
        native = core.get_property("CPU", "INFERENCE_PRECISION_HINT").get_type_name()
        return next((name for name in info.precisions if name in ("f32", native)), "f32")
    if precision not in ("f32", *LOW_PRECISIONS):
        raise UsageError(
            f"unknown precision '{precision}' for the openvino engine; known: auto, f32, {', '.join(LOW_PRECISIONS)}"
        )
    if precision not in available:
        raise UsageError(f"this processor does not compute in precision '{precision}'; available: auto, {', '.join(available)}")
    return precision
