from __future__ import annotations

import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import clearvision
from clearvision.errors import EngineError, ImageShapeError, PictureError, UsageError
from clearvision.imaging.io import read_picture, write_picture
from clearvision.imaging.resize import resize
from clearvision.imaging.sharpen import sharpen
from clearvision.inference import enlarge
from clearvision.inference.consistency import back_project, consistency
from clearvision.inference.upscaler import Upscaler
from clearvision.inference.verify import EXACT
from clearvision.types import Picture
from clearvision.zoo.build import build_network
from clearvision.zoo.checkpoint import Checkpoint, write_checkpoint

MakeCheckpoint = Callable[..., Checkpoint]
SPAN = {"feature_channels": 16, "num_block": 2, "upscale": 2, "skip": "bilinear", "img_range": 1.0}


@pytest.fixture(scope="module")
def span(checkpoint_of: MakeCheckpoint) -> Checkpoint:
    return checkpoint_of("span", **SPAN)


@pytest.fixture(scope="module")
def upscaler(span: Checkpoint) -> Upscaler:
    return Upscaler(span, precision="f32")


def soft_noise(height: int, width: int, channels: int = 3) -> np.ndarray:
    """Return a float picture in [0.3, 0.7], which no network of the tests takes out of [0, 1]."""
    return np.random.default_rng(height + width).random((height, width, channels), dtype=np.float32) * 0.4 + np.float32(0.3)


