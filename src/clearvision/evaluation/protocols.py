"""Protocols: everything that decides what a PSNR or an SSIM means, under a name.

The same two pictures score 23 dB or 25 dB, 0.7 or 0.94, by what is cropped, which channel is taken and which window SSIM uses. A
protocol fixes all of it, and every table that is made with one says its name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from clearvision.errors import ImageShapeError, UsageError
from clearvision.imaging.color import Y_OFFSET, Y_WEIGHTS
from clearvision.metrics.catalogue import METRICS, Metric
from clearvision.metrics.niqe import niqe
from clearvision.metrics.psnr import lr_consistency, mse, psnr
from clearvision.metrics.ssim import global_ssim, ms_ssim, ssim

FULL_RANGE_LUMA = (0.299, 0.587, 0.114)

Pixels = NDArray[np.uint8]
Planes = NDArray[np.float64]
LearnedMetric = Callable[[Pixels, Pixels], float]

_PLANE_METRICS: dict[str, Callable[[Planes, Planes], float]] = {
    "psnr": psnr,
    "mse": mse,
    "ms_ssim": ms_ssim,
    "global_ssim": global_ssim,
}
_LEAST_SIDE = {"ssim gaussian": 11, "ssim uniform7": 7, "ms_ssim": 176}  # of what is left after the crop


@dataclass(frozen=True)
class Protocol:
    """How two pictures are made comparable before a metric sees them.

    Attributes:
        name: what tables call it.
        channel: ``y`` studio-range luma, ``y-fullrange`` luma over 0..255, ``rgb`` all channels; of each, unrounded float64.
        crops: whether ``scale`` pixels are dropped on each side.
        window: SSIM's window: ``gaussian`` 11x11 sigma 1.5, ``uniform7``, or ``global`` for the whole picture.
        summary: one line that is printed with every table.
    """

    name: str
    channel: Literal["y", "y-fullrange", "rgb"]
    crops: bool
    window: Literal["gaussian", "uniform7", "global"]
    summary: str

    def crop_border(self, scale: int) -> int:
        """Pixels dropped on each side."""
        return scale if self.crops else 0


_ALL = (
    Protocol(
        "y",
        "y",
        True,
        "gaussian",
        "luma (BT.601 studio range, unrounded), scale pixels cropped on each side, SSIM gaussian 11x11 sigma 1.5 valid: "
        "the literature's super-resolution tables",
    ),
    Protocol(
        "y-fullrange",
        "y-fullrange",
        True,
        "gaussian",
        "luma over the full range (0.299 R + 0.587 G + 0.114 B), scale pixels cropped, SSIM gaussian 11x11: "
        "about 1.3 dB below protocol y",
    ),
    Protocol(
        "rgb",
        "rgb",
        True,
        "gaussian",
        "all RGB values, scale pixels cropped, SSIM gaussian 11x11, mean of the channels: BasicSR's RGB",
    ),
    Protocol(
        "rgb-uniform7",
        "rgb",
        False,
        "uniform7",
        "all RGB values, nothing cropped, SSIM uniform 7x7, mean of the channels: scikit-image's default on 8-bit pictures",
    ),
    Protocol(
        "tf-rgb",
        "rgb",
        False,
        "gaussian",
        "all RGB values, nothing cropped, SSIM gaussian 11x11, mean of the channels: tf.image.psnr and tf.image.ssim",
    ),
    Protocol(
        "global-ssim",
        "rgb",
        False,
        "global",
        "all RGB values, nothing cropped, SSIM over ONE window, the whole picture: far above windowed SSIM",
    ),
)

PROTOCOLS: dict[str, Protocol] = {protocol.name: protocol for protocol in _ALL}
DEFAULT_PROTOCOL = "y"


def find_protocol(name: str) -> Protocol:
    """Return a protocol by name.

    Raises:
        UsageError: if there is none of that name.
    """
    if name not in PROTOCOLS:
        raise UsageError(f"unknown protocol '{name}'; known: {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]


def find_metrics(names: Sequence[str]) -> tuple[Metric, ...]:
    """Return metrics by name, doubles once.

    Raises:
        UsageError: if there is none of a name, or no name.
    """
    for name in names:
        if name not in METRICS:
            raise UsageError(f"unknown metric '{name}'; known: {', '.join(METRICS)}")
    if not names:
        raise UsageError(f"no metric to compute; known: {', '.join(METRICS)}")
    return tuple(METRICS[name] for name in dict.fromkeys(names))


def check_size(height: int, width: int, scale: int, protocol: Protocol, metrics: Sequence[str]) -> None:
    """Refuse a ground truth that is too small for what is to be measured on it, before a network works on it.

    Raises:
        ImageShapeError: if less is left after the crop than a metric needs.
    """
    crop = protocol.crop_border(scale)
    left = min(height, width) - 2 * crop
    for name in metrics:
        least = _LEAST_SIDE.get(name if name != "ssim" else f"ssim {protocol.window}", 1)
        if left < least:
            cropped = f" after {crop} on each side are cropped" if crop else ""
            raise ImageShapeError(f"{width}x{height} pixels are too few: {name} needs {least}x{least}{cropped}")


def score(
    sr: Pixels,
    gt: Pixels | None,
    scale: int,
    protocol: Protocol,
    metrics: Sequence[str],
    *,
    lq: Pixels | None = None,
    learned: Mapping[str, LearnedMetric] = MappingProxyType({}),
) -> dict[str, float]:
    """Score a result.

    A picture stored with one channel is scored on its own values; grey that is stored as RGB goes through luma like any colour.

    Args:
        sr: (H, W, C), C = 1 or 3, RGB, the result, clamped and rounded.
        gt: the ground truth, of the same shape; None for metrics that need none.
        scale: the factor, which is also the crop of the protocols that crop.
        protocol: what the numbers shall mean.
        metrics: names out of :data:`~clearvision.metrics.catalogue.METRICS`.
        lq: the input, for ``lr_consistency``.
        learned: the metrics that need a network, by name.

    Returns:
        Metric to value, in the order asked for. PSNR of equal pictures is infinite.

    Raises:
        ImageShapeError: if the shapes differ or the pictures are too small.
        UsageError: if a metric is unknown, or lacks the ground truth, the input or the network that it needs.
    """
    planes: tuple[Planes, Planes] | None = None
    if gt is not None:
        if sr.shape != gt.shape:
            raise ImageShapeError(f"the result and the ground truth must have one shape, got {sr.shape} and {gt.shape}")
        check_size(gt.shape[0], gt.shape[1], scale, protocol, metrics)
        crop = protocol.crop_border(scale)
        window = (slice(crop, gt.shape[0] - crop), slice(crop, gt.shape[1] - crop))
        planes = (to_channel(sr[window], protocol.channel), to_channel(gt[window], protocol.channel))
    values = {}
    for name in metrics:
        if name in _PLANE_METRICS and planes is not None:
            values[name] = _PLANE_METRICS[name](*planes)
        elif name == "ssim" and planes is not None:
            values[name] = global_ssim(*planes) if protocol.window == "global" else ssim(*planes, window=protocol.window)
        elif name == "niqe":
            values[name] = niqe(sr, crop_border=protocol.crop_border(scale))
        elif name == "lr_consistency" and lq is not None:
            values[name] = lr_consistency(sr, lq, scale)
        elif name in learned and gt is not None:
            values[name] = learned[name](sr, gt)
        else:
            raise UsageError(_refusal(name))
    return values


def to_channel(image: Pixels, channel: Literal["y", "y-fullrange", "rgb"]) -> Planes:
    """Return what of a picture is compared, float64 on 0..255: (H, W) luma, or (H, W, C) as it is for RGB and for stored grey."""
    if channel == "rgb" or image.shape[2] == 1:
        return image.astype(np.float64)
    if channel == "y":
        return image.astype(np.float64) @ (np.array(Y_WEIGHTS) / 255) + Y_OFFSET
    return image.astype(np.float64) @ np.array(FULL_RANGE_LUMA)


def _refusal(name: str) -> str:
    (metric,) = find_metrics([name])
    needs = {"gt": "a ground truth", "lq": "the input", "none": "nothing"}[metric.reference]
    network = f" and its network ({metric.weights})" if metric.weights else ""
    return f"metric '{name}' needs {needs}{network}, which was not given"
