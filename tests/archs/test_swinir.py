"""SwinIR and the windows it shares with DRCT and HAT: published counts, official names, golden outputs."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from clearvision.archs import SwinIR
from clearvision.archs.windows import (
    DropPath,
    from_windows,
    pair_index,
    reflected_to_multiple,
    shift_mask,
    to_windows,
    window_index,
    window_radius,
)
from clearvision.errors import UsageError

LIGHT: dict[str, Any] = {"embed_dim": 60, "depths": [6] * 4, "num_heads": [6] * 4, "upsampler": "pixelshuffledirect"}
REAL: dict[str, Any] = {"upsampler": "nearest+conv"}
LARGE: dict[str, Any] = {"embed_dim": 240, "depths": [6] * 9, "num_heads": [8] * 9, "resi_connection": "3conv"} | REAL
RESTORE: dict[str, Any] = {"upscale": 1, "upsampler": ""}
JPEG: dict[str, Any] = {"window_size": 7, "img_size": 126, "img_range": 255.0} | RESTORE
TINY: dict[str, Any] = {"embed_dim": 8, "depths": [2, 3], "num_heads": [2, 4], "window_size": 4, "img_size": 12}


@pytest.mark.parametrize(
    ("hyper", "parameters"),
    [
        ({"upscale": 2}, 11_752_487),
        ({"upscale": 3}, 11_937_127),
        ({}, 11_900_199),
        ({"upscale": 8}, 12_047_911),
        ({"upscale": 2} | LIGHT, 910_152),
        ({"upscale": 3} | LIGHT, 918_267),
        (LIGHT, 929_628),
        ({"upscale": 2} | REAL, 11_678_631),
        (REAL, 11_715_559),
        (LARGE, 28_013_059),
        ({"num_in_ch": 1} | RESTORE, 11_497_681),
        (RESTORE, 11_504_163),
        ({"num_in_ch": 1} | JPEG, 11_485_585),
        (JPEG, 11_492_067),
    ],
)
def test_parameter_count(formula: Any, hyper: dict[str, Any], parameters: int) -> None:  # noqa: ANN401
    assert formula.count(lambda: SwinIR(**hyper)) == parameters


@pytest.mark.parametrize(("upscale", "published"), [(2, 878), (3, 886), (4, 897)])
def test_paper_counts_light_without_position_tables(formula: Any, upscale: int, published: int) -> None:  # noqa: ANN401
    tables = 24 * 15**2 * 6
    assert round((formula.count(lambda: SwinIR(upscale=upscale, **LIGHT)) - tables) / 1000) == published


def test_names_and_shapes_are_the_official_ones(formula: Any) -> None:  # noqa: ANN401
    """Of the classical x2 file trained on 48x48 pixels, buffers included."""
    expected: dict[str, tuple[int, ...]] = {}
    for group in range(6):
        for block in range(6):
            name = f"layers.{group}.residual_group.blocks.{block}"
            expected |= formula.swin_shapes(name, 180, 6, 8, 360, 36 if block % 2 else 0)
        expected |= formula.conv_shapes({f"layers.{group}.conv": (180, 180, 3)})
    for norm in ("patch_embed.norm", "norm"):
        expected |= {f"{norm}.weight": (180,), f"{norm}.bias": (180,)}
    expected |= formula.conv_shapes({"conv_first": (180, 3, 3), "conv_after_body": (180, 180, 3), "conv_last": (3, 64, 3)})
    expected |= formula.conv_shapes({"conv_before_upsample.0": (64, 180, 3), "upsample.0": (256, 64, 3)})
    assert formula.shapes(lambda: SwinIR(upscale=2, img_size=48)) == expected


def test_names_of_the_other_tails(formula: Any) -> None:  # noqa: ANN401
    def tail(**hyper: Any) -> set[str]:  # noqa: ANN401
        names = {name.rpartition(".")[0] for name in formula.shapes(lambda: SwinIR(**(TINY | hyper)))}
        return {name for name in names if not name.startswith(("layers", "patch_embed", "norm", "conv_first"))} - {""}

    three = {"conv_after_body.0", "conv_after_body.2", "conv_after_body.4"}
    real = {"conv_before_upsample.0", "conv_up1", "conv_up2", "conv_hr", "conv_last"}
    assert tail(upscale=4, upsampler="nearest+conv", resi_connection="3conv") == three | real
    assert tail(upscale=2, upsampler="nearest+conv") == (real - {"conv_up2"}) | {"conv_after_body"}
    assert tail(upscale=3, upsampler="pixelshuffledirect") == {"conv_after_body", "upsample.0"}
    assert tail(upscale=1, upsampler="") == {"conv_after_body", "conv_last"}


@pytest.mark.parametrize(
    ("hyper", "golden"),
    [
        ({"upscale": 4}, (0.487717, 0.071005, 0.395617, 0.577064, 0.400282)),
        ({"upscale": 3, "num_in_ch": 1}, (0.007207, 1.275255, -1.12734, -0.353653, 0.164234)),
        ({"upscale": 2, "upsampler": "pixelshuffledirect"}, (0.46007, 4.743524, -1.338047, 3.475901, 7.072625)),
        (
            {"upscale": 4, "upsampler": "nearest+conv", "resi_connection": "3conv"},
            (0.439006, 0.079141, 0.342634, 0.525628, 0.338079),
        ),
        ({"upscale": 2, "upsampler": "nearest+conv"}, (0.556281, 0.090178, 0.626698, 0.442668, 0.592552)),
        (
            {"upscale": 1, "upsampler": "", "img_range": 255.0, "window_size": 5, "img_size": 15},
            (0.495027, 0.291155, 0.430974, 0.403614, 0.315995),
        ),
    ],
)
def test_golden_outputs(formula: Any, hyper: dict[str, Any], golden: tuple[float, ...]) -> None:  # noqa: ANN401
    """The figures come from a transcription of the authors' forward with the same weights, not from this network."""
    net = SwinIR(**(TINY | hyper))
    found = formula.figures(net, 2 * net.window_size, 3 * net.window_size)
    torch.testing.assert_close(found, torch.tensor(golden, dtype=torch.float64), rtol=0, atol=2e-6)


