from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clearvision.imaging.io import write_picture
from clearvision.imaging.resize import resize_scale
from clearvision.types import Picture

Run = Callable[..., Any]


def write_set(folder: Path, scale: int, count: int = 3) -> Path:
    """Write pairs whose inputs are bicubic."""
    for side in ("HR", "LR"):
        (folder / side).mkdir(parents=True)
    for index in range(count):
        coarse = np.random.default_rng(index).integers(0, 256, (8, 10, 3)).astype(np.float32)
        gt = np.clip(resize_scale(coarse, 8.0), 0, 255).astype(np.uint8)
        write_picture(Picture(gt), folder / "HR" / f"p{index}.png")
        write_picture(Picture(resize_scale(gt, 1 / scale)), folder / "LR" / f"p{index}.png")
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_set(tmp_path / "mine", 4)


def test_table_and_report(run: Run, data: Path, tmp_path: Path) -> None:
    ran = run("evaluate", "--model", "clean-x4", "--model", "lanczos", "--data", data, "-o", tmp_path / "report")
    assert ran.code == 0
    lines = ran.out.splitlines()
    assert lines[0] == "mine x4, 3 pictures; inputs: given files in 'LR'"
    assert lines[1].startswith("Protocol y: luma (BT.601 studio range, unrounded)")
    table = [line.split() for line in lines]
    heads = next(index for index, words in enumerate(table) if words[:1] == ["METHOD"])
    assert [words[0] for words in table[heads + 1 : heads + 4]] == ["bicubic", "clean-x4", "lanczos"]
    assert "openvino cpu" in lines[heads + 2]
    assert any(line.startswith("clean-x4 - bicubic") for line in lines)
    assert lines[-1] == f"report: {tmp_path / 'report' / 'report.html'}"
    assert (tmp_path / "report" / "report.html").is_file()
    assert f"--data {data} --scale 4 --protocol y --metrics psnr,ssim" in (tmp_path / "report" / "report.html").read_text()


def test_json_and_going_on(run: Run, data: Path, tmp_path: Path) -> None:
    words = ("evaluate", "-m", "clean-x4", "--data", data, "--precision", "f32", "-o", tmp_path / "report", "--json")
    first, second = run(*words), run(*words)
    assert (first.code, first.err) == (0, "")
    assert [method["reused"] for method in first.json["methods"]] == [0, 0]
    assert [method["reused"] for method in second.json["methods"]] == [3, 3]
    assert first.json["scores"] == second.json["scores"]
    assert first.json["methods"][1]["computed_by"] == "openvino cpu f32"
    assert first.json["scale"] == 4


def test_options_reach_the_work(run: Run, data: Path) -> None:
    ran = run(
        *("evaluate", "-m", "nearest", "--data", data / "HR", "--lr", data / "LR", "--protocol", "rgb", "--metrics", "mse,psnr"),
        "--json",
    )
    assert ran.code == 0
    assert ran.json["protocol"]["name"] == "rgb"
    assert list(ran.json["scores"]["p0"]["nearest"]) == ["mse", "psnr"]
    ran = run("evaluate", "-m", "clean-x4", "--data", data / "LR", "--real", "--metrics", "lr_consistency", "--json")
    assert ran.json["inputs"] == "real pictures, no ground truth"
    ran = run("evaluate", "-m", "clean-x2", "--data", data / "HR", "--degrade", "bicubic", "--json")
    assert ran.json["inputs"] == "made from the ground truth by preset 'bicubic', seed 0"
    plain = run("evaluate", "-m", "clean-x2", "--data", data / "HR", "--json")
    assert plain.json["scores"] == ran.json["scores"]


def test_left_out_pictures_are_named_and_make_the_code_1(run: Run, data: Path) -> None:
    (data / "LR" / "p1.png").unlink()
    write_picture(Picture(np.zeros((9, 9, 3), np.uint8)), data / "LR" / "p2.png")
    ran = run("evaluate", "-m", "bicubic", "--data", data, "--scale", 4)
    assert ran.code == 1
    assert "Left out of the averages, 2: p1.png (has no input of its name); p2 ('p2.png' has 80x64 pixels" in ran.out
    assert ran.out.startswith("mine x4, 1 picture;")


def test_failed_self_check_is_told_before_any_score(run: Run, tmp_path: Path) -> None:
    ran = run("evaluate", "-m", "clean-x4", "--data", write_set(tmp_path / "Set5", 4, 5))
    assert ran.code == 0
    assert "Self-check failed: bicubic on Set5 x4" in ran.err
    assert ran.out.index("Self-check failed") < ran.out.index("METHOD")


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("-m", "clean-x4", "--data", "{empty}"), 1, "no pictures in '"),
        (("-m", "clean-x4", "--data", "{absent}"), 1, "absent' does not exist"),
        (("-m", "clean-x2", "--data", "{data}"), 1, "no picture is left to average over: p0: 'p0.png' has 80x64 pixels"),
        (("-m", "clean-x4", "--data", "{data}", "--scale", "2"), 2, "model 'clean-x4' enlarges by 4"),
        (("-m", "clean-x4", "-m", "clean-x2", "--data", "{data}"), 2, "(clean-x4 x4, clean-x2 x2)"),
        (("-m", "cubic", "--data", "{data}"), 2, "unknown model 'cubic'"),
        (("-m", "bicubic", "--data", "{data}/HR"), 2, "does not tell the scale; give --scale"),
        (("-m", "bicubic", "--data", "{data}", "--protocol", "ycbcr"), 2, "unknown protocol 'ycbcr'"),
        (("-m", "bicubic", "--data", "{data}", "--metrics", "lpips"), 2, "unknown metric 'lpips'; known: psnr"),
        (("-m", "bicubic", "--data", "{data}", "--metrics", ","), 2, "no metric to compute"),
        (("-m", "bicubic", "--data", "{data}", "--metrics", "lpips_alex"), 2, "--weights alexnet=FILE, or --fetch"),
        (("-m", "bicubic", "--data", "{data}", "--weights", "alexnet"), 2, "--weights 'alexnet' must be NETWORK=FILE"),
        (("-m", "bicubic", "--data", "{data}", "--scale", "4", "--degrade", "rain"), 2, "unknown preset 'rain'; known: bicubic"),
        (("--data", "{data}"), 2, "Missing option '--model'"),
    ],
)
def test_bad_input(
    run: Run, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], code: int, told: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "empty").mkdir()
    places = {"empty": tmp_path / "empty", "absent": tmp_path / "absent", "data": data}
    ran = run("evaluate", *(word.format(**places) for word in words))
    assert (ran.code, ran.out) == (code, "")
    (line,) = ran.err.splitlines()
    assert told in line


def test_torch_stays_out(data: Path, weights_dir: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from clearvision.apps.cli import main\n"
        f"sys.exit(main(['evaluate', '-m', {str(weights_dir / 'clean-x4.safetensors')!r}, '--data', {str(data)!r}]))"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
