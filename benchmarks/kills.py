"""Kill a training run with SIGKILL at random moments: whatever lies in its folder must stay readable, and nothing may change.

Command: ``python benchmarks/kills.py [--kills 20] [--seed 0]``; some minutes, most of them starts of processes.
The run saves, validates and logs all the time, so that kills fall into writing. After each kill every file that is there is read,
then the run is resumed. In the end its state is compared, to the bit, with that of a run that nobody killed.
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RECIPE = """\
name: killed
task: clean
scale: 2
network: {arch: span, feature_channels: 16, num_block: 1, upscale: 2, img_range: 1.0, skip: bilinear}
data: {val_count: 1, val_size: 32}
objective:
  {kind: adversarial, cold_start: nothing is learned here, discriminator: {arch: patchgan, num_feat: 8, num_layer: 1}}
train: {total_steps: 300, phases: [{gt_size: 16, batch_size: 2}], log_every: 1, validate_every: 40, save_every: 1, keep_every: 7}
"""

CHILD = """
import sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from clearvision.recipe import load_recipe
from clearvision.training.run import train
recipe, data, out = map(Path, sys.argv[1:])
train(load_recipe(recipe), data=data, out=out, device="cpu", resume=(out / "state.pt").exists(),
      watch=lambda progress: print(progress.stage, progress.done, flush=True))
"""


def main() -> None:
    """Kill, read, resume, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    with tempfile.TemporaryDirectory(prefix="clearvision-kills-") as name:
        root = Path(name)
        (root / "recipe.yaml").write_text(RECIPE)
        make_pictures(root / "pictures")
        reached = []
        for number in range(options.kills):
            reached.append(kill_once(root, chance))
            found = read_everything(root / "killed")
            print(f"kill {number + 1}: {reached[-1]}; read {found}", flush=True)
        for out in ("killed", "whole"):
            subprocess.run(words(root, out), check=True, stdout=subprocess.DEVNULL)
        print("the same to the bit as a run that nobody killed" if same(root) else "DIFFERENT from a run that nobody killed")


def words(root: Path, out: str) -> list[str]:
    """Return the command that trains, or goes on."""
    return [sys.executable, "-c", CHILD, str(root / "recipe.yaml"), str(root / "pictures"), str(root / out)]


def kill_once(root: Path, chance: random.Random) -> str:
    """Start or resume the run, and kill it within three seconds of its first step."""
    with subprocess.Popen(words(root, "killed"), stdout=subprocess.PIPE, text=True) as victim:
        assert victim.stdout is not None
        line = ""
        while not line.startswith(("train", "validate")):
            line = victim.stdout.readline()
            if not line:
                return "had ended before"
        pause = chance.uniform(0, 3.0)
        time.sleep(pause)
        victim.send_signal(signal.SIGKILL)
        last = [*victim.stdout.read().splitlines(), line.strip()]
    return f"{pause:.3f} s after '{line.strip()}', last heard '{last[-2] if len(last) > 1 else last[-1]}'"


def read_everything(out: Path) -> str:
    """Read every file of a run that is there; a file that cannot be read raises."""
    import torch

    from clearvision.training.history import read_history
    from clearvision.zoo.checkpoint import read_checkpoint

    models = sorted(out.rglob("*.safetensors"))
    for path in models:
        read_checkpoint(path)
    step = torch.load(out / "state.pt", weights_only=True)["step"] if (out / "state.pt").exists() else None
    rows = read_history(out).last_step if (out / "log.csv").exists() else None
    return f"{len(models)} models, state of step {step}, log until step {rows}"


def same(root: Path) -> bool:
    """Return whether both runs ended with the same networks, averages and moments."""
    import torch

    a, b = (torch.load(root / out / "state.pt", weights_only=True) for out in ("killed", "whole"))

    def equal(x: object, y: object) -> bool:
        if isinstance(x, torch.Tensor) and isinstance(y, torch.Tensor):
            return torch.equal(x, y)
        if isinstance(x, dict) and isinstance(y, dict):
            return x.keys() == y.keys() and all(equal(x[key], y[key]) for key in x)
        if isinstance(x, list) and isinstance(y, list):
            return len(x) == len(y) and all(map(equal, x, y))
        return x == y

    return all(equal(a[part], b[part]) for part in ("step", "nets", "ema", "optimizers", "best"))


def make_pictures(folder: Path) -> None:
    """Write four soft pictures."""
    import numpy as np
    from PIL import Image

    folder.mkdir()
    rng = np.random.default_rng(0)
    for index in range(4):
        small = Image.fromarray(rng.integers(0, 255, (12, 12, 3), dtype=np.uint8))
        small.resize((48, 48), Image.Resampling.BICUBIC).save(folder / f"{index}.png")


if __name__ == "__main__":
    main()
