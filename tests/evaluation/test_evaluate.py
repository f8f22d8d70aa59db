# ruff: noqa: ANN401 - fixtures hand over classes of conftest.py, which cannot be imported
from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clearvision.errors import ClearVisionError, DataError, EngineError, ModelError, PictureError, UsageError
from clearvision.evaluation.evaluate import Progress, evaluate
from clearvision.evaluation.journal import Journal
from clearvision.evaluation.loading import PictureReader
from clearvision.evaluation.methods import Interpolation, open_methods
from clearvision.evaluation.protocols import PROTOCOLS
from clearvision.evaluation.results import Evaluation
from clearvision.evaluation.sets import open_set
from clearvision.evaluation.standards import SelfCheck, StandardSet
from clearvision.imaging.io import read_picture
from clearvision.imaging.resize import resize_scale
from clearvision.metrics.psnr import psnr_y


def run(folder: Path, *methods: Any, **options: Any) -> Evaluation:
    return evaluate(PictureReader(open_set(folder)), [Interpolation("bicubic"), *methods], **options)


def test_scores_are_those_of_the_protocol(pairs_folder: Path, counting: Any) -> None:
    seen: list[Progress] = []
    evaluation = run(pairs_folder, counting(), progress=seen.append)
    bicubic, method = evaluation.results
    for name in evaluation.pictures:
        gt, lq = (read_picture(pairs_folder / side / f"{name}.png").pixels for side in ("HR", "LR"))
        sr = np.clip(np.floor(resize_scale(lq.astype(np.float32), 2) + 0.5), 0, 255).astype(np.uint8)
        assert bicubic.scores[name].values["psnr"] == pytest.approx(psnr_y(sr, gt, crop_border=2), abs=1e-9)
    assert evaluation.mean(bicubic, "psnr") == pytest.approx(
        np.mean([bicubic.scores[name].values["psnr"] for name in evaluation.pictures])
    )
    assert evaluation.mean(method, "psnr") < evaluation.mean(bicubic, "psnr")
    assert method.seconds_per_megapixel == pytest.approx(0.25 / (48 * 64 / 1e6))
    assert method.computed_by == "test cpu f32"
    assert evaluation.faults == evaluation.notes == ()
    assert [(each.label, each.done, each.total) for each in seen[-2:]] == [("counting", 3, 4), ("counting", 4, 4)]
    assert all(each.seconds_left is not None for each in seen)


