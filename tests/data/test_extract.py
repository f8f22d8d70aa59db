"""Sub-images, turned copies and splits as files: which pixels, which names, and what happens the second time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clearvision.data.extract import TURNS, crop_pictures, place_parts, sub_images, turn_pictures, write_lists
from clearvision.data.layouts import Item, find_items, pair_by_name
from clearvision.data.split import split_by_count, split_by_list, split_by_share
from clearvision.errors import DataError, UsageError


def picture(path: Path, height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width]
    pixels = np.stack([y, x, y ^ x], axis=2).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return pixels


def pixels_of(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_corners_are_those_of_basicsr() -> None:
    assert list(sub_images(480, 720, 480, 240)) == [(0, 0), (0, 240)]
    assert list(sub_images(10, 13, 8, 4)) == [(0, 0), (0, 4), (0, 5), (2, 0), (2, 4), (2, 5)]
    assert list(sub_images(10, 13, 8, 4, 4)) == [(0, 0), (0, 4)]
    assert list(sub_images(7, 100, 8, 4)) == []


def test_pairs_are_cut_alike(tmp_path: Path) -> None:
    gt = picture(tmp_path / "gt/deep/a.png", 24, 33)
    Image.fromarray(gt[::2, :32:2]).save(tmp_path / "ax2.png")
    (tmp_path / "lq/deep").mkdir(parents=True)
    (tmp_path / "ax2.png").rename(tmp_path / "lq/deep/ax2.png")
    picture(tmp_path / "gt/small.png", 10, 40)
    picture(tmp_path / "lq/small.png", 5, 20)
    out = tmp_path / "out"
    done = crop_pictures(tmp_path / "gt", out, size=16, step=8, lq_folder=tmp_path / "lq", scale=2)
    assert (done.written, [path.name for path in done.small], done.failed) == (2 * 6, ["small.png"], {})
    assert sorted(path.name for path in (out / "HR/deep").iterdir()) == [f"a_s00{number}.png" for number in range(1, 7)]
    for path in (out / "HR/deep").iterdir():
        np.testing.assert_array_equal(pixels_of(path)[::2, ::2], pixels_of(out / "LR/deep" / path.name))
    np.testing.assert_array_equal(pixels_of(out / "HR/deep/a_s006.png"), gt[8:24, 16:32])
    assert crop_pictures(tmp_path / "gt", out, size=16, step=8, lq_folder=tmp_path / "lq", scale=2).kept == 12
    with pytest.raises(UsageError, match=r"size \(15\) and step \(8\) must be multiples of the scale \(2\)"):
        crop_pictures(tmp_path / "gt", out, size=15, step=8, scale=2)


def test_a_picture_that_cannot_be_cut_is_named_and_the_rest_done(tmp_path: Path) -> None:
    picture(tmp_path / "in/a.png", 16, 16)
    (tmp_path / "in/b.png").write_bytes(b"rubbish")
    done = crop_pictures(tmp_path / "in", tmp_path / "out", size=16, step=16)
    assert (done.written, [path.name for path in done.failed]) == (1, ["b.png"])
    picture(tmp_path / "in/a.bmp", 16, 16)
    with pytest.raises(DataError, match=r"a\.bmp' and '.*a\.png' would be written under one name"):
        crop_pictures(tmp_path / "in", tmp_path / "out", size=16, step=16)


def test_turns_are_what_they_are_called_and_keep_16_bits(tmp_path: Path) -> None:
    pixels = np.arange(6, dtype=np.uint16).reshape(2, 3) * 9000
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert turn_pictures(tmp_path, tmp_path / "out", turns=list(TURNS)).written == 8
    expected = {
        "": pixels,
        "_flip-lr": [[18000, 9000, 0], [45000, 36000, 27000]],
        "_flip-tb": [[27000, 36000, 45000], [0, 9000, 18000]],
        "_rot180": [[45000, 36000, 27000], [18000, 9000, 0]],
        "_rot90": [[18000, 45000], [9000, 36000], [0, 27000]],
        "_rot270": [[27000, 0], [36000, 9000], [45000, 18000]],
        "_transpose": [[0, 27000], [9000, 36000], [18000, 45000]],
        "_transverse": [[45000, 18000], [36000, 9000], [27000, 0]],
    }
    for suffix, values in expected.items():
        np.testing.assert_array_equal(pixels_of(tmp_path / f"out/a{suffix}.png"), values)
    with pytest.raises(UsageError, match="unknown turn 'spin'; known: original, flip-lr"):
        turn_pictures(tmp_path, tmp_path / "out", turns=["spin"])


def test_splits_do_not_depend_on_the_order_of_the_files() -> None:
    paths = [Path(f"a/{number:03}.png") for number in range(50)]
    # The shipped weights were chosen on a split by this rule: it must go on giving these
    assert [path.stem for path in split_by_count(paths, 6, lambda path: path)[1]] == ["004", "022", "025", "038", "041", "048"]
    train, val = split_by_share(paths, 0.2, lambda path: path, seed=42)
    assert (len(train), len(val)) == (40, 10)
    assert split_by_share(paths[::-1], 0.2, lambda path: path, seed=42)[1] == val
    assert split_by_share(paths, 0.2, lambda path: path, seed=43)[1] != val


def test_lists_name_pictures_by_path_name_or_stem(tmp_path: Path) -> None:
    items = [Item(tmp_path / name, None, name) for name in ("a/1.png", "a/2.png", "b/1.png", "b/3.png")]
    listing = tmp_path / "val.txt"
    listing.write_text("# these\n\na/1.png\n3\n")
    assert [item.name for item in split_by_list(items, listing)[1]] == ["a/1.png", "b/3.png"]
    for text, message in (
        ("1.png\n", "1.png fits no picture, or several"),
        ("\n", "it is empty"),
        ("2\n9\n", "9 fits no picture"),
    ):
        listing.write_text(text)
        with pytest.raises(DataError, match=message):
            split_by_list(items, listing)


def test_a_split_is_written_as_lists_links_or_copies(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        picture(tmp_path / f"gt/{name}.png", 8, 8)
        picture(tmp_path / f"lq/{name}x2.png", 4, 4)
    items = find_items([tmp_path / "gt"])
    write_lists(tmp_path / "gt", tmp_path / "lists", {"train": items[:2], "val": items[2:]})
    assert (tmp_path / "lists/train.txt").read_text() == "a.png\nb.png\n"
    pairs = pair_by_name(tmp_path / "gt", tmp_path / "lq", 2)[0]
    for copy in (False, True):
        out = tmp_path / f"out{copy}"
        for _ in range(2):
            assert place_parts(out, {"train": pairs[:2], "val": pairs[2:]}, copy=copy) == 6
        placed = sorted(path.relative_to(out).as_posix() for path in out.rglob("*.png"))
        assert placed[:2] == ["train/HR/a.png", "train/HR/b.png"]
        assert "val/LR/cx2.png" in placed
        assert (out / "val/LR/cx2.png").is_symlink() is not copy
        assert len(pair_by_name(out / "val/HR", out / "val/LR", 2)[0]) == 1
    with pytest.raises(DataError, match="is there already and is not"):
        place_parts(tmp_path / "outTrue", {"train": pairs}, copy=False)
