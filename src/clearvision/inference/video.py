"""Enlarging a video: frames stream through the network in segments that are kept until the whole is joined.

Decoding, the network and encoding overlap in three threads with a few frames between them, so memory does not grow with the
video's length. A killed run leaves its finished segments beside the output; another with ``resume`` goes on behind them.

Flicker: within each segment, the mean absolute change of luma (8-bit levels) from one result frame to the next, less the same for
the input enlarged by bicubic interpolation. Above 0, the network makes frames differ by more than what they show does.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from clearvision.errors import ImageShapeError, PictureError, UsageError
from clearvision.imaging.segments import (
    Encoding,
    Segment,
    SegmentWriter,
    choose_encoding,
    container_of,
    join,
    read_segment,
)
from clearvision.imaging.video import Rgb, TimedFrame, VideoFacts, pyav, read_frames

SEGMENT_SECONDS = 4.0
WAITING = 2  # results that may wait for the encoder
MANIFEST = "manifest.json"


class Enlarge(Protocol):
    """Enlarges one frame: RGB (H, W, 3), uint8 or uint16, to the same type."""

    def __call__(self, pixels: Rgb, /) -> Rgb: ...  # noqa: D102


@dataclass(frozen=True)
class Flicker:
    """How much frames change, as means of absolute differences of luma in 8-bit levels.

    Attributes:
        result: from one frame of the result to the next.
        bicubic: the same of the input enlarged by bicubic interpolation.
        pairs: pairs of frames measured.
    """

    result: float
    bicubic: float
    pairs: int

    @property
    def added(self) -> float:
        """What the network adds."""
        return self.result - self.bicubic


@dataclass(frozen=True)
class VideoReport:
    """How a video came about.

    Attributes:
        facts: of the input.
        encoding: of the result.
        frames: in the result.
        resumed: of these, frames of an earlier run.
        seconds: time taken.
        flicker: None where no two frames follow each other.
        notes: what could not be kept and what else people should know, in sentences.
    """

    facts: VideoFacts
    encoding: Encoding
    frames: int
    resumed: int
    seconds: float
    flicker: Flicker | None
    notes: tuple[str, ...]


def enlarge_video(
    source: Path,
    target: Path,
    facts: VideoFacts,
    enlarge: Enlarge,
    size: tuple[int, int],
    *,
    quality: int | None = None,
    resume: bool = False,
    settings: dict[str, Any] | None = None,
    segment_seconds: float = SEGMENT_SECONDS,
    progress: Callable[[int, int], None] | None = None,
) -> VideoReport:
    """Write a video enlarged; sound, subtitles, data, timestamps, colour tags, chapters and tags stay.

    Args:
        source: the input.
        target: the result, .mp4, .m4v, .mov or .mkv; it appears whole or not at all.
        facts: of the input, by :func:`~clearvision.imaging.video.read_facts`.
        enlarge: enlarges a frame.
        size: width and height of what it returns.
        quality: 1 to 100; None is 85, crf 17.
        resume: go on behind the segments of an earlier run that had the same input and settings.
        settings: what else decides about the pixels, such as the model, as plain data.
        segment_seconds: length of a segment.
        progress: called with the frames done and those that the header promises (0: unknown).

    Raises:
        PictureError: if the input is damaged.
        PictureWriteError: if the result cannot be written.
        UsageError: if the target's suffix cannot hold it, or is the input.
    """
    start = time.perf_counter()
    container = container_of(target)
    if target.exists() and target.samefile(source):
        raise UsageError(f"'{target}' would overwrite its own input; give another -o")
    encoding = choose_encoding(facts, *size, quality)
    per_segment = max(1, round(segment_seconds * facts.rate))
    folder = target.with_name(f".{target.name}.clearvision")
    told = {"source": _hash(source), "encoding": encoding.text, "size": list(size), "frames": per_segment, **(settings or {})}
    segments = _finished(folder, told) if resume else []
    _keep_only(folder, segments, told)
    before = sum(segment.frames for segment in segments)
    if not segments or segments[-1].frames == per_segment:
        with closing(read_frames(source, facts, skip=before)) as frames:
            segments += _compute(frames, folder, facts, encoding, enlarge, per_segment, segments, progress)
    done = sum(segment.frames for segment in segments)
    if not done:
        raise PictureError(f"'{source}' holds no whole frame; it is damaged or cut short")
    notes = [] if done >= facts.frames else [f"'{source}' gave {done} of the {facts.frames} frames that its header promises"]
    if (encoding.width, encoding.height) != size:
        notes.append(f"{size[0]}x{size[1]} became {encoding.width}x{encoding.height}: {encoding.pixel_format} needs even sides")
    if facts.interlaced:
        notes.append("frames are interlaced and were enlarged as they are; deinterlace first for a clean result")
    partial = folder / f"joined{target.suffix}"
    notes += join(source, partial, container, facts, encoding, segments)
    os.replace(partial, target)
    shutil.rmtree(folder)
    return VideoReport(facts, encoding, done, before, time.perf_counter() - start, _flicker(segments), tuple(notes))


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _finished(folder: Path, told: dict[str, Any]) -> list[Segment]:
    """Return the segments that an earlier run with the same input and settings finished, from the first to the first gap."""
    try:
        if json.loads((folder / MANIFEST).read_text()) != json.loads(json.dumps(told)):
            return []
    except (OSError, ValueError):
        return []
    found: list[Segment] = []
    while (path := _path(folder, len(found))).is_file():
        found.append(read_segment(path))
    return found


def _keep_only(folder: Path, segments: list[Segment], told: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    kept = {segment.path for segment in segments}
    for path in folder.iterdir():
        if path not in kept:
            path.unlink()
    partial = folder / f"{MANIFEST}.part"
    partial.write_text(json.dumps(told, indent=2))
    os.replace(partial, folder / MANIFEST)


def _path(folder: Path, index: int) -> Path:
    return folder / f"{index:06d}.segment"


def _compute(
    frames: Iterator[TimedFrame],
    folder: Path,
    facts: VideoFacts,
    encoding: Encoding,
    enlarge: Enlarge,
    per_segment: int,
    before: list[Segment],
    progress: Callable[[int, int], None] | None,
) -> list[Segment]:
    """Enlarge frames into segments: one thread decodes ahead, this one runs the network, a third encodes."""
    cutter = _Cutter(folder, facts, encoding, per_segment, len(before))
    done = sum(segment.frames for segment in before)
    waiting: deque[Future[None]] = deque()
    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as writer:
        coming = reader.submit(next, frames, None)
        try:
            while (frame := coming.result()) is not None:
                coming = reader.submit(next, frames, None)
                result = enlarge(frame.pixels)
                waiting.append(writer.submit(cutter.add, frame, result))
                del result
                while len(waiting) > WAITING:
                    waiting.popleft().result()
                done += 1
                if progress is not None:
                    progress(done, facts.frames)
            for item in waiting:
                item.result()
            writer.submit(cutter.close).result()
        finally:
            for item in waiting:
                item.cancel()
    return cutter.segments


class _Cutter:
    """Cuts results into segments and measures their flicker; lives in the encoding thread."""

    def __init__(self, folder: Path, facts: VideoFacts, encoding: Encoding, per_segment: int, first: int) -> None:
        self._folder, self._facts, self._encoding = folder, facts, encoding
        self._per_segment, self._first = per_segment, first
        self._writer: SegmentWriter | None = None
        self._changes = [0.0, 0.0, 0.0]
        self._last: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None
        self.segments: list[Segment] = []

    def add(self, frame: TimedFrame, result: Rgb) -> None:
        if self._writer is None:
            path = _path(self._folder, self._first + len(self.segments))
            self._writer = SegmentWriter(path, self._facts, self._encoding)
        if result.dtype != frame.pixels.dtype or result.ndim != 3:
            raise ImageShapeError(f"a frame of {frame.pixels.dtype} came back as {result.dtype} {result.shape}")
        self._measure(frame.pixels, result)
        self._writer.add(result, frame)
        if self._writer.frames == self._per_segment:
            self.close()

    def close(self) -> None:
        if self._writer is not None:
            self.segments.append(self._writer.close(self._changes))
        self._writer, self._last, self._changes = None, None, [0.0, 0.0, 0.0]

    def _measure(self, pixels: Rgb, result: Rgb) -> None:
        height, width = result.shape[:2]
        now = luma(result, width, height), luma(pixels, width, height)
        if self._last is not None:
            changes = [float(np.abs(a - b).mean()) for a, b in zip(now, self._last, strict=True)]
            self._changes = [total + part for total, part in zip(self._changes, [*changes, 1.0], strict=True)]
        self._last = now


def luma(pixels: Rgb, width: int, height: int) -> NDArray[np.float32]:
    """Return the luma of RGB (h, w, 3), 8-bit levels in float32, enlarged to (height, width), bicubic by FFmpeg."""
    frame = pyav().VideoFrame.from_ndarray(pixels, format="rgb48le" if pixels.dtype == np.uint16 else "rgb24")
    grey = frame.reformat(width=width, height=height, format="gray", interpolation="BICUBIC")
    return grey.to_ndarray().astype(np.float32)


def _flicker(segments: list[Segment]) -> Flicker | None:
    result, bicubic, pairs = (sum(segment.measured[index] for segment in segments) for index in range(3))
    return Flicker(result / pairs, bicubic / pairs, int(pairs)) if pairs else None
