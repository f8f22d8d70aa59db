"""The patch pool: every training picture decoded once, held in memory, cut into aligned random crops.

A batch is a pure function of (seed, step), so that a resumed run sees what an uninterrupted one would have seen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clearvision.data.decode import Pair
from clearvision.data.layouts import find_pictures
from clearvision.data.split import split_by_count
from clearvision.errors import DataError, PictureError
from clearvision.imaging.io import read_picture
from clearvision.imaging.resize import resize_scale
from clearvision.types import PixelArray

AREA_CAP = 4.0  # a picture's share grows with its area up to this many times the median, so that giants do not rule
FLAT_TRIES = 4  # crops drawn before a flat one is taken after all

__all__ = ["Pair", "PatchPool", "find_pictures", "load_pairs", "split_pictures"]

Progress = Callable[[int, int], None]


def split_pictures(paths: Sequence[Path], val_count: int) -> tuple[list[Path], list[Path]]:
    """Split into training and validation pictures by a hash of each name: stable when pictures are added or folders move.

    Raises:
        DataError: if nothing would be left to train on.
    """
    return split_by_count(paths, val_count, lambda path: path)


def load_pairs(paths: Sequence[Path], scale: int, *, progress: Progress | None = None) -> list[Pair]:
    """Decode pictures and shrink each by MATLAB's bicubic; ground truth is cropped to a multiple of ``scale``.

    Raises:
        DataError: naming the picture that cannot be read or is smaller than ``scale``.
    """

    def load(path: Path) -> Pair:
        try:
            pixels = read_picture(path).pixels
        except PictureError as error:
            raise DataError(f"{error}; remove or replace it before training") from error
        eight_bit = _eight_bit(pixels)
        height, width = (side - side % scale for side in pixels.shape[:2])
        if not height or not width:
            raise DataError(f"picture '{path}' ({pixels.shape[1]}x{pixels.shape[0]}) is smaller than scale {scale}; remove it")
        gt = np.ascontiguousarray(np.broadcast_to(eight_bit[:height, :width], (height, width, 3)))
        return Pair(path, resize_scale(gt, 1 / scale), gt)

    pairs = []
    with ThreadPoolExecutor(2) as threads:
        for done, pair in enumerate(threads.map(load, paths), 1):
            pairs.append(pair)
            if progress:
                progress(done, len(paths))
    return pairs


class PatchPool:
    """Aligned random crops with the eight flips and rotations.

    Args:
        pairs: the pictures; those smaller than a crop are never drawn.
        scale: ground-truth side divided by low-quality side.
        seed: with the step, decides every batch.
        flat_below: standard deviation in grey levels under which a crop counts as flat and is drawn again; 0 takes all.
    """

    def __init__(self, pairs: Sequence[Pair], *, scale: int, seed: int, flat_below: float = 0.0) -> None:
        self.pairs, self.scale, self.seed, self.flat_below = pairs, scale, seed, flat_below
        areas = np.array([pair.lq.shape[0] * pair.lq.shape[1] for pair in pairs], dtype=np.float64)
        self.weights = np.minimum(areas, AREA_CAP * np.median(areas))
        self.sides = np.array([min(pair.lq.shape[:2]) for pair in pairs])

    def batch(self, step: int, *, gt_size: int, batch_size: int, rank: int = 0) -> tuple[Tensor, Tensor]:
        """Return lq (B, 3, gt_size/scale, gt_size/scale) and gt (B, 3, gt_size, gt_size), float32 RGB in [0, 1].

        Raises:
            DataError: if no picture is large enough.
        """
        rng = np.random.Generator(np.random.Philox(key=self.seed, counter=[0, 0, rank, step]))
        size = gt_size // self.scale
        share = np.where(self.sides >= size, self.weights, 0.0).cumsum()
        if share[-1] == 0:
            raise DataError(
                f"no training picture is {gt_size} pixels or more on both sides; lower gt_size or add larger pictures"
            )
        crops = [self._crop(rng, share, size) for _ in range(batch_size)]
        lq, gt = (np.stack(arrays) for arrays in zip(*crops, strict=True))
        return _to_tensor(lq), _to_tensor(gt)

    def _crop(
        self, rng: np.random.Generator, share: NDArray[np.float64], size: int
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        pair, y, x = self._place(rng, share, size)
        for _ in range(FLAT_TRIES - 1):
            if not self.flat_below or pair.lq[y : y + size, x : x + size, 1].std() >= self.flat_below:
                break
            pair, y, x = self._place(rng, share, size)
        lq = pair.lq[y : y + size, x : x + size]
        gt = pair.gt[y * self.scale : (y + size) * self.scale, x * self.scale : (x + size) * self.scale]
        turns, mirror = int(rng.integers(4)), bool(rng.integers(2))
        return _turned(lq, turns, mirror), _turned(gt, turns, mirror)

    def _place(self, rng: np.random.Generator, share: NDArray[np.float64], size: int) -> tuple[Pair, int, int]:
        pair = self.pairs[int(np.searchsorted(share, rng.random() * share[-1], side="right"))]
        y, x = (int(rng.integers(side - size + 1)) for side in pair.lq.shape[:2])
        return pair, y, x


def _eight_bit(pixels: PixelArray) -> NDArray[np.uint8]:
    if pixels.dtype == np.uint8:
        return pixels.astype(np.uint8, copy=False)
    full = 65535 if pixels.dtype == np.uint16 else 1
    return np.clip(np.round(pixels / full * 255), 0, 255).astype(np.uint8)


def _turned(image: NDArray[np.uint8], turns: int, mirror: bool) -> NDArray[np.uint8]:
    image = np.rot90(image, turns)
    return image[:, ::-1] if mirror else image


def _to_tensor(images: NDArray[np.uint8]) -> Tensor:
    # NHWC in memory and NCHW in shape: channels_last, as the networks train fastest
    return torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).to(torch.float32).div_(255)
