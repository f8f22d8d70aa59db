"""Speed of the second-order degradation of a training batch, against one picture at a time in worker processes.

Command: ``python benchmarks/degradations.py [--rounds N] [--device cpu|cuda] [--workers N]``. Needs the ``torch`` extra;
OpenCV, if it is installed (``pip install opencv-python-headless`` into an environment of your own), does the plain part's
filtering, resizing and JPEG, as the reference programs' loaders do; otherwise numpy and Pillow do.

All do the same work: the plans of ``realesrgan`` at scale 4 for 16 pictures of 256x256, drawn from one seed. The last row is a
training step (forward, backward, Adam, float32 or bf16) of SPAN 48x6 on that batch, and the share of the step plus degradation
that the degradation takes. Figures are medians over the rounds; the cases take turns.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from clearvision.archs import ARCHS
from clearvision.degradations.draw import Plan, draw_plan
from clearvision.degradations.kernels import kernel_of
from clearvision.degradations.pipeline import degrade
from clearvision.degradations.presets import preset_from

BATCH, SIDE, SCALE, PRESET = 16, 256, 4, "realesrgan"
HAS_CV2 = importlib.util.find_spec("cv2") is not None

Image = NDArray[np.float32]

_pictures: list[Image] = []  # of a worker process


def pictures() -> list[Image]:
    """Return pictures with soft forms, edges and texture, (SIDE, SIDE, 3) in [0, 1]."""
    made = []
    for seed in range(BATCH):
        draw = np.random.default_rng(seed)
        picture = np.full((SIDE, SIDE, 3), 0.5)
        for cells in (4, 16, 64):
            place = np.arange(SIDE) * cells // SIDE
            picture += draw.normal(0, 0.4 / cells**0.5, (cells, cells, 3))[place][:, place]
        made.append(np.clip(picture + draw.normal(0, 0.01, picture.shape), 0, 1).astype(np.float32))
    return made


def plan_of(index: int) -> Plan:
    """Return what happens to a sample."""
    return draw_plan(preset_from(PRESET), seed=0, index=index, height=SIDE, width=SIDE, scale=SCALE)


def plainly(index: int) -> NDArray[np.uint8]:
    """Degrade one picture, step by step, as a data loader's worker does."""
    image = _pictures[index % BATCH]
    for operation in plan_of(index):
        step = operation["step"]
        if step in ("blur", "sinc"):
            image = np.clip(_filtered(image, kernel_of(operation).numpy().astype(np.float32)), 0, 1)
        elif step == "resize":
            image = np.clip(_resized(image, operation["width"], operation["height"], operation["mode"]), 0, 1)
        elif step == "noise":
            channels = 1 if operation["grey"] else 3
            field = np.random.default_rng(operation["seed"]).standard_normal((*image.shape[:2], channels), dtype=np.float32)
            image = np.clip(image + field * (operation["sigma"] / 255), 0, 1)
        elif step == "poisson":
            image = _poisson(image, operation)
        elif step == "jpeg":
            image = _jpeg(image, operation["quality"])
    return (image * 255 + 0.5).astype(np.uint8)


def _filtered(image: Image, kernel: Image) -> Image:
    if HAS_CV2:
        import cv2  # pyright: ignore[reportMissingImports]

        return cv2.filter2D(image, -1, kernel, borderType=cv2.BORDER_REFLECT_101)
    half = kernel.shape[0] // 2
    padded = np.pad(image, ((half, half), (half, half), (0, 0)), mode="reflect")
    spectrum = np.fft.rfft2(padded, axes=(0, 1)) * np.fft.rfft2(kernel, padded.shape[:2])[:, :, None]
    return np.fft.irfft2(spectrum, padded.shape[:2], axes=(0, 1))[2 * half :, 2 * half :].astype(np.float32)


def _resized(image: Image, width: int, height: int, mode: str) -> Image:
    if HAS_CV2:
        import cv2  # pyright: ignore[reportMissingImports]

        kinds = {"area": cv2.INTER_AREA, "bilinear": cv2.INTER_LINEAR}
        return cv2.resize(image, (width, height), interpolation=kinds.get(mode, cv2.INTER_CUBIC))
    from PIL import Image as Pillow

    kinds = {"area": Pillow.Resampling.BOX, "bilinear": Pillow.Resampling.BILINEAR}
    levels = Pillow.fromarray((image * 255 + 0.5).astype(np.uint8))
    small = levels.resize((width, height), kinds.get(mode, Pillow.Resampling.BICUBIC))
    return np.asarray(small).astype(np.float32) / np.float32(255)


