"""Every family under its official names: the file read back computes what the network computes."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from clearvision.archs import ARCHS
from clearvision.errors import ModelError
from clearvision.zoo.build import build_network
from clearvision.zoo.checkpoint import Checkpoint, read_checkpoint
from clearvision.zoo.foreign import inspect_foreign

State = dict[str, Tensor]

OPTIMIZER = {"state": {}, "param_groups": [{"lr": 1e-4}]}
ONE = torch.zeros(1)
SWIN: dict[str, Any] = {"embed_dim": 8, "depths": (2, 1), "num_heads": (2, 4), "window_size": 4, "img_size": 8}
HAT: dict[str, Any] = {
    "embed_dim": 8,
    "depths": (1, 2),
    "num_heads": (2, 2),
    "window_size": 4,
    "compress_ratio": 2,
    "squeeze_factor": 4,
    "num_feat": 8,
}
RRDB = {"num_feat": 8, "num_grow_ch": 4, "num_block": 2}


def network(arch: str, **hyper: Any) -> nn.Module:  # noqa: ANN401
    """Return a tiny network whose every tensor matters."""
    torch.manual_seed(3)
    net = ARCHS[arch](**hyper)
    with torch.no_grad():
        for name, value in net.state_dict().items():
            if name.endswith("running_var"):
                value.uniform_(0.5, 1.5)
            elif value.is_floating_point():
                value.normal_(0, 0.5 / max(value[0].numel(), 1) ** 0.5 if value.dim() > 1 else 0.2)
    return net.eval()


def write(tree: object, path: Path) -> Path:
    torch.save(tree, path)
    return path


def same(checkpoint: Checkpoint, net: nn.Module, tolerance: float = 1e-5) -> None:
    """Assert that a checkpoint's network computes what another one does."""
    facts = net.facts()  # type: ignore[operator]
    side = facts.size.multiple * 8
    lq = torch.rand(1, facts.num_in_ch, side, side)
    with torch.inference_mode():
        torch.testing.assert_close(build_network(checkpoint)(lq), net.eval()(lq), rtol=0, atol=tolerance)


def renamed(state: State, *rules: tuple[str, str]) -> State:
    """Return a state dict after regular expressions on its names; each must hit at least one."""
    for pattern, to in rules:
        assert any(re.search(pattern, name) for name in state), pattern
        state = {re.sub(pattern, to, name): value for name, value in state.items()}
    return state


def esrgan_2019(state: State) -> State:
    return renamed(
        state,
        (r"^body\.(\d+)\.rdb(\d)\.", r"RRDB_trunk.\1.RDB\2."),
        (r"^conv_body\.", "trunk_conv."),
        (r"^conv_up(\d)\.", r"upconv\1."),
        (r"^conv_hr\.", "HRconv."),
    )


def esrgan_2018(state: State) -> State:
    steps = sum(name.startswith("conv_up") for name in state) // 2
    return renamed(
        state,
        (r"^body\.(\d+)\.rdb(\d)\.conv(\d)\.", r"model.1.sub.\1.RDB\2.conv\3.0."),
        (r"^conv_body\.", "model.1.sub.2."),
        (r"^conv_first\.", "model.0."),
        *((rf"^conv_up{step}\.", f"model.{3 * step}.") for step in range(1, steps + 1)),
        (r"^conv_hr\.", f"model.{2 + 3 * steps}."),
        (r"^conv_last\.", f"model.{4 + 3 * steps}."),
    )


def edsr_pytorch(state: State) -> State:
    """sub_mean and add_mean are fixed 1x1 convolutions in values from 0 to 255."""
    mean = torch.tensor([0.4488, 0.4371, 0.4040]) * 255
    shift = {"weight": torch.eye(3)[:, :, None, None], "bias": mean}
    state = renamed(
        state,
        (r"^conv_first\.", "head.0."),
        (r"^body\.(\d+)\.conv1\.", r"body.\1.body.0."),
        (r"^body\.(\d+)\.conv2\.", r"body.\1.body.2."),
        (r"^conv_after_body\.", "body.2."),
        (r"^upsample\.(\d)\.", r"tail.0.\1."),
        (r"^conv_last\.", "tail.1."),
    )
    return {
        "sub_mean.weight": shift["weight"],
        "sub_mean.bias": -shift["bias"],
        "add_mean.weight": shift["weight"],
        "add_mean.bias": shift["bias"],
        **state,
    }


