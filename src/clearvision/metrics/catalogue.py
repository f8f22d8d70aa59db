"""The metrics that exist: what a table or chart must know about each before it computes one.

How a metric is applied (channel, border, window) is the protocol's business; what it needs and which way is better is here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Metric:
    """One measure of quality.

    Attributes:
        name: key of :data:`METRICS`, also the column's name in files.
        unit: ``"dB"``, ``"grey levels squared"`` or ``""`` for a pure number.
        higher_is_better: direction.
        reference: what the picture is compared with: the ground truth, the low-quality input, or nothing.
        summary: one sentence for a table's foot.
        weights: name of the pre-trained network it needs (see :mod:`clearvision.metrics.backbones`), or None.
        per_picture: False for a distance between two whole sets of pictures.
    """

    name: str
    unit: str
    higher_is_better: bool
    reference: Literal["gt", "lq", "none"]
    summary: str
    weights: Literal["alexnet", "vgg16", "vgg19", "inception"] | None = None
    per_picture: bool = True


_ALL = (
    Metric("psnr", "dB", True, "gt", "Peak signal-to-noise ratio."),
    Metric("ssim", "", True, "gt", "Structural similarity over local windows (Wang et al. 2004)."),
    Metric("ms_ssim", "", True, "gt", "Structural similarity over five scales (Wang et al. 2003)."),
    Metric("mse", "grey levels squared", False, "gt", "Mean squared error on 0..255."),
    Metric(
        "global_ssim", "", True, "gt", "SSIM with the whole picture as the only window: far above windowed SSIM, not comparable."
    ),
    Metric("lr_consistency", "dB", True, "lq", "PSNR of the result, bicubically shrunk back, against the input (RGB)."),
    Metric("niqe", "", False, "none", "Natural image quality evaluator, no reference (Mittal et al. 2013)."),
    Metric(
        "lpips_alex", "", False, "gt", "Learned perceptual distance v0.1 over AlexNet (Zhang et al. 2018).", weights="alexnet"
    ),
    Metric("lpips_vgg", "", False, "gt", "Learned perceptual distance v0.1 over VGG16 (Zhang et al. 2018).", weights="vgg16"),
    Metric("unit_vgg19", "", False, "gt", "LPIPS's distance over VGG19 with all weights 1 (Zhang et al. 2018).", weights="vgg19"),
    Metric("vgg19", "", False, "gt", "Mean squared distance of VGG19 features conv5_4.", weights="vgg19"),
    Metric("fid", "", False, "gt", "Frechet inception distance between the two sets (Heusel et al. 2017).", "inception", False),
)

METRICS: dict[str, Metric] = {metric.name: metric for metric in _ALL}