def _poisson(image: Image, operation: dict[str, Any]) -> Image:
    seen = image @ np.array([[0.2989], [0.587], [0.114]], np.float32) if operation["grey"] else image
    whole = np.round(seen * 255) / 255
    levels = 2 ** np.ceil(np.log2(len(np.unique(whole))))
    field = np.random.default_rng(operation["seed"]).poisson(whole * levels) / levels - whole
    return np.clip(image + field * operation["scale"], 0, 1).astype(np.float32)


def _jpeg(image: Image, quality: int) -> Image:
    levels = (image * 255 + 0.5).astype(np.uint8)
    if HAS_CV2:
        import cv2  # pyright: ignore[reportMissingImports]

        _, data = cv2.imencode(".jpg", levels, [cv2.IMWRITE_JPEG_QUALITY, quality])
        return cv2.imdecode(data, cv2.IMREAD_COLOR).astype(np.float32) / 255
    from PIL import Image as Pillow

    file = io.BytesIO()
    Pillow.fromarray(levels).save(file, "JPEG", quality=quality)
    return np.asarray(Pillow.open(file)).astype(np.float32) / np.float32(255)


def _worker(made: list[Image]) -> None:
    _pictures.extend(made)
    torch.set_num_threads(1)
    if HAS_CV2:
        import cv2  # pyright: ignore[reportMissingImports]

        cv2.setNumThreads(1)


def training_step(device: torch.device, precision: str) -> Callable[[], None]:
    """Return one update of SPAN 48x6 on a batch of this size."""
    net = ARCHS["span"](feature_channels=48, num_block=6, upscale=SCALE, img_range=16.0, skip="bilinear")
    net = net.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-4)
    lq = torch.rand(BATCH, 3, SIDE // SCALE, SIDE // SCALE, device=device).to(memory_format=torch.channels_last)
    gt = torch.rand(BATCH, 3, SIDE, SIDE, device=device)

    def once() -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            sr = net(lq)
        torch.nn.functional.l1_loss(sr.float(), gt).backward()
        optimizer.step()

    return once


def main() -> None:
    """Run the cases by turns and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes of the plain part")
    options = parser.parse_args()
    device, made = torch.device(options.device), pictures()
    batch = torch.from_numpy(np.stack(made)).permute(0, 3, 1, 2).contiguous().to(device)
    wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    steps = {f"SPAN 48x6 step, {precision}": training_step(device, precision) for precision in ("f32", "bf16")}
    # spawn: forking a process in which PyTorch has begun its threads can hang
    with multiprocessing.get_context("spawn").Pool(options.workers, _worker, (made,)) as pool:
        tool = "OpenCV" if HAS_CV2 else "numpy and Pillow"
        ours, theirs = f"batched, {device.type}", f"one at a time, {options.workers} processes, {tool}"
        counter = iter(range(1 << 30))

        def batched() -> None:
            degrade(batch, PRESET, scale=SCALE, seed=0, index=BATCH * next(counter))

        def plain() -> None:
            first = BATCH * next(counter)
            pool.map(plainly, range(first, first + BATCH), chunksize=1)

        cases: dict[str, Callable[[], None]] = {ours: batched, theirs: plain, **steps}
        times: dict[str, list[float]] = {name: [] for name in cases}
        for turn in range(options.rounds + 1):
            for name, case in cases.items():
                counter = iter(range(turn, 1 << 30))  # the same plans for both
                wait()
                started = time.perf_counter()
                case()
                wait()
                if turn:  # the first is to warm up
                    times[name].append(time.perf_counter() - started)
    medians = {name: statistics.median(values) for name, values in times.items()}
    print(f"{PRESET} at scale {SCALE}, {BATCH} pictures of {SIDE}x{SIDE}, {torch.get_num_threads()} threads")
    for name in (ours, theirs):
        print(f"{name:<50} {BATCH / medians[name]:8.1f} pictures/s  {medians[name] * 1000:8.1f} ms")
    print(f"{'ratio':<50} {medians[theirs] / medians[ours]:8.2f}")
    for name in steps:
        share = medians[ours] / (medians[ours] + medians[name])
        print(f"{name:<50} {medians[name] * 1000:8.1f} ms; degradation is {share:.0%} of both together")


if __name__ == "__main__":
    main()