def srresnet_first(state: State) -> State:
    return renamed(state, (r"^conv([123])\.", r"conv_block\1."))


def rcan_authors(state: State) -> State:
    state = renamed(
        state,
        (r"^conv_first\.", "head.0."),
        (r"\.residual_group\.(\d+)\.rcab\.3\.attention\.1\.", r".body.\1.body.3.conv_du.0."),
        (r"\.residual_group\.(\d+)\.rcab\.3\.attention\.3\.", r".body.\1.body.3.conv_du.2."),
        (r"\.residual_group\.(\d+)\.rcab\.(\d)\.", r".body.\1.body.\2."),
        (r"^body\.(\d+)\.conv\.", r"body.\1.body.3."),
        (r"^conv_after_body\.", "body.2."),
        (r"^upsample\.(\d)\.", r"tail.0.\1."),
        (r"^conv_last\.", "tail.1."),
    )
    mean = -torch.tensor([0.4690, 0.4490, 0.4036]) * 255  # of DIV2K with Flickr2K
    return {"sub_mean.weight": torch.eye(3)[:, :, None, None], "sub_mean.bias": mean, **state}


def rdn_authors(state: State) -> State:
    state = renamed(
        state,
        (r"^sfe(\d)\.", r"SFENet\1."),
        (r"^rdbs\.(\d+)\.layers\.(\d+)\.conv\.", r"RDBs.\1.convs.\2.conv.0."),
        (r"^rdbs\.(\d+)\.lff\.", r"RDBs.\1.LFF."),
        (r"^gff\.", "GFF."),
        (r"^upscale\.", "UPNet."),
        (r"^output\.", "UPNet.4."),
    )
    return {name: value * 255 if name.endswith("bias") else value for name, value in state.items()}


def plain(state: State) -> State:
    return dict(state)


