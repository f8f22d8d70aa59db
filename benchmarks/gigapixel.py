"""A result of very many pixels under a memory limit: peak memory of the process, and speed and work against the engine alone.

Command: ``python benchmarks/gigapixel.py [--size 4096x60000] [--memory 2G] [--model clean-x4]``; ``--size 32768x32768`` is a
gigapixel. ``--parts 64 16 4 1`` does a 64th, a 16th ... of the rows too: the peak must not grow with them.

A soft picture is written as TIFF, the command line enlarges it into a TIFF pyramid, and the child's peak resident memory is read.
The engine alone runs one window of 256x256 pixels again and again, in a process of its own. Work is time of the processor, of all
cores together: where there are few of them, what reading, rounding, deflating and writing take is taken from the engine.
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
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    work = usage.ru_utime + usage.ru_stime
    facts = {"peak": usage.ru_maxrss * 1024 / 1e6, "seconds": seconds, "work": work, "tiles": told["tiles"], "bytes": size}
    print(json.dumps(facts | {"size": told["target_size"]}))


def engine_alone(model: str) -> None:
    """Print the model's scale, and the engine's output megapixels a second and its work for one, medians of some rounds."""
    import statistics

    import numpy as np

    from clearvision.inference.engines import open_engine
    from clearvision.zoo.catalogue import find_model
    from clearvision.zoo.checkpoint import read_checkpoint

    checkpoint = read_checkpoint(find_model(model))
    engine = open_engine(checkpoint)
    batch = np.random.default_rng(0).random((1, checkpoint.info.num_in_ch, SIDE, SIDE), dtype=np.float32)
    engine.run(batch)
    megapixels = (SIDE * checkpoint.info.scale) ** 2 / 1e6
    speeds, work = [], []
    for _ in range(ROUNDS):
        started, before = time.perf_counter(), time.process_time()
        engine.run(batch)
        speeds.append(megapixels / (time.perf_counter() - started))
        work.append((time.process_time() - before) / megapixels)
    facts = {"scale": checkpoint.info.scale, "speed": statistics.median(speeds), "work": statistics.median(work)}
    print(json.dumps(facts))


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
    print(f"\n{options.model}, --memory {options.memory}, TIFF to TIFF pyramid")
    print(f"engine alone: {alone['speed']:.2f} MP/s, {alone['work'] * 1000:.0f} ms of work a megapixel\n")
    print("| result | megapixels | peak MB | windows | s | MP/s | of the engine | work ms/MP | of the engine | B/pixel |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for part in options.parts:
        size = f"{width}x{height // part}"
        fixed = ("--model", options.model, "--memory", options.memory, "--scale", str(int(alone["scale"])))
        facts = child("--only", "picture", "--size", size, *fixed)
        columns, rows = facts["size"]  # type: ignore[misc]
        megapixels = columns * rows / 1e6
        speed, work = megapixels / facts["seconds"], facts["work"] / megapixels
        print(
            f"| {columns}x{rows} | {megapixels:.0f} | {facts['peak']:.0f} | {facts['tiles']} | {facts['seconds']:.1f} "
            f"| {speed:.2f} | {speed / alone['speed']:.0%} | {work * 1000:.0f} | {work / alone['work']:.0%} "
            f"| {facts['bytes'] / megapixels / 1e6:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
