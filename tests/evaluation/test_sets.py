from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from clearvision.errors import ClearVisionError, DataError, PictureError, UsageError
from clearvision.evaluation.loading import PictureReader, load_pair
from clearvision.evaluation.sets import Pair, PictureSet, open_set

GREY = np.full((8, 8, 3), 128, np.uint8)
SMALL = GREY[:4, :4]


def put(png: Callable[..., Path], root: Path, *names: str) -> None:
    for name in names:
        png(root / name, SMALL if "LR" in name or "low_res" in name else GREY)


def found(picture_set: PictureSet, root: Path) -> list[tuple[str, str | None, str | None]]:
    def relative(path: Path | None) -> str | None:
        return None if path is None else path.relative_to(root).as_posix()

    return [(pair.name, relative(pair.gt), relative(pair.lq)) for pair in picture_set.pairs]


@pytest.mark.parametrize(
    ("files", "open_at", "scale", "name", "pair"),
    [
        (("HR/a.png", "LR/a.png"), "", 2, "Set9", ("a", "HR/a.png", "LR/a.png")),
        (("high_res/a.png", "low_res/a.png"), "", 2, "Set9", ("a", "high_res/a.png", "low_res/a.png")),
        (("x2/HR/a.png", "x2/LR/a.png"), "", 2, "Set9", ("a", "x2/HR/a.png", "x2/LR/a.png")),
        (("x2/HR/a.png", "x2/LR/a.png"), "x2", 2, "Set9", ("a", "x2/HR/a.png", "x2/LR/a.png")),
        (("HR/a.png", "LR_bicubic/X2/ax2.png"), "", 2, "Set9", ("a", "HR/a.png", "LR_bicubic/X2/ax2.png")),
        (
            ("DIV2K_valid_HR/0801.png", "DIV2K_valid_LR_bicubic/X2/0801x2.png", "DIV2K_valid_LR_unknown/X2/0801x2.png"),
            "",
            2,
            "DIV2K_valid",
            ("0801", "DIV2K_valid_HR/0801.png", "DIV2K_valid_LR_bicubic/X2/0801x2.png"),
        ),
        (
            ("DIV2K_valid_HR/0801.png", "DIV2K_valid_LR_bicubic/X2/0801x2.png", "DIV2K_valid_LR_unknown/X2/0801x2.png"),
            "DIV2K_valid_LR_unknown/X2",
            2,
            "DIV2K_valid_HR",
            ("0801", "DIV2K_valid_HR/0801.png", "DIV2K_valid_LR_unknown/X2/0801x2.png"),
        ),
        (
            ("image_SRF_2/i_SRF_2_HR.png", "image_SRF_2/i_SRF_2_LR.png"),
            "image_SRF_2",
            2,
            "Set9",
            ("i_SRF_2_HR", "image_SRF_2/i_SRF_2_HR.png", "image_SRF_2/i_SRF_2_LR.png"),
        ),
    ],
)
@pytest.mark.parametrize("tell_scale", [True, False])
def test_layouts(
    tmp_path: Path,
    png: Callable[..., Path],
    files: tuple[str, ...],
    open_at: str,
    scale: int,
    name: str,
    pair: tuple[str, str, str],
    tell_scale: bool,
) -> None:
    root = tmp_path / "Set9"
    put(png, root, *files)
    picture_set = open_set(root / open_at, scale=scale if tell_scale else None)
    assert found(picture_set, root) == [pair]
    assert (picture_set.scale, picture_set.name, picture_set.faults) == (2, name, ())


def test_ground_truth_only_needs_a_scale_and_gets_an_exact_bicubic_input(tmp_path: Path, png: Callable[..., Path]) -> None:
    put(png, tmp_path / "mine", "a.png", ".hidden.png", "notes.txt.png")
    (tmp_path / "mine" / "readme.txt").write_text("no picture")
    with pytest.raises(UsageError, match="does not tell the scale; give --scale"):
        open_set(tmp_path / "mine")
    picture_set = open_set(tmp_path / "mine", scale=3)
    assert [pair.name for pair in picture_set.pairs] == ["a", "notes.txt"]
    loaded = load_pair(picture_set, picture_set.pairs[0])
    assert loaded.gt is not None
    assert (loaded.gt.shape, loaded.lq.shape) == ((6, 6, 3), (2, 2, 3))  # cropped to a multiple of the scale


def test_two_folders_and_unpaired_names(tmp_path: Path, png: Callable[..., Path]) -> None:
    for name in ("a.png", "b.png", "c.png", "c.jpg"):
        png(tmp_path / "gt" / name, GREY)
    for name in ("ax2.png", "c.png", "z.png"):
        png(tmp_path / "in" / name, SMALL)
    picture_set = open_set(tmp_path / "gt", lq_folder=tmp_path / "in")
    assert picture_set.scale == 2
    assert [pair.name for pair in picture_set.pairs] == ["a", "c"]
    told = {fault.picture: fault.reason for fault in picture_set.faults}
    assert told["b.png"] == "has no input of its name"
    assert told["z.png"] == "is an input without ground truth of its name"
    assert told["c.png"] == "has no input of its name"  # c.jpg came first and took it


