"""Pictures, names, folders and disks that are not as they should be: a sentence each, the right exit code, nothing by halves."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import clearvision
from clearvision.apps.cli.manifest import NAME as MANIFEST
from clearvision.imaging.io import picture_from_array, read_picture, write_picture

SOURCE = str(Path(clearvision.__file__).parents[1])
ODD_NAMES = (
    "two  spaces.png",
    "line\nbreak.png",
    "ünï çødé 写真.png",
    "line\u2028separator.png",
    "-dash.png",
    "bell\a\x1b[31m.png",
)


def files(folder: Path) -> list[str]:
    """Return everything in a folder, hidden files too."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)


def limited(words: list[object], *, prepare: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command line in a process of its own, after some lines of Python."""
    code = f"import sys\n{prepare}\nfrom clearvision.apps.cli import main\nsys.exit(main())"
    command = [sys.executable, "-c", code, *map(str, words)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [SOURCE, os.environ.get("PYTHONPATH")]))}
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=environment)


# ---- names -------------------------------------------------------------------------------------------------------------------


def test_names_of_every_kind_are_enlarged_resumed_and_told_on_one_line(
    run: Callable, tmp_path: Path, photo_writer: Callable[..., Path]
) -> None:
    names = [*ODD_NAMES, os.fsdecode(b"latin-\xe4.png")]
    for name in names:
        photo_writer(tmp_path / "in" / name)
    words = ("upscale", tmp_path / "in", "-o", tmp_path / "out", "--scale", "2")
    ran = run(*words)
    assert ran.code == 0, ran.err
    assert files(tmp_path / "out") == sorted(names)
    assert len([line for line in ran.err.split("\n") if line.startswith("[")]) == len(names)
    assert "\x1b" not in ran.err
    again = run(*words, "--resume", "--json")
    assert (again.json["done"], again.json["skipped"]) == (0, len(names))


@pytest.mark.parametrize("name", ODD_NAMES)
def test_bad_pictures_of_odd_names_are_told_in_one_line_that_names_them_once(run: Callable, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("just words\n" * 20)
    ran = run("upscale", "-o", tmp_path / "out", "--", tmp_path / name)
    assert ran.code == 1
    assert ran.err.count("\n") == 1
    shown = str(tmp_path / name).replace("\n", "\\n").replace("\u2028", "\\u2028").replace("\a", "\\x07").replace("\x1b", "\\x1b")
    assert ran.err.startswith(f"clearvision: {shown} is not a picture")
    assert ran.err.count("png") == 1


def test_two_inputs_of_one_stem_keep_apart(run: Callable, tmp_path: Path, photo_writer: Callable[..., Path]) -> None:
    wide, tall = photo_writer(tmp_path / "in/a.jpg", 8, 16), photo_writer(tmp_path / "in/a.png", 16, 8)
    assert run("upscale", wide.parent, "-o", tmp_path / "out", "--scale", "2").code == 0
    assert files(tmp_path / "out") == ["a.jpg", "a.png"]
    assert run("upscale", wide, tall, "-o", tmp_path / "png", "--scale", "2", "--format", "png").code == 0
    assert files(tmp_path / "png") == ["a_jpg.png", "a_png.png"]
    assert (read_picture(tmp_path / "png/a_jpg.png").width, read_picture(tmp_path / "png/a_png.png").width) == (32, 16)
    photo_writer(tmp_path / "in/a_jpg.png")
    ran = run("upscale", wide.parent, "-o", tmp_path / "both", "--format", "png")
    assert ran.code == 2
    assert "would both become" in ran.err
    assert not (tmp_path / "both").exists()


# ---- folders -----------------------------------------------------------------------------------------------------------------


def test_links_in_circles_end(run: Callable, tmp_path: Path, photo_writer: Callable[..., Path]) -> None:
    photo_writer(tmp_path / "in/deep/a.png")
    (tmp_path / "in/deep/up").symlink_to(tmp_path / "in")
    (tmp_path / "in/self.png").symlink_to(tmp_path / "in/self.png")
    (tmp_path / "in/nowhere.png").symlink_to(tmp_path / "in/missing.png")
    ran = run("upscale", tmp_path / "in", "-o", tmp_path / "out", "--recursive", "--scale", "2")
    assert ran.code == 1
    assert files(tmp_path / "out") == ["deep/a.png"]
    sentences = [line for line in ran.err.splitlines() if line.startswith("clearvision: ")]
    assert len(sentences) == 2
    assert "nowhere.png does not exist" in sentences[0]
    assert "self.png" in sentences[1]
    assert "symbolic links" in sentences[1]


def test_a_folder_without_permission_is_found_before_the_work(
    run: Callable, tmp_path: Path, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clearvision.inference.upscaler.Upscaler.run", lambda *_, **__: pytest.fail("was computed"))
    (tmp_path / "locked").mkdir(mode=0o500)
    if os.access(tmp_path / "locked", os.W_OK):
        pytest.skip("root may write everywhere")
    ran = run("upscale", photo, "-o", tmp_path / "locked")
    assert ran.code == 2
    assert f"no permission to write in {tmp_path / 'locked'}; give another place with -o" in ran.err
    assert files(tmp_path / "locked") == []
    closed = tmp_path / "closed.png"
    closed.write_bytes(photo.read_bytes())
    closed.chmod(0)
    ran = run("upscale", closed, "-o", tmp_path / "out")
    assert ran.code == 1
    assert f"{closed} cannot be opened: Permission denied" in ran.err


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on the size of files")
def test_a_disk_that_fills_up_leaves_what_was_whole(weights_dir: Path, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (80, 80, 3), dtype=np.uint8)
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    out.mkdir()
    suffixes = (".png", ".tif", ".jpg", ".webp", ".avif", ".jp2", ".bmp", ".ppm")
    for suffix in suffixes:
        write_picture(picture_from_array(noise), source / f"large_{suffix[1:]}{suffix}")
        write_picture(picture_from_array(noise[:4, :4].copy()), source / f"small_{suffix[1:]}{suffix}")
    (out / "large_jpg.jpg").write_bytes(b"the result of another day")
    # a file that may not grow fails as a full disk does: in the middle of being written
    prepare = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (8000, 8000))"
    ran = limited(["upscale", source, "-o", out, "--model", weights_dir / "clean-x2.safetensors"], prepare=prepare)
    assert ran.returncode == 1, ran.stderr
    assert files(out) == sorted(["large_jpg.jpg", *(f"small_{suffix[1:]}{suffix}" for suffix in suffixes)])
    assert (out / "large_jpg.jpg").read_bytes() == b"the result of another day"
    sentences = [line for line in ran.stderr.splitlines() if line.startswith("clearvision: ")]
    assert len(sentences) == len(suffixes)
    for suffix in suffixes:
        assert any(line.startswith(f"clearvision: cannot write {out / f'large_{suffix[1:]}{suffix}'}: ") for line in sentences)
    assert "Traceback" not in ran.stderr


# ---- pictures ----------------------------------------------------------------------------------------------------------------


def test_a_file_cut_short_of_every_format_is_told_and_leaves_nothing(
    run: Callable, photo: Path, tmp_path: Path, photo_writer: Callable[..., Path]
) -> None:
    folder = tmp_path / "in"
    for suffix in (".jpg", ".png", ".webp", ".tif", ".avif", ".bmp", ".jp2", ".tga", ".ppm"):
        whole = photo_writer(folder / f"cut_{suffix[1:]}{suffix}", 40, 40).read_bytes()
        (folder / f"cut_{suffix[1:]}{suffix}").write_bytes(whole[: len(whole) * 2 // 3])
    photo.rename(folder / "good.png")
    ran = run("upscale", folder, "-o", tmp_path / "out", "--scale", "2")
    assert ran.code == 1
    assert files(tmp_path / "out") == ["good.png"]
    sentences = [line for line in ran.err.splitlines() if line.startswith("clearvision: ")]
    assert len(sentences) == 9
    assert all("damaged, cut short or not readable" in sentence for sentence in sentences)
    assert "9 of 10 failed:" in ran.err


def test_files_that_would_fill_the_memory_are_refused(run: Callable, tmp_path: Path, photo: Path) -> None:
    frames = [Image.new("RGB", (100, 100), (index, 0, 0)) for index in range(60)]
    frames[0].save(tmp_path / "long.gif", save_all=True, append_images=frames[1:])
    frames[0].save(tmp_path / "long.tif", save_all=True, append_images=frames[1:])
    Image.new("1", (1000, 1000)).save(tmp_path / "inside.png")
    icon = (tmp_path / "inside.png").read_bytes()
    directory = struct.pack("<HHHBBBBHHII", 0, 1, 1, 16, 16, 0, 0, 1, 32, len(icon), 22)
    (tmp_path / "icon.ico").write_bytes(directory + icon)
    (tmp_path / "map.pfm").write_bytes(b"PF\n50000 50000\n-1.0\n")
    bad = ["long.gif", "long.tif", "icon.ico", "map.pfm"]
    words = ("--max-pixels", 100_000, "--scale", "2", "-o", tmp_path / "out")
    ran = run("upscale", *(tmp_path / name for name in bad), photo, *words)
    assert ran.code == 1
    assert files(tmp_path / "out") == ["photo.png"]
    sentences = [line for line in ran.err.splitlines() if line.startswith("clearvision: ")]
    assert [name in sentence for name, sentence in zip(bad, sentences, strict=True)] == [True] * 4
    assert "at most 0.1 are read; raise max_pixels" in sentences[0]
    assert "at most" in sentences[1]
    assert "is 1000x1000, 1 megapixels, and at most 0.1" in sentences[2]
    assert "50000x50000, 2500 megapixels" in sentences[3]
