"""Steps a second of training, beside a plain PyTorch loop of the same work: float32, and workers that decode PNG sub-images.

Command: ``python benchmarks/training.py [--nets srvgg edsr rrdbnet] [--steps 20] [--rounds 3] [--threads 2] [--precision bf16]``.
Both sides train the same network at scale 4 on crops of the same sizes from the same pictures, with L1, Adam and a moving
average, each in a process of its own, in turns; the table holds the median of the rounds and its ratio.

The plain side does what BasicSR's option files ask for: sub-images of 480 pixels and their low-quality partners lie on disk as
PNG, a ``DataLoader`` with two workers decodes both (by Pillow, where BasicSR uses OpenCV), crops, flips and turns them; the
network runs in float32 in PyTorch's default layout; Adam is PyTorch's default; the average is updated parameter by parameter.
Ours is ``clearvision.training.run.train`` with its defaults, log and all; its speed is what it writes into its log.
"""

from __future__ import annotations

import argparse
import copy
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

SCALE, SUB, PICTURES = 4, 480, 40
NETS: dict[str, tuple[dict[str, Any], int, int]] = {  # network, gt_size, batch
    "srvgg": ({"arch": "srvgg", "num_feat": 64, "num_conv": 16, "upscale": 4}, 128, 16),
    "edsr": ({"arch": "edsr", "num_feat": 64, "num_block": 16, "upscale": 4}, 192, 16),
    "rrdbnet": ({"arch": "rrdbnet", "num_feat": 64, "num_block": 6, "scale": 4}, 128, 16),
}