CASES: list[tuple[str, dict[str, Any], Callable[[State], State]]] = [
    ("rrdbnet", RRDB, plain),
    ("rrdbnet", {**RRDB, "scale": 2}, plain),
    ("rrdbnet", {**RRDB, "scale": 1}, plain),
    ("rrdbnet", {**RRDB, "num_in_ch": 1, "num_out_ch": 1}, plain),
    ("rrdbnet", RRDB, esrgan_2019),
    ("rrdbnet", {**RRDB, "scale": 2}, esrgan_2019),
    ("rrdbnet", RRDB, esrgan_2018),
    ("rrdbnet", {**RRDB, "scale": 2}, esrgan_2018),
    *(("rrdbnet", {**RRDB, "scale": scale, "unshuffle": False}, esrgan_2018) for scale in (1, 2, 8)),
    ("srvgg", {"num_feat": 8, "num_conv": 3, "upscale": 4}, plain),
    ("srvgg", {"num_feat": 8, "num_conv": 2, "upscale": 2, "act_type": "relu"}, plain),
    ("span", {"feature_channels": 8, "num_block": 2, "upscale": 4}, plain),
    ("span", {"feature_channels": 8, "num_block": 1, "upscale": 2, "reparam": True}, plain),
    ("span", {"feature_channels": 8, "num_block": 2, "bias": False}, plain),
    ("edsr", {"num_feat": 8, "num_block": 2, "upscale": 4}, plain),
    ("edsr", {"num_feat": 8, "num_block": 2, "upscale": 3}, plain),
    ("edsr", {"num_feat": 8, "num_block": 2, "upscale": 2}, edsr_pytorch),
    ("edsr", {"num_feat": 8, "num_block": 2, "upscale": 4}, edsr_pytorch),
    ("msrresnet", {"num_feat": 8, "num_block": 2, "upscale": 4}, plain),
    ("msrresnet", {"num_feat": 8, "num_block": 2, "upscale": 3}, plain),
    ("msrresnet", {"num_feat": 8, "num_block": 2, "upscale": 2}, plain),
    ("srresnet", {"num_feat": 8, "num_block": 2, "upscale": 4}, plain),
    ("srresnet", {"num_feat": 8, "num_block": 1, "upscale": 3}, plain),
    (
        "srresnet",
        {"num_feat": 8, "num_block": 1, "upscale": 2},
        srresnet_first,
    ),
    ("rcan", {"num_feat": 16, "num_group": 2, "num_block": 3, "squeeze_factor": 4, "upscale": 2}, plain),
    (
        "rcan",
        {"num_feat": 16, "num_group": 2, "num_block": 3, "squeeze_factor": 4, "rgb_mean": [0.4690, 0.4490, 0.4036]},
        rcan_authors,
    ),
    ("rdn", {"num_feat": 8, "num_grow_ch": 4, "num_block": 2, "num_layer": 3, "upscale": 3}, plain),
    ("rdn", {"num_feat": 8, "num_grow_ch": 4, "num_block": 2, "num_layer": 3, "upscale": 4}, rdn_authors),
    ("swinir", {**SWIN, "upscale": 4, "num_feat": 8}, plain),
    ("swinir", {**SWIN, "upscale": 3, "upsampler": "pixelshuffledirect"}, plain),
    ("swinir", {**SWIN, "upscale": 4, "upsampler": "nearest+conv", "num_feat": 8, "resi_connection": "3conv"}, plain),
    ("swinir", {**SWIN, "upscale": 2, "upsampler": "nearest+conv", "num_feat": 8, "img_size": 12}, plain),
    ("swinir", {**SWIN, "upscale": 1, "upsampler": "", "num_in_ch": 1}, plain),
    ("swinir", {**SWIN, "upscale": 1, "upsampler": "", "window_size": 7, "img_size": 14, "img_range": 255.0}, plain),
    ("hat", {**HAT, "upscale": 2}, plain),
    ("drct", {**SWIN, "depths": (6, 6), "num_grow_ch": 4, "num_feat": 8, "upscale": 2}, plain),
    (
        "clearvision",
        {"num_feat": 16, "num_grow_ch": 8, "num_block": 2, "scale": 4, "dense_act": "none", "output": "tanh"},
        plain,
    ),
    ("cyclegan_resnet", {"num_feat": 4, "num_block": 2}, plain),
    ("cyclegan_resnet", {"num_feat": 4, "num_block": 1, "upsampling": "resize"}, plain),
    ("srgan_bicubic", {"num_feat": 8, "num_block": 2, "form": "sigmoid"}, plain),
    ("srgan_bicubic", {"num_feat": 8, "num_block": 1, "form": "sigmoid", "narrow": False}, plain),
]


@pytest.mark.parametrize(
    ("arch", "hyper", "named"), CASES, ids=lambda each: each if isinstance(each, str) else getattr(each, "__name__", "")
)
def test_files_with_official_names(arch: str, hyper: dict[str, Any], named: Callable[[State], State], tmp_path: Path) -> None:
    net = network(arch, **hyper)
    checkpoint = read_checkpoint(write(named(net.state_dict()), tmp_path / "net.pth"))
    facts = net.facts()  # type: ignore[operator]
    info = checkpoint.info
    assert (info.arch, info.scale, info.num_in_ch) == (arch, facts.scale, facts.num_in_ch)
    assert (info.receptive_radius, info.size) == (facts.receptive_radius, facts.size)
    same(checkpoint, net)


def test_old_and_new_names_of_equal_weights_give_equal_pictures(tmp_path: Path) -> None:
    from clearvision.inference.upscaler import Upscaler

    state = network("rrdbnet", **RRDB).state_dict()
    picture = np.random.default_rng(0).integers(0, 256, (13, 10, 3), dtype=np.uint8)
    results = [
        Upscaler(write(named(state), tmp_path / f"{named.__name__}.pth"))(picture) for named in (plain, esrgan_2019, esrgan_2018)
    ]
    assert results[0].std() > 5
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


