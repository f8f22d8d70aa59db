"""``clearvision upscale`` says what a picture has been through and chooses the family of models by it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from clearvision.imaging.io import picture_from_array, write_picture


@pytest.fixture
def worn(tmp_path: Path) -> Path:
    """A JPEG file of quality 35."""
    draw = np.random.default_rng(0).integers(0, 256, (6, 6, 3)).astype(np.uint8)
    write_picture(picture_from_array(np.kron(draw, np.ones((8, 8, 1), np.uint8))), tmp_path / "worn.jpg", quality=35)
    return tmp_path / "worn.jpg"


def test_a_missing_family_is_said_and_clean_taken(run: Callable, worn: Path, tmp_path: Path) -> None:
    ran = run("upscale", worn, "-o", tmp_path / "out")
    assert ran.code == 0
    assert ran.err == "worn.jpg: JPEG quality about 35: chose clean-x4, since no model of the 'photo' family is bundled\n"


@pytest.mark.usefixtures("both_families")
def test_the_family_and_the_scale_follow_picture_and_wish(run: Callable, worn: Path, photo: Path, tmp_path: Path) -> None:
    ran = run("upscale", worn, "-o", tmp_path / "out")
    assert ran.err == "worn.jpg: JPEG quality about 35: chose photo-x4\n"
    ran = run("upscale", worn, photo, "-o", tmp_path / "out", "--scale", 2, "--model", "auto")
    first, second = ran.err.splitlines()
    assert first.endswith("(JPEG quality about 35: chose photo-x2)")
    assert second.endswith("(no compression, noise or blur to be seen: chose clean-x2)")


@pytest.mark.usefixtures("both_families")
def test_a_named_model_overrides(run: Callable, worn: Path, tmp_path: Path) -> None:
    ran = run("upscale", worn, "-o", tmp_path / "out", "--model", "clean-x2", "--json")
    (told,) = ran.json["pictures"]
    assert (told["model"], told["diagnosis"], told["choice"]) == ("clean-x2", None, None)
    assert ran.err == ""


@pytest.mark.usefixtures("both_families")
def test_json_carries_the_diagnosis(run: Callable, worn: Path, tmp_path: Path) -> None:
    ran = run("upscale", worn, "-o", tmp_path / "out", "--json")
    (told,) = ran.json["pictures"]
    assert told["model"] == "photo-x4"
    assert told["choice"] == "JPEG quality about 35: chose photo-x4"
    diagnosis = told["diagnosis"]
    assert (diagnosis["family"], diagnosis["text"]) == ("photo", "JPEG quality about 35")
    assert (diagnosis["jpeg_quality"], diagnosis["fall"]) == (35, None)


@pytest.mark.usefixtures("both_families")
def test_a_dry_run_chooses_as_the_run_does(run: Callable, worn: Path, photo: Path, tmp_path: Path) -> None:
    words = ("upscale", worn, photo, "-o", tmp_path / "out", "--scale", 2, "--json")
    planned, done = (run(*words, *more).json["pictures"] for more in (("--dry-run",), ()))
    assert [picture["model"] for picture in planned] == [picture["model"] for picture in done] == ["photo-x2", "clean-x2"]
    damaged = worn.with_name("damaged.jpg")
    damaged.write_bytes(worn.read_bytes()[:300])
    (told,) = run("upscale", damaged, "-o", tmp_path / "out", "--dry-run", "--json").json["pictures"]
    assert "damaged" in told["error"]
