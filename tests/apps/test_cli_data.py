"""``clearvision data``: what it prints, what it writes, how it ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clearvision.imaging.io import picture_from_array, read_picture, write_picture


@pytest.fixture
def source(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for name in ("a.png", "a.jpg", "deep/b.png"):
        write_picture(picture_from_array(rng.integers(0, 256, (72, 80, 3), np.uint8)), tmp_path / "in" / name)
    return tmp_path / "in"


def test_degrade_mirrors_the_tree_and_goes_on(source: Path, tmp_path: Path, run: Callable[..., Any]) -> None:
    out = tmp_path / "out"
    first = run("data", "degrade", source, out, "--preset", "clearvision", "--seed", 7)
    assert (first.code, first.err) == (0, "")
    assert first.out == f"3 degraded by 'clearvision' at scale 4; see {out / 'manifest.jsonl'}\n"
    names = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    assert names == ["a_jpg.png", "a_png.png", "deep/b.png", "manifest.jsonl"]
    assert read_picture(out / "a_jpg.png").pixels.shape == (18, 20, 3)
    again = run("data", "degrade", source, out, "--preset", "clearvision", "--seed", 7, "--json")
    assert (again.code, again.json["done"], len(again.json["kept"])) == (0, [], 3)
    other = run("data", "degrade", source, out, "--preset", "clearvision")
    assert other.code == 2
    assert "holds pictures made with other settings (preset clearvision, scale 4, seed 7)" in other.err


def test_steps_in_words_come_in_their_order(source: Path, tmp_path: Path, run: Callable[..., Any]) -> None:
    out = tmp_path / "out"
    words = ("--step", "noise:sigma=5..25,grey=1", "--step", "resize", "--step", "jpeg:quality=40")
    assert run("data", "degrade", source, out, *words, "--scale", 2).code == 0
    settings, record, *_ = map(json.loads, (out / "manifest.jsonl").read_text().splitlines())
    assert [step["step"] for step in record["steps"]] == ["noise", "resize", "jpeg", "round"]
    assert 5 <= record["steps"][0]["sigma"] <= 25
    assert settings["steps"][0] == {"step": "noise", "sigma": [5.0, 25.0], "grey": 1.0}


def test_steps_from_a_file(source: Path, tmp_path: Path, run: Callable[..., Any]) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("- step: patches\n  count: 2\n  steps: [{step: fill, value: 255}]\n")
    ended = run("data", "degrade", source / "a.png", tmp_path / "out", "--preset", file, "--scale", 1)
    assert (ended.code, ended.out[:34]) == (0, "1 degraded by 'mine' at scale 1; s")
    assert (read_picture(tmp_path / "out/a.png").pixels == 255).all(axis=2).sum() >= 24 * 26


def test_preview_needs_no_folder_for_copies(source: Path, tmp_path: Path, run: Callable[..., Any]) -> None:
    sheet = tmp_path / "sheet.png"
    ended = run("data", "degrade", source, "--preset", "bicubic", "--scale", 2, "--preview", sheet)
    assert (ended.code, ended.out, ended.err) == (0, "", f"contact sheet: {sheet}\n")
    assert read_picture(sheet).pixels.shape == (6 + 3 * (192 + 21), 6 + 5 * (192 + 6), 3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "sheet.png"]


def test_a_broken_picture_is_named_and_the_rest_done(source: Path, tmp_path: Path, run: Callable[..., Any]) -> None:
    (source / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\nrubbish")
    ended = run("data", "degrade", source, tmp_path / "out", "--preset", "bicubic")
    assert ended.code == 1
    assert ended.out.startswith("3 degraded by 'bicubic' at scale 4, 1 failed;")
    assert f"clearvision: {source / 'bad.png'} is damaged" in ended.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["OUT"], "give either --preset or --step; presets: bicubic, clearvision,"),
        (["OUT", "--preset", "bicubic", "--step", "round"], "give either --preset or --step"),
        (["OUT", "--preset", "rain"], "unknown preset 'rain'; known: bicubic"),
        (["OUT", "--step", "noise:sigma=x"], "noise.sigma (x) must be a number or a range of two"),
        (["OUT", "--preset", "bicubic", "--scale", "0"], "scale (0) must be 1 or more"),
        (["OUT", "--preset", "bicubic", "--seed", "-1"], "seed (-1) must lie between 0 and 2**63 - 1"),
        (["--preset", "bicubic"], "there is nothing to write; give OUT"),
        (["OUT.png", "--preset", "bicubic"], "names a file; give a folder"),
        (["--preset", "bicubic", "--preview", "sheet.txt"], "has the suffix '.txt'"),
    ],
)
def test_wrong_lines_end_with_2(source: Path, tmp_path: Path, run: Callable[..., Any], words: list[str], message: str) -> None:
    words = [str(tmp_path / word.lower()) if word.startswith("OUT") else word for word in words]
    ended = run("data", "degrade", source, *words)
    assert (ended.code, ended.out) == (2, "")
    assert message in ended.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in"]


def test_missing_and_empty_folders_end_with_2(tmp_path: Path, run: Callable[..., Any]) -> None:
    for words in (("inspect", tmp_path / "no"), ("degrade", tmp_path / "no", tmp_path / "out", "--preset", "bicubic")):
        ended = run("data", *words)
        assert ended.code == 2
        assert "does not exist" in ended.err
    (tmp_path / "empty").mkdir()
    for words in (("inspect", tmp_path / "empty"), ("degrade", tmp_path / "empty", tmp_path / "out", "--preset", "bicubic")):
        ended = run("data", *words)
        assert ended.code == 2
        assert "no pictures in" in ended.err


def test_inspect_tells_totals_and_suspicions(source: Path, tmp_path: Path, run: Callable[..., Any]) -> None:
    fine = run("data", "inspect", source)
    assert (fine.code, fine.err) == (0, "")
    assert fine.out.splitlines()[0].startswith("3 pictures: 0.0 megapixels, ")
    assert fine.out.splitlines()[-1] == "nothing suspicious"
    (source / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\nrubbish")
    write_picture(read_picture(source / "a.png"), source / "twin.tif")
    found = run("data", "inspect", source, "--sheet", tmp_path / "sheet.png")
    assert found.code == 1
    assert found.out.splitlines()[0].startswith("4 pictures, 1 unreadable: ")
    table = [line.split()[:2] for line in found.out.splitlines()[-3:]]
    assert table == [["FILE", "WHAT"], ["bad.png", "unreadable"], ["twin.tif", "duplicate"]]
    assert read_picture(tmp_path / "sheet.png").pixels.std() > 20


def test_inspect_in_json(source: Path, run: Callable[..., Any]) -> None:
    ended = run("data", "inspect", source, "--min-side", 75, "--json")
    assert ended.code == 0
    assert {finding["kind"] for finding in ended.json["findings"]} == {"tiny"}
    assert ended.json["sizes"]["width"] == {"min": 80, "median": 80, "max": 80}


def test_split_crop_and_augment(source: Path, tmp_path: Path, run: Callable[..., Any]) -> None:
    for name in ("c", "d", "e"):
        write_picture(read_picture(source / "a.png"), source / f"{name}.png")
    ended = run("data", "split", source, tmp_path / "lists", "--share", 0.5)
    assert (ended.code, ended.out) == (0, f"3 to train, 3 to validate, as lists in {tmp_path / 'lists'}\n")
    linked = run("data", "split", source, tmp_path / "linked", "--count", 2, "--as", "links", "--json")
    assert len(linked.json["val"]) == len(list((tmp_path / "linked/val").rglob("*.*"))) == 2
    (source / "a.jpg").unlink()
    cut = run("data", "crop", source, tmp_path / "sub", "--size", 32, "--step", 16)
    assert cut.code == 0
    assert cut.out.endswith(f" written; see {tmp_path / 'sub'}\n")
    assert run("data", "crop", source, tmp_path / "none", "--size", 2000, "--step", 100).code == 1
    turned = run("data", "augment", source, tmp_path / "turned", "--turn", "rot180", "--turn", "transverse", "--json")
    assert (turned.code, turned.json["written"]) == (0, 10)
    for words, message in (
        (("split", source, tmp_path / "x"), "give either --share or --count"),
        (("split", source, tmp_path / "x", "--share", 1.5), "--share (1.5) must lie between 0 and 1"),
        (("augment", source, tmp_path / "x", "--turn", "spin"), "unknown turn 'spin'"),
        (("crop", source, tmp_path / "x", "--size", 30, "--scale", 4), "must be multiples of the scale (4)"),
    ):
        wrong = run("data", *words)
        assert wrong.code == 2
        assert message in wrong.err


def test_audit_names_leaks_and_writes_a_report(source: Path, tmp_path: Path, run: Callable[..., Any]) -> None:
    (tmp_path / "test").mkdir()
    write_picture(read_picture(source / "a.png"), tmp_path / "test/known.png")
    ended = run("data", "audit", source, "--against", tmp_path / "test", "-o", tmp_path / "deep/report.json")
    assert ended.code == 1
    assert "leak" in ended.out
    assert "also in a test set; remove before training" in ended.out
    report = json.loads((tmp_path / "deep/report.json").read_text())
    assert report["counts"]["leak"] >= 1
    assert run("data", "audit", source, "--json", "--soft-below", 0).json["counts"].keys() <= {"double"}


def test_get_lists_sets_and_shows_the_terms_first(
    tmp_path: Path, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = run("data", "get")
    assert (listed.code, listed.err) == (0, "")
    assert "For academic research only" in listed.out
    assert run("data", "get", "--json").json["div2k"]["files"][0]["part"] == "train-hr"

    def no_network(*_: object, **__: object) -> list[object]:
        return []

    monkeypatch.setattr("clearvision.data.catalogue.get_parts", no_network)
    got = run("data", "get", "div2k", "--part", "valid-hr", "-o", tmp_path / "out")
    assert (got.code, got.out) == (0, f"div2k is in {tmp_path / 'out'}; nothing was missing\n")
    assert "Terms: For academic research only" in got.err
    assert "1 file to" in got.err
    assert "449 MB" in got.err
    for words, message in ((("cifar",), "unknown data set 'cifar'"), (("div2k", "--part", "hr"), "div2k has no part 'hr'")):
        wrong = run("data", "get", *words)
        assert wrong.code == 2
        assert message in wrong.err
