"""Pictures and batches degraded from end to end."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from clearvision.degradations.batched import from_bytes, to_bytes
from clearvision.degradations.pipeline import degrade, degrade_picture
from clearvision.degradations.presets import PRESETS
from clearvision.degradations.resize import resize_images
from clearvision.degradations.steps import Banding, Box, Defocus, Fill, Jpeg, Motion, Noise, Patches, Resize, Step, Webp
from clearvision.errors import ImageShapeError, UsageError
from clearvision.imaging.resize import resize, resize_scale


def scene(height: int = 48, width: int = 64) -> np.ndarray:
    y, x = np.mgrid[:height, :width].astype(np.float64)
    planes = [128 + 100 * np.sin(x / 5 + y / 7), 255 * ((x // 8 + y // 8) % 2), x / width * 255]
    return np.clip(np.stack(planes, axis=2), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("scale", [1, 4])
@pytest.mark.parametrize("preset", PRESETS)
def test_same_seed_same_bytes(preset: str, scale: int) -> None:
    pixels = scene()
    before = pixels.copy()
    first = degrade_picture(pixels, preset, scale=scale, seed=3, index=1)
    assert first.shape == (48 // scale, 64 // scale, 3)
    assert first.dtype == np.uint8
    assert first.tobytes() == degrade_picture(pixels, preset, scale=scale, seed=3, index=1).tobytes()
    assert np.array_equal(pixels, before)
    if preset != "bicubic":
        assert first.tobytes() != degrade_picture(pixels, preset, scale=scale, seed=4, index=1).tobytes()
        assert first.tobytes() != degrade_picture(pixels, preset, scale=scale, seed=3, index=2).tobytes()


def test_bicubic_is_the_exact_one() -> None:
    assert np.array_equal(degrade_picture(scene(), "bicubic", scale=4, seed=0), resize_scale(scene(), 1 / 4))
    assert np.array_equal(degrade_picture(scene(), "bicubic", scale=1, seed=0), scene())


def test_clearvision_golden() -> None:
    """Fails when noise, blur, JPEG, their order or the streams of numbers change."""
    result = degrade_picture(np.full((16, 16, 3), (200, 120, 40), np.uint8), "clearvision", scale=1, seed=0)
    assert np.abs(result[::5, 3].astype(int) - GOLDEN).max() <= 1


GOLDEN = np.array([[190, 111, 34], [198, 119, 42], [196, 117, 40], [189, 110, 33]])


@pytest.mark.parametrize("preset", PRESETS)
def test_batch_is_float_at_8_bit_levels(preset: str) -> None:
    batch = from_bytes(np.stack([scene(), scene()[:, ::-1], 255 - scene()]))
    before = batch.clone()
    result = degrade(batch, preset, scale=2, seed=5, index=10)
    assert result.shape == (3, 3, 24, 32)
    assert result.dtype == torch.float32
    assert torch.equal(batch, before)
    levels = result * 255
    np.testing.assert_allclose(levels, levels.round(), atol=1e-3)
    assert 0 <= float(result.min()) <= float(result.max()) <= 1
    assert torch.equal(result, degrade(batch, preset, scale=2, seed=5, index=10))


@pytest.mark.parametrize("preset", ["clearvision", "realesrgan"])
def test_a_sample_does_not_depend_on_its_batch(preset: str) -> None:
    batch = from_bytes(np.stack([scene()] * 4))
    together = degrade(batch, preset, scale=2, seed=5, index=10, exact=True)
    alone = torch.cat([degrade(batch[:1], preset, scale=2, seed=5, index=10 + place, exact=True) for place in range(4)])
    assert float((together - alone).abs().mean()) < 1e-3  # a rounding may tip
    pictures = np.stack([degrade_picture(scene(), preset, scale=2, seed=5, index=10 + place) for place in range(4)])
    assert np.abs(to_bytes(together).astype(int) - pictures).mean() < 0.25


def test_batched_form_is_close_to_the_exact_one() -> None:
    batch = from_bytes(np.stack([scene()] * 4))
    steps: list[Step] = [Resize(), Noise(sigma=10), Jpeg(quality=(30, 80))]
    exact = degrade(batch, steps, scale=2, seed=1, exact=True)
    assert float((degrade(batch, steps, scale=2, seed=1) - exact).abs().mean()) * 255 < 0.3
    assert torch.equal(degrade(batch, "bicubic", scale=2, seed=1), degrade(batch, "bicubic", scale=2, seed=1, exact=True))


def test_shared_sizes_stay_deterministic() -> None:
    batch = from_bytes(np.stack([scene()] * 4))
    assert not torch.equal(
        degrade(batch, "realesrgan", scale=2, seed=1, share_sizes=4), degrade(batch, "realesrgan", scale=2, seed=1)
    )


@pytest.mark.parametrize("size", [(12, 40), (40, 12), (24, 32), (60, 70)])
def test_matlab_on_a_batch_is_the_one_for_pictures(size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    result = to_bytes(resize_images(from_bytes(pixels[None]), *size, "matlab"))[0]
    difference = np.abs(result.astype(int) - resize(pixels, *size))
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.002


@pytest.mark.parametrize("mode", ["area", "bilinear", "bicubic", "nearest"])
def test_plain_modes_keep_a_flat_picture_and_the_range(mode: str) -> None:
    flat = torch.full((1, 3, 10, 12), 0.25)
    np.testing.assert_allclose(resize_images(flat, 7, 20, mode), 0.25, atol=1e-6)
    edge = (torch.arange(12) > 5).float().expand(1, 3, 10, 12)
    assert 0 <= float(resize_images(edge, 30, 40, mode).min()) <= float(resize_images(edge, 30, 40, mode).max()) <= 1


def test_area_is_the_mean_of_the_footprint() -> None:
    image = torch.rand(1, 3, 8, 8)
    np.testing.assert_allclose(resize_images(image, 4, 4, "area"), image.unfold(2, 2, 2).unfold(3, 2, 2).mean((4, 5)), atol=1e-6)


def test_patches_change_only_their_rectangles() -> None:
    pixels = np.full((60, 90, 3), 128, np.uint8)
    result = degrade_picture(pixels, [Patches(steps=(Fill(value=0),), size=1 / 3)], scale=1, seed=2)
    assert (result == 0).all(axis=2).sum() == 20 * 30
    assert ((result == 128) | (result == 0)).all()


def test_banding_leaves_few_levels() -> None:
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2).repeat(4, axis=0)
    result = degrade_picture(ramp, [Banding(levels=10)], scale=1, seed=0)
    assert len(np.unique(result)) == 10
    assert (result[0, 0] == 0).all()
    assert (result[0, -1] == 255).all()


@pytest.mark.parametrize("step", [Motion(), Defocus(), Box(), Webp(quality=20)])
def test_every_other_step_does_something_and_keeps_the_mean(step: Step) -> None:
    result = degrade_picture(scene(), [step], scale=1, seed=0)
    assert not np.array_equal(result, scene())
    assert np.abs(result.mean((0, 1)) - scene().mean((0, 1))).max() < 8


def test_white_and_black_do_not_wrap() -> None:
    """The source's noise was added to bytes: 255 + 3 became 2."""
    for value in (0, 255):
        result = degrade_picture(np.full((32, 32, 3), value, np.uint8), "clearvision", scale=1, seed=0)
        assert np.abs(result.astype(int) - value).max() < 90


