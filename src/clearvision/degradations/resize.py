"""Resizing batches on their device: the plain modes that degradations use, and MATLAB's bicubic as two matrix products."""

from __future__ import annotations

import functools

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from clearvision.degradations.rounding import rounded, to_levels
from clearvision.imaging.resize import resize


def resize_images(images: Tensor, height: int, width: int, mode: str) -> Tensor:
    """Resize a batch.

    Args:
        images: (B, C, H, W), float.
        height: rows wanted.
        width: columns wanted.
        mode: ``area`` (mean over each pixel's footprint), ``bilinear``, ``bicubic`` (a = -0.75), ``nearest``, all without
            antialiasing, or ``matlab``: antialiased bicubic with a = -0.5, rounded to 8 bits before, between the axes and after,
            as MATLAB does to files; gradients pass the rounding unchanged.

    Returns:
        (B, C, height, width) in [0, 1].
    """
    if mode == "matlab":
        return _as_matlab(images, height, width)
    mode, corners = ("nearest-exact", None) if mode == "nearest" else (mode, None if mode == "area" else False)
    return F.interpolate(images, (height, width), mode=mode, align_corners=corners).clamp(0, 1)  # bicubic overshoots


def _as_matlab(images: Tensor, height: int, width: int) -> Tensor:
    old_height, old_width = images.shape[2:]
    rows, columns = _weights(old_height, height).to(images), _weights(old_width, width).to(images)
    levels = to_levels(images)
    if width / old_width < height / old_height:  # the axis that shrinks more goes first
        levels = rows @ rounded(levels @ columns.T).clamp(0, 255)
    else:
        levels = rounded(rows @ levels).clamp(0, 255) @ columns.T
    return rounded(levels).clamp(0, 255) / 255


@functools.lru_cache(maxsize=32)
def _weights(old: int, new: int) -> Tensor:
    """Return (new, old): resizing is linear, so resizing the identity gives its matrix."""
    return torch.from_numpy(resize(np.eye(old, dtype=np.float32), new, old))
