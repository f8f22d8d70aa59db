"""From one picture to its enlargement: passes of the network, resampling to the wished size, alpha, metadata."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from clearvision.errors import PictureError, UsageError
from clearvision.imaging import canvas
from clearvision.imaging.flow import Flow
from clearvision.imaging.resize import resize
from clearvision.imaging.sharpen import REACH, check_amount, sharpen
from clearvision.inference.consistency import back_project, check_corrections, consistency, lock_colour
from clearvision.inference.enlarge import Enlarger, Outcome, Progress
from clearvision.inference.ensemble import VIEWS
from clearvision.inference.kinds import as_picture
from clearvision.inference.opacity import blended
from clearvision.inference.plan import USUAL, Budget, Plan, halo_for, plan_picture, target_size
from clearvision.inference.progress import halves, part_of
from clearvision.inference.wrap import Tileable, axes_of, renormalise, resize_wrapped, unwrapped, wrap_margin, wrapped
from clearvision.types import ModelInfo, Picture, PixelArray
from clearvision.zoo.catalogue import find_model
from clearvision.zoo.checkpoint import Checkpoint, read_checkpoint

Lock = Literal["none", "colour", "input"]
Alpha = Literal["resize", "network"]


@dataclass(frozen=True)
class UpscaleReport:
    """How a result came about.

    Attributes:
        engine: ``openvino`` or ``torch``.
        device: ``cpu``, ``cuda`` or ``mps``.
        precision: ``f32``, ``bf16`` or ``f16``.
        tile: longest side of a window without its halo; 0 where the network did not run, to make a picture smaller.
        tiles: windows run for the result.
        seconds: time taken, without reading and writing files.
        retries: every step down the retry ladder, in words; empty when all went well.
        tile_error: largest difference across the cuts, where that was asked for.
        views: views of the picture that were averaged: 8 with the self-ensemble, else 1.
        consistency: PSNR in dB between the result made small again and the picture, where that was asked for.
    """

    engine: str
    device: str
    precision: str
    tile: int
    tiles: int
    seconds: float
    retries: tuple[str, ...] = ()
    tile_error: float | None = None
    views: int = 1
    consistency: float | None = None


class Upscaler:
    """A model ready to enlarge pictures.

    A picture comes back as what it came as: an array as an array of its type, a :class:`~clearvision.types.Picture` as a
    Picture with its metadata, a Pillow image as one. A path comes back as a Pillow image, which holds 8 bits a channel; to
    keep 16, read the file with :func:`clearvision.imaging.io.read_picture`.

    Args:
        model: a bundled model's name, the path of a model file (ours or another's, see docs/weights.md), or a checkpoint.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        precision: ``auto``, ``f32``, ``bf16`` or ``f16``.
        tile: longest side of a window without its halo, at least 16; by default as large as 768 MiB of activations allow.
        engine: ``openvino``, ``torch`` or None for the one that suits the device.
        tta: average the results of eight views of the picture, flipped and turned, at eight times the cost.
        vividness: between the faithful (0) and the vivid (1) twin of a model that has twins.
        lock: ``colour`` gives results the picture's own colours over areas, ``input`` makes them give the picture back when
            made small again; see :mod:`clearvision.inference.consistency`.
        measure_consistency: whether to measure that, at the cost of making every result small again.
        tileable: ``x``, ``y`` or ``both`` for textures that repeat; see :mod:`clearvision.inference.wrap`.
        normal_map: whether pictures are normal maps, whose vectors get length 1 again.
        memory: bytes that the program may take, 500 MB or more; what does not fit lies on disk meanwhile.
        alpha: how transparency is enlarged: ``resize`` by bicubic interpolation, ``network`` by the network, as a grey picture;
            what is wholly opaque or transparent stays so.
        sharpen: how much results are sharpened, 0 to 1, before they are locked; see :mod:`clearvision.imaging.sharpen`.

    Raises:
        ModelError: if the model is unknown, damaged or does not fit its network, or has no twin where vividness is given.
        UsageError: if an option is outside what is allowed or not to be had on this machine.
        MissingExtraError: if the torch engine is needed and PyTorch is not installed.
    """

    def __init__(
        self,
        model: str | Path | Checkpoint = "clean-x4",
        *,
        device: str = "auto",
        precision: str = "auto",
        tile: int | None = None,
        engine: str | None = None,
        tta: bool = False,
        vividness: float | None = None,
        lock: Lock = "none",
        measure_consistency: bool = False,
        tileable: Tileable = "none",
        normal_map: bool = False,
        memory: int | None = None,
        alpha: Alpha = "resize",
        sharpen: float = 0.0,
    ) -> None:
        if lock not in get_args(Lock):
            raise UsageError(f"lock '{lock}' is unknown; known: {', '.join(get_args(Lock))}")
        if alpha not in get_args(Alpha):
            raise UsageError(f"alpha '{alpha}' is unknown; known: {', '.join(get_args(Alpha))}")
        check_amount(sharpen)
        self._alpha, self._sharpen = alpha, sharpen
        self._lock, self._measures, self._normal_map = lock, measure_consistency, normal_map
        self._wraps = axes_of(tileable)
        self._budget = USUAL if memory is None else Budget.of(memory)
        checkpoint = _open(model, vividness)
        self._enlarger = Enlarger(checkpoint, device=device, precision=precision, engine=engine, tta=tta, budget=self._budget)
        self._views = len(VIEWS) if tta else 1
        self._tile = tile
        self.plan(1, 1)  # refuses a wrong tile now rather than at the first picture

    @property
    def info(self) -> ModelInfo:
        """The model's card."""
        return self._enlarger.checkpoint.info

    def plan(
        self,
        height: int,
        width: int,
        *,
        scale: float | None = None,
        to_width: int | None = None,
        to_height: int | None = None,
        megapixels: float | None = None,
        sample_bytes: int = 1,
    ) -> Plan:
        """Return what a picture of a size will take.

        Args:
            height: rows of the picture.
            width: columns of the picture.
            scale: as in :meth:`run`.
            to_width: its ``width``.
            to_height: its ``height``.
            megapixels: as in :meth:`run`.
            sample_bytes: bytes of one sample: 1, 2 or 4.

        Raises:
            UsageError: as :meth:`run`.
        """
        target = target_size(
            height, width, native=self.info.scale, scale=scale, to_width=to_width, to_height=to_height, megapixels=megapixels
        )
        precision = self._enlarger.engine.precision
        return plan_picture(
            self.info,
            precision,
            height=height,
            width=width,
            sample_bytes=sample_bytes,
            target=target,
            tile=self._tile,
            budget=self._budget,
        )

    def prepare(
        self,
        picture: Picture,
        *,
        scale: float | None = None,
        to_width: int | None = None,
        to_height: int | None = None,
        megapixels: float | None = None,
    ) -> None:
        """Do ahead of :meth:`run`, perhaps in another thread, what depends on the picture's size alone: compile its graph.

        Args:
            picture: the picture; its contents do not matter.
            scale: as in :meth:`run`.
            to_width: its ``width``.
            to_height: its ``height``.
            megapixels: as in :meth:`run`.

        Raises:
            UsageError: as :meth:`run`.
            MemoryError: if there is not enough memory; :meth:`run` will try less.
            EngineError: if the device fails.
        """
        height, width, channels = picture.pixels.shape
        plan = self.plan(height, width, scale=scale, to_width=to_width, to_height=to_height, megapixels=megapixels)
        if plan.passes:
            rows, columns = self._margins(height, width)
            self._enlarger.prepare(height + 2 * rows, width + 2 * columns, channels, self._tile)

    def __call__(
        self,
        image: object,
        *,
        scale: float | None = None,
        width: int | None = None,
        height: int | None = None,
        megapixels: float | None = None,
        verify_tiles: bool = False,
        progress: Progress | None = None,
    ) -> Any:  # noqa: ANN401 - the kind of image that came in; a Pillow image for a path
        """Return an image enlarged, of the same kind; see the class for kinds and :meth:`run` for the rest."""
        picture, back = as_picture(image)
        wishes = {"scale": scale, "width": width, "height": height, "megapixels": megapixels}
        return back(self.run(picture, **wishes, verify_tiles=verify_tiles, progress=progress)[0])  # type: ignore[arg-type]

    def run(
        self,
        picture: Picture,
        *,
        scale: float | None = None,
        width: int | None = None,
        height: int | None = None,
        megapixels: float | None = None,
        verify_tiles: bool = False,
        progress: Progress | None = None,
        begin: Callable[[Picture], Flow] | None = None,
    ) -> tuple[Picture, UpscaleReport]:
        """Return a picture enlarged, with its metadata, and how that went.

        Of scale, width, height and megapixels at most one may be given, and none means the model's own scale. The network runs
        until the picture is at least as large as wished, at most twice; the rest is antialiased bicubic resampling, and all of
        it for a picture made smaller. Sides are rounded to the nearest pixel.

        Args:
            picture: the picture; it does not change.
            scale: sides of the result divided by those of the picture, above 0 and at most 16.
            width: columns of the result; rows in proportion.
            height: rows of the result; columns in proportion.
            megapixels: millions of pixels of the result.
            verify_tiles: measure the difference across the cuts between tiles, at about three times the cost.
            progress: called with the pixels done and their total.
            begin: called before the rows of a large result begin to come, with the result whose pixels are not there yet, to have
                it written meanwhile: what it returns is told how far they are. Called anew where the picture is started afresh,
                and the flow before is abandoned. Not called for results that are made in one piece or corrected afterwards.

        Returns:
            The picture, of the same type, channels and resolution (dpi) and with the same metadata; and the report.

        Raises:
            UsageError: if a wish is outside what is allowed.
            PictureError: if the picture holds values that are not finite, or its result would not fit in this machine's memory.
            EngineError: if every step of the retry ladder failed, or verified tiles turn out not to be exact.
        """
        start = time.perf_counter()
        pixels = picture.pixels
        plan = self.plan(
            *pixels.shape[:2],
            scale=scale,
            to_width=width,
            to_height=height,
            megapixels=megapixels,
            sample_bytes=pixels.dtype.itemsize,
        )
        _check_memory(plan)
        if self._lock != "none":
            check_corrections(pixels, plan.height, plan.width, above=self._budget.in_memory)
        outcome = Outcome(self._enlarger.engine, self._tile)
        if picture.alpha is not None:
            from clearvision.imaging.alpha import bleed_colour

            pixels = bleed_colour(pixels, picture.alpha, above=self._budget.in_memory)
        source = pixels
        alpha = None if picture.alpha is None else self._fit(picture.alpha, plan)
        twice = self._alpha == "network" and picture.alpha is not None
        first, second = halves(progress) if twice else (progress, None)
        opened = None
        if begin is not None and not twice and self._is_final(plan, pixels):
            opened = lambda large: begin(replace(picture, pixels=large, alpha=alpha))  # noqa: E731
        pixels, agreement = self._finish(self._enlarge(pixels, plan, outcome, verify_tiles, first, opened), source)
        if alpha is not None and picture.alpha is not None and twice:
            grey = self._enlarge(picture.alpha[:, :, None], plan, outcome, verify_tiles, second)
            alpha = blended(alpha, grey[:, :, 0])
        result = replace(picture, pixels=pixels, alpha=alpha)
        engine = outcome.engine
        seconds = time.perf_counter() - start
        retries = tuple(outcome.retries)
        return result, UpscaleReport(
            engine.name,
            engine.device,
            engine.precision,
            outcome.longest,
            outcome.tiles,
            seconds,
            retries,
            outcome.tile_error,
            self._views,
            agreement,
        )

    def _is_final(self, plan: Plan, pixels: PixelArray) -> bool:
        """Whether the rows that the network makes are those of the result."""
        sides = tuple(side * self.info.scale**plan.passes for side in pixels.shape[:2])
        return sides == (plan.height, plan.width) and not (any(self._wraps) or self._corrects)

    @property
    def _corrects(self) -> bool:
        """Whether results are changed after the network."""
        return self._normal_map or self._lock != "none" or self._sharpen > 0

    def _enlarge(
        self,
        pixels: PixelArray,
        plan: Plan,
        outcome: Outcome,
        verify: bool,
        progress: Progress | None,
        begin: Callable[[PixelArray], Flow] | None = None,
    ) -> PixelArray:
        """Return pixels (H, W, C) at the plan's size, by as many passes as it says."""
        for index in range(plan.passes):
            part = part_of(progress, index, plan.passes, self.info.scale)
            pixels = self._pass(pixels, outcome, verify, part, begin if index == plan.passes - 1 else None)
        return self._fit(pixels, plan)

    def _fit(self, array: PixelArray, plan: Plan) -> PixelArray:
        """Resample to the plan's size, without overshoot."""
        if array.shape[:2] == (plan.height, plan.width):
            return array
        if any(self._wraps):
            resized = resize_wrapped(array, plan.height, plan.width, self._wraps)
        else:
            resized = resize(array, plan.height, plan.width, above=self._budget.in_memory)
        if array.dtype == np.float32:  # integers are clipped already
            low, high = canvas.extremes(array)
            for rows in canvas.bands(resized):
                np.clip(resized[rows], min(low, 0.0), max(high, 1.0), out=resized[rows])
        return resized

    def _pass(
        self,
        pixels: PixelArray,
        outcome: Outcome,
        verify: bool,
        progress: Progress | None,
        begin: Callable[[PixelArray], Flow] | None,
    ) -> PixelArray:
        """Run the network over a picture once, with what repeats continued beyond the edges."""
        if not any(self._wraps):
            return self._enlarger.enlarge(pixels, outcome, verify=verify, progress=progress, begin=begin)
        margins = self._margins(*pixels.shape[:2])
        large = self._enlarger.enlarge(wrapped(pixels, *margins), outcome, verify=verify, progress=progress)
        return np.ascontiguousarray(unwrapped(large, *(margin * self.info.scale for margin in margins)))

    def _margins(self, height: int, width: int) -> tuple[int, int]:
        """Return how many rows and columns of what repeats go on each side of a picture."""
        halo, multiple = halo_for(self.info)[0], self.info.size.multiple
        rows, columns = self._wraps
        return wrap_margin(height, halo, multiple) if rows else 0, wrap_margin(width, halo, multiple) if columns else 0

    def _finish(self, pixels: PixelArray, source: PixelArray) -> tuple[PixelArray, float | None]:
        """Return a result sharpened and held to its input as asked for, and how far it agrees with it."""
        if self._sharpen:
            pixels = self._sharpened(pixels)
        if pixels.shape[0] < source.shape[0] or pixels.shape[1] < source.shape[1]:
            return pixels, None
        if self._normal_map:
            pixels = renormalise(pixels)
        if self._lock != "none":
            pixels = (lock_colour if self._lock == "colour" else back_project)(pixels, source, above=self._budget.in_memory)
        return pixels, consistency(pixels, source, above=self._budget.in_memory) if self._measures else None

    def _sharpened(self, pixels: PixelArray) -> PixelArray:
        if not any(self._wraps):
            return sharpen(pixels, self._sharpen, above=self._budget.in_memory)
        rows, columns = (REACH if repeats else 0 for repeats in self._wraps)
        sharp = sharpen(wrapped(pixels, rows, columns), self._sharpen)
        return np.ascontiguousarray(unwrapped(sharp, rows, columns))


def _open(model: str | Path | Checkpoint, vividness: float | None) -> Checkpoint:
    if vividness is None:
        return model if isinstance(model, Checkpoint) else read_checkpoint(find_model(model))
    if isinstance(model, Checkpoint):
        raise UsageError("vividness needs a model's name or file, whose twin can be found; interpolate checkpoints yourself")
    from clearvision.zoo.interpolate import at_vividness

    return at_vividness(model, vividness)


def _check_memory(plan: Plan) -> None:
    """Refuse what this machine cannot hold."""
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # Windows
        return
    if plan.memory > memory:
        raise PictureError(
            f"a result of {plan.width}x{plan.height} pixels takes about {plan.memory / 1e9:.0f} GB of memory and this machine "
            f"has {memory / 1e9:.0f} GB; use a smaller scale"
        )
