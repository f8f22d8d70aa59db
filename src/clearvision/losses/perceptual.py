"""Losses between the features that a VGG trained on ImageNet sees: what is there (perceptual) and what it is made of (style).

Papers: Johnson, Alahi and Fei-Fei, "Perceptual Losses for Real-Time Style Transfer and Super-Resolution", ECCV 2016,
        https://arxiv.org/abs/1603.08155 -- section 3.2; Ledig et al., "SRGAN", CVPR 2017, section 2.2.1 (after the activation);
        Wang et al., "ESRGAN", ECCVW 2018, section 3.3 (before it); Gatys, Ecker and Bethge, "Image Style Transfer Using
        Convolutional Neural Networks", CVPR 2016, section 2.2; Zhang et al., "The Unreasonable Effectiveness of Deep Features as
        a Perceptual Metric" (LPIPS), CVPR 2018, equation 1.

Published weights of these terms belong to the file they were found with. A file whose layers were rescaled to a mean activation
of 1 gives other numbers than torchvision's own: see ``docs/losses.md`` for what to multiply them by.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clearvision.archs.vgg import VGGFeatures
from clearvision.errors import UsageError
from clearvision.losses.inputs import compared, full_precision, widened

Criterion = Literal["l1", "mse", "unit"]

ESRGAN_LAYERS: Mapping[str, float] = MappingProxyType({"conv5_4": 1.0})
REAL_ESRGAN_LAYERS: Mapping[str, float] = MappingProxyType(
    {"conv1_2": 0.1, "conv2_2": 0.1, "conv3_4": 1.0, "conv4_4": 1.0, "conv5_4": 1.0}
)


class PerceptualLoss(nn.Module):
    """Weighted sum over layers of the difference of features.

    Args:
        features: the frozen network; may be shared with other losses.
        layers: name to weight; ``conv5_4`` is before the activation, ``relu5_4`` after it.
        criterion: ``l1`` or ``mse``, the mean absolute or squared difference; or ``unit``, LPIPS's: the features of every place
            are brought to length 1, and the squared length of what they differ by is averaged over places.

    Raises:
        UsageError: if a layer or the criterion is unknown, or no layer is named.
    """

    def __init__(self, features: VGGFeatures, layers: Mapping[str, float] = ESRGAN_LAYERS, criterion: Criterion = "l1") -> None:
        super().__init__()
        features.names_by_index(layers)
        _check_criterion(criterion, get_args(Criterion))
        self.features, self.layers = features, dict(layers)
        self.criterion: Criterion = criterion

    def forward(self, sr: Tensor, gt: Tensor) -> Tensor:
        """Return the loss of sr against gt, both (B, 3, H, W), RGB in [0, 1]; gt gets no gradient."""
        return _weighted_sum(self.terms(sr, gt), self.layers)

    def terms(self, sr: Tensor, gt: Tensor) -> dict[str, Tensor]:
        """Return each layer's difference, not weighted."""
        pairs = _feature_pairs(self.features, self.layers, sr, gt)
        return {name: _difference(a, b, self.criterion) for name, (a, b) in pairs.items()}


class StyleLoss(nn.Module):
    """Weighted sum over layers of the mean absolute or squared difference of Gram matrices.

    A Gram matrix holds the products of every two channels, averaged over the picture and divided by the number of channels
    (Johnson et al., equation 3): which features go together, wherever they are. Johnson et al. sum the squares over the
    matrix where this takes the mean.

    Args:
        features: the frozen network; may be shared with other losses.
        layers: name to weight.
        criterion: ``l1`` or ``mse``.

    Raises:
        UsageError: if a layer or the criterion is unknown, or no layer is named.
    """

    def __init__(self, features: VGGFeatures, layers: Mapping[str, float], criterion: Criterion = "l1") -> None:
        super().__init__()
        features.names_by_index(layers)
        _check_criterion(criterion, ("l1", "mse"))
        self.features, self.layers = features, dict(layers)
        self.criterion: Criterion = criterion

    def forward(self, sr: Tensor, gt: Tensor) -> Tensor:
        """Return the loss of sr against gt, both (B, 3, H, W), RGB in [0, 1]; gt gets no gradient."""
        return _weighted_sum(self.terms(sr, gt), self.layers)

    def terms(self, sr: Tensor, gt: Tensor) -> dict[str, Tensor]:
        """Return each layer's difference, not weighted."""
        pairs = _feature_pairs(self.features, self.layers, sr, gt)
        return {name: _difference(gram_matrix(a), gram_matrix(b), self.criterion) for name, (a, b) in pairs.items()}


def gram_matrix(maps: Tensor) -> Tensor:
    """Return (B, C, C), the products of the channels of maps (B, C, h, w) summed over pixels and divided by C h w."""
    flat = widened(maps).flatten(2)
    with full_precision(flat):
        return flat @ flat.transpose(1, 2) / (flat.shape[1] * flat.shape[2])


def _feature_pairs(
    features: VGGFeatures, layers: Mapping[str, float], sr: Tensor, gt: Tensor
) -> dict[str, tuple[Tensor, Tensor]]:
    sr, gt = compared(sr, gt)
    with torch.no_grad():
        wanted = features(gt, layers)
    return {name: (maps, wanted[name]) for name, maps in features(sr, layers).items()}


def _difference(a: Tensor, b: Tensor, criterion: Criterion) -> Tensor:
    a, b = widened(a), widened(b)
    match criterion:
        case "l1":
            return F.l1_loss(a, b)
        case "mse":
            return F.mse_loss(a, b)
        case "unit":
            return (F.normalize(a) - F.normalize(b)).square().sum(1).mean()


def _weighted_sum(terms: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    return torch.stack([weights[name] * term for name, term in terms.items()]).sum()


def _check_criterion(criterion: str, known: tuple[str, ...]) -> None:
    if criterion not in known:
        raise UsageError(f"unknown criterion '{criterion}' of a feature loss; known: {', '.join(known)}")
