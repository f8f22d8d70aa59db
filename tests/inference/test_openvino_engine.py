from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from clearvision.errors import ImageShapeError, UsageError
from clearvision.inference.engines import open_engine, run_many
from clearvision.inference.engines.openvino import KEPT, SMALL, OpenVINOEngine
from clearvision.inference.graphs import build_graph
from clearvision.inference.upscaler import Upscaler
from clearvision.types import Picture
from clearvision.zoo.checkpoint import Checkpoint

MakeCheckpoint = Callable[..., Checkpoint]
LARGE = int(SMALL**0.5) + 8  # a side whose square has a graph of its own


@pytest.fixture(scope="module")
def checkpoint(checkpoint_of: MakeCheckpoint) -> Checkpoint:
    return checkpoint_of("span", feature_channels=16, num_block=1, upscale=2, skip="bilinear")


@pytest.fixture(scope="module")
def engine(checkpoint: Checkpoint) -> OpenVINOEngine:
    return OpenVINOEngine(checkpoint, precision="f32")


def noise(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(sum(shape)).random(shape, dtype=np.float32)


def test_results_come_in_turn_whatever_the_sizes(engine: OpenVINOEngine) -> None:
    sizes = [(1, 3, 9, 7), (1, 3, 9, 8), (1, 3, LARGE, LARGE), (3, 3, 9, 7), (1, 3, LARGE, LARGE), (1, 3, 9, 7)]
    batches = [noise(*size) + np.float32(index / 10) for index, size in enumerate(sizes)]
    alone = [engine.run(batch).copy() for batch in batches]
    in_turn = [result.copy() for result in run_many(engine, batches)]
    assert [result.shape for result in in_turn] == [(b, 3, 2 * h, 2 * w) for b, _, h, w in sizes]
    for one, other in zip(alone, in_turn, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_result_does_not_depend_on_what_ran_before(checkpoint: Checkpoint) -> None:
    fresh, used = (OpenVINOEngine(checkpoint) for _ in range(2))
    for side in (8, 30, 17, 30):
        used.run(noise(1, 3, side, side))
    np.testing.assert_array_equal(fresh.run(noise(1, 3, 31, 29)), used.run(noise(1, 3, 31, 29)))


def test_the_next_batch_runs_while_a_result_is_in_use(engine: OpenVINOEngine) -> None:
    asked = []

    def batches() -> object:
        for index in range(3):
            asked.append(index)
            yield noise(1, 3, 9, 7)

    results = run_many(engine, batches())  # type: ignore[arg-type]
    next(results)
    assert asked == [0, 1]
    assert len(list(results)) == 2


def test_input_of_any_layout_gives_the_same_and_is_left_alone(engine: OpenVINOEngine) -> None:
    channels_last = noise(1, 12, 10, 3).transpose(0, 3, 1, 2)
    before = channels_last.copy()
    channels_last.flags.writeable = False
    expected = engine.run(np.ascontiguousarray(channels_last)).copy()
    np.testing.assert_array_equal(engine.run(channels_last), expected)
    np.testing.assert_array_equal(channels_last, before)


def test_results_outlive_later_runs_and_threads_do_not_mix(engine: OpenVINOEngine) -> None:
    batches = [noise(1, 3, 20, 20 + index % 2) * np.float32((index + 1) / 4) for index in range(4)]
    expected = [engine.run(batch) for batch in batches]
    copies = [result.copy() for result in expected]

    def work(index: int) -> bool:
        return all(np.array_equal(result, copies[index]) for result in run_many(engine, [batches[index]] * 20))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(4)))
    for result, copy in zip(expected, copies, strict=True):
        np.testing.assert_array_equal(result, copy)


def test_engine_goes_on_after_an_abandoned_run(engine: OpenVINOEngine) -> None:
    expected = engine.run(noise(1, 3, 9, 7)).copy()
    for _ in run_many(engine, [noise(1, 3, 50, 50)] * 4):
        break
    np.testing.assert_array_equal(engine.run(noise(1, 3, 9, 7)), expected)


def test_compiled_graphs_do_not_pile_up(checkpoint: Checkpoint) -> None:
    engine = OpenVINOEngine(checkpoint)
    for extra in range(5):
        engine.run(noise(1, 3, LARGE, LARGE + extra))
    pixels = [max(height * width, SMALL if height < 0 else 0) for _, height, width in engine._compiled]
    assert 2 <= len(pixels) < 5
    assert sum(pixels) <= KEPT


