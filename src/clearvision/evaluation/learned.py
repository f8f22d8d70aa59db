"""Metrics that need a pre-trained network: opened once a run, and only if they are asked for. They need the ``torch`` extra."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clearvision.errors import MissingExtraError, ModelError, UsageError
from clearvision.evaluation.protocols import LearnedMetric
from clearvision.metrics.backbones import BACKBONES, download_backbone, find_backbone
from clearvision.metrics.catalogue import METRICS

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
        UsageError: if a file is given for an unknown network.
    """
    files = _files([name for name in metrics if METRICS[name].per_picture], weights or {}, fetch)
    if not files:
        return {}
    perceptual = _torch_module("perceptual", next(iter(files)))
    where = _torch_device(device)
    makers = {
        "lpips_alex": lambda file: perceptual.Lpips("alex", weights=file, device=where),
        "lpips_vgg": lambda file: perceptual.Lpips("vgg", weights=file, device=where),
        "vgg19": lambda file: perceptual.Vgg19Distance(weights=file, device=where),
    }
    return {name: makers[name](file) for name, file in files.items()}


def open_features(
    metrics: Sequence[str], *, weights: Mapping[str, Path] | None = None, fetch: bool = False, device: str = "auto"
) -> Features | None:
    """Return what computes a picture's features for FID, or None if FID is not asked for; otherwise as :func:`open_learned`."""
    files = _files([name for name in metrics if not METRICS[name].per_picture], weights or {}, fetch)
    if not files:
        return None
    return _torch_module("inception", "fid").InceptionFeatures(weights=files["fid"], device=_torch_device(device))


def _files(metrics: Sequence[str], weights: Mapping[str, Path], fetch: bool) -> dict[str, Path]:
    for name in weights:
        if name not in BACKBONES:
            raise UsageError(f"unknown network '{name}' of a metric; known: {', '.join(BACKBONES)}")
    files = {}
    for name in metrics:
        backbone = METRICS[name].weights
        if backbone is None:
            continue
        try:
            if fetch and backbone not in weights:
                download_backbone(backbone)
            files[name] = find_backbone(backbone, weights.get(backbone))
        except ModelError as error:
            raise ModelError(f"metric '{name}': {error} (on the command line --weights {backbone}=FILE, or --fetch)") from error
    return files


def _torch_module(module: str, metric: str) -> object:
    from importlib import import_module

    try:
        return import_module(f"clearvision.metrics.{module}")
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("clearvision"):
            raise
        raise MissingExtraError(f"metric '{metric}' needs PyTorch, not installed; pip install 'clearvision[torch]'") from error


def _torch_device(device: str) -> str:
    if device != "auto":
        return device
    torch = sys.modules["torch"]
    return "cuda" if torch.cuda.is_available() else "cpu"
