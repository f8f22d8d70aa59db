"""Speed of the bundled x4 model against what Real-ESRGAN runs, and against the machine's own limit, in one run.

Command: ``make bench``, or ``python benchmarks/speed.py [--rounds N] [--model NAME]``. Needs the ``torch`` extra for the peers.

Every case lives in a process of its own (two runtimes in one process disturb each other) and the cases take turns, so that a
machine whose speed drifts treats them alike. Figures are medians over the rounds. "Share of peak" divides the network's
arithmetic by the fastest matrix product of that precision measured in the same run.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

PHOTO_SIDE = 512  # end to end: a PNG of this side in, one four times as large out
TILE = 256  # engine alone: one input tile of this side
RRDB_TILE = 96  # RRDBNet-23 needs seconds even for this
MATRIX = 2048

Case = Callable[[], float]


def matrix_product(precision: str) -> Case:
    """Return GFLOP/s of a square matrix product."""
    import torch

    dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[precision]
    a = torch.rand(MATRIX, MATRIX).to(dtype)

    def once() -> float:
        started = time.perf_counter()
        for _ in range(3):
            torch.matmul(a, a)
        return 3 * 2 * MATRIX**3 / (time.perf_counter() - started) / 1e9

    return once


def engine(model: str, precision: str) -> Case:
    """Return output megapixels a second of the engine alone."""
    import numpy as np

    from clearvision.inference.engines import open_engine
    from clearvision.zoo.catalogue import find_model
    from clearvision.zoo.checkpoint import read_checkpoint

    checkpoint = read_checkpoint(find_model(model))
    runner = open_engine(checkpoint, device="cpu", precision=precision)
    batch = np.random.default_rng(0).random((1, 3, TILE, TILE), dtype=np.float32)
    runner.run(batch)

    def once() -> float:
        started = time.perf_counter()
        for _ in range(4):
            runner.run(batch)
        return 4 * (TILE * checkpoint.info.scale) ** 2 / (time.perf_counter() - started) / 1e6

    return once


def end_to_end(model: str) -> Case:
    """Return output megapixels a second from a PNG on disk to a PNG on disk."""
    import numpy as np

    from clearvision.imaging.io import picture_from_array, read_picture, write_picture
    from clearvision.imaging.resize import resize
    from clearvision.inference.upscaler import Upscaler

    folder = Path(tempfile.mkdtemp(prefix="clearvision-bench-"))
    small = np.random.default_rng(0).integers(0, 255, (40, 40, 3), dtype=np.uint8)
    write_picture(picture_from_array(resize(small, PHOTO_SIDE, PHOTO_SIDE)), folder / "in.png")
    upscaler = Upscaler(model, device="cpu")
    upscaler(read_picture(folder / "in.png"))

    def once() -> float:
        started = time.perf_counter()
        result = upscaler(read_picture(folder / "in.png"))
        write_picture(result, folder / "out.png")
        return result.width * result.height / (time.perf_counter() - started) / 1e6

    return once


def torch_eager(name: str) -> Case:
    """Return output megapixels a second of a peer's network in PyTorch, eager, float32, as Real-ESRGAN runs it on a processor."""
    import torch

    from clearvision.archs import RRDBNet, SRVGGNetCompact

    if name == "srvgg":
        net, side = SRVGGNetCompact(num_feat=64, num_conv=32, upscale=4, act_type="prelu"), TILE
    else:
        net, side = RRDBNet(num_feat=64, num_block=23, num_grow_ch=32, scale=4), RRDB_TILE
    net.eval()
    batch = torch.rand(1, 3, side, side)
    with torch.inference_mode():
        net(batch)

    def once() -> float:
        started = time.perf_counter()
        with torch.inference_mode():
            net(batch)
        return (side * 4) ** 2 / (time.perf_counter() - started) / 1e6

    return once