def test_biases_before_a_normalisation_go_into_its_mean(tmp_path: Path) -> None:
    net = network("srgan_bicubic", num_feat=8, num_block=2, form="sigmoid")
    stale = net.state_dict()
    for name, module in net.named_modules():
        if name.endswith("cnn") and isinstance(module, nn.Conv2d) and module.bias is None:
            module.bias = nn.Parameter(torch.randn(module.out_channels))
    theirs = {f"layer{number}.{name}": value for number, (name, value) in enumerate(stale.items())}  # names mean nothing
    with pytest.raises(ModelError):
        read_checkpoint(write(theirs, tmp_path / "scattered.pth"))
    named = {name.replace("residuals", "blocks").replace("convblock", "after"): value for name, value in net.state_dict().items()}
    same(read_checkpoint(write(named, tmp_path / "net.pth")), net)


def test_spans_without_shift_of_the_input(tmp_path: Path) -> None:
    net = network("span", feature_channels=8, num_block=1, img_range=1.0, rgb_mean=(0, 0, 0))
    same(read_checkpoint(write({"no_norm": torch.zeros(1), **net.state_dict()}, tmp_path / "net.pth")), net)


def test_a_span_whose_folded_form_is_stale_is_folded_again(tmp_path: Path) -> None:
    net = network("span", feature_channels=8, num_block=1, reparam=True)
    state = {name: value * 0 if "eval_conv" in name else value for name, value in net.state_dict().items()}
    net.train().eval()
    same(read_checkpoint(write(state, tmp_path / "net.pth")), net)


@pytest.mark.parametrize(
    ("wrap", "wrapper", "prefix"),
    [
        (lambda s, o: {"params": s}, "params", ""),
        (lambda s, o: {"params": o, "params_ema": s}, "params_ema", ""),
        (
            lambda s, o: {"epoch": 3, "lr": torch.tensor(1e-4), "state_dict": s, "optimizer": {"state": {}, "param_groups": []}},
            "state_dict",
            "",
        ),
        (lambda s, o: {"model": {"net": s}}, "model.net", ""),
        (lambda s, o: {f"module.{name}": value for name, value in s.items()}, "", "module."),
        (lambda s, o: {"state_dict": {f"module.generator.{n}": v for n, v in s.items()}}, "state_dict", "module.generator."),
        (lambda s, o: {"net_g": s, "net_d": {"conv0.weight": torch.zeros(1), "conv9.weight": torch.zeros(1)}}, "net_g", ""),
        (
            lambda s, o: {
                "state_dict": {
                    **{f"generator.{n}": v for n, v in o.items()},
                    **{f"generator_ema.{n}": v for n, v in s.items()},
                    "discriminator.0.weight": torch.zeros(1),
                }
            },
            "state_dict",
            "generator_ema.",
        ),
        (lambda s, o: {f"net_g.{name}": value for name, value in s.items()}, "", "net_g."),
        (lambda s, o: {"custom name": s, "iter": 5}, "custom name", ""),
    ],
)
def test_wrappers_and_prefixes(wrap: Callable[[State, State], object], wrapper: str, prefix: str, tmp_path: Path) -> None:
    net = network("rrdbnet", **RRDB)
    other = {name: value + 1 for name, value in net.state_dict().items()}
    path = write(wrap(net.state_dict(), other), tmp_path / "net.pth")
    taken = inspect_foreign(path).detection.taken
    assert (taken.wrapper, taken.prefix) == (wrapper, prefix)
    same(read_checkpoint(path), net)


def test_old_names_lie_under_a_prefix_that_is_theirs(tmp_path: Path) -> None:
    """``model.`` is a wrapper's prefix for some files and part of the names for others."""
    net = network("rrdbnet", **RRDB)
    state = esrgan_2018(net.state_dict())
    same(read_checkpoint(write({f"module.{name}": value for name, value in state.items()}, tmp_path / "a.pth")), net)
    lightning = {f"model.{name}": value for name, value in net.state_dict().items()}
    same(read_checkpoint(write(lightning, tmp_path / "b.pth")), net)