def main() -> None:
    """Measure both sides in turns, and print the table; or measure one side once, as a child."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nets", nargs="+", choices=NETS, default=list(NETS))
    parser.add_argument("--steps", type=int, default=20, help="measured steps a round, after as many again to warm up")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--precision", choices=("f32", "bf16", "fp16"), default="bf16", help="of our side")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--child", nargs=3, metavar=("SIDE", "NET", "DIR"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        side, net, folder = options.child
        print(measure_ours(net, Path(folder), options) if side == "ours" else measure_plain(net, Path(folder), options))
        return
    print(f"{options.threads} threads, {options.steps} steps a round, {options.rounds} rounds, ours in {options.precision}")
    print("| network | gt | batch | plain, steps/s | ours, steps/s | ratio |\n|---|--:|--:|--:|--:|--:|")
    with tempfile.TemporaryDirectory(prefix="clearvision-bench-") as name:
        write_sub_images(Path(name))
        for net in options.nets:
            speeds: dict[str, list[float]] = {"plain": [], "ours": []}
            for _ in range(options.rounds):
                for side, found in speeds.items():
                    words = [sys.executable, __file__, *sys.argv[1:], "--child", side, net, name]
                    found.append(float(subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout.split()[-1]))
            plain, ours = (statistics.median(speeds[side]) for side in ("plain", "ours"))
            _, gt_size, batch = NETS[net]
            print(f"| {net} | {gt_size} | {batch} | {plain:.3f} | {ours:.3f} | {ours / plain:.2f} |", flush=True)


def write_sub_images(folder: Path) -> None:
    """Write pictures with detail at every scale, and their low-quality partners."""
    import numpy as np
    from PIL import Image

    from clearvision.imaging.resize import resize_scale

    rng = np.random.default_rng(0)
    for name in ("gt", "lq"):
        (folder / name).mkdir()
    for index in range(PICTURES):
        layers = np.zeros((SUB, SUB, 3))
        for side in (6, 24, 96, 240):
            noise = Image.fromarray(rng.integers(0, 255, (side, side, 3), dtype=np.uint8))
            layers += np.asarray(noise.resize((SUB, SUB), Image.Resampling.BICUBIC), dtype=np.float64) / 4
        gt = layers.astype(np.uint8)
        Image.fromarray(gt).save(folder / f"gt/{index:03}.png")
        Image.fromarray(resize_scale(gt, 1 / SCALE)).save(folder / f"lq/{index:03}.png")


def measure_ours(net: str, folder: Path, options: argparse.Namespace) -> float:
    """Return the steps a second in the second half of a run, as its log has them."""
    import csv

    import torch

    from clearvision.recipe import recipe_from_plain
    from clearvision.training.run import train

    torch.set_num_threads(options.threads)
    network, gt_size, batch = NETS[net]
    plain = {
        "name": "speed",
        "task": "clean",
        "scale": SCALE,
        "network": network,
        "data": {"folders": ["gt"], "val_count": 1, "val_size": 64},
        "train": {
            "total_steps": 2 * options.steps,
            "phases": [{"gt_size": gt_size, "batch_size": batch}],
            "optimizer": {"kind": "adam", "rate": 1e-4},
            "precision": options.precision,
            "log_every": options.steps,
            "save_every": 10**9,
            "validate_every": 10**9,
        },
    }
    with tempfile.TemporaryDirectory(prefix="clearvision-bench-") as name:
        train(recipe_from_plain(plain, "benchmark"), data=folder, out=Path(name), device=options.device)
        with (Path(name) / "log.csv").open(newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["steps_per_second"]]
    return float(rows[-1]["steps_per_second"])


def measure_plain(net: str, folder: Path, options: argparse.Namespace) -> float:
    """Return the steps a second of a loop as it is written by hand, after as many steps to warm up."""
    import torch
    from torch.nn import functional as F
    from torch.utils.data import DataLoader

    from clearvision.archs import ARCHS

    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    network, gt_size, batch = NETS[net]
    arguments = {key: value for key, value in network.items() if key != "arch"}
    net_g = ARCHS[network["arch"]](**arguments).to(options.device)
    average = copy.deepcopy(net_g)
    optimizer = torch.optim.Adam(net_g.parameters(), lr=1e-4, betas=(0.9, 0.99))
    crops = Crops(folder, gt_size, 2 * options.steps * batch)
    loader = DataLoader(crops, batch_size=batch, num_workers=2, persistent_workers=True)  # type: ignore[arg-type]
    started = 0.0
    for step, (lq, gt) in enumerate(loader):
        if step == options.steps:
            synchronize(options.device)
            started = time.perf_counter()
        lq, gt = lq.to(options.device), gt.to(options.device)
        optimizer.zero_grad()
        loss = F.l1_loss(net_g(lq), gt)
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            for mean, value in zip(average.parameters(), net_g.parameters(), strict=True):
                mean.mul_(0.999).add_(value, alpha=0.001)
        loss.item()
    synchronize(options.device)
    return options.steps / (time.perf_counter() - started)


class Crops:
    """A map-style data set that decodes a pair of sub-images for every crop."""

    def __init__(self, folder: Path, gt_size: int, length: int) -> None:
        self.folder, self.gt_size, self.length = folder, gt_size, length

    def __len__(self) -> int:
        """Return how many crops there are in all."""
        return self.length

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """Return lq and gt, float32 (3, h, w) in [0, 1]."""
        import numpy as np
        import torch
        from PIL import Image

        chance = random.Random(index)
        gt, lq = (np.asarray(Image.open(self.folder / f"{kind}/{index % PICTURES:03}.png")) for kind in ("gt", "lq"))
        side = self.gt_size // SCALE
        y, x = (chance.randrange(SUB // SCALE - side + 1) for _ in range(2))
        lq, gt = lq[y : y + side, x : x + side], gt[y * SCALE : (y + side) * SCALE, x * SCALE : (x + side) * SCALE]
        if chance.random() < 0.5:
            lq, gt = lq[:, ::-1], gt[:, ::-1]
        if chance.random() < 0.5:
            lq, gt = lq[::-1], gt[::-1]
        if chance.random() < 0.5:
            lq, gt = lq.transpose(1, 0, 2), gt.transpose(1, 0, 2)
        lq, gt = (torch.from_numpy(np.ascontiguousarray(each.transpose(2, 0, 1)).astype(np.float32) / 255) for each in (lq, gt))
        return lq, gt


def synchronize(device: str) -> None:
    """Wait until the device has done what it was given."""
    import torch

    if device == "cuda":
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
