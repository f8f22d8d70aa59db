"""Export to ONNX and OpenVINO IR, and the parity check."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import openvino
import pytest
import torch

from clearvision.archs import ARCHS
from clearvision.errors import ExportError, UsageError
from clearvision.export import ParityReport, export_onnx, export_openvino
from clearvision.export import onnx as onnx_export
from clearvision.export.parity import check_parity
from clearvision.types import ModelInfo
from clearvision.zoo.build import build_network
from clearvision.zoo.checkpoint import Checkpoint, info_from_card


def tiny_checkpoint(arch: str, **hyper: object) -> Checkpoint:
    torch.manual_seed(0)
    net = ARCHS[arch](**hyper)
    facts = net.facts()  # type: ignore[operator]
    info = ModelInfo(
        f"tiny-{arch}", "clean", facts.scale, arch, dict(hyper), receptive_radius=facts.receptive_radius, size=facts.size
    )
    return Checkpoint(info, {name: value.numpy() for name, value in net.state_dict().items()}, None, "f" * 64)


@pytest.fixture(scope="module")
def srvgg() -> Checkpoint:
    return tiny_checkpoint("srvgg", num_feat=8, num_conv=1, upscale=2)


@pytest.fixture(scope="module")
def exported(srvgg: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ParityReport]:
    path = tmp_path_factory.mktemp("export") / "new folder" / "tiny.onnx"
    return path, export_onnx(srvgg, path)


def test_report_covers_three_sizes_in_every_runtime(exported: tuple[Path, ParityReport]) -> None:
    path, report = exported
    assert report.path == path
    runtimes = {check.runtime for check in report.checks}
    assert "openvino" in runtimes
    assert len(report.checks) == 3 * len(runtimes)
    assert {check.shape for check in report.checks} == {(1, 3, 17, 23), (2, 3, 9, 32), (1, 3, 31, 20)}
    assert report.max_difference == max(check.max_difference for check in report.checks) < 1e-5
    assert [item.name for item in path.parent.iterdir()] == ["tiny.onnx"]


def test_file_is_self_describing_and_tells_nothing_of_this_machine(
    exported: tuple[Path, ParityReport], srvgg: Checkpoint
) -> None:
    content = exported[0].read_bytes()
    model = onnx.load_model_from_string(content)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    assert info_from_card(json.loads(metadata["card"])) == srvgg.info
    assert metadata["sha256"] == srvgg.sha256
    assert model.opset_import[0].version == 18
    axes = [dim.dim_param or dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim]
    assert (model.graph.input[0].name, axes) == ("lq", ["batch", 3, "height", "width"])
    assert str(Path(onnx_export.__file__).parents[1]).encode() not in content
    assert [node.op_type for node in model.graph.node] == [
        "Conv",
        "PRelu",
        "Conv",
        "PRelu",
        "Conv",
        "DepthToSpace",
        "Resize",
        "Add",
    ]


def test_file_runs_at_a_size_of_its_own(exported: tuple[Path, ParityReport], srvgg: Checkpoint) -> None:
    lq = np.random.default_rng(1).random((3, 3, 5, 41), dtype=np.float32)
    model = openvino.compile_model(str(exported[0]), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    with torch.inference_mode():
        expected = build_network(srvgg)(torch.from_numpy(lq)).numpy()
    np.testing.assert_allclose(model(lq)[0], expected, rtol=0, atol=1e-5)


def test_span_with_skip_keeps_parity(tmp_path: Path) -> None:
    checkpoint = tiny_checkpoint("span", feature_channels=16, num_block=1, upscale=4, skip="bilinear")
    assert export_onnx(checkpoint, tmp_path / "span.onnx", opset=20).max_difference < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("scale", [1, 2, 4])
def test_rrdbnet_keeps_parity(scale: int, tmp_path: Path) -> None:
    checkpoint = tiny_checkpoint("rrdbnet", num_feat=8, num_grow_ch=4, num_block=1, scale=scale)
    report = export_onnx(checkpoint, tmp_path / "rrdbnet.onnx")
    assert report.max_difference < 1e-4
    assert (1, 3, 17 * 4 // scale, 23 * 4 // scale) in {check.shape for check in report.checks}


def test_openvino_pair(srvgg: Checkpoint, tmp_path: Path) -> None:
    report = export_openvino(srvgg, tmp_path / "tiny.xml")
    assert sorted(item.name for item in tmp_path.iterdir()) == ["tiny.bin", "tiny.xml"]
    assert {check.runtime for check in report.checks} == {"openvino"}
    model = openvino.Core().read_model(tmp_path / "tiny.xml")
    assert info_from_card(json.loads(model.get_rt_info(["clearvision", "card"]).value)) == srvgg.info


def test_openvino_path_must_be_xml(srvgg: Checkpoint, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"must end in \.xml, not '.*tiny\.bin'"):
        export_openvino(srvgg, tmp_path / "tiny.bin")


@pytest.mark.parametrize("opset", [17, 999])
def test_opset_is_limited(srvgg: Checkpoint, opset: int, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=rf"opset \({opset}\) must lie between 18 and \d+"):
        export_onnx(srvgg, tmp_path / "tiny.onnx", opset=opset)


@pytest.mark.parametrize(
    ("runner", "message"),
    [
        (
            lambda lq: np.full((len(lq), 3, 2 * lq.shape[2], 2 * lq.shape[3]), np.nan, np.float32),
            "faulty differs from PyTorch by nan",
        ),
        (
            lambda lq: np.zeros((len(lq), 3, 2 * lq.shape[2], 2 * lq.shape[3]), np.float32),
            "faulty differs from PyTorch by [0-9.]+ at",
        ),
        (lambda lq: lq, r"faulty makes \(1, 3, 17, 23\) of \(1, 3, 17, 23\) instead of \(1, 3, 34, 46\)"),
    ],
)
def test_parity_check_finds_faults(runner: onnx_export.Runner, message: str, srvgg: Checkpoint) -> None:
    with pytest.raises(ExportError, match=f"'tiny.onnx' is not written: {message}"):
        check_parity(build_network(srvgg), srvgg.info, {"faulty": runner}, Path("tiny.onnx"))


def test_failed_parity_leaves_the_old_file(srvgg: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "tiny.onnx"
    path.write_bytes(b"old")
    other = tiny_checkpoint("srvgg", num_feat=8, num_conv=1, upscale=2)
    other.weights["body.0.bias"][:] += 1e-3
    monkeypatch.setattr(onnx_export, "build_network", lambda _: build_network(srvgg))
    genuine = onnx_export.build_onnx
    monkeypatch.setattr(
        onnx_export, "build_onnx", lambda checkpoint, _net, **options: genuine(checkpoint, build_network(other), **options)
    )
    with pytest.raises(ExportError, match="is not written: openvino differs from PyTorch"):
        export_onnx(srvgg, path)
    assert path.read_bytes() == b"old"
    assert [item.name for item in tmp_path.iterdir()] == ["tiny.onnx"]


def test_unwritable_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ExportError, match=r"cannot be written \(.*\); choose another path"):
        onnx_export.write_files({tmp_path / "file" / "tiny.onnx": b"x"})
