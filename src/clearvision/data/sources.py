"""A source of training batches, opened from what a recipe says about its data.

``Source.batch`` is a pure function of (seed, step, rank): a resumed run sees what an uninterrupted one would have seen, and
several processes together see what one with the whole batch would.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from clearvision.data.decode import Pair, Progress
from clearvision.data.draw import Chooser, mix, to_tensor
from clearvision.data.layouts import named
from clearvision.data.opening import GIGABYTE, Opening, centred, degraded
from clearvision.data.options import DataOptions, preset_of
from clearvision.data.readahead import ReadAhead
from clearvision.data.shelves import FileShelf, Window
from clearvision.degradations.presets import Preset
from clearvision.errors import DataError, UsageError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Batch:
    """What one step learns from.

    Attributes:
        lq: (B, 3, h, w), RGB in [0, 1], float32; None where the loop makes it from gt on its device, by ``Source.preset``. In
            the layout ``unpaired`` it is domain A.
        gt: (B, 3, h * scale, w * scale), RGB in [0, 1], float32; domain B of unpaired data.
    """

    lq: Tensor | None
    gt: Tensor


@dataclass
class Source:
    """Training batches and held-out pictures of one recipe.

    Attributes:
        scale: ground-truth side divided by low-quality side.
        seed: with the step, decides every batch.
        preset: what the loop degrades gt by where a batch has no lq, else None.
        train: the training pictures' files.
        held_out: validation pairs, cut to their centre; in the layout ``unpaired`` pictures of two domains side by side.
        storage: ``ram``, ``device`` or ``stream``.
        device: where batches come out.
        unreadable: a sentence for each picture that was left out; grows during a run that streams.
        notes: sentences for people on what else was left out or looks wrong.
    """

    scale: int
    seed: int
    preset: Preset | None
    train: tuple[Path, ...]
    held_out: list[Pair]
    storage: str
    device: torch.device
    options: DataOptions
    choosers: tuple[Chooser, ...]
    unreadable: dict[Path, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    _ahead: ReadAhead | None = None

    def batch(self, step: int, *, gt_size: int, batch_size: int, rank: int = 0, world: int = 1) -> Batch:
        """Return the samples of one process at one step.

        Args:
            step: of the run.
            gt_size: side of the ground-truth crops, a multiple of the scale.
            batch_size: samples of this process; all ``world`` of them have as many.
            rank: which process.
            world: how many processes there are.

        Raises:
            DataError: if no picture is large enough, or too many have turned out unreadable.
            UsageError: if the rank is none of the world's.
        """
        if not 0 <= rank < world:
            raise UsageError(f"rank ({rank}) must lie between 0 and {world - 1}, one below the number of processes")
        if self._ahead is not None:
            windows = self._ahead.take(step, gt_size, batch_size, rank)
        else:
            windows = [self._window(step, gt_size, rank * batch_size + place) for place in range(batch_size)]
        gt = to_tensor([window[1] for window in windows], self.device)
        if windows[0][0] is None:
            return Batch(None, gt)
        lq = to_tensor([lq for lq, _ in windows if lq is not None], self.device)
        return Batch(*self.mix(lq, gt, step=step, rank=rank))

    def mix(self, lq: Tensor, gt: Tensor, *, step: int, rank: int = 0) -> tuple[Tensor, Tensor]:
        """Apply mixup and CutBlur where the recipe asks for them; a loop that makes lq itself calls this afterwards.

        Args:
            lq: (B, 3, h, w).
            gt: (B, 3, h * scale, w * scale).
            step: of the run.
            rank: of the process.

        Returns:
            Both, of the same shapes.
        """
        augment = self.options.augment
        if not augment.mixup and not augment.cutblur:
            return lq, gt
        return mix(lq, gt, augment, seed=self.seed, step=step, first=rank * len(lq))

    def too_small(self, gt_size: int) -> list[Path]:
        """Return the training pictures that are smaller than a crop, and so are never drawn at that size.

        Raises:
            DataError: if that leaves none.
        """
        small = []
        for chooser, paths in zip(self.choosers, self._paths(), strict=True):
            sizes = chooser.shelf.sizes.min(axis=1) * self.scale
            small += [path for path, side in zip(paths, sizes, strict=True) if side < gt_size]
            if not (sizes >= gt_size).any():
                raise DataError(
                    f"no training picture is {gt_size} pixels or more on both sides (the largest: {int(sizes.max(initial=0))}); "
                    "lower gt_size or add larger pictures"
                )
        return small

    def close(self) -> None:
        """Stop reading ahead; batches can still be asked for."""
        if self._ahead is not None:
            self._ahead.close()

    def read_ahead(self, workers: int) -> None:
        """Let threads prepare the samples of the next steps."""
        self._ahead = ReadAhead(self._window, workers)

    def _window(self, step: int, gt_size: int, place: int) -> Window:
        size = gt_size // self.scale
        if len(self.choosers) == 1:
            return self.choosers[0].sample(step, place, size)
        a, b = self.choosers
        return a.sample(step, place, size)[1], b.sample(step, place, size)[1]

    def _paths(self) -> list[Sequence[Path]]:
        return [chooser.paths for chooser in self.choosers]


def open_source(
    data: DataOptions,
    *,
    scale: int,
    seed: int,
    root: Path,
    gt_sizes: Sequence[int] = (),
    device: str | torch.device = "cpu",
    progress: Progress | None = None,
) -> Source:
    """Find the pictures, hold some out, and decode the others where they are to be held in memory.

    Args:
        data: what the recipe says.
        scale: ground-truth side divided by low-quality side.
        seed: with the step, decides every batch.
        root: what the recipe's folders are relative to.
        gt_sizes: the crop sizes that will be asked for: checked now, and pictures too small for the largest are named.
        device: where batches come out, and where ``storage: device`` holds the pictures.
        progress: called with how many pictures are read and how many there are.

    Raises:
        DataError: if folders are missing or empty, pairs do not fit, too many pictures are unreadable, or none is as large as a
            crop.
    """
    _check(data, scale, gt_sizes)
    opening = Opening(data, scale, seed, root, torch.device(device), progress)
    source = _open_unpaired(opening) if data.layout == "unpaired" else _open_one(opening)
    for gt_size in gt_sizes:
        small = source.too_small(gt_size)
        if small and gt_size == max(gt_sizes):
            source.notes.append(
                f"{len(small)} pictures are smaller than crops of {gt_size} pixels and left out of those: "
                f"{named([path.name for path in small])}"
            )
    source.notes.extend(source.unreadable.values())
    for note in source.notes:
        logger.warning("%s", note)
    if source.storage == "stream":
        source.read_ahead(data.workers)
    return source


def _open_one(opening: Opening) -> Source:
    """Open ground truth alone, or pairs."""
    data, scale = opening.data, opening.scale
    train, val = opening.split()
    opening.total = len(train) + len(val)
    preset = preset_of(data.degradation) if data.layout == "hr" and data.degradation != "bicubic" else None
    make_lq = data.layout == "hr" and preset is None
    chooser, storage = opening.chooser(train, scale=scale, domain=0, budget=data.memory_gb * GIGABYTE, make_lq=make_lq)
    held_out = [centred(pair, scale, data.val_size // scale) for pair in opening.pairs(val, scale=scale, make_lq=make_lq)]
    if preset is not None:
        held_out = [degraded(pair, preset, scale, opening.seed) for pair in held_out]
    return _source(opening, preset, held_out, storage, (chooser,))


def _open_unpaired(opening: Opening) -> Source:
    """Open two domains; lq is cut from A, gt from B."""
    data, scale = opening.data, opening.scale
    choosers, held_out, storage = [], [], "ram"
    parts = opening.split_domains()
    opening.total = sum(len(train) + len(val) for train, val in parts)
    for domain, (train, val) in enumerate(parts):
        own = scale if domain else 1
        budget = data.memory_gb * GIGABYTE / 2
        chooser, storage = opening.chooser(train, scale=own, domain=domain, budget=budget, make_lq=False)
        choosers.append(chooser)
        size = data.val_size // scale
        held_out.append([centred(pair, own, size) for pair in opening.pairs(val, scale=own, make_lq=False)])
    pairs = [Pair(b.path, a.gt, b.gt) for a, b in zip(*held_out, strict=False)]
    return _source(opening, None, pairs, storage, tuple(choosers))


def _source(opening: Opening, preset: Preset | None, held_out: list[Pair], storage: str, choosers: tuple[Chooser, ...]) -> Source:
    unreadable = opening.unreadable
    for chooser in choosers:
        if isinstance(chooser.shelf, FileShelf):
            chooser.shelf.unreadable = unreadable  # one list, which goes on growing
    return Source(
        scale=opening.scale,
        seed=opening.seed,
        preset=preset,
        train=tuple(path for chooser in choosers for path in chooser.paths),
        held_out=held_out,
        storage=storage,
        device=opening.device,
        options=opening.data,
        choosers=choosers,
        unreadable=unreadable,
        notes=opening.notes,
    )


def _check(data: DataOptions, scale: int, gt_sizes: Sequence[int]) -> None:
    for name, size in (("data.val_size", data.val_size), *(("gt_size", size) for size in gt_sizes)):
        if size % scale or size < scale:
            raise DataError(f"{name} ({size}) must be divisible by scale ({scale})")
    if scale == 1 and data.layout == "hr" and data.degradation == "bicubic":
        raise DataError("at scale 1 data.degradation 'bicubic' changes nothing; choose another, such as clearvision")
    if data.augment.cutblur and scale != 1:
        raise DataError(f"data.augment.cutblur needs lq and gt of one size, scale 1, not {scale}; set it to 0")
