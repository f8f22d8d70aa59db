"""What can be put into a table: networks and plain interpolations, behind one small protocol."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from clearvision.errors import ModelError, UsageError
from clearvision.imaging.resize import resize_scale
from clearvision.inference.upscaler import Upscaler
from clearvision.types import ModelInfo, Picture
from clearvision.zoo.catalogue import bundled_models, find_model
from clearvision.zoo.checkpoint import Checkpoint, read_checkpoint
from clearvision.zoo.cost import ModelCost, model_cost

Pixels = NDArray[np.uint8]

INTERPOLATIONS = ("bicubic", "lanczos", "nearest")
BASELINE = "bicubic"
VIEWS = 8  # of the self-ensemble


class Method(Protocol):
    """Something that enlarges pictures.

    Attributes:
        label: what tables call it.
        identity: changes whenever results may; a finished picture is known by it.
        scale: the factor it is made for, None for any.
        cost: parameters and multiply-adds, None for an interpolation.
        info: the model's card, None for an interpolation.
        sha256: digest of the model's file, None for an interpolation.
        retries: what went wrong and was mended while it ran.
    """

    label: str
    identity: str
    scale: int | None
    cost: ModelCost | None
    info: ModelInfo | None
    sha256: str | None
    retries: list[str]

    def enlarge(self, lq: Pixels, scale: int) -> tuple[Pixels, float, str]:
        """Return lq (h, w, C) enlarged, clamped and rounded; the seconds it took; and what computed it, in words."""
        ...


class Interpolation:
    """An interpolation with MATLAB's kernels, clamped and rounded once at the end like a network's output."""

    scale: int | None = None
    cost: ModelCost | None = None
    info: ModelInfo | None = None
    sha256: str | None = None

    def __init__(self, kernel: str) -> None:
        if kernel not in INTERPOLATIONS:
            raise UsageError(f"unknown interpolation '{kernel}'; known: {', '.join(INTERPOLATIONS)}")
        self.label = kernel
        self.identity = f"interpolation:{kernel}:1"
        self.retries: list[str] = []

    def enlarge(self, lq: Pixels, scale: int) -> tuple[Pixels, float, str]:
        """Return lq (h, w, C) enlarged; at scale 1 as it is."""
        start = time.perf_counter()
        if scale == 1:
            return lq, time.perf_counter() - start, "numpy"
        sharp = resize_scale(lq.astype(np.float32), scale, kernel=self.label)  # type: ignore[arg-type]
        sharp += np.float32(0.5)
        np.clip(sharp, 0, 255, out=sharp)  # the conversion then cuts off: together, rounding half up
        return sharp.astype(np.uint8), time.perf_counter() - start, "numpy"


class Network:
    """A model, opened when its first picture comes.

    Args:
        checkpoint: the model.
        label: what tables call it.
        device: as in :class:`~clearvision.inference.upscaler.Upscaler`.
        precision: likewise.
        engine: likewise.
        tile: likewise.
        tta: likewise.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        label: str,
        *,
        device: str,
        precision: str,
        engine: str | None,
        tile: int | None,
        tta: bool = False,
    ) -> None:
        self.label = label
        self.scale: int | None = checkpoint.info.scale
        self.cost: ModelCost | None = _cost(checkpoint, VIEWS if tta else 1)
        self.info: ModelInfo | None = checkpoint.info
        self.sha256: str | None = checkpoint.sha256
        self.identity = f"network:{checkpoint.sha256}:{engine}:{device}:{precision}:{tile}:{VIEWS if tta else 1}"
        self.retries: list[str] = []
        self._checkpoint = checkpoint
        self._options = {"device": device, "precision": precision, "engine": engine, "tile": tile, "tta": tta}
        self._upscaler: Upscaler | None = None

    def enlarge(self, lq: Pixels, scale: int) -> tuple[Pixels, float, str]:
        """Return lq (h, w, C) enlarged by the model's own scale.

        Raises:
            UsageError: as :class:`~clearvision.inference.upscaler.Upscaler`; as do MissingExtraError and ModelError.
            EngineError: if the picture could not be computed.
        """
        assert scale == self.scale
        if self._upscaler is None:
            self._upscaler = Upscaler(self._checkpoint, **self._options)  # type: ignore[arg-type]
        result, report = self._upscaler.run(Picture(lq))
        self.retries.extend(retry for retry in report.retries if retry not in self.retries)
        return result.pixels, report.seconds, f"{report.engine} {report.device} {report.precision}"  # type: ignore[return-value]


def _cost(checkpoint: Checkpoint, views: int) -> ModelCost:
    once = model_cost(checkpoint)
    return replace(once, macs_per_pixel=None if once.macs_per_pixel is None else views * once.macs_per_pixel)


def open_methods(
    names: Sequence[str],
    *,
    device: str = "auto",
    precision: str = "auto",
    engine: str | None = None,
    tile: int | None = None,
    tta: bool = False,
) -> list[Method]:
    """Return the methods of names, the bicubic baseline always first.

    Args:
        names: bundled models, paths of model files, or :data:`INTERPOLATIONS`; doubles count once.
        device: of the networks.
        precision: of the networks.
        engine: of the networks, None for the one that suits the device.
        tile: of the networks, None for their own choice.
        tta: average eight views in the networks; their labels then say so.

    Raises:
        ModelError: if a model is unknown or damaged.
        UsageError: if the networks enlarge by different scales.
    """
    methods: list[Method] = [Interpolation(BASELINE)]
    for name in dict.fromkeys(names):
        if name in INTERPOLATIONS:
            if name != BASELINE:
                methods.append(Interpolation(name))
            continue
        try:
            checkpoint = read_checkpoint(find_model(name))
        except ModelError as error:
            raise ModelError(f"{error}; or one of {', '.join(INTERPOLATIONS)}") from error
        ending = " tta" if tta else ""
        label = (name if name in bundled_models() else Path(name).stem) + ending
        if label in (method.label for method in methods):
            label = name + ending
        options = {"device": device, "precision": precision, "engine": engine, "tile": tile, "tta": tta}
        methods.append(Network(checkpoint, label, **options))  # type: ignore[arg-type]
    scales = {method.label: method.scale for method in methods if method.scale is not None}
    if len(set(scales.values())) > 1:
        told = ", ".join(f"{label} x{scale}" for label, scale in scales.items())
        raise UsageError(
            f"the models enlarge by different factors ({told}), so their scores cannot share a table; evaluate them apart"
        )
    return methods
