"""How busy the engine is while ``clearvision upscale`` does a folder of small pictures.

Command: ``python benchmarks/batch.py [--count 500] [--model NAME] [--sizes one|many] [--suffix .jpg]``.

Busy is the time in which at least one request to OpenVINO runs, from its start until its result is there, as a share of the time
from the first picture read to the last one written. Starting the program is no part of it; compiling graphs is, and is told.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from clearvision.apps.cli import batch
from clearvision.apps.cli import main as clearvision
from clearvision.imaging.io import picture_from_array, write_picture
from clearvision.imaging.resize import resize
from clearvision.inference.engines import openvino

Interval = tuple[float, float]


def make_pictures(folder: Path, count: int, sizes: str, suffix: str) -> None:
    """Write soft pictures of 160x120 pixels, or of as many sizes around that as there are pictures."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    for number in range(count):
        width, height = (160, 120) if sizes == "one" else (int(side) for side in rng.integers((100, 80), (320, 260)))
        pixels = resize(rng.integers(0, 256, (12, 16, 3)).astype(np.uint8), height, width)
        write_picture(picture_from_array(pixels), folder / f"{number:04}{suffix}")


class Watched:
    """Notes when requests run and when graphs are compiled, by wrapping the engine's own steps.

    Attributes:
        running: (start, end) of every request.
        compiling: seconds of every compilation.
    """

    def __init__(self) -> None:
        self.running: list[Interval] = []
        self.compiling: list[float] = []
        self._lock = threading.Lock()
        self._begun: dict[int, float] = {}
        self._start, self._result = openvino._Request.start, openvino._Request.result
        self._graph_for = openvino.OpenVINOEngine._graph_for
        watched = self

        def start(request: openvino._Request, lq: openvino.Batch) -> None:
            watched._begun[id(request)] = time.perf_counter()
            watched._start(request, lq)

        def result(request: openvino._Request) -> openvino.Batch:
            sr = watched._result(request)
            # what the request took; when its result was fetched later than it was there, the rest was not the engine's
            took = request._request.latency / 1000
            begun = watched._begun.pop(id(request))
            with watched._lock:
                watched.running.append((begun, min(begun + took, time.perf_counter())))
            return sr

        def graph_for(engine: openvino.OpenVINOEngine, shape: openvino.Shape) -> object:
            known = shape in engine._compiled
            begun = time.perf_counter()
            graph = watched._graph_for(engine, shape)
            if not known:
                with watched._lock:
                    watched.compiling.append(time.perf_counter() - begun)
            return graph

        openvino._Request.start, openvino._Request.result = start, result  # type: ignore[method-assign]
        openvino.OpenVINOEngine._graph_for = graph_for  # type: ignore[method-assign,assignment]

    def busy(self) -> float:
        """Return the seconds in which at least one request ran."""
        total, until = 0.0, 0.0
        for begun, ended in sorted(self.running):
            total += max(0.0, ended - max(begun, until))
            until = max(until, ended)
        return total


def main() -> None:
    """Make the pictures, run the command line in this process, print the shares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--model", default="auto")
    parser.add_argument("--sizes", choices=("one", "many"), default="one")
    parser.add_argument("--suffix", default=".jpg", help="format of inputs and results")
    options = parser.parse_args()
    watched, spent = Watched(), []
    real = batch.run_batch

    def timed(*arguments: object) -> None:
        begun = time.perf_counter()
        real(*arguments)  # type: ignore[arg-type]
        spent.append(time.perf_counter() - begun)

    batch.run_batch = timed  # type: ignore[assignment]
    with tempfile.TemporaryDirectory(prefix="clearvision-bench-") as name:
        make_pictures(Path(name) / "in", options.count, options.sizes, options.suffix)
        words = ["upscale", f"{name}/in", "-o", f"{name}/out", "--model", options.model, "--json"]
        with contextlib.redirect_stdout(io.StringIO()) as printed, contextlib.redirect_stderr(io.StringIO()):
            code = clearvision(words)
    told = json.loads(printed.getvalue())
    if code or told["done"] != options.count:
        sys.exit(f"{told['failed']} of {options.count} pictures failed")
    wall, busy, compiling = spent[0], watched.busy(), sum(watched.compiling)
    megapixels = sum(picture["target_size"][0] * picture["target_size"][1] for picture in told["pictures"]) / 1e6
    print(f"{options.count} pictures ({options.suffix}), sizes: {options.sizes}, model: {options.model}")
    print(f"wall {wall:.2f} s, {megapixels / wall:.2f} output MP/s, {options.count / wall:.1f} pictures/s")
    print(f"engine busy {busy:.2f} s, {busy / wall:.1%} of the wall time; while it was busy {megapixels / busy:.2f} MP/s")
    print(f"compiling {compiling:.2f} s for {len(watched.compiling)} graphs, most of it beside the engine")


if __name__ == "__main__":
    main()
