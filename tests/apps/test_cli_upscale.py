from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.apps.conftest import tiny_span

import clearvision
from clearvision.apps.cli.manifest import NAME as MANIFEST
from clearvision.errors import PictureWriteError
from clearvision.imaging.frames import Frames, read_frames, write_frames
from clearvision.imaging.io import picture_from_array, read_picture, write_picture
from clearvision.types import Picture
from clearvision.zoo.checkpoint import write_checkpoint

SOURCE = str(Path(clearvision.__file__).parents[1])


def shape(path: Path) -> tuple[int, ...]:
    return read_picture(path).pixels.shape


def python(*words: object, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *map(str, words)]
    path = os.pathsep.join(filter(None, [SOURCE, os.environ.get("PYTHONPATH")]))
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=60, env={**os.environ, "PYTHONPATH": path, **environment}
    )


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def bad_files(folder: Path, write_photo: Callable[..., Path]) -> dict[str, str]:
    """Write what people mistake for pictures; return name to what must be said of it."""
    (folder / "text.png").write_text("just words\n" * 20)
    whole = write_photo(folder / "whole.jpg", 64, 64).read_bytes()
    (folder / "whole.jpg").unlink()
    (folder / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.png").write_bytes(b"")
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0))
    (folder / "vast.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 900)) + chunk(b"IEND", b"")
    )
    return {
        "cut.jpg": "damaged, cut short",
        "empty.png": "is empty",
        "text.png": "is not a picture",
        "vast.png": "60000x60000",
        "missing.png": "does not exist",
    }


def test_default_is_four_times_beside_the_input(run: Callable, photo: Path) -> None:
    before = photo.read_bytes()
    ran = run("upscale", photo)
    assert ran.code == 0
    assert shape(photo.with_name("photo_x4.png")) == (64, 96, 3)
    assert photo.read_bytes() == before
    assert ran.out.startswith(f"{photo} (24x16) -> {photo.with_name('photo_x4.png')} (96x64), ")
    assert "MP/s, clean-x4 on openvino cpu" in ran.out
    assert ran.err == "photo.png: no compression, noise or blur to be seen: chose clean-x4\n"


@pytest.mark.parametrize(
    ("words", "name", "expected", "model"),
    [
        (("--scale", "2"), "photo_x2.png", (32, 48), "clean-x2"),
        (("--scale", "2.5"), "photo_x2.5.png", (40, 60), "clean-x4"),
        (("--width", "48"), "photo_48w.png", (32, 48), "clean-x2"),
        (("--height", "100"), "photo_100h.png", (100, 150), "clean-x4"),
        (("--megapixels", "0.0006"), "photo_0.0006mp.png", (20, 30), "clean-x2"),
        (("--scale", "2", "--model", "clean-x4"), "photo_x2.png", (32, 48), "clean-x4"),
        (("--model", "clean-x2"), "photo_x2.png", (32, 48), "clean-x2"),
    ],
)
def test_size_and_model_follow_the_wish(
    run: Callable, photo: Path, words: tuple[str, ...], name: str, expected: tuple[int, int], model: str
) -> None:
    ran = run("upscale", photo, *words, "--json")
    assert ran.code == 0, ran.err
    assert shape(photo.with_name(name))[:2] == expected
    (told,) = ran.json["pictures"]
    assert (told["model"], told["source_size"], told["target_size"]) == (model, [24, 16], [expected[1], expected[0]])


def test_sixteen_bits_stay_sixteen_bits(run: Callable, tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 40 * 40).reshape(40, 40, 1).astype(np.uint16)
    write_picture(picture_from_array(ramp), tmp_path / "deep.tif")
    assert run("upscale", tmp_path / "deep.tif", "-o", tmp_path / "out").code == 0
    result = read_picture(tmp_path / "out/deep.tif").pixels
    assert result.dtype == np.uint16
    assert len(np.unique(result)) > 256


def test_format_quality_and_metadata_reach_the_file(run: Callable, photo: Path, tmp_path: Path) -> None:
    for quality in (30, 95):
        words = ("-o", tmp_path / f"q{quality}", "--format", "jpeg", "--quality", quality)
        assert run("upscale", photo, *words).code == 0
    small, large = (tmp_path / f"q{quality}/photo.jpg" for quality in (30, 95))
    assert read_picture(small).format == "jpeg"
    assert small.stat().st_size < large.stat().st_size


