from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from clearvision.inference.engines import open_engine
from clearvision.inference.ensemble import VIEWS, EnsembleEngine, look, look_back
from clearvision.inference.upscaler import Upscaler
from clearvision.types import Picture
from clearvision.zoo.build import build_network
from clearvision.zoo.checkpoint import Checkpoint

MakeCheckpoint = Callable[..., Checkpoint]

NETWORKS = {
    "span": {"feature_channels": 16, "num_block": 1, "upscale": 2, "skip": "bilinear", "img_range": 1.0},
    "srvgg": {"num_feat": 16, "num_conv": 2, "upscale": 2},
    "rrdbnet": {"num_feat": 8, "num_grow_ch": 4, "num_block": 1, "scale": 2},
}


def by_definition(checkpoint: Checkpoint, floats: np.ndarray) -> np.ndarray:
    """Turn by 0, 90, 180, 270 degrees, with and without a mirror, in PyTorch; enlarge, turn back, average."""
    net = build_network(checkpoint)
    lq = torch.from_numpy(floats.transpose(2, 0, 1).copy())[None]
    total = torch.zeros(())
    with torch.inference_mode():
        for mirrored in (False, True):
            for quarter in range(4):
                view = torch.rot90(lq.flip(-1) if mirrored else lq, quarter, (-2, -1))
                back = torch.rot90(net(view), -quarter, (-2, -1))
                total = total + (back.flip(-1) if mirrored else back)
    return (total / 8)[0].numpy().transpose(1, 2, 0)


def picture_of(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height).random((height, width, 3), dtype=np.float32) * 0.4 + np.float32(0.3)


def test_the_views_are_eight_and_each_can_be_undone() -> None:
    batch = np.random.default_rng(0).random((2, 3, 4, 6), dtype=np.float32)
    seen = {np.ascontiguousarray(look(batch, view)).tobytes() for view in VIEWS}
    assert len(seen) == len(VIEWS) == 8
    for view in VIEWS:
        np.testing.assert_array_equal(look_back(look(batch, view), view), batch)


@pytest.mark.parametrize("engine", ["openvino", "torch"])
@pytest.mark.parametrize("arch", NETWORKS)
def test_it_is_the_plain_definition(checkpoint_of: MakeCheckpoint, arch: str, engine: str) -> None:
    checkpoint = checkpoint_of(arch, **NETWORKS[arch])
    floats = picture_of(18, 26)
    result, report = Upscaler(checkpoint, precision="f32", engine=engine, tta=True).run(Picture(floats))
    assert report.views == 8
    np.testing.assert_allclose(result.pixels, np.clip(by_definition(checkpoint, floats), 0, 1), rtol=0, atol=1e-5)
    once, report = Upscaler(checkpoint, precision="f32", engine=engine).run(Picture(floats))
    assert report.views == 1
    assert np.abs(once.pixels - result.pixels).max() > 1e-3


@pytest.mark.parametrize("engine", ["openvino", "torch"])
def test_tiles_that_are_not_square_change_nothing(checkpoint_of: MakeCheckpoint, engine: str) -> None:
    checkpoint = checkpoint_of("rrdbnet", **NETWORKS["rrdbnet"])
    floats = picture_of(22, 150)
    result, report = Upscaler(checkpoint, precision="f32", engine=engine, tile=32, tta=True).run(
        Picture(floats), verify_tiles=True
    )
    assert report.tiles > 1
    assert report.tile_error is not None
    assert report.tile_error <= 1e-5
    np.testing.assert_allclose(result.pixels, by_definition(checkpoint, floats), rtol=0, atol=1e-5)


def test_the_result_of_a_symmetric_picture_is_symmetric(checkpoint_of: MakeCheckpoint) -> None:
    checkpoint = checkpoint_of("span", **NETWORKS["span"])
    quarter = picture_of(9, 9)
    quarter = (quarter + quarter.swapaxes(0, 1)) / 2
    half = np.concatenate([quarter, quarter[::-1]])
    whole = np.concatenate([half, half[:, ::-1]], axis=1)
    result = Upscaler(checkpoint, precision="f32", tta=True)(whole)
    for view in VIEWS:
        np.testing.assert_allclose(look(result.transpose(2, 0, 1), view), result.transpose(2, 0, 1), rtol=0, atol=1e-6)


def test_grey_networks_and_steps_down_keep_the_views(checkpoint_of: MakeCheckpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each channel is a picture of the batch, and after a shortage of memory the views are still averaged."""
    checkpoint = checkpoint_of("span", **{**NETWORKS["span"], "num_in_ch": 1, "num_out_ch": 1})
    floats = picture_of(90, 70)
    plain = Upscaler(checkpoint, precision="f32", tta=True)(floats)
    upscaler = Upscaler(checkpoint, precision="f32", tta=True)
    run = EnsembleEngine.run

    def scarce(engine: EnsembleEngine, batch: np.ndarray) -> np.ndarray:
        if batch.shape[2] * batch.shape[3] > 84 * 90:
            raise MemoryError
        return run(engine, batch)

    monkeypatch.setattr(EnsembleEngine, "run", scarce)
    result, report = upscaler.run(Picture(np.pad(floats, ((0, 60), (0, 0), (0, 0)))))
    assert report.retries
    np.testing.assert_allclose(result.pixels[:150, :140], plain[:150], rtol=0, atol=1e-5)


def test_results_are_float32(checkpoint_of: MakeCheckpoint) -> None:
    engine = EnsembleEngine(open_engine(checkpoint_of("srvgg", **NETWORKS["srvgg"]), precision="f32"))
    assert (engine.name, engine.device, engine.precision) == ("openvino", "cpu", "f32")
    assert engine.run(np.zeros((1, 3, 8, 10), np.float32)).dtype == np.float32
