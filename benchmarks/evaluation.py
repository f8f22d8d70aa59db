"""What an evaluation costs beside the network: wall and processor time of both, on the same pictures, in turns.

Command: ``python benchmarks/evaluation.py --data BSD100 [--model clean-x4] [--precision auto] [--rounds 3]``.

"Network" enlarges every picture with nothing beside it. "Evaluation" is a whole run from the files: reading, the bicubic row with
its scores and the self-check, the network, its scores. What is more than the network's time is overhead.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as the command line sets it

from clearvision.evaluation.evaluate import evaluate
from clearvision.evaluation.loading import PictureReader
from clearvision.evaluation.methods import open_methods
from clearvision.evaluation.sets import open_set


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description="What an evaluation costs beside the network.")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="clean-x4")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()

    baseline, network = open_methods([options.model], precision=options.precision)
    assert network.scale is not None
    picture_set = open_set(options.data, scale=network.scale)
    reader = PictureReader(picture_set)
    inputs = [reader.load(pair).lq for pair in picture_set.pairs]
    computed_by = network.enlarge(inputs[0], network.scale)[2]

    figures: dict[str, list[tuple[float, float]]] = {"network": [], "evaluation": []}
    for _ in range(options.rounds):
        start = time.perf_counter(), time.process_time()
        for lq in inputs:
            network.enlarge(lq, network.scale)
        figures["network"].append((time.perf_counter() - start[0], time.process_time() - start[1]))
        start = time.perf_counter(), time.process_time()
        evaluate(PictureReader(picture_set), [baseline, network])
        figures["evaluation"].append((time.perf_counter() - start[0], time.process_time() - start[1]))

    print(f"{picture_set.name} x{picture_set.scale}, {len(inputs)} pictures, {computed_by}, {os.cpu_count()} cores:")
    print(f"{'':<12}{'wall s':>10}{'cpu s':>10}")
    medians = {name: [statistics.median(column) for column in zip(*rows, strict=True)] for name, rows in figures.items()}
    for name, (wall, cpu) in medians.items():
        print(f"{name:<12}{wall:>10.2f}{cpu:>10.2f}")
    over = [whole / alone - 1 for whole, alone in zip(medians["evaluation"], medians["network"], strict=True)]
    print(f"{'overhead':<12}{over[0]:>10.0%}{over[1]:>10.0%}")


if __name__ == "__main__":
    main()
