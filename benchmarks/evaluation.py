"""What an evaluation costs beside the network: wall and processor time of both, on the same pictures, in turns.

Command: ``python benchmarks/evaluation.py --data BSD100 [--model clean-x4] [--precision auto] [--rounds 3]``.

First the parts, one after the other with nothing beside them: the network, reading (with the digests by which finished pictures
are known), the bicubic row (enlarging and scoring), the network's scores. Then whole runs from the files, with the bicubic row
computed, and with it found finished in the journal, as it is when a second model is evaluated into the same report folder. What
a run takes beyond the network alone is overhead. Loading the model and compiling it for the pictures' sizes, which happens once a
process, is timed apart and in none of the rows.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as the command line sets it

from clearvision.evaluation.evaluate import evaluate
from clearvision.evaluation.journal import Journal
from clearvision.evaluation.loading import Loaded, PictureReader
from clearvision.evaluation.memory import keep_freed_memory
from clearvision.evaluation.methods import Method, Pixels, open_methods
from clearvision.evaluation.protocols import PROTOCOLS, score
from clearvision.evaluation.sets import PictureSet, open_set

Times = tuple[float, float]  # wall and processor seconds


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description="What an evaluation costs beside the network.")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="clean-x4")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()

    keep_freed_memory()  # as the command line does
    baseline, network = open_methods([options.model], precision=options.precision)
    assert network.scale is not None
    picture_set = open_set(options.data, scale=network.scale)
    loaded = _read(picture_set)
    compiling, _ = _timed(lambda: _enlarge(network, loaded, picture_set.scale))
    results = _enlarge(network, loaded, picture_set.scale)
    computed_by = network.enlarge(loaded[0].lq, network.scale)[2]
    finished = Journal(None)
    (row,) = evaluate(PictureReader(picture_set), [baseline], journal=finished).results
    keys = [each.key for each in row.scores.values()]

    jobs: dict[str, Callable[[], object]] = {
        "network": lambda: _enlarge(network, loaded, picture_set.scale),
        "reading": lambda: _read(picture_set),
        "bicubic row": lambda: _score(_enlarge(baseline, loaded, picture_set.scale), loaded, picture_set.scale),
        "scores": lambda: _score(results, loaded, picture_set.scale),
        "whole run": lambda: evaluate(PictureReader(picture_set), [baseline, network]),
        "bicubic known": lambda: evaluate(PictureReader(picture_set), [baseline, network], journal=_copy(finished, keys)),
    }
    rounds: dict[str, list[Times]] = {name: [] for name in jobs}
    for _ in range(options.rounds):  # in turns, so that what else the machine does falls on all alike
        for name, job in jobs.items():
            rounds[name].append(_timed(job))
    medians = {name: [statistics.median(column) for column in zip(*times, strict=True)] for name, times in rounds.items()}

    print(f"{picture_set.name} x{picture_set.scale}, {len(loaded)} pictures, {computed_by}, {os.cpu_count()} cores;")
    print(f"opening and compiling the network took {compiling - medians['network'][0]:.2f} s, once")
    print(f"{'':<16}{'wall s':>8}{'cpu s':>8}{'cpu ms/picture':>16}{'overhead':>10}{'in cpu':>8}")
    for name, (wall, cpu) in medians.items():
        line = f"{name:<16}{wall:>8.2f}{cpu:>8.2f}{1e3 * cpu / len(loaded):>16.2f}"
        if name in ("whole run", "bicubic known"):
            line += f"{wall / medians['network'][0] - 1:>10.0%}{cpu / medians['network'][1] - 1:>8.0%}"
        print(line)


def _timed(job: Callable[[], object]) -> Times:
    start = time.perf_counter(), time.process_time()
    job()
    return time.perf_counter() - start[0], time.process_time() - start[1]


def _read(picture_set: PictureSet) -> list[Loaded]:
    reader = PictureReader(picture_set)
    for pair in picture_set.pairs:
        reader.digest(pair)
    return [reader.load(pair) for pair in picture_set.pairs]


def _enlarge(method: Method, loaded: list[Loaded], scale: int) -> list[Pixels]:
    return [method.enlarge(each.lq, scale)[0] for each in loaded]


def _score(results: list[Pixels], loaded: list[Loaded], scale: int) -> None:
    for sr, each in zip(results, loaded, strict=True):
        score(sr, each.gt, scale, PROTOCOLS["y"], ["psnr", "ssim"])


def _copy(journal: Journal, keys: list[str]) -> Journal:
    copied = Journal(None)
    for key in keys:
        record = journal.find(key)
        assert record is not None
        copied.add(record)
    return copied


if __name__ == "__main__":
    main()
