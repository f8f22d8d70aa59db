"""From the files of a pair to the two arrays that a method and a protocol take, or to a sentence on why not."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clearvision.errors import MissingExtraError, PictureError, UsageError
from clearvision.evaluation.sets import Pair, PictureSet
from clearvision.imaging.io import read_picture
from clearvision.imaging.resize import resize_scale

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


def pair_digest(picture_set: PictureSet, pair: Pair) -> str:
    """Return a digest that changes with the contents of a pair's files and with how its input is made from them.

    Raises:
        PictureError: if a file cannot be read.
    """
    digest = hashlib.sha256(f"{picture_set.scale} {picture_set.degrade} {picture_set.seed} {pair.name} 1".encode())
    for path in (pair.gt, pair.lq):
        try:
            digest.update(b"-" if path is None else hashlib.sha256(path.read_bytes()).digest())
        except OSError as error:
            raise PictureError(f"'{path}' cannot be read ({error.strerror})") from error
    return digest.hexdigest()


def load_pair(picture_set: PictureSet, pair: Pair) -> Loaded:
    """Read a pair, crop the ground truth to a multiple of the scale, and make the input where none is given.

    Raises:
        PictureError: if a file cannot be read, the two do not fit each other and the scale, or they are not 8-bit pictures.
        UsageError: if the degradation preset is unknown.
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
        lq = _degraded(gt, picture_set, pair) if picture_set.degrade else resize_scale(gt, 1 / scale)
        return Loaded(lq, gt)
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
    """Bring a picture stored as grey in one file and as RGB of equal channels in the other to grey; refuse grey against colour."""
    if lq.shape[2] == gt.shape[2]:
        return lq, gt
    coloured = lq if lq.shape[2] == 3 else gt
    if not (coloured == coloured[:, :, :1]).all():
        assert pair.gt is not None and pair.lq is not None
        grey, colour = (pair.lq, pair.gt) if lq.shape[2] == 1 else (pair.gt, pair.lq)
        raise PictureError(f"'{colour}' is in colour and '{grey}' is grey, so they do not show the same")
    return np.ascontiguousarray(lq[:, :, :1]), np.ascontiguousarray(gt[:, :, :1])


def _degraded(gt: Pixels, picture_set: PictureSet, pair: Pair) -> Pixels:
    assert picture_set.degrade is not None
    try:
        from clearvision.degradations.pipeline import degrade_picture
        from clearvision.degradations.presets import PRESETS
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("clearvision"):
            raise
        raise MissingExtraError(f"degrading needs {error.name}, not installed; pip install 'clearvision[torch]'") from error
    if picture_set.degrade not in PRESETS:
        raise UsageError(f"unknown degradation preset '{picture_set.degrade}'; known: {', '.join(PRESETS)}")
    seed = zlib.crc32(f"{picture_set.seed} {pair.name}".encode())  # of the name, so that a picture does not depend on the others
    return degrade_picture(gt, picture_set.degrade, picture_set.scale, seed)
