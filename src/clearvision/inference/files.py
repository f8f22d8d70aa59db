"""One picture file enlarged into another: read, looked at, enlarged by the model that suits it, held to its input, written.

The steps are apart so that a batch can overlap them; :func:`enlarge_file` takes them one after the other.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self, TypeAlias

import clearvision
from clearvision.imaging.canvas import LARGEST_IN_MEMORY, Shelf
from clearvision.imaging.flow import Flow
from clearvision.imaging.formats import check_writable
from clearvision.imaging.frames import Frames, count_frames, holds_frames, read_frames, shelved, write_frames
from clearvision.imaging.io import read_picture, write_picture
from clearvision.imaging.quality import Diagnosis
from clearvision.inference.choosing import Upscalers, as_target, choice_in_words
from clearvision.inference.upscaler import Upscaler, UpscaleReport
from clearvision.types import ModelInfo, Picture

Content: TypeAlias = Picture | Frames
Size = tuple[int, int]  # width, height

Started = Callable[[int], None]  # pixels of the result
Advanced = Callable[[float], None]  # share done, 0 to 1


@dataclass(frozen=True)
class FileOptions:
    """How files are read and written.

    Attributes:
        quality: of JPEG, WebP and AVIF, or None for the usual one.
        dpi: resolution to state, or None for the input's.
        strip_metadata: leave EXIF, XMP and IPTC out.
        provenance: note model and scale in the XMP.
        max_pixels: most pixels of an input.
        pyramid: write TIFF results in tiles with halved copies.
        in_memory: bytes of an input up to which it is held in memory.
    """

    quality: int | None = None
    dpi: float | None = None
    strip_metadata: bool = False
    provenance: bool = True
    max_pixels: int = 500_000_000
    pyramid: bool = False
    in_memory: int = LARGEST_IN_MEMORY


@dataclass(frozen=True)
class Ready:
    """A picture about to be enlarged.

    Attributes:
        content: what was read.
        diagnosis: what it has been through, where the model is chosen by it.
        upscalers: one for every picture in the content.
    """

    content: Content
    diagnosis: Diagnosis | None
    upscalers: tuple[Upscaler, ...]

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """The frames or pages, or the one picture."""
        return pictures_of(self.content)


@dataclass(frozen=True)
class Made:
    """A result, to be written by :func:`write_made`.

    Attributes:
        content: the enlarged picture, frames or pages.
        info: card of the model of the first picture.
        source_size: width and height of the first picture.
        target_size: width and height of its result.
        report: how the result came about; of all frames together.
        diagnosis: what the picture has been through, where the model was chosen by it.
        writing: the writing of its file, where that began while it was computed.
    """

    content: Content
    info: ModelInfo
    source_size: Size
    target_size: Size
    report: UpscaleReport
    diagnosis: Diagnosis | None
    writing: Future[None] | None = None

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """The frames or pages, or the one picture."""
        return pictures_of(self.content)

    @property
    def frames(self) -> int:
        """Frames of the animation or pages of the file; 1 for a picture."""
        return len(self.pictures)

    @property
    def choice(self) -> str | None:
        """What was found and chosen, in a line; None where the model was named."""
        return None if self.diagnosis is None else choice_in_words(self.diagnosis, self.info)


def enlarge_file(
    source: Path,
    target: Path,
    upscalers: Upscalers,
    files: FileOptions | None = None,
    *,
    verify_tiles: bool = False,
    advanced: Advanced | None = None,
) -> Made:
    """Enlarge a picture file, an animation or the pages of a TIFF file into a file of the target's format.

    Args:
        source: what to read; what it is, is told by its contents.
        target: what to write; its suffix says in which format.
        upscalers: the models and the wished size.
        files: how files are read and written.
        verify_tiles: as in :meth:`Upscaler.run`.
        advanced: called with the share that is computed; an exception that it raises ends the work, and nothing is written.

    Raises:
        PictureError: if the source cannot be read or taken.
        PictureWriteError: if the target cannot be written; nothing is left then.
        UsageError: if the wished size is outside what is allowed.
        EngineError: if the picture could not be computed.
    """
    files = files or FileOptions()
    ready = read_ready(source, target, upscalers, files)
    made = enlarge_ready(ready, target, upscalers, files, verify_tiles=verify_tiles, advanced=advanced)
    write_made(made, target, files)
    return made


def read_content(source: Path, target: Path, files: FileOptions) -> Content:
    """Read a file: a picture, or several where the target's format can hold them."""
    if holds_frames(source, target) and count_frames(source) > 1:
        return read_frames(source, max_pixels=files.max_pixels, in_memory=files.in_memory)
    return read_picture(source, max_pixels=files.max_pixels, in_memory=files.in_memory)


def read_ready(source: Path, target: Path, upscalers: Upscalers, files: FileOptions) -> Ready:
    """Read a file and choose the model by what it holds."""
    content = read_content(source, target, files)
    pictures = pictures_of(content)
    diagnosis = upscalers.diagnose(pictures[0], source)
    return Ready(content, diagnosis, tuple(upscalers.choose(picture.height, picture.width, diagnosis) for picture in pictures))


