"""Metrics that need a pre-trained network: opened once a run, and only if they are asked for. They need the ``torch`` extra."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clearvision.errors import ModelError, UsageError
from clearvision.evaluation.protocols import LearnedMetric, find_metrics
from clearvision.metrics.backbones import BACKBONES, download_backbone, find_backbone
from clearvision.metrics.catalogue import Metric

Features = Callable[[NDArray[np.uint8]], NDArray[np.float64]]


def open_learned(
    metrics: Sequence[str], *, weights: Mapping[str, Path] | None = None, fetch: bool = False, device: str = "auto"
) -> dict[str, LearnedMetric]:
    """Return the learned per-picture metrics among some names, ready to compare two pictures.

    Args:
        metrics: names out of :data:`~clearvision.metrics.catalogue.METRICS`.
        weights: backbone to file, where it is not the official one in the user's cache.
        fetch: download what is missing into the user's cache.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.

    Raises:
        MissingExtraError: if PyTorch is needed and not installed.
        ModelError: if a network's file is missing or not that network's; the text says how to get it.
        UsageError: if a metric is unknown, or a file is given for an unknown network.
    """
    files = _files([metric for metric in find_metrics(metrics) if metric.per_picture], weights or {}, fetch)
    if not files:
        return {}
    from clearvision.metrics import perceptual

    where = _torch_device(device)
    makers: dict[str, Callable[[Path], LearnedMetric]] = {
        "lpips_alex": lambda file: perceptual.Lpips("alex", weights=file, device=where),
        "lpips_vgg": lambda file: perceptual.Lpips("vgg", weights=file, device=where),
        "unit_vgg19": lambda file: perceptual.Lpips("vgg19", weights=file, device=where),
        "vgg19": lambda file: perceptual.Vgg19Distance(weights=file, device=where),
    }
    return {name: makers[name](file) for name, file in files.items()}


def open_features(
    metrics: Sequence[str], *, weights: Mapping[str, Path] | None = None, fetch: bool = False, device: str = "auto"
) -> Features | None:
    """Return what computes a picture's features for FID, or None if FID is not asked for; otherwise as :func:`open_learned`."""
    files = _files([metric for metric in find_metrics(metrics) if not metric.per_picture], weights or {}, fetch)
    if not files:
        return None
    from clearvision.metrics.inception import InceptionFeatures

    return InceptionFeatures(weights=files["fid"], device=_torch_device(device))


def _files(metrics: Sequence[Metric], weights: Mapping[str, Path], fetch: bool) -> dict[str, Path]:
    for name in weights:
        if name not in BACKBONES:
            raise UsageError(f"unknown network '{name}' of a metric; known: {', '.join(BACKBONES)}")
    files = {}
    for metric in metrics:
        if metric.weights is None:
            continue
        try:
            if fetch and metric.weights not in weights:
                download_backbone(metric.weights)
            files[metric.name] = find_backbone(metric.weights, weights.get(metric.weights))
        except ModelError as error:
            way = f"on the command line --weights {metric.weights}=FILE, or --fetch"
            raise ModelError(f"metric '{metric.name}': {error} ({way})") from error
    return files


def _torch_device(device: str) -> str:
    if device != "auto":
        return device
    torch = sys.modules["torch"]
    return "cuda" if torch.cuda.is_available() else "cpu"