def test_the_moving_average_is_taken_and_said(tmp_path: Path) -> None:
    state = network("rrdbnet", **RRDB).state_dict()
    foreign = inspect_foreign(write({"params": dict(state), "params_ema": state}, tmp_path / "net.pth"))
    assert foreign.notes == ["the weights under 'params_ema' were taken, not those under 'params'"]


def vgg_discriminator() -> State:
    return {"conv0_0.weight": torch.zeros(8, 3, 3, 3), "bn0_1.weight": torch.zeros(8), "linear1.weight": torch.zeros(100, 512)}


STRANGERS: list[tuple[object, str]] = [
    ({"params": vgg_discriminator()}, "a discriminator of VGG style"),
    (
        {"conv0.weight": ONE, "conv1.weight_orig": ONE, "conv9.weight": ONE},
        "U-Net style",
    ),
    (
        {
            "features.0.weight": torch.zeros(8, 3, 3, 3),
            "classifier.0.weight": torch.zeros(100, 8),
            "classifier.2.weight": torch.zeros(1, 100),
        },
        r"a discriminator of VGG style \(ESRGAN's",
    ),
    ({"model.0.weight": torch.zeros(8, 3, 4, 4), "model.2.weight": torch.zeros(1, 8, 4, 4)}, "PatchGAN"),
    ({"net.0.weight": torch.zeros(8, 3, 3, 3), "net.1.weight": torch.zeros(1, 8)}, "a discriminator, which tells real"),
    ({"features.0.weight": torch.zeros(8, 3, 3, 3), "features.28.weight": ONE}, "a VGG network"),
    ({"state_dict": {"model.diffusion_model.input_blocks.0.0.weight": ONE}}, "a latent-diffusion model"),
    ({"lora_te_text_model.lora_down.weight": ONE}, "a LoRA"),
    ({"stylegan_decoder.constant_input.weight": ONE}, "a face restorer"),
    ({"lin0.model.1.weight": torch.zeros(1, 64, 1, 1)}, "the heads of the metric LPIPS"),
    (OPTIMIZER, "the state of an optimiser without a network"),
    ({"epoch": 1, "iter": 5, "optimizers": [OPTIMIZER]}, "the state of an optimiser"),
    ({}, "it holds no weights"),
    ([1, 2, 3], "it holds no weights"),
    ({"encoder.weird.weight": torch.zeros(2, 2)}, "its network is unknown: 1 tensors, named encoder.weird.weight; .*families"),
]


@pytest.mark.parametrize(("tree", "what"), STRANGERS)
def test_what_is_no_generator_is_named(tree: object, what: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=rf"net\.pth' cannot be used: .*{what}"):
        read_checkpoint(write(tree, tmp_path / "net.pth"))


def test_our_own_discriminators_are_named(tmp_path: Path) -> None:
    from clearvision.archs import DISCRIMINATORS

    for name, kind in DISCRIMINATORS.items():
        with pytest.raises(ModelError, match="a discriminator"):
            read_checkpoint(write(kind().state_dict(), tmp_path / f"{name}.pth"))


def test_what_does_not_fit_is_listed(tmp_path: Path) -> None:
    state = network("rrdbnet", **RRDB).state_dict()
    del state["conv_hr.bias"]
    state["body.0.rdb1.conv2.weight"] = torch.zeros(4, 11, 3, 3)
    state["extra.weight"] = torch.zeros(1)
    path = write(state, tmp_path / "net.pth")
    detection = inspect_foreign(path).detection
    assert detection.missing == ("conv_hr.bias",)
    assert detection.left_over == ("extra.weight",)
    assert detection.misshapen == ("body.0.rdb1.conv2.weight 4x11x3x3 for 4x12x3x3",)
    with pytest.raises(
        ModelError,
        match=r"1 tensors missing \(conv_hr\.bias\); 1 tensors of another shape \(.* 4x11x3x3 for 4x12x3x3\); 1 tensors left",
    ):
        read_checkpoint(path)


