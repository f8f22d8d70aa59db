"""Peak memory of upscaling pictures of 1, 6 and 24 megapixels by 2, each in a process of its own.

Command: ``make bench``, or ``python benchmarks/memory.py [--model NAME] [--sizes 1 6 24]``.
"Own pixels" is what the decoded input and the output weigh; what exceeds them must not grow with the picture.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SHAPES = {1: (1224, 816), 6: (3000, 2000), 24: (6000, 4000)}


def upscale_once(model: str, width: int, height: int) -> None:
    """Write a picture, upscale it by command line in a child, print the child's peak."""
    import numpy as np

    from clearvision.imaging.io import picture_from_array, write_picture

    with tempfile.TemporaryDirectory(prefix="clearvision-bench-") as name:
        source, result = Path(name) / "in.png", Path(name) / "out.png"
        # columns and rows of noise: cheap to make, not trivial to code
        y, x = np.random.default_rng(0).integers(0, 128, (2, max(width, height)), dtype=np.uint8)
        pixels = np.broadcast_to((y[:height, None] + x[None, :width])[:, :, None], (height, width, 3))
        write_picture(picture_from_array(np.ascontiguousarray(pixels)), source)
        del pixels
        before = time.perf_counter()
        command = [sys.executable, "-m", "clearvision.apps.cli", "upscale", str(source), "-o", str(result), "--model", model]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - before
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    own = width * height * 3 * (1 + 4) / 2**20
    rate = width * height * 4 / seconds / 1e6
    print(f"| {width}x{height} | {peak:.0f} | {own:.0f} | {peak - own:.0f} | {seconds:.1f} | {rate:.2f} |")


def main() -> None:
    """Print the table; each size in a fresh process, because the peak of a process's children never falls."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="clean-x2")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 6, 24], choices=list(SHAPES), help="input megapixels")
    parser.add_argument("--one", type=int, choices=list(SHAPES), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        upscale_once(options.model, *SHAPES[options.one])
        return
    print(f"\n{options.model}, PNG to PNG\n")
    print("| input | peak MiB | own pixels MiB | beyond MiB | seconds | output MP/s |")
    print("|---|---|---|---|---|---|")
    for size in options.sizes:
        sys.stdout.flush()
        subprocess.run([sys.executable, __file__, "--model", options.model, "--one", str(size)], check=True)


if __name__ == "__main__":
    main()