def test_lack_of_memory_is_a_memory_error_and_the_engine_survives(engine: OpenVINOEngine) -> None:
    vast = np.broadcast_to(np.float32(0.5), (1, 3, 200_000, 200_000))
    with pytest.raises(MemoryError, match="not enough memory for 1 x 200000 x 200000 pixels"):
        engine.run(vast)
    assert engine.run(noise(1, 3, 9, 7)).shape == (1, 3, 18, 14)


def test_batches_that_do_not_fit_are_refused(engine: OpenVINOEngine, checkpoint_of: MakeCheckpoint) -> None:
    with pytest.raises(ImageShapeError, match=r"'tiny-span' takes batches \(B, 3, h, w\).*not \(1, 1, 8, 8\)"):
        engine.run(noise(1, 1, 8, 8))
    folded = OpenVINOEngine(checkpoint_of("rrdbnet", num_feat=8, num_grow_ch=4, num_block=1, scale=2))
    with pytest.raises(ImageShapeError, match="multiples of 2"):
        folded.run(noise(1, 3, 8, 7))


def test_automatic_precision_is_native_and_called_safe_by_the_card(checkpoint: Checkpoint) -> None:
    import openvino

    native = openvino.Core().get_property("CPU", "INFERENCE_PRECISION_HINT").get_type_name()
    assert OpenVINOEngine(checkpoint).precision == (native if native == "bf16" else "f32")
    careful = replace(checkpoint, info=replace(checkpoint.info, precisions=("f32",)))
    assert OpenVINOEngine(careful).precision == "f32"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "int8"}, "unknown precision 'int8' for the openvino engine; known: auto, f32, bf16, f16"),
        ({"device": "npu"}, "unknown device 'npu'; known: auto, cpu, cuda, mps"),
        ({"name": "onnx"}, "unknown engine 'onnx'; known: openvino, torch"),
        ({"name": "openvino", "device": "cuda"}, "openvino engine runs on the CPU only, not on 'cuda'"),
    ],
)
def test_wrong_choices_are_told(checkpoint: Checkpoint, options: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        open_engine(checkpoint, **options)


def test_the_processor_gets_openvino_unless_the_network_has_no_graph(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert open_engine(checkpoint).name == "openvino"
    assert open_engine(checkpoint, device="cpu").name == "openvino"
    assert open_engine(checkpoint, name="torch", device="cpu").name == "torch"
    monkeypatch.delitem(__import__("clearvision.inference.engines", fromlist=["GRAPHS"]).GRAPHS, "span")
    assert open_engine(checkpoint).name == "torch"


@pytest.mark.parametrize("options", [{}, {"tta": True}, {"tileable": "both"}, {"tile": 150}])
def test_what_is_compiled_ahead_is_not_compiled_again(
    checkpoint: Checkpoint, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clearvision.inference.engines.openvino.SMALL", 32 * 32)
    compiled = []
    monkeypatch.setattr(
        "clearvision.inference.engines.openvino.build_graph", lambda *shape: compiled.append(shape[1:]) or build_graph(*shape)
    )
    upscaler = Upscaler(checkpoint, precision="f32", **options)
    picture = Picture(np.zeros((40, 60, 3), np.uint8))
    upscaler.prepare(picture)
    ahead = list(compiled)
    assert len(ahead) == (2 if "tta" in options else 1)
    assert ahead[0][1] >= 40
    upscaler.run(picture)
    assert compiled == ahead


def test_threads_that_need_one_graph_compile_it_once(checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = []

    def slow(*shape: Any) -> object:  # noqa: ANN401
        compiled.append(shape[1:])
        time.sleep(0.1)
        return build_graph(*shape)

    monkeypatch.setattr("clearvision.inference.engines.openvino.build_graph", slow)
    engine = OpenVINOEngine(checkpoint, precision="f32")
    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(engine.prepare, 1, 24, 24) for _ in range(3)]:
            done.result()
    assert compiled == [(1, -1, -1)]


def test_a_graph_that_failed_to_compile_is_tried_again(checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> object:
        raise RuntimeError("Failed to allocate 1 byte")

    engine = OpenVINOEngine(checkpoint, precision="f32")
    with monkeypatch.context() as broken:
        broken.setattr("clearvision.inference.engines.openvino.build_graph", fail)
        with pytest.raises(MemoryError, match="not enough memory"):
            engine.prepare(1, 24, 24)
    assert engine.run(np.zeros((1, 3, 24, 24), np.float32)).shape[2] == 24 * checkpoint.info.scale