def test_scales_in_one_folder_must_be_chosen(tmp_path: Path, png: Callable[..., Path]) -> None:
    put(png, tmp_path / "s", "x2/HR/a.png", "x2/LR/a.png", "x4/HR/a.png", "x4/LR/a.png")
    with pytest.raises(UsageError, match=r"holds the scales 2, 4; choose one with --scale"):
        open_set(tmp_path / "s")
    with pytest.raises(DataError, match=r"has no pictures for scale 3; it holds the scales 2, 4"):
        open_set(tmp_path / "s", scale=3)


def test_recognised_by_name_wherever_it_is_opened(tmp_path: Path, png: Callable[..., Path]) -> None:
    put(png, tmp_path / "B100", "x2/HR/a.png", "x2/LR/a.png")
    for folder in (tmp_path / "B100", tmp_path / "B100" / "x2", tmp_path / "B100" / "x2" / "HR"):
        standard = open_set(folder, scale=2).standard
        assert standard is not None
        assert standard.name == "BSD100"
    put(png, tmp_path / "other", "a.png")
    assert open_set(tmp_path / "other", scale=2).standard is None


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda root: open_set(root / "absent"), DataError, "data folder '.*absent' does not exist"),
        (lambda root: open_set(root / "empty", scale=2), DataError, "no pictures in '.*empty'"),
        (lambda root: open_set(root / "empty", scale=9), UsageError, r"scale \(9\) must be a whole number from 1 to 8"),
        (lambda root: open_set(root / "set", lq_folder=root / "empty"), DataError, "no picture of '.*set' has a partner"),
        (lambda root: open_set(root / "set", lq_folder=root / "x"), DataError, "data folder '.*x' does not exist"),
        (lambda root: open_set(root / "set", real=True), UsageError, "do not tell the scale"),
        (lambda root: open_set(root / "set", real=True, degrade="bicubic", scale=2), UsageError, "excludes"),
    ],
)
def test_refusals(
    tmp_path: Path, png: Callable[..., Path], call: Callable[[Path], PictureSet], error: type[ClearVisionError], match: str
) -> None:
    (tmp_path / "empty").mkdir()
    put(png, tmp_path / "set", "a.png")
    with pytest.raises(error, match=match):
        call(tmp_path)


def test_pairs_that_do_not_fit_are_named(tmp_path: Path, png: Callable[..., Path]) -> None:
    colour = GREY.copy()
    colour[:, :, 0] = 7
    png(tmp_path / "gt.png", colour)
    png(tmp_path / "wrong.png", GREY[:3, :4])
    png(tmp_path / "grey.png", GREY[:4, :4, :1])
    plain = PictureSet("s", 2, (), "")
    with pytest.raises(PictureError, match=r"'gt.png' has 8x8 pixels and 'wrong.png' 4x3, which times 2 is 8x6"):
        load_pair(plain, Pair("gt", tmp_path / "gt.png", tmp_path / "wrong.png"))
    with pytest.raises(PictureError, match=r"gt.png' is in colour and .*grey.png' is grey"):
        load_pair(plain, Pair("gt", tmp_path / "gt.png", tmp_path / "grey.png"))
    png(tmp_path / "deep.png", np.zeros((8, 8, 3), np.uint16))  # type: ignore[arg-type]
    with pytest.raises(PictureError, match=r"'deep.png' is uint16; the protocols are defined on 8-bit pictures"):
        load_pair(plain, Pair("deep", tmp_path / "deep.png", None))
    with pytest.raises(PictureError, match="fewer than the scale"):
        load_pair(PictureSet("s", 8, (), ""), Pair("grey", tmp_path / "grey.png", None))


def test_grey_stored_as_rgb_on_one_side_is_taken_as_grey(tmp_path: Path, png: Callable[..., Path]) -> None:
    png(tmp_path / "gt.png", GREY)
    png(tmp_path / "lq.png", GREY[:4, :4, :1])
    loaded = load_pair(PictureSet("s", 2, (), ""), Pair("gt", tmp_path / "gt.png", tmp_path / "lq.png"))
    assert loaded.gt is not None
    assert (loaded.gt.shape, loaded.lq.shape) == ((8, 8, 1), (4, 4, 1))


def test_degraded_inputs_depend_on_seed_and_file_alone(
    tmp_path: Path, png: Callable[..., Path], picture: Callable[..., np.ndarray]
) -> None:
    png(tmp_path / "s" / "a.png", picture(1))
    png(tmp_path / "s" / "b.png", picture(2))
    first, again, other = (
        load_pair(chosen, chosen.pairs[1]).lq
        for chosen in (open_set(tmp_path / "s", scale=2, degrade="clearvision", seed=seed) for seed in (0, 0, 1))
    )
    assert first.shape == (24, 32, 3)
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    (tmp_path / "s" / "a.png").unlink()
    alone = open_set(tmp_path / "s", scale=2, degrade="clearvision", seed=0)
    np.testing.assert_array_equal(first, load_pair(alone, alone.pairs[0]).lq)


def test_digest_follows_contents_and_making(pairs_folder: Path, png: Callable[..., Path]) -> None:
    plain = open_set(pairs_folder)
    digest = PictureReader(plain).digest(plain.pairs[0])
    made = open_set(pairs_folder / "HR", scale=2)
    assert PictureReader(made).digest(made.pairs[0]) != digest
    assert plain.pairs[0].lq is not None
    png(plain.pairs[0].lq, np.zeros((24, 32, 3), np.uint8))
    assert PictureReader(plain).digest(plain.pairs[0]) != digest
