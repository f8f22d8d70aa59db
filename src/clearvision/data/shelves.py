"""Where pictures wait to be cut: decoded in memory, on the GPU, or still in their files.

A shelf knows the sizes of its pictures on the low-quality grid and gives windows of them. What is drawn from it is decided
elsewhere, so that every kind of shelf gives the same batches.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clearvision.data.decode import Pair, Shrink, read_item
from clearvision.data.layouts import Item
from clearvision.errors import DataError, PictureError
from clearvision.imaging.resize import resize_scale

logger = logging.getLogger(__name__)

BORDER = 3  # low-quality pixels around a window that the bicubic reaches into

Pixels = NDArray[np.uint8] | Tensor
Window = tuple[Pixels | None, Pixels]


class Shelf(Protocol):
    """Pictures of one kind.

    Attributes:
        sizes: (n, 2), height and width of each on the low-quality grid.
    """

    sizes: NDArray[np.int64]

    def window(self, index: int, y: int, x: int, size: int) -> Window:
        """Return lq (size, size, 3), or None where it is made later, and gt (size * scale, size * scale, 3), uint8.

        Raises:
            PictureError: if the file cannot be decoded, now or earlier.
        """
        ...

    def witness(self, index: int, y: int, x: int, size: int) -> NDArray[np.uint8]:
        """Return one channel of the window, (size, size), that tells how much there is to see; raises as ``window``."""
        ...


class MemoryShelf:
    """Everything decoded, in main memory."""

    def __init__(self, pairs: Sequence[Pair], scale: int) -> None:
        self.pairs, self.scale = pairs, scale
        self.sizes = np.array([_lq_size(pair, scale) for pair in pairs], dtype=np.int64).reshape(-1, 2)

    def window(self, index: int, y: int, x: int, size: int) -> Window:
        """See :class:`Shelf`."""
        return _cut(self.pairs[index], y, x, size, self.scale)

    def witness(self, index: int, y: int, x: int, size: int) -> NDArray[np.uint8]:
        """See :class:`Shelf`."""
        return _green(self.pairs[index], y, x, size, self.scale)


class DeviceShelf:
    """Everything decoded, on the GPU; one green plane a picture stays in main memory, for decisions that cannot wait."""

    def __init__(self, pairs: Sequence[Pair], scale: int, device: torch.device) -> None:
        self.scale = scale
        self.sizes = np.array([_lq_size(pair, scale) for pair in pairs], dtype=np.int64).reshape(-1, 2)
        self._gt = [torch.from_numpy(pair.gt).to(device) for pair in pairs]
        self._lq = [torch.from_numpy(pair.lq).to(device) for pair in pairs]
        self._green = [np.ascontiguousarray(_green(pair, 0, 0, None, scale)) for pair in pairs]

    def window(self, index: int, y: int, x: int, size: int) -> Window:
        """See :class:`Shelf`."""
        lq, gt, scale = self._lq[index], self._gt[index], self.scale
        cut = gt[y * scale : (y + size) * scale, x * scale : (x + size) * scale]
        return (lq[y : y + size, x : x + size] if lq.numel() else None), cut

    def witness(self, index: int, y: int, x: int, size: int) -> NDArray[np.uint8]:
        """See :class:`Shelf`."""
        return self._green[index][y : y + size, x : x + size]


class FileShelf:
    """Files that are decoded when they are needed; the latest ones are kept.

    Args:
        items: the pictures.
        sizes: of each on the low-quality grid.
        scale: ground-truth side divided by low-quality side.
        shrink: what happens to ground truth first.
        make_lq: make lq by the bicubic where there is no file of it.
        budget: bytes of decoded pictures to keep.
        most_unreadable: how many pictures may fail before it is an error.
    """

    def __init__(
        self,
        items: Sequence[Item],
        sizes: NDArray[np.int64],
        *,
        scale: int,
        shrink: Shrink,
        make_lq: bool,
        budget: float,
        most_unreadable: int,
    ) -> None:
        self.items, self.sizes, self.scale, self.shrink = items, sizes, scale, shrink
        self.unreadable: dict[Path, str] = {}
        self._make_lq, self._budget, self._most = make_lq, budget, most_unreadable
        self._kept: OrderedDict[int, Pair] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def window(self, index: int, y: int, x: int, size: int) -> Window:
        """See :class:`Shelf`."""
        pair, scale = self._pair(index), self.scale
        if pair.lq.size or not self._make_lq:
            return _cut(pair, y, x, size, scale)
        # The bicubic of a window with a border around it is the window of the whole picture's, for less work
        top, left = max(0, y - BORDER), max(0, x - BORDER)
        around = pair.gt[top * scale : (y + size + BORDER) * scale, left * scale : (x + size + BORDER) * scale]
        lq = resize_scale(around, 1 / scale)[y - top : y - top + size, x - left : x - left + size]
        return lq, pair.gt[y * scale : (y + size) * scale, x * scale : (x + size) * scale]

    def witness(self, index: int, y: int, x: int, size: int) -> NDArray[np.uint8]:
        """See :class:`Shelf`."""
        lq, gt = self.window(index, y, x, size)
        assert isinstance(gt, np.ndarray)
        return gt[:: self.scale, :: self.scale, 1] if lq is None else lq[:, :, 1]  # type: ignore[return-value]

    def _pair(self, index: int) -> Pair:
        with self._lock:
            if index in self._kept:
                self._kept.move_to_end(index)
                return self._kept[index]
        item = self.items[index]
        if item.gt in self.unreadable:
            raise PictureError(self.unreadable[item.gt])
        try:
            pair = read_item(item, self.scale, self.shrink, make_lq=False)
            if _lq_size(pair, self.scale) != tuple(self.sizes[index]):
                raise PictureError(f"{item.gt} has changed its size since the start")
        except (PictureError, DataError) as error:
            self._give_up(item.gt, str(error))
            raise PictureError(str(error)) from error
        with self._lock:
            if index not in self._kept:
                self._kept[index] = pair
                self._bytes += pair.gt.nbytes + pair.lq.nbytes
            while self._bytes > self._budget and len(self._kept) > 1:
                _, old = self._kept.popitem(last=False)
                self._bytes -= old.gt.nbytes + old.lq.nbytes
        return pair

    def _give_up(self, path: Path, why: str) -> None:
        with self._lock:
            if path in self.unreadable:
                return
            self.unreadable[path] = " ".join(why.split())
            count = len(self.unreadable)
        logger.warning("%s; it is left out (%d of %d so far)", self.unreadable[path], count, len(self.items))
        if count > self._most:
            raise DataError(too_many_unreadable(self.unreadable, len(self.items)))


def too_many_unreadable(unreadable: dict[Path, str], count: int) -> str:
    """Return the sentence for a data set too damaged to train on."""
    first = next(iter(unreadable.values()))
    return (
        f"{len(unreadable)} of {count} pictures cannot be used, more than data.most_unreadable allows; the first: {first}; "
        "`clearvision data inspect` names them all"
    )


def _lq_size(pair: Pair, scale: int) -> tuple[int, int]:
    return (pair.gt.shape[0] // scale, pair.gt.shape[1] // scale)


def _cut(pair: Pair, y: int, x: int, size: int, scale: int) -> Window:
    gt = pair.gt[y * scale : (y + size) * scale, x * scale : (x + size) * scale]
    return (pair.lq[y : y + size, x : x + size] if pair.lq.size else None), gt


def _green(pair: Pair, y: int, x: int, size: int | None, scale: int) -> NDArray[Any]:
    plane = pair.lq[:, :, 1] if pair.lq.size else pair.gt[::scale, ::scale, 1]
    return plane if size is None else plane[y : y + size, x : x + size]
