"""Validation during training: the literature's PSNR-Y on held-out pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from clearvision.data.pool import Pair
from clearvision.imaging.resize import resize_scale
from clearvision.metrics.psnr import psnr_y


def centre_crops(pairs: Sequence[Pair], scale: int, gt_size: int) -> list[Pair]:
    """Return the pairs cut to their centre, at most ``gt_size`` pixels a side of gt."""
    return [_centre(pair, scale, gt_size // scale) for pair in pairs]


def validate(net: nn.Module, pairs: Sequence[Pair], scale: int, device: torch.device) -> float:
    """Return the mean PSNR-Y in dB of a network in evaluation mode, in float32."""
    scores = []
    for pair in pairs:
        lq = torch.from_numpy(pair.lq).to(device).permute(2, 0, 1)[None].float().div_(255)
        with torch.inference_mode():
            sr = net(lq)[0].clamp_(0, 1).mul_(255).round_().permute(1, 2, 0).to("cpu", torch.uint8).numpy()
        scores.append(psnr_y(sr, pair.gt, crop_border=scale))
    return float(np.mean(scores))


def bicubic_psnr(pairs: Sequence[Pair], scale: int) -> float:
    """Return the mean PSNR-Y in dB of bicubic enlargement: the row every figure is read against."""
    return float(np.mean([psnr_y(resize_scale(pair.lq, scale), pair.gt, crop_border=scale) for pair in pairs]))


def _centre(pair: Pair, scale: int, size: int) -> Pair:
    height, width = pair.lq.shape[:2]
    y, x = max(0, (height - size) // 2), max(0, (width - size) // 2)
    h, w = min(height, size), min(width, size)
    gt = pair.gt[y * scale : (y + h) * scale, x * scale : (x + w) * scale]
    return Pair(pair.path, np.ascontiguousarray(pair.lq[y : y + h, x : x + w]), np.ascontiguousarray(gt))