def test_a_tensor_that_tells_the_size_is_missing(tmp_path: Path) -> None:
    state = network("rrdbnet", **RRDB).state_dict()
    del state["conv_last.weight"]
    with pytest.raises(
        ModelError, match=r"looks like RRDBNet with the names of BasicSR but lacks the tensor 'conv_last\.weight'"
    ):
        read_checkpoint(write(state, tmp_path / "net.pth"))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite(value: float, tmp_path: Path) -> None:
    state = network("rrdbnet", **RRDB).state_dict()
    state["conv_body.weight"][0, 0] = value
    with pytest.raises(ModelError, match=r"'conv_body\.weight' holds 9 of 576 values that are not finite"):
        read_checkpoint(write(state, tmp_path / "net.pth"))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_tensors_that_claim_more_than_the_file_holds(dtype: torch.dtype, tmp_path: Path) -> None:
    vast = {"conv_first.weight": torch.zeros(1, dtype=dtype).expand(2_000_000, 200_000, 3, 3), "body.0.rdb1.conv1.weight": ONE}
    with pytest.raises(ModelError, match=r"its tensors claim [\d,]+ bytes, more than the file's"):
        read_checkpoint(write(vast, tmp_path / "net.pth"))


@pytest.mark.parametrize("name", ["body.99999999999.rdb1.conv1.weight", "body.77777.rdb1.conv1.weight"])
def test_made_up_numbers_build_no_giant(name: str, tmp_path: Path) -> None:
    state = network("rrdbnet", **RRDB).state_dict()
    state[name] = torch.zeros(4, 8, 3, 3)
    with pytest.raises(ModelError, match="tensors"):
        read_checkpoint(write(state, tmp_path / "net.pth"))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_number_types_are_widened(dtype: torch.dtype, tmp_path: Path) -> None:
    state = {name: value.to(dtype) for name, value in network("srvgg", num_feat=8, num_conv=1).state_dict().items()}
    read = read_checkpoint(write(state, tmp_path / "net.pth"))
    for name, value in state.items():
        np.testing.assert_array_equal(read.weights[name], value.float().numpy())
    assert {value.dtype for value in read.weights.values()} == {np.dtype(np.float32)}


def test_safetensors_without_a_card(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    net = network("rrdbnet", **RRDB)
    for dtype in (torch.float32, torch.bfloat16):
        save_file({name: value.to(dtype) for name, value in net.state_dict().items()}, tmp_path / "net.safetensors")
        same(read_checkpoint(tmp_path / "net.safetensors"), net, tolerance=1e-5 if dtype == torch.float32 else 0.2)


def test_bfloat16_is_read_when_numpy_knows_it_too(tmp_path: Path) -> None:
    import ml_dtypes  # noqa: F401 - which teaches it to numpy
    from safetensors.torch import save_file

    net = network("rrdbnet", **RRDB)
    save_file({name: value.bfloat16() for name, value in net.state_dict().items()}, tmp_path / "a.safetensors")
    same(read_checkpoint(tmp_path / "a.safetensors"), net, tolerance=0.2)


def test_reading_copies_out_of_the_file(tmp_path: Path) -> None:
    path = write(network("srvgg", num_feat=8, num_conv=1).state_dict(), tmp_path / "net.pth")
    before = path.read_bytes()
    checkpoint = read_checkpoint(path)
    for value in checkpoint.weights.values():
        assert value.flags.owndata
        value[...] = 7
    assert path.read_bytes() == before


def test_published_files_are_known_by_digest_and_doubted_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from clearvision.zoo import published

    path = write({"params_ema": network("rrdbnet", **RRDB).state_dict()}, tmp_path / "RealESRGAN_x4plus.pth")
    doubted = inspect_foreign(path)
    assert doubted.info.licence == "BSD-3-Clause if this is RealESRGAN_x4plus of xinntao/Real-ESRGAN, as its name says; unproven"
    monkeypatch.setitem(published._BY_DIGEST, doubted.sha256, "RealESRGAN_x4plus")
    known = inspect_foreign(path.rename(tmp_path / "renamed.pth"))
    assert known.info.licence == "BSD-3-Clause (of xinntao/Real-ESRGAN, which published this file)"
    assert known.info.task == "photo"
