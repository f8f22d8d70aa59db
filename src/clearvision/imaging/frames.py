"""Files of several pictures: the frames of a GIF or WebP animation, the pages of a TIFF file."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from clearvision.errors import ImageShapeError, PictureError, PictureWriteError, UsageError
from clearvision.imaging import canvas
from clearvision.imaging.canvas import LARGEST_IN_MEMORY
from clearvision.imaging.exif import tiff_pages
from clearvision.imaging.formats import FORMATS, check_size, check_writable, identify
from clearvision.imaging.io import read_picture
from clearvision.imaging.vips import (
    FULL,
    VipsImage,
    call,
    from_arrays,
    has_field,
    interruptible,
    libvips,
    reason,
    to_arrays,
    to_plain_colours,
)
from clearvision.imaging.writing import replacing, save_pages
from clearvision.types import Picture

ANIMATED = ("gif", "webp")
PAGED = ("tiff",)
_BY_SUFFIX = {suffix: names for names in (ANIMATED, PAGED) for name in names for suffix in FORMATS[name].suffixes}
MOST_PAGES = 2000  # each is found by walking past those before it, so that time grows with the square
USUAL_DELAY = 100  # ms: what browsers take for a delay of 0 or none


@dataclass(frozen=True, eq=False)
class Frames:
    """The pictures of one file, in order.

    Attributes:
        pictures: two or more; the frames of an animation are of one size, type and number of channels, pages need not be.
        delays: how long each frame is shown, in ms; empty for pages.
        loop: how often the animation is shown; 0 for ever.
    """

    pictures: tuple[Picture, ...]
    delays: tuple[int, ...] = ()
    loop: int = 0


def holds_frames(source: Path, target: Path) -> bool:
    """Whether a file of the source's kind may hold several pictures that the target's format holds too, by their suffixes."""
    kinds = [_BY_SUFFIX.get(path.suffix.lower()) for path in (source, target)]
    return kinds[0] is not None and kinds[0] == kinds[1]


def count_frames(path: str | Path) -> int:
    """Return how many frames or pages a picture file has, by its header; 1 for formats that hold but one.

    Raises:
        PictureError: if the file is missing, not a picture or damaged.
    """
    path = Path(path)
    form = identify(path)
    if form.name not in (*ANIMATED, *PAGED):
        return 1
    try:
        image = call(form.loader, os.fsencode(path), access="sequential")
    except libvips().Error as error:
        raise PictureError(f"{path} is damaged, cut short or not readable as {form.name}: {reason(error)}") from error
    count = image.get("n-pages") if has_field(image, "n-pages") else 1
    return max(1, len(tiff_pages(path))) if form.name in PAGED and count > 1 else count


def read_frames(path: str | Path, *, max_pixels: int = 500_000_000, in_memory: int = LARGEST_IN_MEMORY) -> Frames:
    """Read all frames or pages of a file.

    Args:
        path: a GIF, WebP or TIFF file.
        max_pixels: most pixels of all frames together, checked before anything is decoded.
        in_memory: bytes of all frames up to which they are held in memory; else they lie on disk.

    Raises:
        PictureError: if the file is missing, damaged, holds one picture only, or is too large.
    """
    path = Path(path)
    form = identify(path)
    if count_frames(path) < 2:
        raise PictureError(f"{path} holds one picture; read it with read_picture")
    if form.name in PAGED:
        return _read_pages(path, tiff_pages(path), max_pixels, in_memory)
    vips = libvips()
    try:
        image = call(form.loader, os.fsencode(path), access="sequential", fail_on="error", n=-1)
        height = image.get("page-height")
        check_size(path, image.width, image.height, max_pixels)
        delays = list(image.get("delay")) if has_field(image, "delay") else []
        loop = image.get("loop") if has_field(image, "loop") else 0
        icc = bytes(image.get("icc-profile-data")) if has_field(image, "icc-profile-data") else None
        tall, alpha = to_arrays(to_plain_colours(image, str(path)), str(path), above=in_memory)
        if (
            alpha is not None and canvas.extremes(alpha)[0] == FULL["uint8"]
        ):  # animations are decoded with alpha whether they have one or not
            alpha = None
    except vips.Error as error:
        raise PictureError(f"{path} is damaged, cut short or not readable as {form.name}: {reason(error)}") from error
    except MemoryError as error:
        raise PictureError(f"{path} does not fit in memory") from error
    tops = range(0, len(tall), height)
    pictures = tuple(
        Picture(tall[top : top + height], None if alpha is None else alpha[top : top + height], icc=icc, format=form.name)
        for top in tops
    )
    known = [delay if delay > 0 else USUAL_DELAY for delay in delays[: len(pictures)]]
    return Frames(pictures, tuple(known + [USUAL_DELAY] * (len(pictures) - len(known))), loop)


def write_frames(frames: Frames, path: str | Path, *, quality: int | None = None, strip_metadata: bool = False) -> None:
    """Write an animation as WebP or GIF, or pages as TIFF, whole or not at all; by the path's suffix.

    GIF holds 256 colours a frame and no half-transparent pixels: WebP is the better place for an enlarged animation.

    Args:
        frames: what to write; it is not changed.
        path: where to.
        quality: 1 to 100 for WebP, 100 is lossless; None for 95.
        strip_metadata: leave EXIF, XMP and IPTC of pages out.

    Raises:
        UsageError: if the format does not hold several pictures, or the quality is out of range.
        PictureWriteError: if the file cannot be written; nothing is left then, and a file that was there is as it was.
    """
    path = Path(path)
    first = frames.pictures[0]
    form = check_writable(path, height=first.height, width=first.width)
    wanted = ANIMATED if frames.delays else PAGED
    if form.name not in wanted:
        kind = "an animation" if frames.delays else "several pages"
        raise UsageError(f"{path}: {form.name} does not hold {kind}; write {' or '.join(wanted)}")
    if quality is not None and not 1 <= quality <= 100:
        raise UsageError(f"quality must lie between 1 and 100, not {quality}")
    if form.name in PAGED:
        with replacing(path) as temporary:
            save_pages(frames.pictures, temporary, path, strip=strip_metadata)
        return
    shapes = {picture.pixels.shape for picture in frames.pictures}
    if len(shapes) > 1 or len({picture.pixels.dtype for picture in frames.pictures}) > 1:
        sizes = ", ".join(f"{width}x{height}x{bands}" for height, width, bands in sorted(shapes))
        raise PictureWriteError(
            f"cannot write {path}: its frames are of several kinds ({sizes}); write them to files of their own"
        )
    if first.pixels.dtype != np.uint8:
        raise ImageShapeError(f"an animation has 8-bit frames, got {first.pixels.dtype}")
    image = _joined(frames)
    vips = libvips()
    image = image.copy()
    image.set_type(vips.GValue.array_int_type, "delay", list(frames.delays))
    image.set_type(vips.GValue.gint_type, "loop", frames.loop)
    if first.icc and form.name == "webp":
        image.set_type(vips.GValue.blob_type, "icc-profile-data", first.icc)
    quality = 95 if quality is None else quality
    options = {"Q": quality, "lossless": quality == 100, "exact": quality == 100, "smart_subsample": True}
    arrays = [array for picture in frames.pictures for array in (picture.pixels, picture.alpha)]
    with replacing(path) as temporary, canvas.released_meanwhile(*arrays):
        interruptible(
            lambda: call(
                form.saver,
                image,
                os.fsencode(temporary),
                page_height=first.height,
                keep=vips.ForeignKeep.ICC,
                **(options if form.name == "webp" else {}),
            )
        )


def _joined(frames: Frames) -> VipsImage:
    """Return the frames one below the other, not copied; where one has transparency, all have."""
    opaque = all(picture.alpha is None for picture in frames.pictures)
    images = [from_arrays(picture.pixels, picture.alpha) for picture in frames.pictures]
    if not opaque:
        images = [
            image.bandjoin(FULL["uint8"]) if picture.alpha is None else image
            for image, picture in zip(images, frames.pictures, strict=True)
        ]
    return call("arrayjoin", images, across=1)


def _read_pages(path: Path, numbers: list[int], max_pixels: int, in_memory: int) -> Frames:
    if len(numbers) > MOST_PAGES:
        raise PictureError(
            f"{path} has {len(numbers)} pages, and at most {MOST_PAGES} are read; split it into several files first"
        )
    pages: list[Picture] = []
    room, shelf = max_pixels, canvas.Shelf(in_memory)
    for page in numbers:
        picture = read_picture(path, max_pixels=room, page=page, in_memory=in_memory)
        room -= picture.width * picture.height
        pages.append(shelved(picture, shelf))
    return Frames(tuple(pages))


def shelved(picture: Picture, shelf: canvas.Shelf) -> Picture:
    """Return a picture whose arrays are put on a shelf."""
    alpha = None if picture.alpha is None else shelf.put(picture.alpha)
    return replace(picture, pixels=shelf.put(picture.pixels), alpha=alpha)
