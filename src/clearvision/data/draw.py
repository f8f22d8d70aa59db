"""Which crops make up a batch. Sample i of step s comes from the random stream (seed, s, i) and from nothing else.

So a batch does not depend on those before it, on how many processes share it, or on where the pictures lie.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clearvision.data.options import Augment
from clearvision.data.shelves import Pixels, Shelf, Window
from clearvision.errors import DataError, PictureError

AREA_CAP = 4.0  # a picture's share grows with its area up to this many times the median, so that giants do not rule
TRIES = 4  # crops drawn before a flat one is taken after all; places compared where detail counts
UNREADABLE_TRIES = 100
CROPS, MIXES = 0, 8  # streams of one sample: crops of the first domain, the second has the next number; mixing


class Chooser:
    """Draws crops from one shelf.

    Args:
        shelf: the pictures.
        paths: their files.
        seed: decides every draw.
        domain: 0, or 1 for the second domain of unpaired data.
        flat_below: deviation in grey levels under which a crop is flat and drawn again.
        detail: compare places by their gradients.
        augment: whether to mirror and turn.
    """

    def __init__(
        self,
        shelf: Shelf,
        paths: tuple[Path, ...],
        *,
        seed: int,
        domain: int = 0,
        flat_below: float = 0.0,
        detail: bool = False,
        augment: Augment = Augment(),  # noqa: B008 - frozen
    ) -> None:
        self.shelf, self.paths, self.augment = shelf, paths, augment
        self._seed, self._domain, self._flat_below, self._detail = seed, domain, flat_below, detail
        self._shares: dict[int, NDArray[np.float64]] = {}

    def sample(self, step: int, place: int, size: int) -> Window:
        """Return one crop of ``size`` pixels on the low-quality grid, turned; a picture that cannot be read is passed over.

        Raises:
            DataError: if no picture is large enough, or picture after picture cannot be read.
        """
        shares = self._shares.get(size)
        if shares is None:
            shares = self._shares[size] = self._running_shares(size)
        rng = stream(self._seed, step, place, CROPS + self._domain)
        for _ in range(UNREADABLE_TRIES):
            try:
                lq, gt = self._crop(rng, shares, size)
                break
            except PictureError:
                continue  # the shelf has counted and named it
        else:
            raise DataError(f"{UNREADABLE_TRIES} pictures in a row cannot be read; is the disk still there?")
        turns, mirror = int(rng.integers(4)), bool(rng.integers(2))
        turns, mirror = turns if self.augment.turns else 0, mirror and self.augment.flips
        return (None if lq is None else turned(lq, turns, mirror)), turned(gt, turns, mirror)

    def _running_shares(self, size: int) -> NDArray[np.float64]:
        """Return the running sum of every picture's share in crops of a size."""
        areas = self.shelf.sizes.prod(axis=1).astype(np.float64)
        weights = np.minimum(areas, AREA_CAP * np.median(areas))
        shares = np.where(self.shelf.sizes.min(axis=1) >= size, weights, 0.0).cumsum()
        if not len(shares) or shares[-1] == 0:
            raise DataError(f"no training picture is {size} low-quality pixels or more on both sides; lower gt_size")
        return shares

    def _crop(self, rng: np.random.Generator, shares: NDArray[np.float64], size: int) -> Window:
        index, y, x = self._place(rng, shares, size)
        for _ in range(TRIES - 1):
            if not self._flat_below or self.shelf.witness(index, y, x, size).std() >= self._flat_below:
                break
            index, y, x = self._place(rng, shares, size)
        return self.shelf.window(index, y, x, size)

    def _place(self, rng: np.random.Generator, shares: NDArray[np.float64], size: int) -> tuple[int, int, int]:
        index = int(np.searchsorted(shares, rng.random() * shares[-1], side="right"))
        height, width = self.shelf.sizes[index]
        places = [
            (int(rng.integers(height - size + 1)), int(rng.integers(width - size + 1)))
            for _ in range(TRIES if self._detail else 1)
        ]
        chosen = 0
        if self._detail:
            energy = np.cumsum([_energy(self.shelf.witness(index, y, x, size)) for y, x in places])
            chosen = int(np.searchsorted(energy, rng.random() * energy[-1], side="right"))
        return index, *places[chosen]