def work(model: str) -> dict[str, float]:
    """Return GFLOP per output megapixel of each network, counted from its convolutions."""
    from clearvision.archs import RRDBNet, SRVGGNetCompact
    from clearvision.zoo.build import build_network
    from clearvision.zoo.catalogue import find_model
    from clearvision.zoo.checkpoint import read_checkpoint

    checkpoint = read_checkpoint(find_model(model))
    nets = {
        "model": (build_network(checkpoint), checkpoint.info.scale),
        "srvgg": (SRVGGNetCompact(num_feat=64, num_conv=32, upscale=4, act_type="prelu"), 4),
        "rrdb": (RRDBNet(num_feat=64, num_block=23, num_grow_ch=32, scale=4), 4),
    }
    return {name: _gflop(net, scale) for name, (net, scale) in nets.items()}


def _gflop(net, scale: int) -> float:  # noqa: ANN001
    import torch

    total = 0.0

    def count(module, _, output) -> None:  # noqa: ANN001
        nonlocal total
        total += 2 * module.weight.numel() * output.shape[2] * output.shape[3]

    for module in net.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(count)
    with torch.inference_mode():
        net(torch.rand(1, 3, 32, 32))
    return total / (32 * scale) ** 2 * 1e6 / 1e9


CASES: dict[str, Callable[[str], Case]] = {
    "peak f32": lambda model: matrix_product("f32"),
    "peak bf16": lambda model: matrix_product("bf16"),
    "engine auto": lambda model: engine(model, "auto"),
    "engine f32": lambda model: engine(model, "f32"),
    "end to end": end_to_end,
    "srvgg eager f32": lambda model: torch_eager("srvgg"),
    "rrdb eager f32": lambda model: torch_eager("rrdb"),
}


def serve(case: str, model: str) -> None:
    """Prepare one case, then run it once for every line on standard input."""
    run = CASES[case](model)
    run()
    print("ready", flush=True)
    for _ in sys.stdin:
        print(json.dumps(run()), flush=True)


def measure(model: str, rounds: int) -> dict[str, float]:
    """Return the median figure of every case."""
    workers = {}
    for case in CASES:
        command = [sys.executable, __file__, "--case", case, "--model", model]
        worker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ)
        assert worker.stdout is not None
        if worker.stdout.readline().strip() != "ready":
            sys.exit(f"case '{case}' did not start")
        workers[case] = worker
    figures: dict[str, list[float]] = {case: [] for case in CASES}
    for number in range(rounds):
        for case, worker in workers.items():
            worker.stdin.write("\n")
            worker.stdin.flush()
            figures[case].append(json.loads(worker.stdout.readline()))
            time.sleep(0.3)  # a runtime's threads spin for a moment after their work
        print(f"round {number + 1}/{rounds}", file=sys.stderr)
    for worker in workers.values():
        worker.stdin.close()
        worker.wait()
    return {case: statistics.median(values) for case, values in figures.items()}


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="clean-x4")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--case", choices=list(CASES), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        serve(options.case, options.model)
        return
    figures, gflop = measure(options.model, options.rounds), work(options.model)
    bf16 = figures["peak bf16"] > 1.2 * figures["peak f32"]  # otherwise the processor emulates it and engines stay in f32
    peaks = {"engine auto": "peak bf16" if bf16 else "peak f32", "end to end": "peak bf16" if bf16 else "peak f32"}
    print(
        f"\nmatrix product peak, {os.cpu_count()} threads: f32 {figures['peak f32']:.0f}, bf16 {figures['peak bf16']:.0f} GFLOP/s"
    )
    print("\n| case | output MP/s | x SRVGG eager | x RRDB eager | GFLOP/s | share of peak |")
    print("|---|---|---|---|---|---|")
    for case in list(CASES)[2:]:
        name = case.split()[0] if "eager" in case else "model"
        peak = peaks.get(case, "peak f32")
        rate = figures[case]
        speed = rate * gflop[name]
        srvgg, rrdb = rate / figures["srvgg eager f32"], rate / figures["rrdb eager f32"]
        label = case if "eager" in case else f"{options.model} {case}"
        print(f"| {label} | {rate:.3g} | {srvgg:.2f} | {rrdb:.1f} | {speed:.0f} | {speed / figures[peak]:.0%} of {peak} |")


if __name__ == "__main__":
    main()
