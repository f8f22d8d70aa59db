from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from clearvision.errors import ImageShapeError, UsageError
from clearvision.inference.upscaler import Upscaler
from clearvision.inference.wrap import renormalise, wrap_margin
from clearvision.types import Picture
from clearvision.zoo.checkpoint import Checkpoint

MakeCheckpoint = Callable[..., Checkpoint]
NETWORKS: list[tuple[str, dict[str, Any]]] = [
    ("span", {"feature_channels": 16, "num_block": 2, "upscale": 4, "skip": "bilinear"}),
    ("rrdbnet", {"num_feat": 8, "num_grow_ch": 4, "num_block": 1, "scale": 2}),
]


@pytest.fixture
def texture() -> NDArray[np.uint8]:
    """Sides that are no multiple of 2, so that phases count, and longer than any radius here, so that a sheet shows the truth."""
    return np.random.default_rng(3).integers(40, 216, (61, 59, 3)).astype(np.uint8)


@pytest.mark.parametrize(("arch", "hyper"), NETWORKS, ids=[name for name, _ in NETWORKS])
@pytest.mark.parametrize("scale", [None, 3.0])
def test_a_texture_equals_the_middle_of_a_sheet_of_copies(
    checkpoint_of: MakeCheckpoint, texture: NDArray[np.uint8], arch: str, hyper: dict[str, Any], scale: float | None
) -> None:
    checkpoint = checkpoint_of(arch, **hyper)
    sheet = Upscaler(checkpoint, precision="f32")(np.tile(texture, (3, 3, 1)), scale=scale)
    height, width = sheet.shape[0] // 3, sheet.shape[1] // 3
    expected = sheet[height : 2 * height, width : 2 * width]
    found = Upscaler(checkpoint, precision="f32", tileable="both")(texture, scale=scale)
    off = 1 if scale is None else 2  # to rounding, which after a first of two passes the second one enlarges
    np.testing.assert_allclose(found.astype(int), expected.astype(int), atol=off)
    if scale is None:
        assert np.mean(found != expected) < 0.01
    plain = Upscaler(checkpoint, precision="f32")(texture, scale=scale)
    assert np.abs(plain.astype(int) - expected).max() > 8  # there was a seam to avoid


def test_one_axis_repeats_alone(checkpoint_of: MakeCheckpoint, texture: NDArray[np.uint8]) -> None:
    checkpoint = checkpoint_of(*NETWORKS[0][:1], **NETWORKS[0][1])
    across = Upscaler(checkpoint, precision="f32")(np.tile(texture, (1, 3, 1)))
    width = across.shape[1] // 3
    found = Upscaler(checkpoint, precision="f32", tileable="x")(texture)
    np.testing.assert_allclose(found.astype(int), across[:, width : 2 * width].astype(int), atol=1)


def test_transparent_textures_repeat_too(checkpoint_of: MakeCheckpoint, texture: NDArray[np.uint8]) -> None:
    checkpoint = checkpoint_of(*NETWORKS[0][:1], **NETWORKS[0][1])
    upscaler = Upscaler(checkpoint, precision="f32", tileable="both")
    result, _ = upscaler.run(Picture(texture, texture[:, :, 0]))
    shifted, _ = upscaler.run(Picture(np.roll(texture, 5, axis=0), np.roll(texture[:, :, 0], 5, axis=0)))
    assert result.alpha is not None
    assert shifted.alpha is not None
    np.testing.assert_array_equal(np.roll(result.alpha, 20, axis=0), shifted.alpha)


@pytest.mark.parametrize(("side", "halo", "multiple"), [(21, 9, 1), (21, 9, 2), (20, 9, 2), (3, 21, 4)])
def test_the_margin_keeps_the_phase(side: int, halo: int, multiple: int) -> None:
    margin = wrap_margin(side, halo, multiple)
    assert halo <= margin < halo + multiple
    assert margin % multiple == side % multiple


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_normals_have_length_one_again(dtype: type[np.generic]) -> None:
    full = {np.uint8: 255, np.uint16: 65535, np.float32: 1}[dtype]
    vectors = np.array([[[0.3, 0.4, 0.5], [0, 0, 0.9], [0, 0, 0]]])
    found = renormalise(((vectors + 1) / 2 * full).astype(dtype)).astype(np.float64) / full * 2 - 1
    np.testing.assert_allclose(np.linalg.norm(found, axis=2), 1, atol=0.01)
    np.testing.assert_allclose(found[0, 0], vectors[0, 0] / np.linalg.norm(vectors[0, 0]), atol=0.02)
    with pytest.raises(ImageShapeError, match="three channels"):
        renormalise(np.zeros((2, 2, 1), np.uint8))


def test_an_unknown_word_is_refused(checkpoint_of: MakeCheckpoint) -> None:
    with pytest.raises(UsageError, match="tileable 'xy' is unknown; known: none, x, y, both"):
        Upscaler(checkpoint_of("span"), tileable="xy")  # type: ignore[arg-type]
