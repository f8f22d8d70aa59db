"""From the files of a pair to the two arrays that a method and a protocol take, or to a sentence on why not."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clearvision.errors import PictureError
from clearvision.evaluation.sets import Pair, PictureSet
from clearvision.evaluation.store import DEFAULT_ROOM, Store
from clearvision.imaging.io import read_picture
from clearvision.imaging.resize import resize_scale

FORMAT = 1  # raised when the same files come to other pictures, so that finished ones are not taken for them

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Loaded:
    """A pair in memory.

    Attributes:
        lq: (h, w, C), C = 1 or 3, RGB.
        gt: (h * scale, w * scale, C), or None for a real picture.
    """

    lq: Pixels
    gt: Pixels | None


class PictureReader:
    """Reads the pairs of a set, each once as long as there is room to keep them.

    Args:
        picture_set: the set.
        room: bytes that the pictures kept may take.
    """

    def __init__(self, picture_set: PictureSet, room: int = DEFAULT_ROOM) -> None:
        self.picture_set = picture_set
        self._digests: dict[str, str] = {}
        self._loaded: Store[Loaded] = Store(room)

    def digest(self, pair: Pair) -> str:
        """Return a digest that changes with the contents of a pair's files and with how its input is made from them.

        Raises:
            PictureError: if a file cannot be read.
        """
        if pair.name not in self._digests:
            made = self.picture_set
            digest = hashlib.sha256(f"{made.scale} {made.degrade} {made.seed} {FORMAT}".encode())
            for path in (pair.gt, pair.lq if made.degrade is None else None):
                digest.update(b"-" if path is None else _file_digest(path).encode())
            self._digests[pair.name] = digest.hexdigest()
        return self._digests[pair.name]

    def load(self, pair: Pair) -> Loaded:
        """Return a pair's pictures; as :func:`load_pair`."""
        loaded = self._loaded.find(pair.name)
        if loaded is None:
            loaded = load_pair(self.picture_set, pair)
            self._loaded.keep(pair.name, loaded, loaded.lq.nbytes + (0 if loaded.gt is None else loaded.gt.nbytes))
        return loaded


def load_pair(picture_set: PictureSet, pair: Pair) -> Loaded:
    """Read a pair, crop the ground truth to a multiple of the scale, and make the input where none is given.

    Raises:
        PictureError: if a file cannot be read, the two do not fit each other and the scale, or they are not 8-bit pictures.
        UsageError: if the degradation preset is unknown.
        MissingExtraError: if the preset needs PyTorch, which is not installed.
    """
    scale = picture_set.scale
    if pair.gt is None:
        assert pair.lq is not None
        return Loaded(_read(pair.lq), None)
    gt = _read(pair.gt)
    height, width = (side // scale * scale for side in gt.shape[:2])
    if not (height and width):
        raise PictureError(f"'{pair.gt.name}' has {gt.shape[1]}x{gt.shape[0]} pixels, fewer than the scale, {scale}")
    full, gt = gt.shape, np.ascontiguousarray(gt[:height, :width])
    if pair.lq is None:
        if picture_set.degrade is None:
            return Loaded(resize_scale(gt, 1 / scale), gt)
        gt = np.repeat(gt, 3, axis=2) if gt.shape[2] == 1 else gt  # noise and JPEG bring colour into grey
        return Loaded(_degraded(gt, picture_set, pair), gt)
    lq = _read(pair.lq)
    if (lq.shape[0] * scale, lq.shape[1] * scale) != (height, width):
        raise PictureError(
            f"'{pair.gt.name}' has {full[1]}x{full[0]} pixels and '{pair.lq.name}' {lq.shape[1]}x{lq.shape[0]}, "
            f"which times {scale} is {lq.shape[1] * scale}x{lq.shape[0] * scale}"
        )
    return Loaded(*_same_channels(pair, lq, gt))


def _read(path: Path) -> Pixels:
    picture = read_picture(path)
    if picture.pixels.dtype != np.uint8:
        raise PictureError(f"'{path.name}' is {picture.pixels.dtype}; the protocols are defined on 8-bit pictures")
    if picture.alpha is not None and picture.alpha.min() < 255:
        raise PictureError(f"'{path.name}' is partly transparent; what would be compared depends on what shines through")
    return picture.pixels  # type: ignore[return-value]


def _same_channels(pair: Pair, lq: Pixels, gt: Pixels) -> tuple[Pixels, Pixels]:
    """Bring a picture stored as grey here and as RGB of equal channels there to grey; refuse grey against colour."""
    if lq.shape[2] == gt.shape[2]:
        return lq, gt
    coloured = lq if lq.shape[2] == 3 else gt
    if not (coloured == coloured[:, :, :1]).all():
        assert pair.gt is not None
        assert pair.lq is not None
        grey, colour = (pair.lq, pair.gt) if lq.shape[2] == 1 else (pair.gt, pair.lq)
        raise PictureError(f"'{colour}' is in colour and '{grey}' is grey, so they do not show the same")
    return np.ascontiguousarray(lq[:, :, :1]), np.ascontiguousarray(gt[:, :, :1])


def _degraded(gt: Pixels, picture_set: PictureSet, pair: Pair) -> Pixels:
    """Return the input that ``clearvision data degrade`` would write for this file with the same preset and seed."""
    from clearvision.degradations.folder import index_of
    from clearvision.degradations.pipeline import degrade_picture

    assert picture_set.degrade is not None
    assert pair.gt is not None
    index = index_of(_file_digest(pair.gt))
    return degrade_picture(gt, picture_set.degrade, scale=picture_set.scale, seed=picture_set.seed, index=index)


def _file_digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise PictureError(f"'{path}' cannot be read ({error.strerror})") from error
