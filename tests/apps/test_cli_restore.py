"""``clearvision restore``: sizes stay, names say so, and without a model for it there is a sentence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from tests.apps.conftest import tiny_span

from clearvision.imaging.io import read_picture
from clearvision.zoo.checkpoint import write_checkpoint


def bundle_restorer(folder: Path) -> None:
    info, weights = tiny_span("restore-x1", 1)
    weights["upsampler.0.bias"] += 0.1  # so that its work can be seen
    write_checkpoint(folder / "restore-x1.safetensors", replace(info, task="restore"), weights)


def test_pictures_are_restored_at_their_own_size(run: Callable, bundled_apart: Path, photo: Path) -> None:
    bundle_restorer(bundled_apart)
    ran = run("restore", photo, "--json")
    assert ran.code == 0
    (told,) = ran.json["pictures"]
    assert (told["model"], told["source_size"], told["target_size"]) == ("restore-x1", [24, 16], [24, 16])
    restored = read_picture(photo.with_name("photo_restored.png"))
    assert b'clearvision:Model="restore-x1"' in (restored.xmp or b"")
    assert not np.array_equal(restored.pixels, read_picture(photo).pixels)


def test_a_model_that_enlarges_restores_too(run: Callable, bundled: Path, photo: Path, tmp_path: Path) -> None:
    ran = run("restore", photo, "--model", "clean-x2", "-o", tmp_path / "out", "--json")
    assert ran.code == 0
    assert ran.json["pictures"][0]["target_size"] == [24, 16]
    assert read_picture(tmp_path / "out/photo.png").pixels.shape == (16, 24, 3)


def test_without_a_model_for_it_there_is_a_sentence(run: Callable, bundled: Path, photo: Path) -> None:
    ran = run("restore", photo)
    assert ran.code == 2
    assert "no bundled model for task 'restore'; there are models for: clean" in ran.err
