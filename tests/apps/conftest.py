"""A tiny network with random weights, as a file and as the bundled models, and the command line called in this process."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.apps.chromium import chromium, new_page

from clearvision.apps.cli import main
from clearvision.types import ModelInfo
from clearvision.zoo.checkpoint import write_checkpoint

__all__ = ["chromium", "new_page"]  # fixtures

FEATURES = 16


def tiny_span(name: str, scale: int) -> tuple[ModelInfo, dict[str, np.ndarray]]:
    """Return card and weights of a SPAN of one block in the deployed form, made without PyTorch."""
    draw = np.random.default_rng(scale)
    weights: dict[str, np.ndarray] = {}

    def conv(prefix: str, outputs: int, inputs: int, side: int = 3) -> None:
        weights[f"{prefix}.weight"] = draw.normal(0, 0.02, (outputs, inputs, side, side)).astype(np.float32)
        weights[f"{prefix}.bias"] = np.zeros(outputs, np.float32)

    conv("conv_1.eval_conv", FEATURES, 3)
    for index in (1, 2, 3):
        conv(f"block_1.c{index}_r.eval_conv", FEATURES, FEATURES)
    conv("conv_2.eval_conv", FEATURES, FEATURES)
    conv("conv_cat", FEATURES, 4 * FEATURES, 1)
    conv("upsampler.0", 3 * scale**2, FEATURES)
    hyper = {"feature_channels": FEATURES, "num_block": 1, "upscale": scale, "img_range": 1.0, "skip": "bilinear"}
    info = ModelInfo(
        name=name,
        task="clean",
        scale=scale,
        arch="span",
        hyper=hyper,
        receptive_radius=6,
        description="random weights",
        figures={"Set5 PSNR-Y": 30.5},
        licence="CC0-1.0",
    )
    return info, weights


@pytest.fixture(scope="session")
def weights_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    for name, scale in (("clean-x2", 2), ("clean-x4", 4)):
        write_checkpoint(folder / f"{name}.safetensors", *tiny_span(name, scale))
    return folder


@pytest.fixture
def bundled(weights_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the tiny networks stand for the bundled models; return their folder."""
    monkeypatch.setattr("clearvision.zoo.catalogue.WEIGHTS_DIR", weights_dir)
    return weights_dir


@pytest.fixture
def bundled_apart(weights_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As ``bundled``, in a folder of the test's own, to which it may add."""
    folder = tmp_path / "weights"
    shutil.copytree(weights_dir, folder)
    monkeypatch.setattr("clearvision.zoo.catalogue.WEIGHTS_DIR", folder)
    return folder


@pytest.fixture
def both_families(run: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let tiny networks stand for bundled models of the ``clean`` and the ``photo`` family."""
    folder = tmp_path / "weights"
    folder.mkdir()
    for family in ("clean", "photo"):
        for scale in (2, 4):
            info, weights = tiny_span(f"{family}-x{scale}", scale)
            write_checkpoint(folder / f"{info.name}.safetensors", replace(info, task=family), weights)
    monkeypatch.setattr("clearvision.zoo.catalogue.WEIGHTS_DIR", folder)


@dataclass(frozen=True)
class Ran:
    """How a command line ended and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:  # noqa: ANN401
        return json.loads(self.out)


@pytest.fixture(autouse=True)
def loggers_as_they_were() -> Iterator[None]:
    """Put back what a command that owns its process, such as ``serve``, sets up for logging."""
    root, names = logging.getLogger(), ("clearvision", "clearvision.serve", "waitress.queue")
    levels, handlers = [logging.getLogger(name).level for name in names], list(root.handlers)
    yield
    root.handlers[:] = handlers
    for name, level in zip(names, levels, strict=True):
        logging.getLogger(name).setLevel(level)


@pytest.fixture
def run(bundled: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    """Return a function that runs ``clearvision`` with words in this process."""
    monkeypatch.delenv("CLEARVISION_DEBUG", raising=False)

    def call(*words: object) -> Ran:
        capsys.readouterr()
        code = main([str(word) for word in words])
        printed = capsys.readouterr()
        return Ran(code, printed.out, printed.err)

    return call


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A PNG of 24x16 pixels."""
    return write_photo(tmp_path / "photo.png")


def write_photo(path: Path, height: int = 16, width: int = 24) -> Path:
    """Write a smooth coloured picture in the format of the suffix."""
    from clearvision.imaging.io import picture_from_array, write_picture

    y, x = np.mgrid[:height, :width] / max(height, width)
    pixels = np.stack([x, y, (x + y) / 2], axis=2) * 255
    write_picture(picture_from_array(pixels.astype(np.uint8)), path)
    return path


@pytest.fixture
def photo_writer() -> Callable[..., Path]:
    """``write_photo``, for tests that need several."""
    return write_photo
