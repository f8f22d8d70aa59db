"""Writing a video in segments that survive a kill, and joining them with everything else that the input holds.

A segment is encoded on its own, so that it begins with a whole picture, and is kept as a file of bare packets with their exact
timestamps: containers round those. Nothing but whole segments ever bears a segment's name.
"""

from __future__ import annotations

import heapq
import io
import json
import os
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from clearvision.errors import PictureWriteError, UsageError
from clearvision.imaging.video import Rgb, TimedFrame, VideoFacts, open_video, picture_stream, pyav, to_frame

CONTAINERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
ENCODERS = ("libx264", "mpeg4")  # the first that this FFmpeg has
QUALITY = 85  # crf 17
_RECORD = struct.Struct("<qqI?")  # pts, duration, bytes, whether a key frame


@dataclass(frozen=True)
class Encoding:
    """How frames are encoded.

    Attributes:
        encoder: FFmpeg's name.
        pixel_format: of the encoded frames.
        options: of the encoder.
        width: columns.
        height: rows.
    """

    encoder: str
    pixel_format: str
    options: dict[str, str]
    width: int
    height: int

    @property
    def text(self) -> str:
        """The choice in words, for people."""
        quality = f"crf {self.options['crf']}" if "crf" in self.options else f"quantiser {self.options['qmin']}"
        return f"{self.encoder} {quality} {self.pixel_format}"


@dataclass(frozen=True)
class Segment:
    """A finished segment: its file, the frames in it and what was measured on them."""

    path: Path
    frames: int
    measured: tuple[float, ...]


def choose_encoding(facts: VideoFacts, width: int, height: int, quality: int | None) -> Encoding:
    """Return how a result is encoded: 4:2:0 with 8 bits unless the input has more, and sides made even where that needs it.

    Args:
        facts: of the input.
        width: columns of the enlarged frames; an odd last one is left out where chroma is halved.
        height: rows, likewise.
        quality: 1 to 100, or None for 85; crf 51 - 0.4 quality, so 85 is crf 17.
    """
    av = pyav()
    encoder = next((name for name in ENCODERS if name in av.codecs_available and _can_write(name)), None)
    if encoder is None:
        raise UsageError(f"this PyAV has none of the encoders {', '.join(ENCODERS)}; reinstall it from PyPI")
    name = facts.pixel_format
    chroma = "444" if "444" in name or name.startswith(("rgb", "bgr", "gbr")) else "422" if "422" in name else "420"
    known = {item.name for item in av.codec.Codec(encoder, "w").video_formats or ()}
    wished = [f"yuv{chroma}p10le"] if facts.deep else []
    format = next(item for item in [*wished, f"yuv{chroma}p", "yuv420p"] if item in known)
    level = QUALITY if quality is None else quality
    if encoder == "libx264":
        options = {"crf": str(round(51 - 0.4 * level))}
    else:
        quantiser = str(2 + round((100 - level) * 0.29))
        options = {"qmin": quantiser, "qmax": quantiser}
    return Encoding(encoder, format, options, width - width % 2 * ("444" not in format), height - height % 2 * ("420" in format))


def _can_write(encoder: str) -> bool:
    av = pyav()
    try:
        av.codec.Codec(encoder, "w")
    except (av.error.FFmpegError, ValueError):
        return False
    return True


def container_of(target: Path) -> str:
    """Return the container that a result's name asks for.

    Raises:
        UsageError: if it is none that can hold the result.
    """
    if target.suffix.lower() not in CONTAINERS:
        raise UsageError(f"videos are written as {', '.join(CONTAINERS)}, not '{target.suffix}'; change the end of '{target}'")
    return CONTAINERS[target.suffix.lower()]


