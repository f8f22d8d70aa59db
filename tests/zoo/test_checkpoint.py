import json
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from clearvision.archs import SPAN
from clearvision.errors import ModelError
from clearvision.types import ModelInfo, SizeRequirements
from clearvision.zoo.build import build_network, network_weights
from clearvision.zoo.checkpoint import Checkpoint, read_checkpoint, read_info, write_checkpoint

HYPER = {"feature_channels": 16, "num_block": 1, "upscale": 2}
INFO = ModelInfo(
    name="tiny",
    task="clean",
    scale=2,
    arch="span",
    hyper=HYPER,
    receptive_radius=6,
    size=SizeRequirements(2, 4),
    figures={"Set5": 30.5},
)


def weights() -> dict[str, np.ndarray]:
    torch.manual_seed(0)
    return network_weights(SPAN(**HYPER))


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "tiny.safetensors"
    write_checkpoint(path, INFO, weights(), {"name": "tiny", "seed": 0})
    read = read_checkpoint(path)
    assert read.info == INFO == read_info(path)
    assert read.recipe == {"name": "tiny", "seed": 0}
    assert len(read.sha256) == 64
    for name, value in weights().items():
        np.testing.assert_array_equal(read.weights[name], value)
    assert [file.name for file in path.parent.iterdir()] == ["tiny.safetensors"]


def test_half_precision_halves_the_file_and_reads_as_float32(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "full.safetensors", INFO, weights())
    write_checkpoint(tmp_path / "half.safetensors", INFO, weights(), half=True)
    read = read_checkpoint(tmp_path / "half.safetensors")
    for name, value in weights().items():
        assert read.weights[name].dtype == np.float32
        np.testing.assert_allclose(read.weights[name], value, rtol=1e-3, atol=1e-6)
    assert (tmp_path / "half.safetensors").stat().st_size < 0.62 * (tmp_path / "full.safetensors").stat().st_size


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "tiny.safetensors"
    write_checkpoint(path, INFO, weights())
    before = path.read_bytes()
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_checkpoint(path, INFO, weights(), half=True)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["tiny.safetensors"]


def header(metadata: dict[str, str]) -> bytes:
    text = json.dumps({"__metadata__": metadata}).encode()
    return struct.pack("<Q", len(text)) + text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"<html>404</html>", "is a web page or XML"),
        (pickle.dumps({"params": 1}), "no PyTorch file|more than weights"),
        (struct.pack("<Q", 2**60) + b"{}", "not a readable safetensors file"),
        (header({}), "it holds no weights"),
        (header({"card": "{"}), "card that cannot be understood"),
        (header({"card": '{"name": "x"}'}), "card that cannot be understood"),
        (header({"card": '{"surprise": 1}'}), "card that cannot be understood"),
        (header({"card": "[]"}), "card that cannot be understood"),
    ],
)
def test_hostile_files(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=message):
        read_checkpoint(path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"nothing\.safetensors' does not exist"):
        read_info(tmp_path / "nothing.safetensors")


def test_networks_are_loaded_strictly() -> None:
    good = weights()
    assert not build_network(Checkpoint(INFO, good, None, "")).training
    lacking = {name: value for name, value in good.items() if name != "conv_cat.bias"}
    with pytest.raises(ModelError, match=r"does not fit network span.*conv_cat\.bias"):
        build_network(Checkpoint(INFO, lacking, None, ""))
    alien = ModelInfo(name="tiny", task="clean", scale=2, arch="warp", hyper={})
    with pytest.raises(ModelError, match=r"unknown network 'warp'; known: .*rrdbnet.*span"):
        build_network(Checkpoint(alien, good, None, ""))
    wrong = ModelInfo(name="tiny", task="clean", scale=2, arch="span", hyper={"depth": 3})
    with pytest.raises(ModelError, match="span has no argument depth"):
        build_network(Checkpoint(wrong, good, None, ""))


def test_folded_weights_give_the_trained_branches_result() -> None:
    torch.manual_seed(0)
    net = SPAN(reparam=True, **HYPER).eval()
    folded = build_network(Checkpoint(INFO, network_weights(net), None, ""))
    lq = torch.rand(1, 3, 9, 8)
    torch.testing.assert_close(folded(lq), net(lq))
