from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from clearvision.errors import ImageShapeError, ModelError
from clearvision.metrics.frechet import frechet_distance
from clearvision.metrics.inception import InceptionFeatures, InceptionV3

Pictures = Callable[[int, int], tuple[NDArray[np.uint8], NDArray[np.uint8]]]
Weights = Callable[[str, Mapping[str, tuple[int, ...]]], Path]


def plain_distance(a: np.ndarray, b: np.ndarray) -> float:
    """The formula, with the root of the product of the covariances by its eigenvalues."""
    offset = a.mean(axis=0) - b.mean(axis=0)
    first, second = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    roots = np.sqrt(np.maximum(np.linalg.eigvals(first @ second).real, 0))
    return float(offset @ offset + np.trace(first) + np.trace(second) - 2 * roots.sum())


@pytest.mark.parametrize(("n", "m", "features"), [(300, 200, 16), (40, 90, 64), (20, 10, 64)])
def test_frechet_distance_of_the_formula(n: int, m: int, features: int) -> None:
    rng = np.random.default_rng(0)
    mixed = rng.standard_normal((features, features))
    a, b = rng.standard_normal((n, features)) @ mixed, rng.standard_normal((m, features)) * 1.3 + 0.2
    assert frechet_distance(a, b) == pytest.approx(plain_distance(a, b), rel=1e-6)
    assert frechet_distance(b, a) == pytest.approx(frechet_distance(a, b))
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-9)


def test_frechet_distance_of_known_gaussians() -> None:
    line = np.array([[-1.0], [1.0]]) / np.sqrt(2)  # sample variance 1
    assert frechet_distance(line, line * 3 + 5) == pytest.approx(5**2 + (3 - 1) ** 2)


def test_sets_that_have_no_distance() -> None:
    with pytest.raises(ImageShapeError, match=r"two pictures or more, got features of \(1, 8\) and \(5, 8\)"):
        frechet_distance(np.zeros((1, 8)), np.zeros((5, 8)))
    with pytest.raises(ImageShapeError, match="two sets"):
        frechet_distance(np.zeros((5, 8)), np.zeros((5, 9)))


def test_features_of_the_reference(pictures: Pictures, make_weights: Weights, monkeypatch: pytest.MonkeyPatch) -> None:
    with torch.device("meta"):
        net = InceptionV3()
    shapes = {name: tuple(value.shape) for name, value in net.state_dict().items() if not name.endswith("num_batches_tracked")}
    assert sum(parameter.numel() for parameter in net.parameters()) == 21_785_568
    assert {
        "Conv2d_1a_3x3.bn.running_mean",
        "Mixed_6c.branch7x7dbl_4.conv.weight",
        "Mixed_7c.branch_pool.bn.bias",
    } <= shapes.keys()
    monkeypatch.setattr("clearvision.metrics.inception._SIDE", 107)  # the same layers at a seventh of the time
    features = InceptionFeatures(weights=make_weights("inception", shapes))
    # pytorch-fid 0.3.0 over torchvision's InceptionV3 with the same made-up weights, the picture resampled to 107x107
    expected = [
        (392.0905198087603, [0.2657427191734314, 0.2022351622581482, 0.004442319739609957, 0.14780032634735107, 0]),
        (394.565554915549, [0.27501100301742554, 0.2067064791917801, 0.005609483458101749, 0.1476268619298935, 0]),
    ]
    for picture, (total, some) in zip(pictures(48, 40), expected, strict=True):
        found = features(picture)
        assert (found.shape, found.dtype) == ((2048,), np.float64)
        assert found.sum() == pytest.approx(total, rel=1e-4)
        np.testing.assert_allclose(found[[0, 500, 1000, 1500, 2000]], some, rtol=1e-3, atol=1e-6)


def test_absent_weights_say_how_to_get_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(
        ModelError, match=r"inception are not on this machine; put https://github\.com/mseitzer/.*6726825d\.pth into"
    ):
        InceptionFeatures()
