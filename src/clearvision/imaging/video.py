"""Reading videos frame by frame: what a file says of itself, and its frames as RGB, upright, with their timestamps.

PyAV (the extra ``video``) brings FFmpeg's libraries along. Colours are converted by the matrix and range that the file
states; where it states none, by BT.601, as FFmpeg does. Transfer functions (HDR too) are left alone.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from clearvision.errors import MissingExtraError, PictureError

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer

SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts", ".mpg", ".mpeg", ".wmv", ".flv", ".3gp")
MATRICES = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9}  # the stream's tag to swscale's; 6 (SMPTE 170M) computes as 5 (BT.601)
BT601 = 5
FULL_RANGE, STUDIO_RANGE = 2, 1
USUAL_RATE = Fraction(25)  # where a file tells no rate

Rgb = NDArray[np.uint8] | NDArray[np.uint16]


@dataclass(frozen=True)
class VideoFacts:
    """What a video says of itself.

    Attributes:
        width: columns of an upright frame.
        height: rows of an upright frame.
        quarters: quarter turns to the left that make the stored frames upright.
        frames: frames that the header promises, 0 where it does not say.
        rate: frames a second on the average.
        time_base: seconds that one unit of a timestamp stands for.
        pixel_format: FFmpeg's name of how pixels are stored.
        deep: whether samples have more than 8 bits.
        aspect: width of a pixel divided by its height, upright; 0 where the file does not say.
        primaries: tag of the colour primaries (ITU-T H.273), as are the next two.
        transfer: tag of the transfer function.
        matrix: tag of the matrix.
        range: 2 full, 1 studio, 0 unstated.
        interlaced: whether the first frame holds two fields.
    """

    width: int
    height: int
    quarters: int
    frames: int
    rate: Fraction
    time_base: Fraction
    pixel_format: str
    deep: bool
    aspect: Fraction
    primaries: int
    transfer: int
    matrix: int
    range: int
    interlaced: bool


@dataclass(frozen=True, eq=False)
class TimedFrame:
    """A frame and when it shows.

    Attributes:
        pixels: (H, W, 3), RGB, upright; uint8 in [0, 255], or uint16 in [0, 65535] for videos with more than 8 bits.
        pts: when it begins, in units of the video's time base; larger than that of the frame before.
        duration: how long it shows, in the same units; 0 where the file does not say.
    """

    pixels: Rgb
    pts: int
    duration: int


def is_video(path: Path) -> bool:
    """Return whether a file's name ends like a video's."""
    return path.suffix.lower() in SUFFIXES and not path.is_dir()


def pyav() -> Any:  # noqa: ANN401 - the module, whose types need it installed
    """Return PyAV.

    Raises:
        MissingExtraError: if it is not installed.
    """
    try:
        import av
    except ImportError:
        raise MissingExtraError("videos need PyAV, which is not installed; pip install 'clearvision[video]'") from None
    return av


@contextmanager
def open_video(path: Path) -> Iterator[InputContainer]:
    """Open a video; faults met inside the ``with`` are told in a sentence.

    Raises:
        PictureError: if the file is none or is damaged.
        MissingExtraError: if PyAV is not installed.
    """
    av = pyav()
    if not path.is_file():
        raise PictureError(f"'{path}' does not exist; check the path")
    try:
        with av.open(str(path), metadata_errors="replace") as container:  # old files hold tags in any encoding
            yield container
    except av.error.FFmpegError as error:
        raise PictureError(f"'{path}' cannot be read as a video: {error.strerror}; it is damaged, cut short or none") from None


def picture_stream(container: InputContainer, path: Path) -> Any:  # noqa: ANN401
    """Return the first video stream that is no cover picture.

    Raises:
        PictureError: if there is none.
    """
    attached = pyav().stream.Disposition.attached_pic
    found = [stream for stream in container.streams.video if not stream.disposition & attached]
    if found and found[0].codec_context is None:
        raise PictureError(f"'{path}' holds video of a kind that this FFmpeg cannot decode; convert it first")
    if not found:
        kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
        raise PictureError(f"'{path}' has no video stream, only {kinds}; give a file with moving pictures")
    return found[0]


def read_facts(path: Path, *, max_pixels: int) -> VideoFacts:
    """Return what a video says of itself, by its header and first frame.

    Args:
        path: the file.
        max_pixels: most pixels of a frame.

    Raises:
        PictureError: if the file is no video, has no video stream or no whole frame, or its frames are too large.
        MissingExtraError: if PyAV is not installed.
    """
    with open_video(path) as container:
        stream = picture_stream(container, path)
        if stream.width * stream.height > max_pixels:
            size = f"{stream.width}x{stream.height}"
            raise PictureError(f"'{path}' states frames of {size} pixels, more than the {max_pixels} allowed; see --max-pixels")
        first = next(container.decode(stream), None)
        if first is None:
            raise PictureError(f"'{path}' holds no whole frame; it is damaged or cut short")
        quarters = round(first.rotation / 90) % 4
        aspect = Fraction(stream.sample_aspect_ratio or 0)
        sides = (first.height, first.width) if quarters % 2 else (first.width, first.height)
        context = stream.codec_context
        return VideoFacts(
            width=sides[0],
            height=sides[1],
            quarters=quarters,
            frames=stream.frames,
            rate=Fraction(stream.average_rate or stream.guessed_rate or USUAL_RATE),
            time_base=Fraction(stream.time_base),
            pixel_format=first.format.name,
            deep=max(component.bits for component in first.format.components) > 8,
            aspect=1 / aspect if quarters % 2 and aspect else aspect,
            primaries=int(context.color_primaries),
            transfer=int(context.color_trc),
            matrix=int(context.colorspace),
            range=int(context.color_range),
            interlaced=bool(first.interlaced_frame),
        )


def read_frames(path: Path, facts: VideoFacts, *, skip: int = 0) -> Generator[TimedFrame, None, None]:
    """Yield a video's frames in the order they show; one is held at a time.

    Args:
        path: the file.
        facts: what :func:`read_facts` told.
        skip: frames at the beginning that are decoded and passed over.

    Raises:
        PictureError: if the file is damaged or the size of its frames changes.
    """
    step = max(1, round(1 / (facts.rate * facts.time_base)))
    with open_video(path) as container:
        stream = picture_stream(container, path)
        stream.thread_type = "AUTO"
        last: int | None = None
        for number, frame in enumerate(container.decode(stream)):
            at = frame.pts if frame.pts is not None else 0 if last is None else last + step
            last = at if last is None or at > last else last + 1  # encoders refuse two frames at one time
            if number < skip:
                continue
            pixels = to_rgb(frame, facts)
            if pixels.shape[:2] != (facts.height, facts.width):
                found = f"{pixels.shape[1]}x{pixels.shape[0]}"
                raise PictureError(f"'{path}' changes size at frame {number + 1} to {found}; cut it there and do the parts apart")
            yield TimedFrame(pixels, last, int(frame.duration or 0))


def to_rgb(frame: VideoFrame, facts: VideoFacts) -> Rgb:
    """Return a decoded frame as RGB (H, W, 3), upright, full range, uint8 or, for deep videos, uint16."""
    matrix = MATRICES.get(facts.matrix, BT601)
    frame.color_range = facts.range  # some decoders leave it unstated on frames
    rgb = frame.reformat(
        format="rgb48le" if facts.deep else "rgb24",
        src_colorspace=matrix,
        dst_colorspace=matrix,
        src_color_range=FULL_RANGE if _is_full(facts) else STUDIO_RANGE,
        dst_color_range=FULL_RANGE,
        interpolation="BICUBIC",
    )
    pixels: Any = rgb.to_ndarray()
    return np.ascontiguousarray(np.rot90(pixels, facts.quarters))


def to_frame(pixels: Rgb, facts: VideoFacts, pixel_format: str) -> VideoFrame:
    """Return RGB (H, W, 3), uint8 or uint16, as a frame to encode, by the video's matrix and range and with its tags."""
    av = pyav()
    matrix = MATRICES.get(facts.matrix, BT601)
    rgb = av.VideoFrame.from_ndarray(pixels, format="rgb48le" if pixels.dtype == np.uint16 else "rgb24")
    frame = rgb.reformat(
        format=pixel_format,
        src_colorspace=matrix,
        dst_colorspace=matrix,
        src_color_range=FULL_RANGE,
        dst_color_range=FULL_RANGE if _is_full(facts) else STUDIO_RANGE,
        interpolation="BICUBIC",
    )
    frame.colorspace, frame.color_range = facts.matrix, facts.range
    frame.color_primaries, frame.color_trc = facts.primaries, facts.transfer
    return frame


def _is_full(facts: VideoFacts) -> bool:
    return facts.range == FULL_RANGE or facts.pixel_format.startswith(("yuvj", "rgb", "bgr", "gbr"))
