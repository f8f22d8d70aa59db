"""Opening a source: which files are trained on and which held out, and where the decoded pictures lie."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from clearvision.data.decode import Pair, Progress, Shrink, in_threads, lq_size, read_item
from clearvision.data.draw import Chooser
from clearvision.data.layouts import Item, find_both, find_domains, find_items, looks_low_quality, named, pair_by_name
from clearvision.data.options import DataOptions
from clearvision.data.shelves import DeviceShelf, FileShelf, MemoryShelf, Shelf, too_many_unreadable
from clearvision.data.split import split_by_count, split_by_list, split_by_share
from clearvision.degradations.pipeline import degrade_picture
from clearvision.degradations.presets import Preset
from clearvision.errors import DataError, PictureError

GIGABYTE = 1e9

Split = tuple[list[Item], list[Item]]


@dataclass
class Opening:
    """What opening a source carries along."""

    data: DataOptions
    scale: int
    seed: int
    root: Path
    device: torch.device
    progress: Progress | None
    notes: list[str] = field(default_factory=list)
    unreadable: dict[Path, str] = field(default_factory=dict)
    read: int = 0
    total: int = 0

    def split(self) -> Split:
        """Return the training and the held-out pictures of the layouts ``hr`` and ``pairs``, both sorted."""
        data = self.data
        held_out = self._items(data.val_folders, ()) if data.val_folders else []
        return self._parted(self._items(data.folders, data.lq_folders), held_out)

    def split_domains(self) -> tuple[Split, Split]:
        """Return the same for domain A and for domain B of the layout ``unpaired``."""
        data = self.data
        train = self._domains(data.folders, data.lq_folders, "train")
        held_out = self._domains(data.val_folders, (), "test") if data.val_folders else ([], [])
        a, b = (
            self._parted(find_items(folders), find_items(val) if val else [])
            for folders, val in zip(train, held_out, strict=True)
        )
        return a, b

    def _items(self, folders: Sequence[str], lq_folders: Sequence[str]) -> list[Item]:
        if self.data.layout == "hr":
            for folder in folders:
                low = looks_low_quality(self.root / folder) if (self.root / folder).is_dir() else []
                if low:
                    self.notes.append(
                        f"'{self.root / folder}' holds {', '.join(low)}, which by name are low-quality copies and are taken as "
                        "ground truth; name the ground truth's folders in data.folders, or set data.layout to pairs"
                    )
            return find_items([self.root / folder for folder in folders])
        items = []
        for place, folder in enumerate(folders):
            both = (
                (self.root / folder, self.root / lq_folders[place]) if lq_folders else find_both(self.root / folder, self.scale)
            )
            found, notes = pair_by_name(*both, self.scale)
            items += found
            self.notes += notes
        return items

    def _domains(self, folders: Sequence[str], lq_folders: Sequence[str], part: str) -> tuple[list[Path], list[Path]]:
        if lq_folders:
            return [self.root / folder for folder in lq_folders], [self.root / folder for folder in folders]
        pairs = []
        for folder in folders:
            found = find_domains(self.root / folder, part)
            if found is None:
                raise DataError(
                    f"'{self.root / folder}' holds no two domains: it needs the folders {part}A and {part}B, or A and B; "
                    "or name domain A in data.lq_folders and domain B in data.folders"
                )
            pairs.append(found)
        return [a for a, _ in pairs], [b for _, b in pairs]

    def _parted(self, items: list[Item], held_out: list[Item]) -> Split:
        data = self.data
        if held_out:
            apart = {item.gt for item in held_out}
            train = [item for item in items if item.gt not in apart]
            if not train:
                raise DataError("data.val_folders hold every picture; nothing would be left to train on")
            return train, held_out
        if data.val_list:
            return split_by_list(items, self.root / data.val_list)
        if data.val_share:
            return split_by_share(items, data.val_share, _file_of)
        return split_by_count(items, data.val_count, _file_of)

    @property
    def shrink(self) -> Shrink:
        """What happens to ground truth first."""
        return Shrink(self.data.shrink_gt, self.data.short_side)

    def chooser(self, items: Sequence[Item], *, scale: int, domain: int, budget: float, make_lq: bool) -> tuple[Chooser, str]:
        """Put the pictures on a shelf; return what draws from it, and the kind of storage."""
        sizes, items = self._measured(items, scale)
        needed = int((sizes.prod(axis=1) * 3 * (scale * scale + (make_lq or items[0].lq is not None))).sum())
        storage = self._storage(needed, budget)
        shelf: Shelf
        if storage == "stream":
            most = self._most(len(items))
            shelf = FileShelf(items, sizes, scale=scale, shrink=self.shrink, make_lq=make_lq, budget=budget, most_unreadable=most)
        else:
            pairs = self.pairs(items, scale=scale, make_lq=make_lq)
            items = [item for item in items if item.gt not in self.unreadable]
            shelf = MemoryShelf(pairs, scale) if storage == "ram" else DeviceShelf(pairs, scale, self.device)
        data = self.data
        chooser = Chooser(
            shelf,
            tuple(item.gt for item in items),
            seed=self.seed,
            domain=domain,
            flat_below=data.flat_below,
            detail=data.sampling == "detail",
            augment=data.augment,
        )
        return chooser, storage

    def pairs(self, items: Sequence[Item], *, scale: int, make_lq: bool) -> list[Pair]:
        """Decode pictures; those that cannot be read are left out, if they are few."""

        def read(item: Item) -> Pair | tuple[Path, str]:
            try:
                return read_item(item, scale, self.shrink, make_lq=make_lq)
            except PictureError as error:
                return item.gt, " ".join(str(error).split())

        def told(done: int, _: int) -> None:
            if self.progress:
                self.progress(self.read + done, max(self.total, self.read + done))

        results = in_threads(read, items, self.data.workers, told)
        self.read += len(items)
        self._leave_out(dict(result for result in results if isinstance(result, tuple)), len(items))
        return [result for result in results if isinstance(result, Pair)]

    def _measured(self, items: Sequence[Item], scale: int) -> tuple[NDArray[np.int64], list[Item]]:
        """Read every header; return the sizes on the low-quality grid of the pictures that can be used, and those."""

        def measure(item: Item) -> tuple[int, int] | PictureError | DataError:
            try:
                return lq_size(item, scale, self.shrink)
            except (PictureError, DataError) as error:
                return error

        measured = in_threads(measure, items, self.data.workers)
        misfits = [str(found) for found in measured if isinstance(found, DataError)]
        if misfits:
            raise DataError(f"{len(misfits)} of {len(items)} pairs do not fit: {'; '.join(misfits[:3])}")
        broken = {item.gt: str(found) for item, found in zip(items, measured, strict=True) if isinstance(found, PictureError)}
        self._leave_out(broken, len(items))
        usable = [(item, size) for item, size in zip(items, measured, strict=True) if isinstance(size, tuple)]
        tiny = [item.gt.name for item, size in usable if min(size) < 1]
        if tiny:
            self.notes.append(f"{len(tiny)} pictures are smaller than the scale, {scale}, and left out: {named(tiny)}")
        usable = [(item, size) for item, size in usable if min(size) >= 1]
        if not usable:
            raise DataError("no training picture is left; see the pictures named before")
        return np.array([size for _, size in usable], dtype=np.int64), [item for item, _ in usable]

    def _leave_out(self, broken: dict[Path, str], count: int) -> None:
        self.unreadable.update(broken)
        if len(broken) > self._most(count):
            raise DataError(too_many_unreadable(broken, count))

    def _most(self, count: int) -> int:
        return int(self.data.most_unreadable * count)

    def _storage(self, needed: int, budget: float) -> str:
        wanted = self.data.storage
        if wanted == "stream" or (wanted == "auto" and needed > budget):
            return "stream"
        if needed > budget:
            raise DataError(
                f"the pictures need {needed / GIGABYTE:.2g} GB decoded, and data.memory_gb allows {budget / GIGABYTE:.2g}; "
                "raise it, or set data.storage to stream"
            )
        if wanted == "device" and self.device.type == "cuda":
            free = torch.cuda.mem_get_info(self.device)[0]
            if needed > free / 2:  # the network needs room too
                raise DataError(
                    f"the pictures need {needed / GIGABYTE:.2g} GB decoded, more than half of what is free on {self.device} "
                    f"({free / GIGABYTE:.2g} GB); set data.storage to ram"
                )
        return "device" if wanted == "device" else "ram"


def centred(pair: Pair, scale: int, size: int) -> Pair:
    """Return the middle of a pair, at most ``size`` pixels a side of its low-quality grid."""
    height, width = (side // scale for side in pair.gt.shape[:2])
    y, x = max(0, (height - size) // 2), max(0, (width - size) // 2)
    h, w = min(height, size), min(width, size)
    gt = pair.gt[y * scale : (y + h) * scale, x * scale : (x + w) * scale]
    return Pair(pair.path, np.ascontiguousarray(pair.lq[y : y + h, x : x + w]), np.ascontiguousarray(gt))


def degraded(pair: Pair, preset: Preset, scale: int, seed: int) -> Pair:
    """Return a pair with its low-quality side made by a preset; what happens depends on the seed and the file's name."""
    index = int.from_bytes(hashlib.sha256(pair.path.name.encode()).digest()[:6], "big")
    return Pair(pair.path, degrade_picture(pair.gt, preset, scale=scale, seed=seed, index=index), pair.gt)


def _file_of(item: Item) -> Path:
    return item.gt
