"""Transformers' files from which the tables that the network computes by itself were stripped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from clearvision.archs import ARCHS
from clearvision.zoo.build import build_network
from clearvision.zoo.checkpoint import read_checkpoint
from clearvision.zoo.foreign import inspect_foreign

TINY: dict[str, Any] = {"embed_dim": 8, "num_heads": (2, 2), "window_size": 4, "num_feat": 8, "upscale": 2}


@pytest.mark.parametrize(
    ("arch", "hyper"),
    [
        ("swinir", {"depths": (2, 1), "img_size": 12}),
        ("hat", {"depths": (1, 2), "compress_ratio": 2, "squeeze_factor": 4}),
        ("drct", {"depths": (6, 6), "num_grow_ch": 4, "img_size": 8}),
    ],
)
def test_stripped_tables_are_filled_in(arch: str, hyper: dict[str, Any], tmp_path: Path) -> None:
    torch.manual_seed(3)
    net = ARCHS[arch](**TINY | hyper).eval()
    learned = {name: value for name, value in net.state_dict().items() if "position_index" not in name and "mask" not in name}
    assert len(learned) < len(net.state_dict())
    torch.save(learned, tmp_path / "net.pth")
    lq = torch.rand(1, 3, 32, 32)
    with torch.inference_mode():
        assert torch.equal(build_network(read_checkpoint(tmp_path / "net.pth"))(lq), net(lq))
    assert any("tables that the network computes by itself" in note for note in inspect_foreign(tmp_path / "net.pth").notes)


def test_a_learned_tensor_is_still_missed(tmp_path: Path) -> None:
    state = ARCHS["swinir"](**TINY, depths=(2, 1), img_size=8).state_dict()
    del state["layers.0.residual_group.blocks.0.attn.relative_position_index"], state["conv_last.bias"]
    torch.save(state, tmp_path / "net.pth")
    assert inspect_foreign(tmp_path / "net.pth").fault == "it is SwinIR, but 1 tensors missing (conv_last.bias)"