def test_bad_pictures_are_told_and_the_others_done(
    run: Callable, photo: Path, tmp_path: Path, photo_writer: Callable[..., Path]
) -> None:
    expected = bad_files(tmp_path, photo_writer)
    ran = run("upscale", *(tmp_path / name for name in expected), photo, "-o", tmp_path / "out")
    assert ran.code == 1
    assert files(tmp_path / "out") == ["photo.png"]
    sentences = [line for line in ran.err.splitlines() if line.startswith("clearvision: ")]
    assert len(sentences) == len(expected)
    for (name, words), sentence in zip(expected.items(), sentences, strict=True):
        assert sentence.startswith(f"clearvision: {tmp_path / name} ")
        assert words in sentence
    assert f"5 of 6 failed:\n  {tmp_path / 'cut.jpg'}\n" in ran.err
    assert "Traceback" not in ran.err


def test_json_holds_everything_and_stdout_nothing_else(run: Callable, photo: Path, tmp_path: Path) -> None:
    ran = run("upscale", photo, tmp_path / "missing.png", "-o", tmp_path / "out", "--json", "--verify-tiles", "--tile", "16")
    assert ran.code == 1
    told = ran.json
    assert (told["done"], told["failed"], told["skipped"], told["interrupted"]) == (1, 1, 0, False)
    good, bad = told["pictures"]
    assert good["output"] == str(tmp_path / "out/photo.png")
    assert good["engine"] == "openvino"
    assert good["retries"] == []
    assert good["tile_error"] is not None
    assert bad["status"] == "failed"
    assert bad["error"] == f"{tmp_path / 'missing.png'} does not exist"


def test_resume_skips_what_was_made_from_the_same_in_the_same_way(
    run: Callable, tmp_path: Path, photo_writer: Callable[..., Path]
) -> None:
    for name in ("a.png", "b.png", "c.png"):
        photo_writer(tmp_path / "in" / name)
    words = ("upscale", tmp_path / "in", "-o", tmp_path / "out", "--resume", "--json")
    assert run(*words).json["done"] == 3
    (tmp_path / "out/a.png").unlink()
    later = time.time() + 60
    os.utime(tmp_path / "in/c.png", (later, later))  # touched but the same
    (tmp_path / "in/b.png").write_bytes((tmp_path / "in/b.png").read_bytes() + b"\0")
    again = run(*words)
    assert again.code == 0
    assert {picture["input"][-5:]: picture["status"] for picture in again.json["pictures"]} == {
        "c.png": "skipped",
        "a.png": "done",
        "b.png": "done",
    }
    assert run(*words, "--scale", "2").json["done"] == 3  # another result


def test_resume_sees_a_twin_that_changed(
    run: Callable, tmp_path: Path, photo_writer: Callable[..., Path], bundled_apart: Path
) -> None:
    info, weights = tiny_span("clean-x2-vivid", 2)
    write_checkpoint(bundled_apart / "clean-x2-vivid.safetensors", info, weights)
    photo_writer(tmp_path / "in" / "a.png")
    words = ("upscale", tmp_path / "in", "-o", tmp_path / "out", "--model", "clean-x2", "--resume", "--json")
    vivid = (*words, "--vividness", "0.5")
    assert run(*vivid).json["done"] == 1
    assert run(*vivid).json["skipped"] == 1
    changed = {name: value * np.float32(0.9) for name, value in weights.items()}
    write_checkpoint(bundled_apart / "clean-x2-vivid.safetensors", info, changed)
    assert run(*vivid).json["done"] == 1
    assert run(*words).json["done"] == 1