def _set_up(context: Any, facts: VideoFacts, encoding: Encoding) -> None:  # noqa: ANN401
    """Give an encoder the same settings in every segment and when joining, so that one header serves all packets."""
    context.width, context.height, context.pix_fmt = encoding.width, encoding.height, encoding.pixel_format
    context.time_base, context.framerate = facts.time_base, facts.rate
    if facts.aspect:
        context.sample_aspect_ratio = facts.aspect
    context.color_primaries, context.color_trc = facts.primaries, facts.transfer
    context.colorspace, context.color_range = facts.matrix, facts.range
    context.options = dict(encoding.options)
    context.flags |= pyav().codec.context.Flags.global_header


class SegmentWriter:
    """Encodes frames into one segment's file.

    Args:
        path: the file, which appears whole when the segment is closed.
        facts: of the input.
        encoding: how frames are encoded.

    Raises:
        PictureWriteError: if the encoder refuses the size.
    """

    def __init__(self, path: Path, facts: VideoFacts, encoding: Encoding) -> None:
        self._path, self._facts, self._encoding = path, facts, encoding
        self._context = pyav().codec.CodecContext.create(encoding.encoder, "w")
        _set_up(self._context, facts, encoding)
        self._packets: list[Any] = []
        self._durations: dict[int, int] = {}

    @property
    def frames(self) -> int:
        """Frames taken so far."""
        return len(self._durations)

    def add(self, pixels: Rgb, frame: TimedFrame) -> None:
        """Encode a frame's result (H, W, 3); rows and columns beyond the encoding's size are left out."""
        encoding = self._encoding
        ready = to_frame(pixels[: encoding.height, : encoding.width].copy(), self._facts, encoding.pixel_format)
        ready.pts, ready.time_base = frame.pts, self._facts.time_base
        self._durations[frame.pts] = frame.duration
        self._encode(ready)

    def close(self, measured: Sequence[float]) -> Segment:
        """Write the segment's file with what was measured on its frames."""
        self._encode(None)
        head = {"frames": self.frames, "measured": list(measured)}
        partial = self._path.with_suffix(".part")
        with partial.open("wb") as file:
            file.write(json.dumps(head).encode() + b"\n")
            for packet in self._packets:
                data = bytes(packet)
                file.write(_RECORD.pack(packet.pts, self._durations.get(packet.pts, 0), len(data), packet.is_keyframe) + data)
        os.replace(partial, self._path)
        return Segment(self._path, self.frames, tuple(measured))

    def _encode(self, frame: Any) -> None:  # noqa: ANN401
        av = pyav()
        try:
            self._packets += self._context.encode(frame)
        except av.error.FFmpegError as error:
            size, encoder = f"{self._encoding.width}x{self._encoding.height}", self._encoding.encoder
            raise PictureWriteError(f"{encoder} cannot encode {size} pixels: {error.strerror}; try a smaller --scale") from None


def read_segment(path: Path) -> Segment:
    """Return what a segment's file says of itself."""
    with path.open("rb") as file:
        head = json.loads(file.readline())
    return Segment(path, head["frames"], tuple(head["measured"]))


def _records(segment: Segment) -> Iterator[tuple[int, int, bool, bytes]]:
    with segment.path.open("rb") as file:
        file.readline()
        while head := file.read(_RECORD.size):
            pts, duration, size, key = _RECORD.unpack(head)
            yield pts, duration, key, file.read(size)