def stream(seed: int, step: int, place: int, purpose: int) -> np.random.Generator:
    """Return the random numbers of one sample for one purpose."""
    return np.random.Generator(np.random.Philox(key=seed, counter=[0, purpose, place, step]))


def turned(image: Pixels, turns: int, mirror: bool) -> Pixels:
    """Turn (H, W, C) by quarters, then mirror left and right."""
    if isinstance(image, Tensor):
        image = torch.rot90(image, turns, (0, 1))
        return image.flip(1) if mirror else image
    image = np.rot90(image, turns)
    return image[:, ::-1] if mirror else image


def to_tensor(images: list[Pixels], device: torch.device) -> Tensor:
    """Return uint8 (H, W, 3) each as float32 (B, 3, H, W) in [0, 1], channels last in memory, as networks train fastest.

    Bytes travel to the device, where they become floats: a quarter of the way's traffic.
    """
    batch = (
        torch.stack([image for image in images if isinstance(image, Tensor)])
        if isinstance(images[0], Tensor)
        else torch.from_numpy(np.stack([np.asarray(image) for image in images]))
    )
    return batch.to(device, non_blocking=True).permute(0, 3, 1, 2).to(torch.float32).div_(255)


def mix(lq: Tensor, gt: Tensor, augment: Augment, *, seed: int, step: int, first: int) -> tuple[Tensor, Tensor]:
    """Blend samples with their neighbours (mixup) and exchange rectangles between lq and gt (CutBlur).

    Papers: Feng et al., "Suppressing Model Overfitting for Image Super-Resolution Networks", CVPRW 2019 (mixup, weights from
    Beta(1.2, 1.2)); Yoo et al., "Rethinking Data Augmentation for Image Super-resolution", CVPR 2020 (CutBlur, sides of about
    0.7 of the picture's). A sample is blended with the next one of its batch, so that batches cut in two differ.

    Args:
        lq: (B, C, h, w).
        gt: (B, C, H, W); of lq's size for CutBlur.
        augment: how often.
        seed: with step and place, decides everything.
        step: of the run.
        first: place of the first sample among all processes' samples of the step.

    Returns:
        The same shapes; the arguments are not changed.
    """
    mixed_lq, mixed_gt = lq, gt
    for place in range(len(lq)):
        rng = stream(seed, step, first + place, MIXES)
        blend, cut = rng.random() < augment.mixup, rng.random() < augment.cutblur
        if not blend and not cut:
            continue
        if mixed_lq is lq:
            mixed_lq, mixed_gt = lq.clone(), gt.clone()
        if blend:
            weight, other = float(rng.beta(1.2, 1.2)), (place + 1) % len(lq)
            mixed_lq[place] = lq[place] * weight + lq[other] * (1 - weight)
            mixed_gt[place] = gt[place] * weight + gt[other] * (1 - weight)
        if cut:
            _cutblur(mixed_lq[place], mixed_gt[place], rng)
    return mixed_lq, mixed_gt


def _cutblur(lq: Tensor, gt: Tensor, rng: np.random.Generator) -> None:
    share = float(np.clip(rng.normal(0.7, 0.01), 0.1, 0.9))
    height, width = (max(1, int(side * share)) for side in lq.shape[1:])
    y, x = (int(rng.integers(side - part + 1)) for side, part in zip(lq.shape[1:], (height, width), strict=True))
    if rng.random() < 0.5:
        lq[:, y : y + height, x : x + width] = gt[:, y : y + height, x : x + width]
    else:
        inside = lq[:, y : y + height, x : x + width].clone()
        lq.copy_(gt)
        lq[:, y : y + height, x : x + width] = inside


def _energy(plane: NDArray[np.uint8]) -> float:
    levels = plane.astype(np.float32)
    return 1e-3 + float(np.abs(np.diff(levels, axis=0)).mean() + np.abs(np.diff(levels, axis=1)).mean())