def test_files_of_any_training_size_load_strictly() -> None:
    """The mask's shape is that of the training pictures; files without it, and masks of nonsense, change nothing either."""
    small, large = SwinIR(**TINY), SwinIR(**(TINY | {"img_size": 24}))
    name = "layers.1.residual_group.blocks.1.attn_mask"
    state = small.state_dict()
    assert state[name].shape == (9, 16, 16)
    assert large.load_state_dict(state, strict=True).missing_keys == []
    assert large.state_dict()[name].shape == (36, 16, 16)
    lq = torch.rand(1, 3, 8, 12)
    with torch.inference_mode():
        expected = small.eval()(lq)
        assert torch.equal(large.eval()(lq), expected)
        del state[name]
        large.load_state_dict(state, strict=True)
        large.load_state_dict(state | {name: torch.full((9, 16, 16), torch.nan)}, strict=True)
        assert torch.equal(large(lq), expected)
    assert name not in state


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 9), (13, 4)])
def test_any_size_is_padded_by_reflection_and_cut(height: int, width: int) -> None:
    net = SwinIR(**(TINY | {"upscale": 2})).eval()
    lq = torch.rand(1, 3, height, width)
    padded = reflected_to_multiple(lq, 4)
    with torch.inference_mode():
        sr = net(lq)
        torch.testing.assert_close(sr, net(padded)[:, :, : 2 * height, : 2 * width])
    assert sr.shape == (1, 3, 2 * height, 2 * width)


def test_reflection() -> None:
    lq = torch.arange(5.0).view(1, 1, 1, 5).expand(1, 1, 2, 5)
    padded = reflected_to_multiple(lq, 4)
    assert padded.shape == (1, 1, 4, 8)
    assert padded[0, 0, 3].tolist() == [0, 1, 2, 3, 4, 3, 2, 1]
    torch.testing.assert_close(padded[..., :4, :7], nn.functional.pad(lq.repeat(1, 1, 2, 1), (0, 2, 0, 0), "reflect"))
    square = torch.rand(1, 3, 8, 4)
    assert reflected_to_multiple(square, 4) is square