def join(
    source: Path, target: Path, container: str, facts: VideoFacts, encoding: Encoding, segments: Sequence[Segment]
) -> list[str]:
    """Write segments, and the input's sound, subtitles, data, chapters and tags as they are, to one file.

    Args:
        source: the input.
        target: the file to write.
        container: its kind.
        facts: of the input.
        encoding: how the segments were encoded.
        segments: in order.

    Returns:
        What could not be kept, in words.

    Raises:
        PictureWriteError: if the file cannot be written.
    """
    av = pyav()
    notes: list[str] = []
    with open_video(source) as taken:
        video = picture_stream(taken, source)
        try:
            options = {"movflags": "faststart"} if container in ("mp4", "mov") else {}
            with av.open(str(target), "w", format=container, options=options) as made:
                stream = made.add_stream(encoding.encoder, rate=facts.rate, options=dict(encoding.options))
                _set_up(stream.codec_context, facts, encoding)
                stream.time_base = facts.time_base
                stream.metadata.update({key: value for key, value in video.metadata.items() if key not in ("rotate", "encoder")})
                kept = _copied(taken, made, video, notes)
                made.metadata.update({key: value for key, value in taken.metadata.items() if key not in _CONTAINERS_OWN})
                made.set_chapters(taken.chapters())
                made.start_encoding()
                for _, _, packet in heapq.merge(_video_packets(segments, facts, stream), _other_packets(taken, kept)):
                    made.mux(packet)
        except av.error.FFmpegError as error:
            raise PictureWriteError(f"the result cannot be written as {container}: {error.strerror}; try an .mkv") from None
    return notes


_CONTAINERS_OWN = ("major_brand", "minor_version", "compatible_brands", "encoder")


def _copied(taken: Any, made: Any, video: Any, notes: list[str]) -> dict[int, Any]:  # noqa: ANN401
    """Add to the result a stream for each of the input's others that it can hold; return them by the input's index."""
    kept: dict[int, Any] = {}
    for stream in taken.streams:
        if stream.index == video.index:
            continue
        name = getattr(getattr(stream, "codec_context", None), "name", None)
        told = f"stream {stream.index} ({stream.type}{f', {name}' if name else ''})"
        if stream.type == "video":
            notes.append(f"{told} left out: one video stream is enlarged")
            continue
        if _holds(made.format.name, stream):
            kept[stream.index] = made.add_stream_from_template(stream)
            kept[stream.index].metadata.update(stream.metadata)
        elif stream.type != "data" or not taken.chapters():  # QuickTime lists chapters as a stream too
            notes.append(f"{told} left out: {made.format.name} cannot hold it; an .mkv may")
    return kept


def _holds(container: str, stream: Any) -> bool:  # noqa: ANN401
    """Return whether a container takes a stream as it is, by writing the head of one to nowhere."""
    av = pyav()
    try:
        with av.open(io.BytesIO(), "w", format=container) as trial:
            trial.add_stream_from_template(stream)
            trial.start_encoding()
    except (av.error.FFmpegError, ValueError, TypeError):
        return False
    return True


Ranked = tuple[Fraction, int, Any]


def _video_packets(segments: Sequence[Segment], facts: VideoFacts, stream: Any) -> Iterator[Ranked]:  # noqa: ANN401
    """Yield the segments' packets with decoding times that rise over the whole video, ranked by them."""
    av = pyav()
    order = [(pts, duration) for segment in segments for pts, duration, _, _ in _records(segment)]
    shown = sorted(pts for pts, _ in order)
    rank = {pts: index for index, pts in enumerate(shown)}
    delay = max((index - rank[pts] for index, (pts, _) in enumerate(order)), default=0)
    step = max(1, round(1 / (facts.rate * facts.time_base)))
    index = 0
    for segment in segments:
        for pts, duration, key, data in _records(segment):
            packet = av.Packet(data)
            packet.pts = pts
            packet.dts = shown[index - delay] if index >= delay else shown[0] - (delay - index) * step
            following = rank[pts] + 1
            packet.duration = shown[following] - pts if following < len(shown) else duration or step
            packet.time_base, packet.stream, packet.is_keyframe = facts.time_base, stream, key
            index += 1
            yield packet.dts * facts.time_base, 0, packet


def _other_packets(taken: Any, kept: dict[int, Any]) -> Iterable[Ranked]:  # noqa: ANN401
    if not kept:
        return
    number = 0
    for packet in taken.demux([taken.streams[index] for index in kept]):
        if packet.dts is None and packet.pts is None:  # marks the end
            continue
        number += 1
        at = (packet.dts if packet.dts is not None else packet.pts) * packet.time_base
        packet.stream = kept[packet.stream_index]
        yield at, number, packet
