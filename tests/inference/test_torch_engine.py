"""The PyTorch engine."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from clearvision.archs import ARCHS
from clearvision.errors import ImageShapeError, MissingExtraError, UsageError
from clearvision.inference.engines.torch import TorchEngine
from clearvision.types import ModelInfo
from clearvision.zoo.build import build_network
from clearvision.zoo.checkpoint import Checkpoint


def tiny_checkpoint(arch: str, **hyper: object) -> Checkpoint:
    torch.manual_seed(0)
    net = ARCHS[arch](**hyper)
    facts = net.facts()  # type: ignore[operator]
    info = ModelInfo(
        f"tiny-{arch}", "clean", facts.scale, arch, dict(hyper), receptive_radius=facts.receptive_radius, size=facts.size
    )
    return Checkpoint(info, {name: value.numpy() for name, value in net.state_dict().items()}, None, "0" * 64)


@pytest.fixture(
    scope="module",
    params=[
        ("span", {"feature_channels": 16, "num_block": 1, "skip": "bilinear"}),
        ("srvgg", {"num_feat": 16, "num_conv": 2, "upscale": 2}),
        ("rrdbnet", {"num_feat": 16, "num_grow_ch": 8, "num_block": 1, "scale": 2}),
    ],
    ids=lambda param: param[0],
)
def checkpoint(request: pytest.FixtureRequest) -> Checkpoint:
    arch, hyper = request.param
    return tiny_checkpoint(arch, **hyper)


@pytest.fixture(scope="module")
def lq() -> np.ndarray:
    return np.random.default_rng(0).random((2, 3, 18, 26), dtype=np.float32)


def reference(checkpoint: Checkpoint, lq: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return build_network(checkpoint)(torch.from_numpy(lq.copy())).numpy()


def test_float32_is_the_network(checkpoint: Checkpoint, lq: np.ndarray) -> None:
    engine = TorchEngine(checkpoint, device="cpu", precision="f32")
    assert (engine.name, engine.device, engine.precision) == ("torch", "cpu", "f32")
    sr = engine.run(lq)
    assert sr.dtype == np.float32
    np.testing.assert_allclose(sr, reference(checkpoint, lq), rtol=0, atol=1e-5)


def test_bfloat16_is_near_and_really_used(checkpoint: Checkpoint, lq: np.ndarray) -> None:
    exact = reference(checkpoint, lq)
    sr = TorchEngine(checkpoint, device="cpu", precision="bf16").run(lq)
    assert sr.dtype == np.float32
    error = float(np.sqrt(np.mean((sr - exact) ** 2)) / exact.std())
    assert 1e-5 < error < 1e-2


def test_batches_of_any_memory_are_taken_and_left_alone(lq: np.ndarray) -> None:
    engine = TorchEngine(tiny_checkpoint("srvgg", num_feat=8, num_conv=1), device="cpu", precision="f32")
    expected = engine.run(lq)
    kept = lq.copy()
    kept.flags.writeable = False
    np.testing.assert_array_equal(engine.run(kept), expected)
    strided = np.ascontiguousarray(lq.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(engine.run(strided), expected)
    np.testing.assert_array_equal(kept, lq)


@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 1, 8, 8), (1, 3, 9, 8), (1, 3, 8, 9)])
def test_batches_of_the_wrong_shape_are_refused(shape: tuple[int, ...]) -> None:
    engine = TorchEngine(tiny_checkpoint("rrdbnet", num_feat=4, num_grow_ch=4, num_block=1, scale=2), device="cpu")
    with pytest.raises(ImageShapeError, match=r"tiny-rrdbnet.*\(B, 3, h, w\) with h and w multiples of 2, not \("):
        engine.run(np.zeros(shape, np.float32))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "tpu"}, "unknown device 'tpu'; known: auto, cpu, cuda, mps"),
        ({"precision": "int8"}, "unknown precision 'int8' for the torch engine; known: auto, f32, bf16, f16"),
        ({"device": "cpu", "precision": "f16"}, "precision 'f16' is for GPUs; on the CPU use 'bf16', 'f32' or 'auto'"),
    ],
)
def test_refused_options(options: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        TorchEngine(tiny_checkpoint("srvgg", num_feat=4, num_conv=1), **options)


def test_absent_device_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    checkpoint = tiny_checkpoint("srvgg", num_feat=4, num_conv=1)
    for device in ("cuda", "mps"):
        with pytest.raises(
            UsageError, match=f"device '{device}' is not available to this PyTorch .*; available: cpu; to use a GPU"
        ):
            TorchEngine(checkpoint, device=device)
    assert TorchEngine(checkpoint, device="auto").device == "cpu"


@pytest.mark.parametrize(
    ("capabilities", "safe", "chosen"),
    [
        ({"avx512_bf16": True}, ("bf16", "f32"), "bf16"),
        ({"avx512_bf16": False, "amx_bf16": True}, ("bf16", "f32"), "bf16"),
        ({"avx512_bf16": True}, ("f32",), "f32"),
        ({}, ("bf16", "f32"), "f32"),
    ],
)
def test_auto_precision_asks_processor_and_card(
    capabilities: dict[str, bool], safe: tuple[str, ...], chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    checkpoint = tiny_checkpoint("srvgg", num_feat=4, num_conv=1)
    checkpoint = replace(checkpoint, info=replace(checkpoint.info, precisions=safe))
    assert TorchEngine(checkpoint, device="cpu").precision == chosen


class Greedy(nn.Module):
    """Asks for more memory than any address space has."""

    def forward(self, lq: Tensor) -> Tensor:
        return lq.new_empty(2**58)


class Broken(nn.Module):
    """Fails for a reason that is not memory."""

    def forward(self, lq: Tensor) -> Tensor:
        return lq @ torch.zeros(1, 1)


def test_lack_of_memory_is_a_memory_error_and_nothing_else_is(lq: np.ndarray) -> None:
    engine = TorchEngine(tiny_checkpoint("srvgg", num_feat=4, num_conv=1), device="cpu", precision="f32")
    engine._net = Greedy()
    with pytest.raises(MemoryError, match="not enough memory on device 'cpu' for 2 x 18 x 26 pixels") as caught:
        engine.run(lq)
    assert caught.value.__context__ is None  # a kept error would keep the activations of its frames
    engine._net = Broken()
    with pytest.raises(RuntimeError, match="Expected size"):
        engine.run(lq)


def test_without_pytorch_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "clearvision.inference.engines.torch")
    with pytest.raises(MissingExtraError, match=r"pip install 'clearvision\[torch\]'"):
        import clearvision.inference.engines.torch  # noqa: F401


@pytest.mark.gpu
@pytest.mark.parametrize(("precision", "tolerance"), [("f32", 1e-4), ("f16", 2e-2), ("bf16", 1e-1)])
def test_cuda_agrees_with_the_cpu(checkpoint: Checkpoint, lq: np.ndarray, precision: str, tolerance: float) -> None:
    sr = TorchEngine(checkpoint, device="cuda", precision=precision).run(lq)
    np.testing.assert_allclose(sr, reference(checkpoint, lq), rtol=0, atol=tolerance)


@pytest.mark.gpu
def test_cuda_recovers_from_lack_of_memory(lq: np.ndarray) -> None:
    engine = TorchEngine(tiny_checkpoint("srvgg", num_feat=64, num_conv=4), device="cuda", precision="f32")
    free, _total = torch.cuda.mem_get_info()
    side = int((free / 64) ** 0.5)
    with pytest.raises(MemoryError, match="not enough memory on device 'cuda'"):
        engine.run(np.zeros((1, 3, side, side), np.float32))
    assert np.isfinite(engine.run(lq)).all()
