"""Resizing batches on their device: the plain modes that degradations use, and MATLAB's bicubic as two matrix products."""

from __future__ import annotations

import functools

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from clearvision.imaging.resize import resize


def resize_images(images: Tensor, height: int, width: int, mode: str) -> Tensor:
    """Resize a batch.

    Args:
        images: (B, C, H, W), float.
        height: rows wanted.
        width: columns wanted.
        mode: ``area`` (mean over each pixel's footprint), ``bilinear``, ``bicubic`` (a = -0.75), ``nearest``, all without
            antialiasing, or ``matlab``: antialiased bicubic with a = -0.5, without rounding between the two axes.

    Returns:
        (B, C, height, width), not clamped: bicubic kernels overshoot.
    """
    if mode == "matlab":
        rows, columns = (_weights(*sizes).to(images) for sizes in ((images.shape[2], height), (images.shape[3], width)))
        return rows @ images @ columns.T
    if mode == "nearest":
        return F.interpolate(images, (height, width), mode="nearest-exact")
    if mode == "area":
        return F.interpolate(images, (height, width), mode="area")
    return F.interpolate(images, (height, width), mode=mode, align_corners=False)


@functools.lru_cache(maxsize=32)
def _weights(old: int, new: int) -> Tensor:
    """Return (new, old): resizing is linear, so resizing the identity gives its matrix."""
    return torch.from_numpy(resize(np.eye(old, dtype=np.float32), new, old))
