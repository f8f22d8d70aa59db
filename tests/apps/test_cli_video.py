from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from clearvision.imaging.video import read_facts, read_frames

av = pytest.importorskip("av")


def write_clip(path: Path, frames: int = 3) -> Path:
    with av.open(str(path), "w") as made:
        stream = made.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 24, "yuv420p"
        for index in range(frames):
            made.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((24, 32, 3), 40 * index, np.uint8), format="rgb24")))
        made.mux(stream.encode(None))
    return path


def test_a_video_is_enlarged_beside_itself(tmp_path: Path, run: Callable) -> None:
    clip = write_clip(tmp_path / "clip.mp4")
    ran = run("upscale", clip, "--json")
    assert ran.code == 0, ran.err
    (told,) = ran.json["videos"]
    assert (told["status"], told["frames"], told["target_size"]) == ("done", 3, [128, 96])
    assert told["encoding"] == "libx264 crf 17 yuv420p"
    assert set(told["flicker"]) == {"result", "bicubic", "pairs", "added"}
    target = tmp_path / "clip_x4.mp4"
    facts = read_facts(target, max_pixels=10**6)
    assert sum(1 for _ in read_frames(target, facts)) == 3
    assert (facts.width, facts.height) == (128, 96)


def test_plans_and_wrong_options_are_told(tmp_path: Path, run: Callable, photo: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4")
    ran = run("upscale", clip, "--dry-run", "-o", tmp_path / "out.mkv", "--scale", "2")
    assert (ran.code, "clip.mp4 (32x24) -> " in ran.out, "(64x48), 3 frames, libx264 crf 17" in ran.out) == (0, True, True)
    for words, said in (
        ((clip, photo), "pictures and videos cannot go in one command"),
        ((clip, "--trust-map"), "--trust-map is for pictures, not for videos"),
        ((clip, "-o", tmp_path / "out.webm"), "videos are written as .mp4"),
        ((clip, "-o", clip), "over an input"),
    ):
        ran = run("upscale", *words)
        assert (ran.code, said in ran.err) == (2, True), ran.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mp4", "photo.png"]


def test_a_bad_video_fails_in_a_sentence(tmp_path: Path, run: Callable) -> None:
    (tmp_path / "bad.mp4").write_text("words")
    ran = run("upscale", tmp_path / "bad.mp4")
    assert ran.code == 1
    assert "cannot be read as a video" in ran.err
    assert "Traceback" not in ran.err
    assert [path.name for path in tmp_path.iterdir()] == ["bad.mp4"]


def test_folders_pass_videos_over(tmp_path: Path, run: Callable, photo: Path) -> None:
    write_clip(tmp_path / "clip.mp4")
    ran = run("upscale", tmp_path, "-o", tmp_path / "big", "--json")
    assert (ran.code, ran.json["done"], ran.json["ignored"]) == (0, 1, 1)
