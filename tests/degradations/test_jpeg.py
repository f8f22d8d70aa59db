"""The batched JPEG against libjpeg itself."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from clearvision.degradations.batched import from_bytes, to_bytes
from clearvision.degradations.exact import apply_exact, estimate_quality, quantisation_tables
from clearvision.degradations.jpeg import compress


def scene(height: int, width: int) -> np.ndarray:
    """Gradients, edges, colours and some noise."""
    y, x = np.mgrid[:height, :width].astype(np.float64)
    planes = [128 + 100 * np.sin(x / 9 + y / 17), 255 * ((x // 13 + y // 11) % 2), x / max(width - 1, 1) * 255]
    grain = np.random.default_rng(0).normal(0, 6, (height, width, 3))
    return np.clip(np.stack(planes, axis=2) * 0.8 + 20 + grain, 0, 255).astype(np.uint8)


def jpeg_file(pixels: np.ndarray, quality: int) -> Image.Image:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality, subsampling="4:2:0")
    return Image.open(file)


@pytest.mark.parametrize("quality", [1, 10, 30, 49, 50, 75, 95, 100])
def test_tables_are_those_in_libjpegs_files(quality: int) -> None:
    stored = jpeg_file(scene(16, 16), quality).quantization  # type: ignore[attr-defined]
    for mine, theirs in zip(quantisation_tables(quality), (stored[0], stored[1]), strict=True):
        assert mine.flatten().tolist() == list(theirs)
    assert quantisation_tables(estimate_quality(stored[0]))[0].flatten().tolist() == list(stored[0])


def test_quality_is_estimated_from_a_table() -> None:
    for quality in range(5, 100, 7):
        assert estimate_quality(quantisation_tables(quality)[0].flatten()) == quality


@pytest.mark.parametrize("chroma", ["4:2:0", "4:4:4"])
@pytest.mark.parametrize("size", [(64, 96), (61, 83), (17, 3), (1, 1)])
def test_batched_form_agrees_with_libjpeg(size: tuple[int, int], chroma: str) -> None:
    pixels, qualities = scene(*size), [10, 30, 75, 95]
    batch = from_bytes(np.stack([pixels] * len(qualities)))
    results = to_bytes(compress(batch, qualities, chroma=chroma)).astype(int)
    for result, quality in zip(results, qualities, strict=True):
        exact = apply_exact(pixels, {"step": "jpeg", "quality": quality, "chroma": chroma})
        difference = np.abs(result - exact)
        assert difference.mean() < 0.15
        assert (difference > 0).mean() < 0.12


def test_soft_gradients_come_out_as_from_libjpeg() -> None:
    """Their coefficients lie halfway between two steps of the table often, so the last bit of the transform decides."""
    y, x = np.mgrid[:64, :64]
    pixels = np.stack([60 + y + x, 90 + y // 2 + x, 200 - y - x // 4], axis=2).astype(np.uint8)
    result = to_bytes(compress(from_bytes(pixels[None]), [30]))[0].astype(int)
    assert np.abs(result - apply_exact(pixels, {"step": "jpeg", "quality": 30, "chroma": "4:2:0"})).mean() < 0.01


def test_red_and_blue_are_not_swapped() -> None:
    red = np.zeros((32, 32, 3), np.uint8)
    red[..., 0] = 220
    result = to_bytes(compress(from_bytes(red[None]), [30]))[0]
    assert np.abs(result.astype(int) - red).max() < 12


def test_gradient_passes() -> None:
    batch = from_bytes(scene(24, 40)[None]).requires_grad_()
    result = compress(batch, [50])
    assert torch.equal(result, compress(batch.detach(), [50]))
    (result - 0.5).square().sum().backward()
    assert batch.grad is not None
    assert bool(batch.grad.isfinite().all())
    # the transform is orthonormal, so with rounding passed through the luma's gradient comes back nearly as it went in
    direct = 2 * (result.detach() - 0.5)
    overlap = float((direct.mean(1) * batch.grad.mean(1)).sum() / direct.mean(1).square().sum())
    assert overlap == pytest.approx(1, abs=0.2)


def test_input_is_not_changed() -> None:
    batch = from_bytes(scene(16, 16)[None])
    before = batch.clone()
    compress(batch, [20])
    assert torch.equal(batch, before)