def test_reading_goes_ahead_while_a_picture_is_computed(
    pairs_folder: Path, counting: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    reached = threading.Event()
    load = PictureReader.load

    def noted(self: PictureReader, pair: Any) -> Any:
        read.append(pair.name)
        if pair.name == "p1":
            reached.set()
        return load(self, pair)

    class Waiting(counting):
        def enlarge(self, lq: np.ndarray, scale: int) -> tuple[np.ndarray, float, str]:
            assert reached.wait(20), "p1 was not read while p0 was computed"
            return super().enlarge(lq, scale)

    monkeypatch.setattr(PictureReader, "load", noted)
    reader = PictureReader(open_set(pairs_folder))
    evaluate(reader, [Waiting()], metrics=("psnr",))
    assert read == ["p0", "p1", "p2", "p3"]


def test_finished_pictures_are_not_computed_again(
    pairs_folder: Path, tmp_path: Path, counting: Any, png: Callable[..., Path]
) -> None:
    path = tmp_path / "report" / "finished.jsonl"

    def calls(method: Any, **options: Any) -> tuple[int, Evaluation]:
        evaluation = run(pairs_folder, method, journal=Journal(path), **options)
        return method.calls, evaluation

    done, first = calls(counting())
    assert done == 4
    done, again = calls(counting())
    assert done == 0
    assert [result.reused for result in again.results] == [4, 4]
    assert again.results[1].scores["p2"].values == first.results[1].scores["p2"].values
    assert calls(counting(), metrics=("ssim",))[0] == 0  # known already
    assert calls(counting(), metrics=("psnr", "mse"))[0] == 4  # mse is new
    assert calls(counting(), metrics=("psnr", "ssim", "mse"))[0] == 0  # all known, from two lines each
    assert calls(counting(), protocol=PROTOCOLS["rgb"])[0] == 4
    assert calls(counting(offset=4))[0] == 4  # another model
    png(pairs_folder / "LR" / "p1.png", np.zeros((24, 32, 3), np.uint8))
    assert calls(counting())[0] == 1  # the one whose file changed


def test_a_journal_cut_off_in_a_line_loses_that_line_only(pairs_folder: Path, tmp_path: Path, counting: Any) -> None:
    path = tmp_path / "finished.jsonl"
    run(pairs_folder, counting(), journal=Journal(path))
    whole = path.read_bytes()
    assert whole.count(b"\n") == 8
    path.write_bytes(whole[:-20])
    method = counting()
    run(pairs_folder, method, journal=Journal(path))
    assert method.calls == 1
    method = counting()
    run(pairs_folder, method, journal=Journal(path))
    assert method.calls == 0


def test_what_was_finished_before_a_failure_is_kept(pairs_folder: Path, tmp_path: Path, counting: Any) -> None:
    path = tmp_path / "finished.jsonl"
    with pytest.raises(UsageError, match="no such device"):
        run(pairs_folder, counting(refuse=UsageError("no such device")), journal=Journal(path))
    method = counting()
    run(pairs_folder, method, journal=Journal(path))
    assert method.calls == 3


def test_a_wrong_pair_is_named_and_left_out_for_all(pairs_folder: Path, png: Callable[..., Path], counting: Any) -> None:
    png(pairs_folder / "LR" / "p2.png", np.zeros((20, 32, 3), np.uint8))
    png(pairs_folder / "HR" / "lonely.png", np.zeros((48, 64, 3), np.uint8))
    evaluation = run(pairs_folder, counting())
    assert evaluation.pictures == ("p0", "p1", "p3")
    assert [fault.picture for fault in evaluation.faults] == ["lonely.png", "p2"]
    assert evaluation.faults[1].reason == "'p2.png' has 64x48 pixels and 'p2.png' 32x20, which times 2 is 64x40"


@pytest.mark.parametrize("error", [EngineError("all steps failed"), MemoryError(), PictureError("not finite")])
def test_a_picture_that_one_method_cannot_do_counts_for_none(pairs_folder: Path, counting: Any, error: Exception) -> None:
    evaluation = run(pairs_folder, counting(refuse=error), counting("other"))
    assert evaluation.pictures == ("p0", "p2", "p3")
    (fault,) = evaluation.faults
    assert fault.picture == "p1"
    assert fault.reason.startswith("counting could not do it: ")
    assert len(evaluation.values(evaluation.results[2], "psnr")) == 3


def test_grey_among_colour_and_too_small_are_told(pairs_folder: Path, png: Callable[..., Path], picture: Any) -> None:
    grey = picture(9, channels=1)
    png(pairs_folder / "HR" / "grey.png", grey)
    png(pairs_folder / "LR" / "grey.png", resize_scale(grey, 1 / 2))
    png(pairs_folder / "HR" / "tiny.png", np.zeros((8, 8, 3), np.uint8))
    png(pairs_folder / "LR" / "tiny.png", np.zeros((4, 4, 3), np.uint8))
    evaluation = run(pairs_folder)
    assert evaluation.notes == ("Stored as grey among pictures in colour, so scored on grey values: grey.",)
    (fault,) = evaluation.faults
    assert (fault.picture, "8x8 pixels are too few" in fault.reason) == ("tiny", True)


def test_nothing_left_is_an_error_that_says_why(tmp_path: Path, png: Callable[..., Path]) -> None:
    for name in ("a", "b"):
        png(tmp_path / "s" / "HR" / f"{name}.png", np.zeros((48, 64, 3), np.uint8))
        png(tmp_path / "s" / "LR" / f"{name}.png", np.zeros((9, 9, 3), np.uint8))
    with pytest.raises(DataError, match=r"no picture is left to average over: a: 'a.png' has 64x48 pixels.*; b: "):
        evaluate(PictureReader(open_set(tmp_path / "s", scale=2)), [Interpolation("bicubic")])


def test_requests_that_make_no_sense(pairs_folder: Path, counting: Any) -> None:
    def refused(
        match: str, *methods: Any, real: bool = False, error: type[ClearVisionError] = UsageError, **options: Any
    ) -> None:
        picture_set = open_set(pairs_folder / "LR", scale=2, real=True) if real else open_set(pairs_folder)
        with pytest.raises(error, match=match):
            evaluate(PictureReader(picture_set), [Interpolation("bicubic"), *methods], **options)

    refused("model 'counting' enlarges by 4 and the pictures of 'Mine' are for 2", counting(scale=4))
    refused("unknown metric 'psnt'; known: psnr", metrics=("psnt",))
    refused("no metric to compute", metrics=())
    refused("metric 'psnr' needs a ground truth, and 'Mine' has none; what can be measured: lr_consistency, niqe", real=True)


def test_real_pictures(pairs_folder: Path, counting: Any) -> None:
    picture_set = open_set(pairs_folder / "LR", scale=2, real=True)
    evaluation = evaluate(PictureReader(picture_set), [Interpolation("bicubic"), counting()], metrics=("lr_consistency",))
    assert (
        evaluation.mean(evaluation.results[0], "lr_consistency") > evaluation.mean(evaluation.results[1], "lr_consistency") > 30
    )


def test_fid_over_the_common_pictures(pairs_folder: Path, counting: Any) -> None:
    asked: list[tuple[int, ...]] = []

    def features(image: np.ndarray) -> np.ndarray:
        asked.append(image.shape)
        return image.mean(axis=(0, 1)).astype(np.float64)

    evaluation = run(pairs_folder, counting(), metrics=("psnr", "fid"), features=features)
    assert len(asked) == 2 * 2 * 4
    bicubic, method = (evaluation.mean(result, "fid") for result in evaluation.results)
    assert bicubic < 0.1
    assert method == pytest.approx(3 * 3**2, abs=1)  # three channels, each 3 levels off


def test_self_check(
    tmp_path: Path, png: Callable[..., Path], picture: Any, counting: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "Set5"
    for index in range(5):
        gt = picture(index)
        png(folder / "HR" / f"{index}.png", gt)
        png(folder / "LR" / f"{index}.png", resize_scale(gt, 1 / 2))
    told: list[SelfCheck] = []

    def check(**options: Any) -> SelfCheck:
        told.clear()
        evaluation = run(folder, counting(), on_check=told.append, **options)
        assert told == [evaluation.check]
        return told[0]

    failed = check()
    assert not failed.passed
    assert "the literature says 33.66 dB / 0.9299; these are not the standard pictures" in failed.text
    row = run(folder)
    psnr, ssim = (row.mean(row.results[0], metric) for metric in row.metrics)
    own = StandardSet("Set5", 5, {2: (round(psnr, 2), round(ssim, 4))})
    monkeypatch.setattr("clearvision.evaluation.standards.STANDARD_SETS", (own,))
    assert check().passed
    assert check(protocol=PROTOCOLS["rgb"]).passed  # made from the ground truth, under y, whatever the table's protocol
    for index in range(5):
        lq = read_picture(folder / "LR" / f"{index}.png").pixels
        png(folder / "LR" / f"{index}.png", np.roll(lq, 1, axis=1))
    moved = check()
    assert not moved.passed
    assert moved.text.endswith("The ground truth is the standard one, so it is the given inputs that differ.")


def test_methods_by_name(tmp_path: Path) -> None:
    assert [method.label for method in open_methods(["nearest", "bicubic", "nearest"])] == ["bicubic", "nearest"]
    with pytest.raises(ModelError, match=r"unknown model 'absent'.*; or one of bicubic, lanczos, nearest"):
        open_methods(["absent"])
    with pytest.raises(UsageError, match="unknown interpolation 'box'"):
        Interpolation("box")


def test_interpolations_keep_a_picture_at_scale_1_and_repeat_pixels_as_nearest() -> None:
    lq = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    np.testing.assert_array_equal(Interpolation("bicubic").enlarge(lq, 1)[0], lq)
    np.testing.assert_array_equal(Interpolation("nearest").enlarge(lq, 2)[0], lq.repeat(2, 0).repeat(2, 1))
