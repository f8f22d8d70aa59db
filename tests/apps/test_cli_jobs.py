from __future__ import annotations

import os
from pathlib import Path

import pytest

from clearvision.apps.cli.jobs import plan_jobs
from clearvision.errors import UsageError


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(path.name.encode())


def targets(inputs: list[Path], output: Path | None = None, **options: object) -> list[str]:
    base = inputs[0].parent
    jobs = plan_jobs(inputs, output, label="_x4", **options).jobs  # type: ignore[arg-type]
    return [os.path.relpath(job.target, base) for job in jobs]


def test_without_output_a_file_goes_beside_itself_under_another_name(tmp_path: Path) -> None:
    touch(tmp_path / "photo.jpg")
    assert targets([tmp_path / "photo.jpg"]) == ["photo_x4.jpg"]


def test_without_output_a_folder_goes_to_a_folder_beside_it(tmp_path: Path) -> None:
    touch(tmp_path / "trip/a.png", tmp_path / "trip/b.jpg")
    assert targets([tmp_path / "trip"]) == ["trip_x4/a.png", "trip_x4/b.jpg"]


@pytest.mark.parametrize(
    ("source", "format", "expected"),
    [
        ("a.JPEG", None, "a.JPEG"),
        ("a.JPEG", "jpeg", "a.JPEG"),
        ("a.tiff", None, "a.tiff"),
        ("a.jpg", "png", "a.png"),
        ("a.gif", None, "a.png"),
        ("scan", None, "scan.png"),
    ],
)
def test_target_keeps_the_suffix_it_can(tmp_path: Path, source: str, format: str | None, expected: str) -> None:
    touch(tmp_path / source)
    assert targets([tmp_path / source], tmp_path / "out", format=format) == [f"out/{expected}"]


def test_output_with_picture_suffix_is_a_file_for_one_file(tmp_path: Path) -> None:
    touch(tmp_path / "a.jpg", tmp_path / "b.jpg")
    assert targets([tmp_path / "a.jpg"], tmp_path / "big.png") == ["big.png"]
    with pytest.raises(UsageError, match=r"names one file but the input is 2 pictures; give a folder"):
        targets([tmp_path / "a.jpg", tmp_path / "b.jpg"], tmp_path / "big.png")
    with pytest.raises(UsageError, match=r"the suffix '\.ico', which is only read; use one of"):
        targets([tmp_path / "a.jpg"], tmp_path / "big.ico")
    with pytest.raises(UsageError, match=r"ends in '\.png' but --format says jpeg"):
        targets([tmp_path / "a.jpg"], tmp_path / "big.png", format="jpeg")


def test_recursive_mirrors_the_tree_and_leaves_out_what_is_no_picture(tmp_path: Path) -> None:
    touch(*(tmp_path / "in" / name for name in ("a.png", "x/y/b.png", ".DS_Store", "._a.png", "Thumbs.db", ".git/c.png")))
    flat = plan_jobs([tmp_path / "in"], tmp_path / "out", label="_x4")
    assert [job.source.name for job in flat.jobs] == ["a.png"]
    assert flat.ignored == 1  # Thumbs.db; hidden files do not count
    deep = plan_jobs([tmp_path / "in"], tmp_path / "out", label="_x4", recursive=True)
    assert [job.target for job in deep.jobs] == [tmp_path / "out/a.png", tmp_path / "out/x/y/b.png"]


def test_results_inside_the_input_folder_are_not_inputs_again(tmp_path: Path) -> None:
    touch(tmp_path / "in/a.png", tmp_path / "in/out/a.png")
    jobs = plan_jobs([tmp_path / "in"], tmp_path / "in/out", label="_x4", recursive=True).jobs
    assert [job.source for job in jobs] == [tmp_path / "in/a.png"]


def test_one_stem_with_two_suffixes_does_not_collide(tmp_path: Path) -> None:
    touch(tmp_path / "a.jpg", tmp_path / "a.png", tmp_path / "b.png")
    inputs = [tmp_path / "a.jpg", tmp_path / "a.png", tmp_path / "b.png"]
    assert targets(inputs, tmp_path / "out", format="png") == ["out/a_jpg.png", "out/a_png.png", "out/b.png"]
    assert targets(inputs, tmp_path / "out") == ["out/a.jpg", "out/a.png", "out/b.png"]


def test_one_name_in_two_folders_is_refused(tmp_path: Path) -> None:
    touch(tmp_path / "x/a.png", tmp_path / "y/a.png")
    with pytest.raises(UsageError, match=r"x/a\.png' and '.*y/a\.png' would both become"):
        targets([tmp_path / "x/a.png", tmp_path / "y/a.png"], tmp_path / "out")


def test_a_picture_named_twice_is_done_once(tmp_path: Path) -> None:
    touch(tmp_path / "in/a.png")
    assert len(plan_jobs([tmp_path / "in", tmp_path / "in/a.png"], tmp_path / "out", label="").jobs) == 1


def test_no_input_is_ever_overwritten(tmp_path: Path) -> None:
    touch(tmp_path / "a.png", tmp_path / "a_x4.png")
    with pytest.raises(UsageError, match=r"would overwrite the input '.*a\.png'"):
        targets([tmp_path / "a.png"], tmp_path)
    with pytest.raises(UsageError, match=r"result of '.*a\.png' would overwrite the input '.*a_x4\.png'"):
        targets([tmp_path / "a.png", tmp_path / "a_x4.png"])
    (tmp_path / "link.png").symlink_to(tmp_path / "a.png")
    with pytest.raises(UsageError, match="would overwrite the input"):
        targets([tmp_path / "a.png"], tmp_path / "link.png")


def test_unwritable_places_are_found_before_the_start(tmp_path: Path) -> None:
    touch(tmp_path / "a.png", tmp_path / "plain")
    (tmp_path / "taken/a.png").mkdir(parents=True)
    with pytest.raises(
        UsageError, match=r"cannot write .*plain/deep/b\.png: .*plain is not a folder; give another place with -o"
    ):
        targets([tmp_path / "a.png"], tmp_path / "plain/deep/b.png")
    with pytest.raises(UsageError, match=r"cannot write .*taken/a\.png: it is a folder"):
        targets([tmp_path / "a.png"], tmp_path / "taken")


def test_nothing_to_do_is_said(tmp_path: Path) -> None:
    touch(tmp_path / "in/notes.txt", tmp_path / "in/x/a.png")
    with pytest.raises(UsageError, match=r"no pictures in '.*in' \(1 other file\); --recursive also looks"):
        targets([tmp_path / "in"], tmp_path / "out")


def test_unknown_format_names_the_known_ones(tmp_path: Path) -> None:
    touch(tmp_path / "a.png")
    with pytest.raises(UsageError, match=r"cannot write the format 'doc'; known: .*png"):
        targets([tmp_path / "a.png"], format="doc")
