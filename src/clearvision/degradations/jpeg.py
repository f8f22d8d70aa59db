"""JPEG as arithmetic on a batch: what libjpeg's encoder and decoder do to the pixels, without the bits between them.

It keeps libjpeg's roundings (YCbCr to 8 bits, chroma averaged by twos and brought back by its smooth upsampling, tables scaled
to integers, quarters between the two passes of the transform), so it differs from the real thing only where its fixed-point
constants tip a rounding: on photographs by less than 0.05 levels in the mean. Rounding lets gradients through unchanged.

Facts: ITU-T T.81 (JPEG); ITU-T T.871 (JFIF); the documentation of libjpeg.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from clearvision.degradations.exact import quantisation_tables
from clearvision.degradations.rounding import rounded, through, to_levels

# libjpeg's constants, in 65536ths
_TO_YCC = ((19595, 38470, 7471), (-11059, -21709, 32768), (32768, -27439, -5329))
_FROM_YCC = ((65536, 0, 91881), (65536, -22554, -46802), (65536, 116130, 0))
_MIDDLE = (0.0, 128.0, 128.0)
_HALVES_DOWN = (0.0, 2.0**-16, 2.0**-16)  # of chroma, where libjpeg encodes


def compress(images: Tensor, qualities: Sequence[int], *, chroma: str = "4:2:0") -> Tensor:
    """Return what comes back from a JPEG file, every sample by its own quality.

    Args:
        images: (B, 3, H, W), RGB, float in [0, 1]; rounded to 8 bits first.
        qualities: one a sample, 1 to 100.
        chroma: ``4:2:0`` halves the chroma on both axes, ``4:4:4`` leaves it whole.

    Returns:
        (B, 3, H, W), RGB in [0, 1], at 8-bit levels.
    """
    height, width = images.shape[2:]
    tables = [torch.from_numpy(np.stack(pair)) for pair in zip(*map(quantisation_tables, qualities), strict=True)]
    luma_table, chroma_table = (table.to(images)[:, None, None, None] for table in tables)
    # Columns are filled up before the chroma is halved, rows after it
    margin = (0, -width % 16, 0, height % 2) if chroma == "4:2:0" else (0, -width % 8, 0, 0)
    levels = F.pad(to_levels(images), margin, mode="replicate")
    planes = rounded(_colours(levels, _TO_YCC) + _column(_MIDDLE, images) - _column(_HALVES_DOWN, images))
    luma = _blocks_through(planes[:, :1], luma_table)[..., :height, :width]
    if chroma == "4:2:0":
        small = _blocks_through(_halved(planes[:, 1:]), chroma_table)[..., : (height + 1) // 2, : (width + 1) // 2]
        both = _doubled(small)[..., :height, :width]
    else:
        both = _blocks_through(planes[:, 1:], chroma_table)[..., :height, :width]
    decoded = _colours(torch.cat([luma, both], dim=1) - _column(_MIDDLE, images), _FROM_YCC)
    return rounded(decoded).clamp(0, 255) / 255


def _blocks_through(planes: Tensor, table: Tensor) -> Tensor:
    """Transform, quantise and back: (B, C, H, W) in 8-bit levels, W a multiple of 8; table (B, 1, 1, 1, 8, 8).

    The result is filled up to whole blocks. Rows go first, then columns, and back the other way, rounded between to quarters,
    as libjpeg's integer transform does.
    """
    planes = F.pad(planes, (0, 0, 0, -planes.shape[2] % 8), mode="replicate")
    batch, channels, height, width = planes.shape
    basis = _cosines().to(planes)
    blocks = (planes - 128).reshape(batch, channels, height // 8, 8, width // 8, 8).transpose(3, 4)
    rows = rounded(blocks @ basis.T * 4)
    eighths = rounded(basis @ rows / 4)  # the coefficients, 8 times
    restored = through(eighths.sign() * torch.floor(eighths.abs() / (8 * table) + 0.5) * table, eighths / 8)
    columns = rounded(basis.T @ restored * 4)
    levels = rounded(columns @ basis / 32).transpose(3, 4).reshape(planes.shape)
    return (levels + 128).clamp(0, 255)


def _halved(planes: Tensor) -> Tensor:
    """Average 2x2 pixels; halves go down and up by turns along a row, as libjpeg's do."""
    sums = F.avg_pool2d(planes, 2) * 4
    bias = torch.arange(sums.shape[-1], device=planes.device).remainder(2) + 1
    return through(torch.floor((sums + bias) / 4), sums / 4)


def _doubled(planes: Tensor) -> Tensor:
    """Double both sides by weights of 3 and 1 between neighbours, rounded as libjpeg does."""
    if planes.shape[-1] <= 2:  # libjpeg repeats pixels where there are too few
        return planes.repeat_interleave(2, 2).repeat_interleave(2, 3)
    tall = F.pad(planes, (0, 0, 1, 1), mode="replicate")
    rows = torch.stack([3 * planes + tall[..., :-2, :], 3 * planes + tall[..., 2:, :]], dim=3)
    rows = rows.reshape(*planes.shape[:2], -1, planes.shape[-1])
    wide = F.pad(rows, (1, 1, 0, 0), mode="replicate")
    columns = torch.stack([3 * rows + wide[..., :-2] + 8, 3 * rows + wide[..., 2:] + 7], dim=4).flatten(3)
    return through(torch.floor(columns / 16), columns / 16)


def _cosines() -> Tensor:
    """Return the DCT-II of length 8, (frequency, place), times the root of 8.

    So a quarter of its entries are exactly 1 or -1, and what libjpeg computes without rounding is exact here on every machine.
    """
    place = torch.arange(8, dtype=torch.float64)
    basis = torch.cos(math.pi / 8 * place[:, None] * (place + 0.5)) * math.sqrt(2)
    basis[0] = 1
    return basis


def _colours(planes: Tensor, matrix: Sequence[Sequence[float]]) -> Tensor:
    return torch.einsum("dc,bchw->bdhw", planes.new_tensor(matrix) / 65536, planes)


def _column(values: Sequence[float], like: Tensor) -> Tensor:
    return like.new_tensor(values)[:, None, None]
