"""A picture that compares two ways from one network to another: mixing their weights, and mixing their results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from clearvision.errors import UsageError
from clearvision.inference.enlarge import FULL
from clearvision.inference.upscaler import Upscaler
from clearvision.types import Picture, PixelArray
from clearvision.zoo.checkpoint import Checkpoint
from clearvision.zoo.interpolate import interpolate

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont, ImageFont

ALPHAS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
SIDE = 128  # of the part of the picture that is shown, in its own pixels: details are what the two ways differ in
GAP, TEXT = 8, 16  # pixels between the cells; least size of the letters
PAPER, INK = 255, 32

Rgb = NDArray[np.uint8]


def interpolation_strip(
    a: Checkpoint,
    b: Checkpoint,
    picture: Picture,
    *,
    alphas: Sequence[float] = ALPHAS,
    device: str = "auto",
    precision: str = "auto",
) -> Picture:
    """Return two labelled rows over alpha: the networks between A and B above, the mixed results of A and B below.

    Args:
        a: the network at alpha 0.
        b: the network at alpha 1.
        picture: what they enlarge; of a large picture the middle 128x128 pixels.
        alphas: from left to right, each in [0, 1].
        device: as in :class:`~clearvision.inference.upscaler.Upscaler`.
        precision: likewise.

    Returns:
        RGB, uint8.

    Raises:
        ModelError: if the networks differ.
        UsageError: if an alpha lies outside [0, 1] or there is none.
    """
    if not alphas:
        raise UsageError("a strip needs at least one alpha")
    source = Picture(_as_floats(_middle(picture.pixels)))

    def enlarged(alpha: float) -> NDArray[np.float32]:
        between = Upscaler(interpolate(a, b, alpha), device=device, precision=precision)
        return np.asarray(between.run(source)[0].pixels, np.float32)

    first, last = enlarged(0), enlarged(1)
    by_weights = [first if alpha == 0 else last if alpha == 1 else enlarged(alpha) for alpha in alphas]
    by_pixels = [np.asarray(first + alpha * (last - first), np.float32) for alpha in alphas]
    rows = (
        (f"weights mixed: from {a.info.name} to {b.info.name}", by_weights),
        ("for comparison: the two pictures mixed", by_pixels),
    )
    return Picture(_drawn([(title, [_as_bytes(cell) for cell in cells]) for title, cells in rows], alphas), format="png")


def _middle(pixels: PixelArray) -> PixelArray:
    height, width = pixels.shape[:2]
    top, left = (max(0, (side - SIDE) // 2) for side in (height, width))
    return pixels[top : top + SIDE, left : left + SIDE]


def _as_floats(pixels: PixelArray) -> NDArray[np.float32]:
    floats = np.clip(pixels.astype(np.float32) / np.float32(FULL[pixels.dtype.name]), 0, 1)
    return floats if pixels.shape[2] == 3 else np.repeat(floats, 3, axis=2)


def _as_bytes(floats: NDArray[np.float32]) -> Rgb:
    return (np.clip(floats, 0, 1) * 255 + 0.5).astype(np.uint8)


def _drawn(rows: Sequence[tuple[str, Sequence[Rgb]]], alphas: Sequence[float]) -> Rgb:
    """Return rows of cells on paper, each under its title, each cell under its alpha."""
    height, width = rows[0][1][0].shape[:2]
    text = max(TEXT, width // 20)
    lettering = text + GAP
    sheet = np.full((len(rows) * (2 * lettering + height + GAP) + GAP, len(alphas) * (width + GAP) + GAP, 3), PAPER, np.uint8)
    texts: list[tuple[int, int, str]] = []
    for row, (title, cells) in enumerate(rows):
        top = GAP + row * (2 * lettering + height + GAP)
        texts.append((GAP, top, title))
        for column, (alpha, cell) in enumerate(zip(alphas, cells, strict=True)):
            left = GAP + column * (width + GAP)
            texts.append((left, top + lettering, f"alpha {alpha:g}"))
            sheet[top + 2 * lettering : top + 2 * lettering + height, left : left + width] = cell
    return _lettered(sheet, texts, text)


def _lettered(sheet: Rgb, texts: Sequence[tuple[int, int, str]], size: int) -> Rgb:
    from PIL import Image, ImageDraw, ImageFont

    image = Image.fromarray(sheet)
    draw = ImageDraw.Draw(image)
    font: FreeTypeFont | ImageFont = ImageFont.load_default(size)
    for left, top, text in texts:
        draw.text((left, top), text, fill=(INK, INK, INK), font=font)
    return np.asarray(image)
