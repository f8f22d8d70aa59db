from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from clearvision.errors import MissingExtraError, ModelError, UsageError
from clearvision.evaluation import learned
from clearvision.evaluation.learned import open_features, open_learned
from clearvision.metrics import inception, perceptual


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_nothing_is_opened_unless_asked_for() -> None:
    assert open_learned(["psnr", "ssim", "niqe", "fid"]) == {}
    assert open_features(["psnr", "lpips_alex"]) is None


def test_each_metric_gets_its_network_and_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    class Fake:
        def __init__(self, *words: str, weights: Path, device: str) -> None:
            made.append((words, weights.name, device))

        def __call__(self, *_: np.ndarray) -> float:
            return 0.5

    monkeypatch.setattr(perceptual, "Lpips", Fake)
    monkeypatch.setattr(perceptual, "Vgg19Distance", Fake)
    monkeypatch.setattr(inception, "InceptionFeatures", Fake)
    files = {name: tmp_path / f"{name}.pth" for name in ("alexnet", "vgg16", "vgg19", "inception")}
    for path in files.values():
        path.touch()
    metrics = ["psnr", "lpips_alex", "lpips_vgg", "unit_vgg19", "vgg19", "fid"]
    opened = open_learned(metrics, weights=files, device="cpu")
    assert list(opened) == ["lpips_alex", "lpips_vgg", "unit_vgg19", "vgg19"]
    assert opened["vgg19"](np.zeros(1), np.zeros(1)) == 0.5
    assert open_features(metrics, weights=files, device="cpu") is not None
    assert made == [
        (("alex",), "alexnet.pth", "cpu"),
        (("vgg",), "vgg16.pth", "cpu"),
        (("vgg19",), "vgg19.pth", "cpu"),
        ((), "vgg19.pth", "cpu"),
        ((), "inception.pth", "cpu"),
    ]


def test_absent_files_say_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match=r"metric 'lpips_vgg': the weights of vgg16 .*--weights vgg16=FILE, or --fetch"):
        open_learned(["psnr", "lpips_vgg"])
    fetched = []
    monkeypatch.setattr(learned, "download_backbone", fetched.append)
    with pytest.raises(ModelError, match="metric 'fid'"):
        open_features(["fid"], fetch=True)
    assert fetched == ["inception"]


def test_refusals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="unknown metric 'lpips'"):
        open_learned(["lpips"])
    with pytest.raises(UsageError, match="unknown network 'resnet' of a metric; known: alexnet"):
        open_learned(["psnr"], weights={"resnet": tmp_path})
    (tmp_path / "a.pth").touch()
    monkeypatch.delitem(sys.modules, "clearvision.metrics.perceptual")
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delattr("clearvision.metrics.perceptual")
    with pytest.raises(MissingExtraError, match=r"need PyTorch.*pip install 'clearvision\[torch\]'"):
        open_learned(["lpips_alex"], weights={"alexnet": tmp_path / "a.pth"})