def test_gradients_flow() -> None:
    batch = from_bytes(scene()[None]).requires_grad_()
    degrade(batch, "clearvision", scale=2, seed=0).sum().backward()
    assert batch.grad is not None
    assert float(batch.grad.abs().sum()) > 0


def test_what_cannot_be_degraded_is_told() -> None:
    with pytest.raises(ImageShapeError, match=r"takes an \(H, W, 3\) array of uint8, got shape \(4, 4\) of uint8"):
        degrade_picture(np.zeros((4, 4), np.uint8), "bicubic", scale=2, seed=0)
    with pytest.raises(ImageShapeError, match=r"got shape \(4, 4, 3\) of float64"):
        degrade_picture(np.zeros((4, 4, 3)), "bicubic", scale=2, seed=0)  # type: ignore[arg-type]
    with pytest.raises(ImageShapeError, match=r"takes a \(B, 3, H, W\) tensor of float32, got shape \(3, 4, 4\)"):
        degrade(torch.zeros(3, 4, 4), "bicubic", scale=2, seed=0)
    with pytest.raises(UsageError, match=r"unknown preset 'rain'"):
        degrade_picture(np.zeros((4, 4, 3), np.uint8), "rain", scale=2, seed=0)


def test_exact_presets_need_no_torch_and_the_others_say_that_they_do() -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import numpy as np\n"
        "from clearvision.degradations.pipeline import degrade_picture\n"
        "from clearvision.degradations.steps import Jpeg, Resize\n"
        "pixels = np.zeros((8, 8, 3), np.uint8)\n"
        "print(degrade_picture(pixels, [Resize(), Jpeg()], scale=2, seed=0).shape)\n"
        "try: degrade_picture(pixels, 'clearvision', scale=2, seed=0)\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == [
        "(4, 4, 3)",
        "MissingExtraError the step 'noise' needs PyTorch, not installed; pip install 'clearvision[torch]'",
    ], done.stderr
