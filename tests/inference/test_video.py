from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import clearvision
from clearvision.errors import MissingExtraError, PictureError, UsageError
from clearvision.imaging.segments import choose_encoding
from clearvision.imaging.video import Rgb, open_video, picture_stream, pyav, read_facts, read_frames
from clearvision.inference.video import VideoReport, enlarge_video, luma

av = pytest.importorskip("av")

FRAMES = 12
TIMES = [0, 1, 2, 4, 5, 7, 8, 9, 12, 13, 14, 15]  # variable, in 1/25 s


def picture(index: int, height: int = 24, width: int = 32) -> np.ndarray:
    ramp = np.linspace(0, 200, width)[None, :, None] + np.array([0, 20, 40])
    return np.repeat(ramp + 3 * (index % 4), height, axis=0).clip(0, 255).astype(np.uint8)


def write_clip(path: Path, *, sound: bool = True, deep: bool = False, frames: int = FRAMES) -> Path:
    """Write a clip of a moving ramp with variable timing, BT.709 tags, wide pixels, a chapter, a title, and sound."""
    with av.open(str(path), "w") as made:
        stream = made.add_stream("libx264", rate=25, options={"crf": "5"})
        context = stream.codec_context
        context.width, context.height, context.pix_fmt = 32, 24, "yuv420p10le" if deep else "yuv420p"
        context.time_base = Fraction(1, 12800)
        context.sample_aspect_ratio = Fraction(4, 3)
        context.color_primaries = context.color_trc = context.colorspace = context.color_range = 1
        made.metadata["title"] = "A clip"
        tone = made.add_stream("aac", rate=8000) if sound else None
        made.set_chapters([{"id": 1, "start": 0, "end": 300, "time_base": Fraction(1, 1000), "metadata": {"title": "One"}}])
        for index in range(frames):
            source = av.VideoFrame.from_ndarray(picture(index), format="rgb24")
            frame = source.reformat(format=context.pix_fmt, dst_colorspace=1, dst_color_range=1)
            frame.pts, frame.time_base = TIMES[index % FRAMES] * 512, Fraction(1, 12800)
            made.mux(stream.encode(frame))
        made.mux(stream.encode(None))
        if tone is not None:
            wave = (np.sin(np.arange(8000 * 16 // 25) / 5) * 8000).astype(np.int16)[None]
            block = av.AudioFrame.from_ndarray(wave, format="s16", layout="mono")
            block.sample_rate, block.pts = 8000, 0
            made.mux(tone.encode(block))
            made.mux(tone.encode(None))
    return path


def double(pixels: Rgb) -> Rgb:
    return pixels.repeat(2, axis=0).repeat(2, axis=1)


def enlarge(source: Path, target: Path, **options: Any) -> VideoReport:  # noqa: ANN401
    facts = read_facts(source, max_pixels=10**6)
    return enlarge_video(source, target, facts, double, (2 * facts.width, 2 * facts.height), **options)


def times(path: Path) -> list[Fraction]:
    with open_video(path) as container:
        return [
            Fraction((frame.pts or 0) * (frame.time_base or 0)) for frame in container.decode(picture_stream(container, path))
        ]


def sounds(path: Path) -> list[tuple[Fraction, bytes]]:
    with open_video(path) as container:
        return [(Fraction((p.pts or 0) * p.time_base), bytes(p)) for p in container.demux(container.streams.audio[0]) if p.size]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_everything_but_the_pixels_stays(tmp_path: Path, suffix: str) -> None:
    source, target = write_clip(tmp_path / "clip.mp4"), tmp_path / f"out{suffix}"
    report = enlarge(source, target, segment_seconds=0.2)
    assert (report.frames, report.resumed, report.encoding.text) == (FRAMES, 0, "libx264 crf 17 yuv420p")
    shift = times(target)[0] - times(source)[0]
    assert shift == 0 or (suffix == ".mkv" and shift == Fraction(1024, 8000))  # no times below zero there, and AAC begins so
    near = 0 if suffix == ".mp4" else Fraction(1, 1000)  # Matroska counts milliseconds
    assert all(abs(a + shift - b) <= near for a, b in zip(times(source), times(target), strict=True))
    assert [data for _, data in sounds(source)] == [data for _, data in sounds(target)]
    assert all(abs(a + shift - b) <= near for (a, _), (b, _) in zip(sounds(source), sounds(target), strict=True))
    with open_video(target) as made:
        stream = picture_stream(made, target)
        context = stream.codec_context
        assert (stream.width, stream.height, stream.sample_aspect_ratio) == (64, 48, Fraction(4, 3))
        assert [context.color_primaries, context.color_trc, context.colorspace, context.color_range] == [1, 1, 1, 1]
        assert {key.lower(): value for key, value in made.metadata.items()}["title"] == "A clip"
        assert [chapter["metadata"]["title"] for chapter in made.chapters()] == ["One"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mp4", target.name]


def test_matroska_keeps_the_times_of_silent_videos(tmp_path: Path) -> None:
    source, target = write_clip(tmp_path / "clip.mp4", sound=False), tmp_path / "out.mkv"
    enlarge(source, target)
    assert times(target) == times(source)


def test_the_pixels_are_those_of_the_enlarged_frames(tmp_path: Path) -> None:
    source, target = write_clip(tmp_path / "clip.mp4", sound=False), tmp_path / "out.mp4"
    enlarge(source, target, quality=100)
    pairs = zip(*(read_frames(path, read_facts(path, max_pixels=10**6)) for path in (source, target)), strict=True)
    for index, (small, large) in enumerate(pairs):
        assert np.abs(small.pixels.astype(int) - picture(index)).mean() < 2
        assert np.abs(large.pixels.astype(int) - double(small.pixels)).mean() < 2


def test_colours_follow_the_matrix_that_the_file_states(tmp_path: Path) -> None:
    """Pure red has luma 16 + 219 * 0.2126 = 62.6 by BT.709, but 81.5 by BT.601."""
    from clearvision.imaging.video import to_frame, to_rgb

    facts = read_facts(write_clip(tmp_path / "clip.mp4", sound=False), max_pixels=10**6)
    red = np.zeros((24, 32, 3), np.uint8)
    red[:, :, 0] = 255
    frame = to_frame(red, facts, "yuv420p")
    assert frame.to_ndarray()[0, 0] == pytest.approx(62.6, abs=1)
    assert np.abs(to_rgb(frame, facts).astype(int) - red).max() <= 3


def test_ten_bits_stay_ten_bits(tmp_path: Path) -> None:
    source, target = write_clip(tmp_path / "clip.mp4", sound=False, deep=True), tmp_path / "out.mp4"
    assert enlarge(source, target).encoding.pixel_format == "yuv420p10le"
    facts = read_facts(target, max_pixels=10**6)
    assert facts.deep
    assert next(read_frames(target, facts)).pixels.dtype == np.uint16


def test_a_turned_video_comes_out_upright(tmp_path: Path) -> None:
    source, target = write_clip(tmp_path / "clip.mp4", sound=False), tmp_path / "out.mp4"
    data = source.read_bytes()
    one = (1 << 16).to_bytes(4, "big")
    minus = (-(1 << 16)).to_bytes(4, "big", signed=True)
    zero, last = bytes(4), (1 << 30).to_bytes(4, "big")
    upright = one + zero * 3 + one + zero * 3 + last
    track = data.index(upright, data.index(b"tkhd"))
    source.write_bytes(data[:track] + zero + one + zero + minus + zero * 4 + last + data[track + 36 :])  # 90 degrees clockwise
    facts = read_facts(source, max_pixels=10**6)
    assert (facts.width, facts.height, facts.aspect) == (24, 32, Fraction(3, 4))
    first = next(read_frames(source, facts)).pixels.astype(int)
    assert first[0, 0, 0] < first[-1, 0, 0]  # what went from left to right goes from top to bottom
    enlarge(source, target)
    made = read_facts(target, max_pixels=10**6)
    assert (made.width, made.height, made.quarters, made.aspect) == (48, 64, 0, Fraction(3, 4))


def test_a_killed_run_goes_on_behind_its_segments(tmp_path: Path) -> None:
    source, target = write_clip(tmp_path / "clip.mp4"), tmp_path / "out.mp4"
    program = f"""
        import time
        from pathlib import Path
        from clearvision.imaging.video import read_facts
        from clearvision.inference.video import enlarge_video
        seen = []
        def double(pixels):
            seen.append(0)
            if len(seen) > 8:
                time.sleep(60)
            return pixels.repeat(2, axis=0).repeat(2, axis=1)
        source = Path({str(source)!r})
        facts = read_facts(source, max_pixels=10**6)
        enlarge_video(source, Path({str(target)!r}), facts, double, (64, 48), segment_seconds=0.2)
    """
    environment = {**os.environ, "PYTHONPATH": str(Path(clearvision.__file__).parents[1])}
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], env=environment) as process:
        first = tmp_path / ".out.mp4.clearvision" / "000000.segment"
        limit = time.monotonic() + 30
        while not first.exists() and time.monotonic() < limit:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    assert not target.exists()
    per_segment = max(1, round(0.2 * read_facts(source, max_pixels=10**6).rate))
    report = enlarge(source, target, segment_seconds=0.2, resume=True)
    assert report.resumed >= per_segment
    whole = tmp_path / "whole.mp4"
    assert enlarge(source, whole, segment_seconds=0.2).flicker == report.flicker
    assert whole.read_bytes() == target.read_bytes()
    assert not first.parent.exists()


def test_segments_made_otherwise_are_not_taken(tmp_path: Path) -> None:
    source, target = write_clip(tmp_path / "clip.mp4", sound=False), tmp_path / "out.mp4"

    def stop(done: int, _: int) -> None:
        if done == 9:
            raise KeyboardInterrupt

    options = {"segment_seconds": 0.2}
    with pytest.raises(KeyboardInterrupt):
        enlarge(source, target, settings={"model": "a"}, progress=stop, **options)
    assert enlarge(source, target, settings={"model": "b"}, resume=True, **options).resumed == 0


def test_flicker_is_what_the_network_adds(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "clip.mp4", sound=False)
    facts = read_facts(source, max_pixels=10**6)
    calm = enlarge(source, tmp_path / "calm.mp4").flicker
    count = 0

    def restless(pixels: Rgb) -> Rgb:
        nonlocal count
        count += 1
        return np.clip(double(pixels).astype(int) + 40 * (count % 2), 0, 255).astype(np.uint8)

    nervous = enlarge_video(source, tmp_path / "nervous.mp4", facts, restless, (64, 48)).flicker
    assert nervous is not None
    assert calm is not None
    assert abs(calm.added) < 0.5
    assert nervous.added > 10
    assert nervous.bicubic == pytest.approx(calm.bicubic)
    white = np.full((4, 4, 3), 255, np.uint8)
    assert np.abs(luma(white, 8, 8) - 255).max() <= 1


def test_odd_sides_lose_a_line_and_it_is_said(tmp_path: Path) -> None:
    source, target = write_clip(tmp_path / "clip.mp4", sound=False), tmp_path / "out.mp4"
    facts = read_facts(source, max_pixels=10**6)
    report = enlarge_video(source, target, facts, lambda pixels: double(pixels)[:47, :63], (63, 47))
    assert (report.encoding.width, report.encoding.height) == (62, 46)
    assert "63x47 became 62x46: yuv420p needs even sides" in report.notes


def test_quality_maps_to_crf(tmp_path: Path) -> None:
    facts = read_facts(write_clip(tmp_path / "clip.mp4", sound=False), max_pixels=10**6)
    crf = {quality: choose_encoding(facts, 64, 48, quality).options["crf"] for quality in (1, 85, 100, None)}
    assert crf == {1: "51", 85: "17", 100: "11", None: "17"}


def test_bad_files_are_told_in_a_sentence(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "clip.mp4")
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(source.read_bytes()[:600])
    with pytest.raises(PictureError, match=r"cannot be read as a video: .*; it is damaged, cut short or none"):
        read_facts(cut, max_pixels=10**6)
    (tmp_path / "none.mp4").write_text("words")
    with pytest.raises(PictureError, match="damaged, cut short or none"):
        read_facts(tmp_path / "none.mp4", max_pixels=10**6)
    with pytest.raises(PictureError, match="does not exist"):
        read_facts(tmp_path / "absent.mp4", max_pixels=10**6)
    with pytest.raises(PictureError, match="states frames of 32x24 pixels, more than the 100 allowed"):
        read_facts(source, max_pixels=100)
    with av.open(str(tmp_path / "sound.mp4"), "w") as made:
        tone = made.add_stream("aac", rate=8000)
        block = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.int16), format="s16", layout="mono")
        block.sample_rate, block.pts = 8000, 0
        made.mux(tone.encode(block))
        made.mux(tone.encode(None))
    with pytest.raises(PictureError, match="has no video stream, only audio"):
        read_facts(tmp_path / "sound.mp4", max_pixels=10**6)
    with pytest.raises(UsageError, match=r"videos are written as .mp4, .m4v, .mov, .mkv, not '.webm'"):
        enlarge(source, tmp_path / "out.webm")
    with pytest.raises(UsageError, match="overwrite its own input"):
        enlarge(source, source)


def test_tags_that_are_not_unicode_do_no_harm(tmp_path: Path) -> None:
    source, target = write_clip(tmp_path / "clip.mp4", sound=False), tmp_path / "out.mp4"
    source.write_bytes(source.read_bytes().replace(b"A clip", b"A cl\xefp"))
    assert enlarge(source, target).frames == FRAMES


def test_without_pyav_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'clearvision\[video\]'"):
        pyav()
