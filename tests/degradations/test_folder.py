"""Degraded copies of files: bytes, manifest, going on, and faults."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from clearvision.degradations.folder import MANIFEST, degrade_files, plain_pixels
from clearvision.degradations.pipeline import degrade_picture
from clearvision.degradations.steps import Noise, Step
from clearvision.errors import PictureWriteError, UsageError
from clearvision.imaging.io import picture_from_array, read_picture, write_picture
from clearvision.types import Picture

STEPS: list[Step] = [Noise(sigma=25)]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for name in ("a.png", "deep/b.png", "deep/c.png"):
        write_picture(picture_from_array(rng.integers(0, 256, (18, 22, 3), np.uint8)), tmp_path / "in" / name)
    return tmp_path / "in"


def jobs(source: Path, out: Path) -> list[tuple[Path, Path]]:
    files = sorted(path for path in source.rglob("*") if path.is_file())
    return [(path, out / path.relative_to(source).with_suffix(".png")) for path in files]


def lines(out: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (out / MANIFEST).read_text().splitlines()]


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_manifest_says_what_was_done(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    copied = degrade_files(jobs(source, out), out, "clearvision", scale=4, seed=9)
    assert (len(copied.done), copied.kept, copied.failed) == (3, (), {})
    settings, *records = lines(out)
    assert (settings["preset"], settings["scale"], settings["seed"]) == ("clearvision", 4, 9)
    assert [step["step"] for step in settings["steps"]] == ["resize", "noise", "round", "blur", "jpeg"]  # type: ignore[attr-defined]
    assert [record["file"] for record in records] == ["a.png", "deep/b.png", "deep/c.png"]
    for record in records:
        path = source / str(record["file"])
        assert record["sha256_in"] == sha256(path)
        assert record["sha256_out"] == sha256(out / str(record["file"]))
        assert (record["width"], record["height"]) == (20, 16)  # cut to multiples of 4
        steps: list[dict[str, object]] = record["steps"]  # type: ignore[assignment]
        assert [step["step"] for step in steps] == ["resize", "noise", "round", "blur", "jpeg", "round"]
        # the library makes the same from what the manifest says
        pixels = read_picture(path).pixels[:16, :20]
        again = degrade_picture(pixels, "clearvision", scale=4, seed=9, index=int(str(record["index"])))  # type: ignore[arg-type]
        assert np.array_equal(again, read_picture(out / str(record["file"])).pixels)


def test_bytes_depend_on_seed_and_picture_only(source: Path, tmp_path: Path) -> None:
    whole, part, other = tmp_path / "whole", tmp_path / "part", tmp_path / "other"
    degrade_files(jobs(source, whole), whole, STEPS, scale=2, seed=1)
    renamed = tmp_path / "renamed.png"
    renamed.write_bytes((source / "deep/c.png").read_bytes())
    degrade_files([(renamed, part / "renamed.png"), (source / "a.png", part / "a.png")], part, STEPS, scale=2, seed=1)
    degrade_files(jobs(source, other), other, STEPS, scale=2, seed=2)
    assert (part / "renamed.png").read_bytes() == (whole / "deep/c.png").read_bytes()
    assert (part / "a.png").read_bytes() == (whole / "a.png").read_bytes()
    assert (other / "a.png").read_bytes() != (whole / "a.png").read_bytes()
    assert len({str(record["index"]) for record in lines(whole)[1:]}) == 3
    again = tmp_path / "again"
    degrade_files(jobs(source, again)[::-1], again, STEPS, scale=2, seed=1)
    assert (again / MANIFEST).read_bytes() == (whole / MANIFEST).read_bytes()


def test_going_on_does_only_what_is_missing_or_wrong(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    degrade_files(jobs(source, out), out, STEPS, scale=2, seed=1)
    manifest, right = (out / MANIFEST).read_text(), (out / "a.png").read_bytes()
    (out / "a.png").write_bytes(b"spoilt")
    (out / "deep/b.png").unlink()
    (out / MANIFEST).write_text(manifest + '{"file": "deep/c.p')  # as a run killed in the middle of a line
    seen: list[str] = []
    copied = degrade_files(jobs(source, out), out, STEPS, scale=2, seed=1, progress=lambda path: seen.append(path.name))
    assert [path.name for path in copied.done] == ["a.png", "b.png"]
    assert [path.name for path in copied.kept] == ["c.png"]
    assert seen == ["a.png", "b.png", "c.png"]
    assert (out / "a.png").read_bytes() == right
    assert (out / MANIFEST).read_text() == manifest


def test_another_runs_folder_is_not_touched(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    degrade_files(jobs(source, out), out, STEPS, scale=2, seed=1)
    before = (out / "a.png").read_bytes()
    with pytest.raises(UsageError, match=r"other settings \(preset steps, scale 2, seed 1\); give another folder or --overwrite"):
        degrade_files(jobs(source, out), out, STEPS, scale=2, seed=5)
    assert (out / "a.png").read_bytes() == before
    assert len(degrade_files(jobs(source, out), out, STEPS, scale=2, seed=5, overwrite=True).done) == 3
    assert (out / "a.png").read_bytes() != before
    (out / MANIFEST).unlink()
    with pytest.raises(UsageError, match=r"a.png' exists already and '.*out' has no manifest.jsonl"):
        degrade_files(jobs(source, out), out, STEPS, scale=2, seed=5)
    (out / MANIFEST).write_text("not json")
    with pytest.raises(UsageError, match=r"manifest.jsonl' cannot be read; give another folder or --overwrite"):
        degrade_files(jobs(source, out), out, STEPS, scale=2, seed=5)


def test_broken_pictures_are_named_and_the_others_done(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    whole = (source / "a.png").read_bytes()
    (source / "cut.png").write_bytes(whole[: len(whole) // 2])
    write_picture(picture_from_array(np.zeros((3, 40, 3), np.uint8)), source / "low.png")
    copied = degrade_files(jobs(source, out), out, "bicubic", scale=4, seed=0)
    assert len(copied.done) == 3
    assert {path.name for path in copied.failed} == {"cut.png", "low.png"}
    assert copied.failed[source / "low.png"].endswith("low.png (40x3) is too small to become 4 times smaller")
    assert not (out / "cut.png").exists()
    assert [record["file"] for record in lines(out)[1:]] == ["a.png", "deep/b.png", "deep/c.png"]


def test_grey_stays_grey_as_long_as_it_is(tmp_path: Path) -> None:
    grey = np.random.default_rng(0).integers(0, 256, (16, 16), np.uint8)
    write_picture(picture_from_array(grey), tmp_path / "in/grey.png")
    for degradation, channels in (("bicubic", 1), (STEPS, 3)):
        out = tmp_path / f"out{channels}"
        degrade_files(jobs(tmp_path / "in", out), out, degradation, scale=2, seed=0)
        assert read_picture(out / "grey.png").pixels.shape == (8, 8, channels)


def test_deep_pictures_are_rounded_to_8_bits() -> None:
    deep = np.array([[[0], [128], [129], [65535]]], np.uint16)
    assert plain_pixels(Picture(deep))[0].tolist() == [[0] * 3, [0] * 3, [1] * 3, [255] * 3]
    wide = np.array([[[-1.0], [0.5], [2.0]]], np.float32)
    assert plain_pixels(Picture(wide))[0].tolist() == [[0] * 3, [128] * 3, [255] * 3]


def test_nothing_to_do_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there are no pictures to degrade"):
        degrade_files([], tmp_path, "bicubic", scale=2, seed=0)
    with pytest.raises(UsageError, match=r"scale \(0\) must be 1 or more"):
        degrade_files([(tmp_path, tmp_path)], tmp_path, "bicubic", scale=0, seed=0)


def test_an_unwritable_place_is_told(source: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    out = tmp_path / "file" / "out"
    with pytest.raises(PictureWriteError, match=r"cannot write .*out/manifest.jsonl: "):
        degrade_files(jobs(source, out), out, "bicubic", scale=2, seed=0, overwrite=True)
