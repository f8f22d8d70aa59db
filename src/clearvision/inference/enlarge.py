"""Run a network over a picture of any size, window by window, and never let a failure pass for a picture.

The ladder: an output that is not finite is computed again in float32, then on the CPU; a shortage of memory is met with windows
of half the side down to 64, then with the CPU; a failing device with the CPU. Each step starts the picture afresh, so that it
comes out of one kind of arithmetic, and is told in the result. Below the last step stands an error.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from clearvision.errors import EngineError, PictureError
from clearvision.imaging import canvas
from clearvision.imaging.flow import Flow
from clearvision.imaging.tiling import Tile, take_window
from clearvision.inference.engines import Batch, Engine, open_engine, prepare, run_many
from clearvision.inference.ensemble import EnsembleEngine
from clearvision.inference.plan import USUAL, Budget, bytes_per_pixel, halo_for, longest_side, plan_pass
from clearvision.inference.verify import EXACT, SeamCheck
from clearvision.types import PixelArray
from clearvision.zoo.checkpoint import Checkpoint

logger = logging.getLogger(__name__)

LEAST_TILE = 64
FULL = {"uint8": 255, "uint16": 65535, "float32": 1}
_ROWS = 16  # rows rounded at a time: few enough to stay in the processor's cache

Progress = Callable[[int, int], None]


@dataclass
class Outcome:
    """What happened to one picture; grows while it is worked on.

    Attributes:
        engine: the engine that made the result.
        tile: side asked of the windows without halo, None for the plan's choice.
        longest: longest side of a window without halo.
        tiles: windows run for the result.
        retries: every step down the ladder, in words.
        tile_error: largest difference across the cuts, where it was measured.
    """

    engine: Engine
    tile: int | None
    longest: int = 0
    tiles: int = 0
    retries: list[str] = field(default_factory=list)
    tile_error: float | None = None


class _NotFiniteError(Exception):
    """An output holds NaN or infinity."""


class Enlarger:
    """One model with the engines that its pictures need.

    Args:
        checkpoint: the model.
        device: as in :func:`~clearvision.inference.engines.open_engine`.
        precision: likewise.
        engine: name of the engine, likewise.
        tta: average eight views of every window; see :mod:`clearvision.inference.ensemble`.
        budget: how much memory windows and pictures may take.

    Raises:
        UsageError: as :func:`~clearvision.inference.engines.open_engine`; as do ModelError and MissingExtraError.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        device: str = "auto",
        precision: str = "auto",
        engine: str | None = None,
        tta: bool = False,
        budget: Budget = USUAL,
    ) -> None:
        self.checkpoint = checkpoint
        self._tta = tta
        self._budget = budget
        self.engine = self._open(device, precision, engine)

    def prepare(self, height: int, width: int, channels: int, tile: int | None) -> None:
        """Compile what a pass over a picture of a size will need, unless a second graph of its size would take too much memory.

        Raises:
            MemoryError: as :meth:`~clearvision.inference.engines.Engine.run`, as does EngineError.
        """
        info = self.checkpoint.info
        tiles = plan_pass(info, self.engine.precision, height, width, tile, self._budget.tile_memory)
        rows, columns = tiles[0].y1 - tiles[0].y0, tiles[0].x1 - tiles[0].x0
        if 2 * rows * columns * bytes_per_pixel(info, self.engine.precision) <= self._budget.tile_memory:
            prepare(self.engine, channels if info.num_in_ch == 1 else 1, rows, columns)

    def enlarge(
        self,
        pixels: PixelArray,
        outcome: Outcome,
        *,
        verify: bool = False,
        progress: Progress | None = None,
        begin: Callable[[PixelArray], Flow] | None = None,
    ) -> PixelArray:
        """Return the picture enlarged by the network's scale, clamped, rounded, of the same type and channels.

        Args:
            pixels: (H, W, C), C = 1 or 3, uint8, uint16 or float32; grey is shown to a colour network as such, and each channel
                of a colour picture to a grey one.
            outcome: where to start on the ladder; what happens is noted in it.
            verify: measure the difference across the cuts, at about three times the cost.
            progress: called with the input pixels done and their total.
            begin: called with the empty result before windows that make it row by row; what it returns is told how far they are,
                or that they are given up. The last row counts as made when all is checked.

        Raises:
            PictureError: if a float picture holds values that are not finite.
            EngineError: if every step of the ladder failed, or the cuts of exact tiles are found to show.
        """
        scale = self.checkpoint.info.scale
        height, width, channels = pixels.shape
        limits = _limits(pixels)
        out = cast(
            "PixelArray", canvas.empty((height * scale, width * scale, channels), pixels.dtype, above=self._budget.in_memory)
        )
        while True:
            engine = outcome.engine
            tiles = plan_pass(self.checkpoint.info, engine.precision, height, width, outcome.tile, self._budget.tile_memory)
            check = SeamCheck(tiles, scale, self.checkpoint.info.size.multiple) if verify else None
            flow = begin(out) if begin is not None and tiles[-1].core_y0 > 0 else None
            try:
                with _told(flow, len(out)) as reach:
                    self._fill(out, pixels, tiles, engine, limits, check, progress, reach)
                    if check is not None:
                        self._judge(check, pixels, outcome)
            except (MemoryError, EngineError, _NotFiniteError) as error:
                step = self._step_down(error, outcome, tiles)
            else:
                outcome.longest = max(outcome.longest, longest_side(tiles))
                outcome.tiles += len(tiles)
                return out
            logger.warning("%s", step)
            outcome.retries.append(step)

    def _open(self, device: str, precision: str = "auto", name: str | None = None) -> Engine:
        engine = open_engine(self.checkpoint, device=device, precision=precision, name=name)
        return EnsembleEngine(engine) if self._tta else engine

    def _fill(
        self,
        out: PixelArray,
        pixels: PixelArray,
        tiles: tuple[Tile, ...],
        engine: Engine,
        limits: tuple[float, float],
        check: SeamCheck | None,
        progress: Progress | None,
        reach: Callable[[int], None],
    ) -> None:
        scale = self.checkpoint.info.scale
        total = sum(_area(tile) for tile in tiles)
        done = 0
        for tile, image in zip(tiles, self._images(pixels, tiles, engine), strict=True):
            if check is not None:
                check.keep(tile, image)
            _round_into(out[tile.core(scale)], image[tile.core_in_window(scale)], limits)
            canvas.release(out)
            canvas.release(pixels)
            if tile.core_x1 * scale >= out.shape[1]:
                reach(tile.core_y1 * scale)
            done += _area(tile)
            if progress is not None:
                progress(done, total)

    def _images(self, pixels: PixelArray, tiles: tuple[Tile, ...], engine: Engine) -> Iterator[Batch]:
        """Yield the network's output (h * scale, w * scale, C) for every window; it lives until the next."""
        channels = pixels.shape[2]
        batches = (_batch(take_window(pixels, tile), self.checkpoint.info.num_in_ch) for tile in tiles)
        for result in run_many(engine, batches):
            with np.errstate(over="ignore", invalid="ignore"):
                total = result.sum()  # one addition a value, and any NaN or infinity survives it
            if not np.isfinite(total):
                raise _NotFiniteError
            yield _image(result, channels)

    def _judge(self, check: SeamCheck, pixels: PixelArray, outcome: Outcome) -> None:
        info = self.checkpoint.info
        witnesses = check.witnesses()
        for tile, image in zip(witnesses, self._images(pixels, witnesses, outcome.engine), strict=True):
            check.compare(tile, image)
        outcome.tile_error = max(check.error, outcome.tile_error or 0.0)
        if halo_for(info)[1] and outcome.engine.precision == "f32" and check.error > EXACT:
            raise SeamError(
                f"tiles differ by {check.error:.1e} across their cuts, more than {EXACT:.0e}: the receptive radius "
                f"({info.receptive_radius}) on the card of '{info.name}' is too small for its network"
            )

    def _step_down(self, error: Exception, outcome: Outcome, tiles: tuple[Tile, ...]) -> str:
        """Prepare the outcome for the next attempt and return what was done, or raise EngineError."""
        engine = outcome.engine
        here = f"{engine.name} on {engine.device} in {engine.precision}"
        if isinstance(error, SeamError):
            raise error
        side = min(longest_side(tiles), outcome.tile or longest_side(tiles))  # windows may be wider than what was asked for
        if isinstance(error, MemoryError) and side > LEAST_TILE:
            outcome.tile = max(LEAST_TILE, side // 2)
            return f"{here}: not enough memory for tiles of {side}; again with tiles of {outcome.tile}"
        if isinstance(error, _NotFiniteError) and engine.precision != "f32":
            outcome.engine = self._open(engine.device, "f32", engine.name)
            return f"{here}: the output is not finite; again in f32"
        reason = "the output is not finite" if isinstance(error, _NotFiniteError) else str(error) or "not enough memory"
        if engine.device != "cpu":
            outcome.engine = self._open("cpu")
            return f"{here}: {reason}; again on the CPU"
        raise EngineError(f"{here} failed and nothing is left to try: {reason}") from error


class SeamError(EngineError):
    """Cuts between tiles that ought to be exact were found to show."""


@contextmanager
def _told(flow: Flow | None, rows: int) -> Iterator[Callable[[int], None]]:
    """Give what tells a flow how many of its rows are made; afterwards they all are, or it is abandoned."""
    if flow is None:
        yield lambda made: None
        return
    try:
        yield lambda made: flow.reach(min(made, rows - 1))
        flow.reach(rows)
    except BaseException:
        flow.abandon()
        raise


def _batch(window: PixelArray, num_in_ch: int) -> Batch:
    """Return (B, num_in_ch, h, w) in [0, 1], channels last in memory: one picture, or one a channel for a grey network."""
    floats = np.divide(window, np.float32(FULL[window.dtype.name]), dtype=np.float32)
    if window.shape[2] == num_in_ch:
        return floats.transpose(2, 0, 1)[None]
    if num_in_ch == 1:
        return np.ascontiguousarray(floats.transpose(2, 0, 1))[:, None]
    return np.repeat(floats, num_in_ch, axis=2).transpose(2, 0, 1)[None]


def _image(result: Batch, channels: int) -> Batch:
    """Return the network's output as (H, W, C), C as in the picture."""
    image = result[0].transpose(1, 2, 0) if len(result) == 1 else result[:, 0].transpose(1, 2, 0)
    return image if image.shape[2] == channels else image.mean(axis=2, keepdims=True)


def _limits(pixels: PixelArray) -> tuple[float, float]:
    """Return the range that results are clamped to: a float picture's own where that is wider than [0, 1]."""
    if pixels.dtype != np.float32:
        return 0.0, 1.0
    low, high = canvas.extremes(pixels)
    if not np.isfinite(low + high):
        raise PictureError("the picture holds values that are not finite (NaN or infinity); replace them first")
    return min(low, 0.0), max(high, 1.0)


def _round_into(target: NDArray[Any], image: Batch, limits: tuple[float, float]) -> None:
    """Write an output into its place, clamped, scaled to the type's range and rounded half up; what overhangs is cropped."""
    height, width = target.shape[:2]
    full = np.float32(FULL[target.dtype.name])
    for top in range(0, height, _ROWS):
        rows = np.clip(image[top : min(top + _ROWS, height), :width], *limits)
        target[top : top + _ROWS] = rows if target.dtype == np.float32 else rows * full + np.float32(0.5)


def _area(tile: Tile) -> int:
    return (tile.core_y1 - tile.core_y0) * (tile.core_x1 - tile.core_x0)