def expected_by_torch(checkpoint: Checkpoint, floats: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        sr = build_network(checkpoint)(torch.from_numpy(floats.transpose(2, 0, 1).copy())[None])[0]
    return sr.numpy().transpose(1, 2, 0)


@pytest.mark.parametrize(
    ("dtype", "full"), [(np.uint8, 255), (np.uint16, 65535), (np.float32, 1)], ids=["uint8", "uint16", "float32"]
)
def test_result_is_the_networks_output_clamped_and_rounded(span: Checkpoint, dtype: Any, full: int) -> None:  # noqa: ANN401
    noise = np.random.default_rng(0).random((23, 31, 3))
    array = (noise * full).astype(dtype)
    result = Upscaler(span, precision="f32")(array)
    exact = np.clip(expected_by_torch(span, array.astype(np.float32) / np.float32(full)), 0, 1) * full
    assert result.dtype == dtype
    assert ((exact == 0) | (exact == full)).any()  # the clamp had something to do
    off = np.abs(result - exact)
    assert off.max() <= (1e-5 if full == 1 else 0.5 + 1e-5 * full)
    if full == 65535:
        assert len(np.unique(result)) > 256


@pytest.mark.parametrize("engine", ["openvino", "torch"])
@pytest.mark.parametrize(
    ("arch", "hyper", "size"),
    [
        ("span", {"feature_channels": 16, "num_block": 6, "upscale": 4, "skip": "bilinear"}, (131, 157)),
        ("srvgg", {"num_feat": 16, "num_conv": 16, "upscale": 2}, (131, 157)),
        ("rrdbnet", {"num_feat": 8, "num_grow_ch": 4, "num_block": 6, "scale": 4}, (21, 263)),
        ("rrdbnet", {"num_feat": 8, "num_grow_ch": 4, "num_block": 1, "scale": 2}, (147, 23)),
    ],
    ids=["span", "srvgg", "rrdb6-x4", "rrdb1-x2"],
)
def test_tiles_equal_the_whole(
    checkpoint_of: MakeCheckpoint, arch: str, hyper: dict[str, Any], size: tuple[int, int], engine: str
) -> None:
    checkpoint = checkpoint_of(arch, **hyper)
    picture = Picture(soft_noise(*size))
    whole, report = Upscaler(checkpoint, precision="f32", tile=4096, engine=engine).run(picture)
    assert report.tiles == 1
    assert 0 < whole.pixels.min() < whole.pixels.max() < 1
    for tile in (64, 100):
        tiled, report = Upscaler(checkpoint, precision="f32", tile=tile, engine=engine).run(picture, verify_tiles=True)
        assert report.tiles > 1 or tile == 100
        assert report.tile_error is not None
        bound = EXACT if arch == "rrdbnet" else 1e-5
        assert report.tile_error <= bound
        np.testing.assert_allclose(tiled.pixels, whole.pixels, rtol=0, atol=bound)


@pytest.mark.parametrize("arch", ["span", "rrdbnet"])
def test_verified_tiles_find_a_halo_that_is_too_short(checkpoint_of: MakeCheckpoint, arch: str) -> None:
    hyper: dict[str, Any] = SPAN if arch == "span" else {"num_feat": 8, "num_grow_ch": 4, "num_block": 1, "scale": 2}
    checkpoint = checkpoint_of(arch, **hyper)
    radius = checkpoint.info.receptive_radius
    assert radius is not None
    short = replace(checkpoint, info=replace(checkpoint.info, receptive_radius=radius // 2))
    with pytest.raises(
        EngineError, match=r"tiles differ by .* across their cuts, more than 1e-04: the receptive radius \(\d+\) on"
    ):
        Upscaler(short, precision="f32", tile=16).run(Picture(soft_noise(80, 90)), verify_tiles=True)


def test_sizes_that_a_network_does_not_take_are_padded_by_reflection(checkpoint_of: MakeCheckpoint) -> None:
    checkpoint = checkpoint_of("rrdbnet", num_feat=8, num_grow_ch=4, num_block=1, scale=1)
    floats = soft_noise(7, 10)
    padded = np.pad(floats, ((0, 1), (0, 2), (0, 0)), mode="reflect")
    result, _ = Upscaler(checkpoint, precision="f32").run(Picture(floats))
    np.testing.assert_allclose(result.pixels, expected_by_torch(checkpoint, padded)[:7, :10], rtol=0, atol=1e-5)


def test_a_single_pixel_comes_out_larger(checkpoint_of: MakeCheckpoint, upscaler: Upscaler) -> None:
    assert upscaler(np.full((1, 1, 3), 7, np.uint8)).shape == (2, 2, 3)
    folded = Upscaler(checkpoint_of("rrdbnet", num_feat=8, num_grow_ch=4, num_block=1, scale=1))
    assert folded(np.full((1, 1, 3), 7, np.uint8)).shape == (1, 1, 3)


def test_grey_goes_through_a_colour_network_as_grey(upscaler: Upscaler) -> None:
    grey = (soft_noise(20, 24, 1) * 255).astype(np.uint8)
    result = upscaler(grey)
    assert result.shape == (40, 48, 1)
    colour = upscaler(np.repeat(grey, 3, axis=2))
    assert np.abs(result[:, :, 0] - colour.mean(axis=2)).max() <= 1
    np.testing.assert_array_equal(upscaler(grey[:, :, 0]), result[:, :, 0])


def test_a_grey_network_takes_the_channels_of_a_colour_picture_one_by_one(checkpoint_of: MakeCheckpoint) -> None:
    upscaler = Upscaler(checkpoint_of("span", **{**SPAN, "num_in_ch": 1, "num_out_ch": 1}), precision="f32", tile=32)
    colour = soft_noise(70, 50)
    result = upscaler(colour)
    for channel in range(3):
        np.testing.assert_allclose(result[:, :, channel], upscaler(colour[:, :, channel]), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("wish", "size"),
    [
        ({}, (40, 48)),
        ({"scale": 1}, (20, 24)),
        ({"scale": 1.7}, (34, 41)),
        ({"scale": 3}, (60, 72)),
        ({"scale": 4}, (80, 96)),
        ({"scale": 9}, (180, 216)),
        ({"scale": 0.5}, (10, 12)),
        ({"width": 49}, (41, 49)),
        ({"height": 21}, (21, 25)),
        ({"megapixels": 0.001}, (29, 35)),
    ],
)
def test_any_size_may_be_asked_for(upscaler: Upscaler, wish: dict[str, float], size: tuple[int, int]) -> None:
    array = (soft_noise(20, 24) * 255).astype(np.uint8)
    result = upscaler(array, **wish)  # type: ignore[arg-type]
    assert result.shape == (*size, 3)
    # whatever the size, it is the same picture
    small = resize(result, 5, 6).astype(int)
    assert np.abs(small - resize(array, 5, 6)).mean() < 20


def test_beyond_the_networks_scale_it_runs_twice(upscaler: Upscaler) -> None:
    array = (soft_noise(20, 24) * 255).astype(np.uint8)
    np.testing.assert_array_equal(upscaler(array, scale=4), upscaler(upscaler(array)))
    np.testing.assert_array_equal(upscaler(array, scale=3), resize(upscaler(upscaler(array)), 60, 72))


def test_shrinking_is_plain_resampling(upscaler: Upscaler) -> None:
    array = (soft_noise(20, 24) * 255).astype(np.uint8)
    picture, report = upscaler.run(Picture(array), scale=0.5)
    np.testing.assert_array_equal(picture.pixels, resize(array, 10, 12))
    assert (report.tiles, report.tile) == (0, 0)


def test_resampled_floats_do_not_overshoot(upscaler: Upscaler) -> None:
    checks = np.kron(np.indices((6, 6)).sum(0) % 2, np.ones((5, 5)))[:, :, None].repeat(3, 2).astype(np.float32)
    result = upscaler(checks, scale=3)
    assert (result.min(), result.max()) == (0.0, 1.0)


def test_values_beyond_one_of_a_float_picture_are_kept(span: Checkpoint) -> None:
    silent = {name: value * (not name.startswith("upsampler")) for name, value in span.weights.items()}
    upscaler = Upscaler(replace(span, weights=silent), precision="f32")  # its bilinear skip alone
    bright = soft_noise(20, 24) + 1
    assert np.abs(resize(upscaler(bright), 5, 6) - resize(bright, 5, 6)).mean() < 0.1


def test_opaque_alpha_stays_opaque_and_edges_take_no_colour_from_what_is_transparent(upscaler: Upscaler) -> None:
    array = np.full((24, 24, 4), (200, 40, 40, 255), np.uint8)
    opaque = upscaler(array)
    assert (opaque[:, :, 3] == 255).all()
    assert (upscaler(array, scale=3)[:, :, 3] == 255).all()
    array[:, 12:] = (0, 0, 0, 0)  # black where nobody sees it
    result = upscaler(array)
    np.testing.assert_array_equal(result[:, :, 3], resize(array[:, :, 3], 48, 48))
    seen = result[:, :, 3] > 0
    assert (np.abs(result[:, :, :3].astype(int) - opaque[:, :, :3])[seen] <= 1).all()


def test_pictures_keep_everything_else(upscaler: Upscaler) -> None:
    picture = Picture(np.zeros((8, 8, 3), np.uint8), icc=b"i", exif=b"e", xmp=b"x", iptc=b"p", dpi=(300.0, 200.0), format="png")
    result, report = upscaler.run(picture)
    assert (result.icc, result.exif, result.xmp, result.iptc, result.dpi, result.format) == (
        b"i", b"e", b"x", b"p", (300.0, 200.0), "png",
    )  # fmt: skip
    assert (report.engine, report.device, report.precision, report.tiles, report.retries) == ("openvino", "cpu", "f32", 1, ())
    assert report.tile_error is None
    assert report.seconds > 0


def test_what_comes_in_is_what_comes_out(upscaler: Upscaler, tmp_path: Path) -> None:
    pixels = (soft_noise(9, 8) * 255).astype(np.uint8)
    expected = upscaler(pixels)
    image = Image.fromarray(pixels)
    image.info["dpi"] = (300, 300)
    from_pil = upscaler(image)
    assert isinstance(from_pil, Image.Image)
    assert from_pil.info["dpi"] == (300, 300)
    write_picture(Picture(pixels), tmp_path / "a.png")
    for result in (from_pil, upscaler(tmp_path / "a.png"), upscaler(str(tmp_path / "a.png"))):
        np.testing.assert_array_equal(np.asarray(result), expected)
    np.testing.assert_array_equal(upscaler(Picture(pixels)).pixels, expected)


def test_what_is_no_picture_is_told(upscaler: Upscaler, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot upscale a list; give a path, a Pillow image, a numpy array or a Picture"):
        upscaler([1, 2])
    with pytest.raises(ImageShapeError):
        upscaler(np.zeros((4, 4, 5), np.uint8))
    with pytest.raises(PictureError, match="not finite"):
        upscaler(np.full((4, 4, 3), np.nan, np.float32))
    with pytest.raises(PictureError, match=r"nothing\.png"):
        upscaler(tmp_path / "nothing.png")
    with pytest.raises(UsageError, match=r"tile \(3\) must be at least 16"):
        Upscaler(upscaler._enlarger.checkpoint, tile=3)


def test_results_larger_than_the_machine_are_refused_before_any_work(upscaler: Upscaler) -> None:
    vast = np.broadcast_to(np.uint8(0), (300_000, 300_000, 3))
    with pytest.raises(PictureError, match=r"a picture of 600000x600000 pixels needs 1080\.0 GB on disk while it is made"):
        upscaler.run(Picture(vast))  # type: ignore[arg-type]
    locked = Upscaler(upscaler._enlarger.checkpoint, lock="input")
    with pytest.raises(PictureError, match=r"a picture of 600000x600000 pixels needs 8640\.0 GB on disk while it is made"):
        locked.run(Picture(vast))  # type: ignore[arg-type]


def test_progress_rises_to_its_total(span: Checkpoint) -> None:
    seen: list[tuple[int, int]] = []
    Upscaler(span, tile=24).run(Picture(soft_noise(60, 70)), scale=4, progress=lambda done, total: seen.append((done, total)))
    assert len(seen) > 8
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})
    assert {total for _, total in seen} == {60 * 70 * (1 + 4)}
    assert seen[-1][0] == seen[-1][1]


def test_memory_is_bounded_by_pictures_and_a_window(span: Checkpoint) -> None:
    upscaler = Upscaler(span, tile=64)
    picture = Picture((soft_noise(700, 900) * 255).astype(np.uint8))
    upscaler.run(Picture(picture.pixels[:128, :128]))
    tracemalloc.start()
    result, _ = upscaler.run(picture)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < result.pixels.nbytes + 2_000_000  # the whole as float32 would take 7.5 MB going in and 30 MB coming out


class FakeEngine:
    """Enlarges by repetition, or fails as it is told to."""

    name = "fake"

    def __init__(self, log: list[str], device: str, precision: str, fault: Callable[[FakeEngine, int], Any]) -> None:
        self.device, self.precision, self.fault, self.log = device, precision, fault, log

    def run(self, batch: np.ndarray) -> np.ndarray:
        side = max(batch.shape[2:])
        self.log.append(f"{self.device} {self.precision} {side}")
        sr = batch.repeat(2, 2).repeat(2, 3)
        if self.fault(self, side):
            sr[..., -1, -1] = np.nan
        return sr


def no_memory_above(limit: int) -> Callable[[FakeEngine, int], Any]:
    def fault(engine: FakeEngine, side: int) -> None:
        if engine.device != "cpu" and side > limit:
            raise MemoryError(f"no room for {side}")

    return fault


@pytest.fixture
def failing(span: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Upscaler, list[str]]]:
    """Return a maker of upscalers whose engines fail by a rule, and of their log."""

    def make(
        fault: Callable[[FakeEngine, int], Any], *, device: str = "cuda", tile: int | None = None
    ) -> tuple[Upscaler, list[str]]:
        log: list[str] = []

        def open_fake(_: Checkpoint, *, device: str = "auto", precision: str = "auto", name: str | None = None) -> FakeEngine:
            return FakeEngine(log, device, "bf16" if precision == "auto" else precision, fault)

        monkeypatch.setattr(enlarge, "open_engine", open_fake)
        return Upscaler(span, device=device, tile=tile), log

    return make


PICTURE = Picture((soft_noise(200, 220) * 255).astype(np.uint8))
REPEATED = PICTURE.pixels.repeat(2, 0).repeat(2, 1)


def test_output_that_is_not_finite_is_computed_again_in_float32(failing: Callable[..., Any]) -> None:
    upscaler, log = failing(lambda engine, _: engine.precision == "bf16", tile=100)
    result, report = upscaler.run(PICTURE)
    np.testing.assert_array_equal(result.pixels, REPEATED)
    assert (report.precision, report.device, report.tiles) == ("f32", "cuda", len(log) - 1)
    assert report.retries == ("fake on cuda in bf16: the output is not finite; again in f32",)
    assert upscaler.run(PICTURE)[1].retries == report.retries  # the next picture starts at the top again


def test_output_that_is_never_finite_on_a_gpu_goes_to_the_cpu(failing: Callable[..., Any]) -> None:
    upscaler, _ = failing(lambda engine, _: engine.device == "cuda")
    result, report = upscaler.run(PICTURE)
    np.testing.assert_array_equal(result.pixels, REPEATED)
    assert [step.split("; ")[1] for step in report.retries] == ["again in f32", "again on the CPU"]
    assert report.device == "cpu"


def test_lack_of_memory_is_met_with_smaller_tiles(failing: Callable[..., Any]) -> None:
    upscaler, log = failing(no_memory_above(150))
    result, report = upscaler.run(PICTURE)
    np.testing.assert_array_equal(result.pixels, REPEATED)
    assert log[0] == "cuda bf16 220"
    assert report.retries == ("fake on cuda in bf16: not enough memory for tiles of 220; again with tiles of 110",)
    assert report.tile <= 110 + 12
    assert report.tiles == len(log) - 1


def test_lack_of_memory_for_the_smallest_tile_goes_to_the_cpu(failing: Callable[..., Any]) -> None:
    upscaler, _ = failing(no_memory_above(10))
    result, report = upscaler.run(PICTURE)
    np.testing.assert_array_equal(result.pixels, REPEATED)
    assert len(report.retries) == 3
    assert "no room for" in report.retries[-1]
    assert report.retries[-1].endswith("again on the CPU")


def test_a_failing_device_goes_to_the_cpu(failing: Callable[..., Any]) -> None:
    def fault(engine: FakeEngine, _: int) -> None:
        if engine.device == "cuda":
            raise EngineError("the cuda device failed: illegal address")

    upscaler, _ = failing(fault)
    result, report = upscaler.run(PICTURE)
    np.testing.assert_array_equal(result.pixels, REPEATED)
    assert report.retries == ("fake on cuda in bf16: the cuda device failed: illegal address; again on the CPU",)


def test_below_the_last_step_is_an_error(failing: Callable[..., Any]) -> None:
    upscaler, log = failing(lambda *_: True, device="cpu")
    with pytest.raises(EngineError, match=r"^fake on cpu in f32 failed and nothing is left to try: the output is not finite$"):
        upscaler.run(PICTURE)
    assert [entry.rsplit(" ", 1)[0] for entry in log] == ["cpu bf16", "cpu f32"]


@pytest.mark.parametrize("fault", [np.nan, np.inf, -np.inf])
def test_faulty_weights_give_an_error_and_no_picture(span: Checkpoint, fault: float) -> None:
    weights = {name: value.copy() for name, value in span.weights.items()}
    weights["block_1.c2_r.eval_conv.bias"][3] = fault
    with pytest.raises(EngineError, match="nothing is left to try: the output is not finite"):
        Upscaler(replace(span, weights=weights)).run(PICTURE)


def test_the_function_takes_the_clean_model_that_suits_the_factor(
    checkpoint_of: MakeCheckpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from clearvision.zoo import catalogue

    for scale in (2, 4):
        checkpoint = checkpoint_of("span", **{**SPAN, "upscale": scale})
        info = replace(checkpoint.info, name=f"clean-x{scale}")
        write_checkpoint(tmp_path / f"clean-x{scale}.safetensors", info, checkpoint.weights)
    monkeypatch.setattr(catalogue, "WEIGHTS_DIR", tmp_path)
    array = (soft_noise(20, 24) * 255).astype(np.uint8)
    x2, x4 = Upscaler("clean-x2"), Upscaler("clean-x4")
    np.testing.assert_array_equal(clearvision.upscale(array), x4(array))
    np.testing.assert_array_equal(clearvision.upscale(array, scale=2), x2(array))
    np.testing.assert_array_equal(clearvision.upscale(array, width=40), x2(array, width=40))
    np.testing.assert_array_equal(clearvision.upscale(array, scale=3), x4(array, scale=3))
    np.testing.assert_array_equal(clearvision.upscale(array, model="clean-x2"), x2(array))
    np.testing.assert_array_equal(
        clearvision.upscale(array, scale=4, model=tmp_path / "clean-x2.safetensors"), x2(array, scale=4)
    )


def test_the_core_never_imports_pytorch(span: Checkpoint, tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "m.safetensors", span.info, span.weights)
    write_picture(PICTURE, tmp_path / "a.png")
    code = (
        "import sys, clearvision\n"
        f"big = clearvision.upscale({str(tmp_path / 'a.png')!r}, model={str(tmp_path / 'm.safetensors')!r})\n"
        "assert big.size == (440, 400), big.size\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_alpha_may_go_through_the_network_and_keeps_its_extremes(upscaler: Upscaler, span: Checkpoint) -> None:
    array = np.full((24, 24, 4), (200, 40, 40, 255), np.uint8)
    array[:, 12:, 3] = 0
    array[8:16, 4:20, 3] = (soft_noise(8, 16)[..., 0] * 255).astype(np.uint8)
    network = Upscaler(span, precision="f32", alpha="network")
    told: list[tuple[int, int]] = []
    result = network(array, progress=lambda done, total: told.append((done, total)))
    grey = upscaler(np.ascontiguousarray(array[:, :, 3]))
    resized = resize(array[:, :, 3], 48, 48)
    between = (resized > 0) & (resized < 255)
    assert between.sum() > 100
    np.testing.assert_array_equal(result[:, :, 3], np.where(between, grey, resized))
    np.testing.assert_array_equal(result[:, :, :3], upscaler(array)[:, :, :3])
    assert told[-1][0] == told[-1][1]
    assert network.run(Picture(array[:, :, :3], array[:, :, 3]))[1].tiles == 2
    opaque = np.full((24, 24, 4), 255, np.uint8)
    assert (network(opaque, scale=3)[:, :, 3] == 255).all()
    given = array.copy()
    assert (network(array, scale=1)[:, :, 3] != given[:, :, 3]).any()
    np.testing.assert_array_equal(array, given)
    with pytest.raises(UsageError, match="alpha 'nearest' is unknown; known: resize, network"):
        Upscaler(span, alpha="nearest")  # type: ignore[arg-type]


def test_the_function_takes_the_family_that_suits_the_picture(
    checkpoint_of: MakeCheckpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from clearvision.zoo import catalogue

    for number, family in enumerate(("clean", "photo")):
        checkpoint = checkpoint_of("span", **{**SPAN, "upscale": 4})
        weights = {name: value * (1 + number / 10) for name, value in checkpoint.weights.items()}
        info = replace(checkpoint.info, name=f"{family}-x4", task=family)
        write_checkpoint(tmp_path / f"{family}-x4.safetensors", info, weights)
    monkeypatch.setattr(catalogue, "WEIGHTS_DIR", tmp_path)
    draw = np.random.default_rng(0).integers(0, 256, (6, 6, 3)).astype(np.uint8)
    blocks = Picture(np.kron(draw, np.ones((8, 8, 1), np.uint8)))
    write_picture(blocks, tmp_path / "worn.jpg", quality=35)
    worn = read_picture(tmp_path / "worn.jpg")
    clean, photo = Upscaler("clean-x4"), Upscaler("photo-x4")
    np.testing.assert_array_equal(np.asarray(clearvision.upscale(tmp_path / "worn.jpg")), photo(worn).pixels)
    np.testing.assert_array_equal(clearvision.upscale(blocks).pixels, clean(blocks).pixels)
    assert (photo(worn).pixels != clean(worn).pixels).any()


def test_sharpening_comes_after_the_network_and_before_the_lock(span: Checkpoint) -> None:
    picture = Picture(np.random.default_rng(2).integers(0, 256, (20, 24, 3), np.uint8))
    plain, _ = Upscaler(span).run(picture)
    sharp, _ = Upscaler(span, sharpen=0.6).run(picture)
    locked, report = Upscaler(span, sharpen=0.6, lock="input", measure_consistency=True).run(picture)
    assert (sharp.pixels == sharpen(plain.pixels, 0.6)).all()
    assert (locked.pixels == back_project(sharp.pixels, picture.pixels)).all()
    assert report.consistency == consistency(locked.pixels, picture.pixels)


def test_sharpened_textures_still_repeat(span: Checkpoint) -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (24, 24, 3), np.uint8)
    upscaler = Upscaler(span, tileable="both", sharpen=1.0)
    rolled = upscaler(np.roll(pixels, (7, 5), (0, 1)))
    scale = upscaler.info.scale
    assert np.abs(np.roll(upscaler(pixels), (7 * scale, 5 * scale), (0, 1)).astype(int) - rolled).max() <= 1


def test_wrong_amount_of_sharpening_is_refused_at_once(span: Checkpoint) -> None:
    with pytest.raises(UsageError, match=r"sharpen \(2\) must be at least 0"):
        Upscaler(span, sharpen=2)