def enlarge_ready(
    ready: Ready,
    target: Path,
    upscalers: Upscalers,
    files: FileOptions,
    *,
    verify_tiles: bool = False,
    started: Started | None = None,
    advanced: Advanced | None = None,
) -> Made:
    """Enlarge all pictures of a file; that the target's format cannot hold the result is told before the work.

    A large picture is written while it is computed; its file may appear before :func:`write_made` is called, but not before it
    is complete.
    """
    pictures = ready.pictures
    plans = [
        upscaler.plan(picture.height, picture.width, **as_target(upscalers.wishes))
        for upscaler, picture in zip(ready.upscalers, pictures, strict=True)
    ]
    check_writable(target, height=plans[0].height, width=plans[0].width)
    whole = sum(plan.height * plan.width for plan in plans)
    if started is not None:
        started(whole)
    results: list[Picture] = []
    reports: list[UpscaleReport] = []
    before, shelf = 0, Shelf(files.in_memory)
    with _Meanwhile(ready, target, files) as meanwhile:
        for upscaler, picture, plan in zip(ready.upscalers, pictures, plans, strict=True):
            part = plan.height * plan.width

            def progress(done: int, total: int, before: int = before, part: int = part) -> None:
                if advanced is not None:
                    advanced((before + done / total * part) / whole)

            begin = meanwhile.begin if isinstance(ready.content, Picture) else None
            result, report = upscaler.run(picture, **upscalers.wishes, verify_tiles=verify_tiles, progress=progress, begin=begin)
            results.append(result if isinstance(ready.content, Picture) else shelved(result, shelf))
            reports.append(report)
            before += part
    content = results[0] if isinstance(ready.content, Picture) else replace(ready.content, pictures=tuple(results))
    sizes = (pictures[0].width, pictures[0].height), (results[0].width, results[0].height)
    return Made(content, ready.upscalers[0].info, *sizes, _summed(reports), ready.diagnosis, meanwhile.writing)


def write_made(made: Made, target: Path, files: FileOptions) -> None:
    """Write a result whole or not at all, with the resolution asked for and the note of where it comes from."""
    if made.writing is not None:
        made.writing.result()
        return
    scale = made.target_size[0] / made.source_size[0]
    stated = tuple(_stated(picture, made.info, scale, files) for picture in made.pictures)
    if isinstance(made.content, Frames):
        frames = replace(made.content, pictures=stated)
        write_frames(frames, target, quality=files.quality, strip_metadata=files.strip_metadata)
    else:
        _write_one(stated[0], target, files)


class _Meanwhile:
    """Writes a picture in a thread while its rows are computed; where they are given up, it is left when nothing is left of them.

    Attributes:
        writing: the last writing begun; those before it were abandoned.
    """

    def __init__(self, ready: Ready, target: Path, files: FileOptions) -> None:
        self._ready, self._target, self._files = ready, target, files
        self.writing: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self.writing is not None and kind is not None:
            wait([self.writing])

    def begin(self, result: Picture) -> Flow:
        """Begin with a result whose pixels come with the flow that is returned."""
        if self.writing is not None:  # given up; what it leaves goes first
            wait([self.writing])
        flow = Flow()
        stated = _stated(result, self._ready.upscalers[0].info, result.width / self._ready.pictures[0].width, self._files)
        thread = ThreadPoolExecutor(1, thread_name_prefix="write")
        self.writing = thread.submit(self._write, stated, flow)
        thread.shutdown(wait=False)
        return flow

    def _write(self, picture: Picture, flow: Flow) -> None:
        try:
            _write_one(picture, self._target, self._files, flow)
        except Exception as error:
            flow.fail(error)
            raise


def _write_one(picture: Picture, target: Path, files: FileOptions, flow: Flow | None = None) -> None:
    pyramid = files.pyramid and target.suffix.lower() in (".tif", ".tiff")
    write_picture(picture, target, quality=files.quality, strip_metadata=files.strip_metadata, pyramid=pyramid, flow=flow)


def pictures_of(content: Content) -> tuple[Picture, ...]:
    """Return the frames or pages, or the one picture."""
    return content.pictures if isinstance(content, Frames) else (content,)


def _stated(picture: Picture, info: ModelInfo, scale: float, files: FileOptions) -> Picture:
    from clearvision.imaging.provenance import note_provenance

    dpi = picture.dpi if files.dpi is None else (files.dpi, files.dpi)
    if not files.provenance:
        return replace(picture, dpi=dpi)
    xmp = note_provenance(picture.xmp, model=info.name, scale=scale, version=clearvision.__version__)
    return replace(picture, dpi=dpi, xmp=xmp)


def _summed(reports: list[UpscaleReport]) -> UpscaleReport:
    """Return one report for all frames of a file."""
    errors = [report.tile_error for report in reports if report.tile_error is not None]
    return replace(
        reports[0],
        tiles=sum(report.tiles for report in reports),
        seconds=sum(report.seconds for report in reports),
        retries=tuple(dict.fromkeys(retry for report in reports for retry in report.retries)),
        tile_error=max(errors, default=None),
    )