# --- windows


def test_windows_cut_and_join() -> None:
    feat = torch.arange(2 * 4 * 6).view(2, 4, 6, 1)
    windows = to_windows(feat, 2)
    assert windows.shape == (12, 4, 1)
    assert windows[1].flatten().tolist() == [2, 3, 8, 9]
    assert windows[6].flatten().tolist() == [24, 25, 30, 31]
    assert torch.equal(from_windows(windows, 2, 4, 6), feat)


def test_mask_parts_what_the_shift_brings_together() -> None:
    """After the shift the last row and column of windows hold pixels of opposite edges."""
    mask = shift_mask(8, 12, 4, torch.zeros(()))
    assert mask.shape == (6, 16, 16)
    assert set(mask.unique().tolist()) == {-100.0, 0.0}
    assert not mask[0].any()  # inside: nothing is parted
    assert not mask[1].any()
    right, below = mask[2], mask[3]
    columns, rows = torch.arange(16) % 4 >= 2, torch.arange(16) >= 8
    assert torch.equal(right != 0, columns[:, None] != columns[None, :])
    assert torch.equal(below != 0, rows[:, None] != rows[None, :])


def test_position_index_is_the_swin_transformers() -> None:
    index = window_index(2)
    assert index.tolist() == [[4, 3, 1, 0], [5, 4, 2, 1], [7, 6, 4, 3], [8, 7, 5, 4]]
    assert pair_index(torch.tensor([[0, 1]]), 2).tolist() == [[0, 1, 2, 3]]


def test_drop_path_keeps_the_mean_and_drops_whole_pictures() -> None:
    torch.manual_seed(0)
    drop = DropPath(0.25)
    x = torch.ones(4000, 2, 3)
    kept = drop(x)
    assert kept.unique().tolist() == pytest.approx([0, 4 / 3])
    assert torch.equal(kept.amin((1, 2)), kept.amax((1, 2)))
    assert float(kept.mean()) == pytest.approx(1, abs=0.03)
    assert drop.eval()(x) is x


def test_radius_through_windows() -> None:
    assert window_radius(4, [("conv", 2)]) == 2
    assert window_radius(4, [("window", 0)]) == 3
    assert window_radius(4, [("window", 0), ("window", 2)]) == 5
    assert window_radius(4, [("conv", 1), ("window", 0)]) == 4


@pytest.mark.parametrize(("hyper", "radius"), [({}, 153), (LIGHT, 103), (JPEG, 133), (LARGE, 227)])
def test_radius_of_the_published_sizes(hyper: dict[str, Any], radius: int) -> None:
    with torch.device("meta"):
        assert SwinIR(**hyper).facts().receptive_radius == radius


@pytest.mark.parametrize(
    ("hyper", "message"),
    [
        ({"upsampler": "bicubic"}, "unknown upsampler 'bicubic' of SwinIR; known: 'pixelshuffle', 'pixelshuffledirect', "),
        ({"resi_connection": "2conv"}, "unknown resi_connection '2conv' of SwinIR; known: 1conv, 3conv"),
        ({"upscale": 6}, r"upscale \(6\) of SwinIR must be 2, 3, 4 or 8"),
        ({"upscale": 3, "upsampler": "nearest+conv"}, r"upscale \(3\) of SwinIR with upsampler 'nearest\+conv' must be 2 or 4"),
        ({"upscale": 2, "upsampler": ""}, r"upscale \(2\) of SwinIR with upsampler '' must be 1"),
        ({"depths": [2]}, r"depths \(1 entries\) and num_heads \(2\) of SwinIR must be equally long"),
        ({"num_heads": [3, 2]}, r"num_heads \(3\) must divide the 8 channels"),
        ({"img_size": 4}, r"img_size \(4\) of SwinIR must be a multiple of window_size \(4\) and larger"),
        ({"img_size": 18}, r"img_size \(18\) of SwinIR must be a multiple"),
        ({"window_size": 1}, r"window_size \(1\) of SwinIR must be at least 2"),
    ],
)
def test_refused_arguments(hyper: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        SwinIR(**(TINY | hyper))
