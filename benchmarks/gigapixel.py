"""A result of very many pixels under a memory limit: peak memory of the process, and speed against the engine alone.

Command: ``python benchmarks/gigapixel.py [--size 4096x60000] [--memory 2G] [--model clean-x4]``; ``--size 32768x32768`` is a
gigapixel. ``--parts 64 16 4 1`` does a 64th, a 16th ... of the rows too: the peak must not grow with them.

A soft picture is written as TIFF, the command line enlarges it into a TIFF pyramid, and the child's peak resident memory is read.
The engine alone runs one window of 256x256 pixels again and again, in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SIDE = 256  # of the window that the engine alone is timed with
ROUNDS = 8


def enlarge_once(model: str, width: int, height: int, memory: str, scale: int) -> None:
    """Write a picture, enlarge it by command line in a child, print the child's peak in MB and the seconds."""
    import numpy as np

    from clearvision.imaging.io import picture_from_array, write_picture

    with tempfile.TemporaryDirectory(prefix="clearvision-bench-") as name:
        source, result = Path(name) / "in.tif", Path(name) / "out.tif"
        rows, columns = height // scale, width // scale
        # columns and rows of noise: cheap to make, not trivial to code
        y, x = np.random.default_rng(0).integers(0, 128, (2, max(rows, columns)), dtype=np.uint8)
        grey = y[:rows, None] + x[None, :columns]
        write_picture(picture_from_array(np.repeat(grey[:, :, None], 3, axis=2)), source)
        words = [str(source), "-o", str(result), "--model", model, "--memory", memory, "--pyramid", "--json"]
        before = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "clearvision.apps.cli", "upscale", *words], check=True, capture_output=True, text=True
        )
        seconds = time.perf_counter() - before
        (told,) = json.loads(done.stdout)["pictures"]
        size = result.stat().st_size
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e6
    facts = {"peak": peak, "seconds": seconds, "computing": told["seconds"], "tiles": told["tiles"], "bytes": size}
    print(json.dumps(facts | {"size": told["target_size"]}))


def engine_alone(model: str) -> None:
    """Print the model's scale and the output megapixels a second of the engine alone, the median of some rounds."""
    import statistics

    import numpy as np

    from clearvision.inference.engines import open_engine
    from clearvision.zoo.catalogue import find_model
    from clearvision.zoo.checkpoint import read_checkpoint

    checkpoint = read_checkpoint(find_model(model))
    engine = open_engine(checkpoint)
    batch = np.random.default_rng(0).random((1, checkpoint.info.num_in_ch, SIDE, SIDE), dtype=np.float32)
    engine.run(batch)
    speeds = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        engine.run(batch)
        speeds.append((SIDE * checkpoint.info.scale) ** 2 / 1e6 / (time.perf_counter() - started))
    print(json.dumps({"scale": checkpoint.info.scale, "speed": statistics.median(speeds)}))


def child(*words: str) -> dict[str, float]:
    """Run a part of this script in a fresh process, whose children's peak is its own, and return what it printed."""
    done = subprocess.run([sys.executable, __file__, *words], check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="4096x60000", metavar="WxH", help="of the result")
    parser.add_argument("--memory", default="2G")
    parser.add_argument("--model", default="clean-x4")
    parser.add_argument("--parts", type=int, nargs="+", default=[1], help="divide the rows by these")
    parser.add_argument("--only", choices=("engine", "picture"), help=argparse.SUPPRESS)
    parser.add_argument("--scale", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    width, height = (int(side) for side in options.size.split("x"))
    if options.only == "engine":
        engine_alone(options.model)
        return
    if options.only == "picture":
        enlarge_once(options.model, width, height, options.memory, options.scale)
        return
    alone = child("--only", "engine", "--model", options.model)
    print(f"\n{options.model}, --memory {options.memory}, TIFF to TIFF pyramid; engine alone {alone['speed']:.2f} MP/s\n")
    print(
        "| result | megapixels | peak MB | windows | s | MP/s end to end | of the engine | MP/s before writing | of the engine |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for part in options.parts:
        size = f"{width}x{height // part}"
        fixed = ("--model", options.model, "--memory", options.memory, "--scale", str(int(alone["scale"])))
        facts = child("--only", "picture", "--size", size, *fixed)
        columns, rows = facts["size"]  # type: ignore[misc]
        megapixels = columns * rows / 1e6
        whole, computing = megapixels / facts["seconds"], megapixels / facts["computing"]
        print(
            f"| {columns}x{rows} | {megapixels:.0f} | {facts['peak']:.0f} | {facts['tiles']} | {facts['seconds']:.1f} "
            f"| {whole:.2f} | {whole / alone['speed']:.0%} | {computing:.2f} | {computing / alone['speed']:.0%} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