def test_a_result_too_large_for_its_format_is_told_before_the_work(
    run: Callable, tmp_path: Path, photo_writer: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clearvision.inference.upscaler.Upscaler.run", lambda *_, **__: pytest.fail("was computed"))
    source = photo_writer(tmp_path / "wide.png", 1, 1100)
    ran = run("upscale", source, "-o", tmp_path / "out", "--scale", "16", "--format", "webp")
    assert ran.code == 1
    assert "webp holds at most 16383 pixels a side" in ran.err
    assert not (tmp_path / "out").exists()


def test_a_failed_write_is_a_failed_picture(
    run: Callable, tmp_path: Path, photo_writer: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_after_a(picture: Picture, path: Path, **options: object) -> None:
        if path.name != "a.png":
            raise PictureWriteError(f"cannot write {path}: No space left on device")
        write_picture(picture, path, **options)  # type: ignore[arg-type]

    for name in ("a.png", "b.png"):
        photo_writer(tmp_path / "in" / name)
    monkeypatch.setattr("clearvision.inference.files.write_picture", full_after_a)
    ran = run("upscale", tmp_path / "in", "-o", tmp_path / "out")
    assert ran.code == 1
    assert f"clearvision: cannot write {tmp_path / 'out/b.png'}: No space left on device\n" in ran.err
    assert files(tmp_path / "out") == ["a.png"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--scale", "0"), "scale (0.0) must be above 0 and at most 16"),
        (("--scale", "-1"), "scale (-1.0) must be above 0"),
        (("--scale", "99"), "scale (99) must be above 0 and at most 16"),
        (("--scale", "nan"), "scale (nan) must be above 0"),
        (("--scale", "big"), "'--scale': 'big' is not a number; see 'clearvision upscale --help'"),
        (("--width", "1.5"), "'--width': '1.5' is not a whole number"),
        (("--scale", "2", "--width", "9"), "give only one of scale, width, height and megapixels, not scale and width"),
        (("--width", "0"), "width (0) must be above 0"),
        (("--model", "clean-x5"), "unknown model 'clean-x5'; did you mean 'clean-x"),
        (("--model", "missing.safetensors"), "unknown model 'missing.safetensors'"),
        (("--tile", "3"), "tile (3) must be at least 16"),
        (("--device", "tpu"), "unknown device 'tpu'; known: auto, cpu, cuda, mps"),
        (("--precision", "int3"), "unknown precision 'int3' for the openvino engine; known: auto, f32, bf16, f16"),
        (("--quality", "0"), "quality (0) must be at least 1 and at most 100"),
        (("--format", "doc"), "cannot write the format 'doc'"),
        (("--colour", "red"), "No such option: --colour"),
    ],
)
def test_usage_errors_are_one_sentence_and_exit_2(run: Callable, photo: Path, words: tuple[str, ...], expected: str) -> None:
    ran = run("upscale", photo, *words)
    assert ran.code == 2
    assert expected in ran.err
    assert ran.err.startswith("clearvision: ")
    assert ran.err.count("\n") == 1
    assert ran.out == ""
    assert files(photo.parent) == ["photo.png"]


def test_usage_errors_are_json_too(run: Callable, photo: Path) -> None:
    ran = run("upscale", photo, "--scale", "0", "--json")
    assert ran.code == 2
    assert "scale (0.0) must be above 0" in ran.json["error"]


def test_a_size_too_large_for_one_picture_fails_that_picture(
    run: Callable, tmp_path: Path, photo_writer: Callable[..., Path]
) -> None:
    small, large = photo_writer(tmp_path / "small.png", 4, 4), photo_writer(tmp_path / "large.png", 8, 32)
    ran = run("upscale", small, large, "--width", "96", "-o", tmp_path / "out")
    assert ran.code == 1
    assert f"{small}: width (96) would enlarge the picture of 4x4 pixels 24.0 times" in ran.err
    assert files(tmp_path / "out") == ["large.png"]


def test_unexpected_faults_are_a_sentence_and_debug_shows_where(
    run: Callable, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyError("oops")

    monkeypatch.setattr("clearvision.inference.upscaler.Upscaler.run", broken)
    ran = run("upscale", photo)
    assert ran.code == 1
    assert ran.err == f"clearvision: {photo}: unexpected KeyError: 'oops' (a fault of ClearVision; --debug shows where)\n"
    shown = run("upscale", photo, "--debug")
    assert shown.code == 1
    assert "Traceback" in shown.err


def test_interruption_keeps_what_is_whole(
    run: Callable, tmp_path: Path, photo_writer: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from clearvision.inference.upscaler import Upscaler

    for name in ("a.png", "b.png", "c.png"):
        photo_writer(tmp_path / "in" / name)
    real, calls = Upscaler.run, []

    def interrupted(self: Upscaler, *arguments: object, **options: object) -> object:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(self, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Upscaler, "run", interrupted)
    ran = run("upscale", tmp_path / "in", "-o", tmp_path / "out")
    assert ran.code == 130
    assert ran.err.endswith("clearvision: interrupted\n")
    assert files(tmp_path / "out") == ["a.png"]
    assert "a.png" in ran.out


def test_processes_exit_with_the_code_and_without_traceback_or_torch(weights_dir: Path, photo: Path, tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("a file")
    start = "import sys; sys.modules['torch'] = None\nfrom clearvision.apps.cli import main\nsys.exit(main())"
    words = ("-c", start, "upscale", photo, tmp_path / "missing.png", "--model", weights_dir / "clean-x4.safetensors", "-o")
    below_a_file = python(*words, tmp_path / "plain/out")
    assert below_a_file.returncode == 2
    assert "plain is not a folder" in below_a_file.stderr
    mixed = python(*words, tmp_path / "out")
    assert mixed.returncode == 1
    assert files(tmp_path / "out") == ["photo.png"]
    assert "Traceback" not in below_a_file.stderr + mixed.stderr


def test_running_the_module_is_running_the_command() -> None:
    done = python("-m", "clearvision.apps.cli", "--version")
    assert (done.returncode, done.stdout) == (0, f"clearvision {clearvision.__version__}\n")


def test_help_starts_without_heavy_libraries() -> None:
    code = (
        "import sys\nfrom clearvision.apps.cli import main\nmain(['--help'])\n"
        "print(sorted({'torch', 'openvino', 'numpy', 'pyvips', 'PIL', 'yaml'} & set(sys.modules)))"
    )
    done = python("-c", code)
    assert done.stdout.splitlines()[-1] == "[]", done.stdout + done.stderr


def test_an_animation_is_enlarged_frame_by_frame(tmp_path: Path) -> None:
    frames = [Picture(np.full((12, 16, 3), level, np.uint8)) for level in (10, 120, 240)]
    write_frames(Frames(tuple(frames), (40, 60, 80), loop=2), tmp_path / "wave.gif")
    done = python("-m", "clearvision.apps.cli", "upscale", tmp_path / "wave.gif", "--json")
    assert done.returncode == 0, done.stderr
    (told,) = json.loads(done.stdout)["pictures"]
    assert (told["frames"], told["target_size"]) == (3, [64, 48])
    found = read_frames(tmp_path / "wave_x4.webp")
    assert (found.delays, found.loop) == ((40, 60, 80), 2)
    assert [round(float(frame.pixels.mean())) for frame in found.pictures] == pytest.approx([10, 120, 240], abs=2)


def test_the_result_states_its_origin_and_the_wished_resolution(
    run: Callable, tmp_path: Path, photo_writer: Callable[..., Path]
) -> None:
    source = photo_writer(tmp_path / "photo.png")
    assert run("upscale", source, "-o", tmp_path / "a.png", "--dpi", "300").code == 0
    stated = read_picture(tmp_path / "a.png")
    assert stated.dpi == (300, 300)
    assert b'clearvision:Scale="4"' in (stated.xmp or b"")
    assert run("upscale", source, "-o", tmp_path / "b.png", "--no-provenance").code == 0
    assert read_picture(tmp_path / "b.png").xmp is None
    refused = run("upscale", source, "-o", tmp_path / "c.png", "--dpi", "0")
    assert (refused.code, "dpi (0) must be at least 1 and at most 65535" in refused.err) == (2, True)


def test_a_dry_run_tells_and_does_nothing(run: Callable, tmp_path: Path, photo_writer: Callable[..., Path]) -> None:
    photo_writer(tmp_path / "in/a.png", 20, 30)
    (tmp_path / "in/b.png").write_bytes(b"no picture")
    ran = run("upscale", tmp_path / "in", "-o", tmp_path / "out", "--dry-run", "--json")
    good, bad = ran.json["pictures"]
    assert ran.code == 1
    assert (good["source_size"], good["target_size"], good["exact_tiles"]) == ([30, 20], [120, 80], True)
    assert good["memory_bytes"] > 120 * 80 * 3
    assert good["seconds"] > 0
    assert "is not a picture" in bad["error"]
    told = run("upscale", tmp_path / "in", "-o", tmp_path / "out", "--dry-run")
    assert "1 of 2 pictures, 0.0 megapixels" in told.out
    assert not (tmp_path / "out").exists()


def test_pictures_go_through_pipes(tmp_path: Path, photo_writer: Callable[..., Path]) -> None:
    source = photo_writer(tmp_path / "photo.png", 20, 30)
    command = [sys.executable, "-m", "clearvision.apps.cli", "upscale", "-", "-o", "-", "--scale", "2"]
    environment = {**os.environ, "PYTHONPATH": SOURCE}
    piped = subprocess.run(command, input=source.read_bytes(), capture_output=True, check=False, env=environment)
    assert piped.returncode == 0, piped.stderr
    (tmp_path / "out.png").write_bytes(piped.stdout)
    assert shape(tmp_path / "out.png") == (40, 60, 3)
    broken = subprocess.run(command, input=b"text", capture_output=True, check=False, env=environment)
    assert (broken.returncode, broken.stdout) == (1, b"")
    assert b"is not a picture" in broken.stderr


def test_patterns_are_expanded_where_the_shell_has_not(run: Callable, tmp_path: Path, photo_writer: Callable[..., Path]) -> None:
    for name in ("a.png", "b.png", "c.jpg"):
        photo_writer(tmp_path / name, 8, 8)
    assert run("upscale", tmp_path / "*.png", "-o", tmp_path / "out", "--json").json["done"] == 2
    refused = run("upscale", tmp_path / "*.tif", "-o", tmp_path / "out")
    assert (refused.code, "no file matches" in refused.err) == (2, True)
    refused = run("upscale", "-", tmp_path / "a.png", "-o", tmp_path / "out")
    assert (refused.code, "'-' stands for one picture but there are 2 inputs" in refused.err) == (2, True)


def test_results_are_held_to_their_input_and_their_trust_is_mapped(
    run: Callable, tmp_path: Path, photo_writer: Callable[..., Path]
) -> None:
    source = photo_writer(tmp_path / "photo.png", 20, 30)
    words = ("upscale", source, "-o", tmp_path / "out.png", "--scale", "3", "--consistency", "--json")
    before = run(*words).json["pictures"][0]["consistency"]
    assert f"gives the input back to {before:.1f} dB" in run(*words[:-1]).out
    ran = run(*words, "--back-project", "--trust-map")
    assert ran.json["pictures"][0]["consistency"] > before + 1
    assert shape(tmp_path / "out_trust.png") == (60, 90, 1)
    refused = run(*words, "--back-project", "--lock-colour")
    assert (refused.code, "give one of the two" in refused.err) == (2, True)


def test_a_memory_limit_puts_large_pictures_on_disk(run: Callable, tmp_path: Path, photo_writer: Callable[..., Path]) -> None:
    source = photo_writer(tmp_path / "photo.tif", 40, 60)
    plain, small = tmp_path / "plain.tif", tmp_path / "small.tif"
    assert run("upscale", source, "-o", plain).code == 0
    assert run("upscale", source, "-o", small, "--memory", "500M", "--pyramid").code == 0
    np.testing.assert_array_equal(read_picture(small).pixels, read_picture(plain).pixels)
    for wrong, told in (("much", "is not a size above zero"), ("10M", r"memory (10 MB) must be at least 500 MB")):
        refused = run("upscale", source, "-o", small, "--memory", wrong)
        assert (refused.code, told in refused.err) == (2, True), refused.err


def test_transparency_may_go_through_the_network(run: Callable, tmp_path: Path) -> None:
    source = tmp_path / "cut.png"
    array = np.full((20, 20, 4), 120, np.uint8)
    array[:, :, 3] = np.where(np.add(*np.mgrid[:20, :20]) % 9 < 4, 255, 0)
    write_picture(picture_from_array(array), source)
    for way in ("resize", "network"):
        assert run("upscale", source, "-o", tmp_path / f"{way}.png", "--alpha", way).code == 0
    one, other = (read_picture(tmp_path / f"{way}.png") for way in ("resize", "network"))
    assert one.alpha is not None
    assert other.alpha is not None
    assert (one.alpha != other.alpha).any()
    np.testing.assert_array_equal(one.pixels, other.pixels)
    refused = run("upscale", source, "-o", tmp_path / "x.png", "--alpha", "best")
    assert (refused.code, "alpha 'best' is unknown; known: resize, network" in refused.err) == (2, True)
