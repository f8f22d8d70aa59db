"""Residual networks: EDSR, SRResNet, MSRResNet, RCAN, RDN, under the names of their authors and of those who took them over."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from clearvision.zoo.families.match import LackingError, Match, changed, count, shape, shuffle_scale
from clearvision.zoo.files import Arrays

DIV2K_MEAN = [0.4488, 0.4371, 0.4040]
_MEAN_SHIFTS = ("sub_mean.weight", "sub_mean.bias", "add_mean.weight", "add_mean.bias")
_ASSUMED_MEAN = "the mean of DIV2K and the factor 255 on the input are those of the official files"


def edsr(arrays: Arrays) -> Match | None:
    """EDSR with the names of BasicSR."""
    if not {"conv_after_body.weight", "body.0.conv1.weight"} <= arrays.keys():
        return None
    return _edsr(arrays, {}, "EDSR")


def edsr_pytorch(arrays: Arrays) -> Match | None:
    """EDSR with the names of its authors' sanghyun-son/EDSR-PyTorch."""
    if not {"head.0.weight", "body.0.body.0.weight"} <= arrays.keys() or any(".conv_du." in name for name in arrays):
        return None
    last = count(arrays, r"body\.(\d+)\.") - 1
    return _edsr(arrays, {name: _from_edsr_pytorch(name, last) for name in arrays}, "EDSR with its authors' names")


def rcan(arrays: Arrays) -> Match | None:
    """RCAN with the names of BasicSR."""
    if "body.0.residual_group.0.rcab.0.weight" not in arrays:
        return None
    return _rcan(arrays, {}, "RCAN")


def rcan_authors(arrays: Arrays) -> Match | None:
    """RCAN with the names of its authors' yulunzhang/RCAN."""
    if "body.0.body.0.body.3.conv_du.0.weight" not in arrays:
        return None
    last = count(arrays, r"body\.(\d+)\.") - 1
    inner = count(arrays, r"body\.0\.body\.(\d+)\.") - 1

    def ours(name: str) -> str:
        if found := re.fullmatch(r"body\.(\d+)\.body\.(\d+)\.body\.3\.conv_du\.(\d+)\.(\w+)", name):
            return f"body.{found[1]}.residual_group.{found[2]}.rcab.3.attention.{int(found[3]) + 1}.{found[4]}"
        if found := re.fullmatch(r"body\.(\d+)\.body\.(\d+)\.body\.(\d+)\.(\w+)", name):
            return f"body.{found[1]}.residual_group.{found[2]}.rcab.{found[3]}.{found[4]}"
        if found := re.fullmatch(rf"body\.(\d+)\.body\.{inner}\.(\w+)", name):
            return f"body.{found[1]}.conv.{found[2]}"
        return _from_edsr_pytorch(name, last)

    return _rcan(arrays, {name: ours(name) for name in arrays}, "RCAN with its authors' names")


def msrresnet(arrays: Arrays) -> Match | None:
    """MSRResNet, the SRResNet of BasicSR and of its SRGAN."""
    if not {"upconv1.weight", "conv_hr.weight", "body.0.conv1.weight"} <= arrays.keys():
        return None
    width = shape(arrays, "conv_first.weight", 0)
    out = shape(arrays, "conv_last.weight", 0)
    hyper = {
        "num_in_ch": shape(arrays, "conv_first.weight", 1),
        "num_out_ch": out,
        "num_feat": width,
        "num_block": count(arrays, r"body\.(\d+)\."),
        "upscale": 4 if "upconv2.weight" in arrays else 3 if shape(arrays, "upconv1.weight", 0) == 9 * width else 2,
    }
    return Match("MSRResNet (BasicSR's SRResNet)", "msrresnet", hyper)


def srresnet(arrays: Arrays) -> Match | None:
    """SRResNet of the SRGAN paper, with the names of Lornatang/SRGAN-PyTorch."""
    if "trunk.0.rcb.0.weight" not in arrays:
        return None
    renamed = {name: re.sub(r"^conv_block([123])\.", r"conv\1.", name) for name in arrays}
    ours = {renamed[name]: array for name, array in arrays.items()}
    width = shape(ours, "conv1.0.weight", 0)
    steps = count(ours, r"upsampling\.(\d+)\.")
    hyper = {
        "num_in_ch": shape(ours, "conv1.0.weight", 1),
        "num_out_ch": shape(ours, "conv3.weight", 0),
        "num_feat": width,
        "num_block": count(ours, r"trunk\.(\d+)\."),
        "upscale": 4 if steps == 2 else 3 if shape(ours, "upsampling.0.upsample_block.0.weight", 0) == 9 * width else 2,
    }
    return Match("SRResNet (SRGAN's generator)", "srresnet", hyper, changed(renamed))


def rdn(arrays: Arrays) -> Match | None:
    """RDN with the names of yjn870/RDN-pytorch and mmagic."""
    if "rdbs.0.layers.0.conv.weight" not in arrays:
        return None
    return _rdn(arrays, {}, "RDN")


def rdn_authors(arrays: Arrays) -> Match | None:
    """RDN with the names of its authors in EDSR-PyTorch; their values reach from 0 to 255, so every bias is divided by that."""
    if "RDBs.0.convs.0.conv.0.weight" not in arrays:
        return None
    last = count(arrays, r"UPNet\.(\d+)\.") - 1

    def ours(name: str) -> str:
        name = re.sub(r"^RDBs\.(\d+)\.convs\.(\d+)\.conv\.0\.", r"rdbs.\1.layers.\2.conv.", name)
        name = re.sub(r"^RDBs\.(\d+)\.LFF\.", r"rdbs.\1.lff.", name)
        name = re.sub(rf"^UPNet\.{last}\.", "output.", name)
        for theirs, mine in (("SFENet1.", "sfe1."), ("SFENet2.", "sfe2."), ("GFF.", "gff."), ("UPNet.", "upscale.")):
            name = mine + name.removeprefix(theirs) if name.startswith(theirs) else name
        return name

    match = _rdn(arrays, {name: ours(name) for name in arrays}, "RDN with its authors' names")
    return Match(match.family, match.arch, match.hyper, match.renamed, adjust=_divide_biases)


def _divide_biases(arrays: Arrays) -> Arrays:
    return {
        name: array.astype(np.float32) / np.float32(255) if name.endswith(".bias") else array for name, array in arrays.items()
    }


def _from_edsr_pytorch(name: str, last: int) -> str:
    if found := re.fullmatch(r"body\.(\d+)\.body\.([02])\.(\w+)", name):
        return f"body.{found[1]}.conv{1 + int(found[2]) // 2}.{found[3]}"
    for pattern, ours in (
        (r"head\.0\.(\w+)", r"conv_first.\1"),
        (rf"body\.{last}\.(\w+)", r"conv_after_body.\1"),
        (r"tail\.0\.(\d+)\.(\w+)", r"upsample.\1.\2"),
        (r"tail\.1\.(\w+)", r"conv_last.\1"),
    ):
        if re.fullmatch(pattern, name):
            return re.sub(pattern, ours, name)
    return name


def _edsr(arrays: Arrays, renamed: dict[str, str], family: str) -> Match:
    ours = {renamed.get(name, name): array for name, array in arrays.items()}
    width = shape(ours, "conv_first.weight", 0)
    small = width < 256  # the paper scales the residuals of its large network only
    hyper = {
        **_common(ours, width),
        "num_block": count(ours, r"body\.(\d+)\.conv1\."),
        "res_scale": 1.0 if small else 0.1,
    }
    scaled = f"residuals are taken to be scaled by {hyper['res_scale']:g}, as in the paper's network of this width"
    return _shifted(arrays, family, "edsr", hyper, renamed, (scaled,))


def _rcan(arrays: Arrays, renamed: dict[str, str], family: str) -> Match:
    ours = {renamed.get(name, name): array for name, array in arrays.items()}
    width = shape(ours, "conv_first.weight", 0)
    squeezed = shape(ours, "body.0.residual_group.0.rcab.3.attention.1.weight", 0)
    hyper = {
        **_common(ours, width),
        "num_group": count(ours, r"body\.(\d+)\."),
        "num_block": count(ours, r"body\.0\.residual_group\.(\d+)\."),
        "squeeze_factor": width // max(squeezed, 1),
    }
    return _shifted(arrays, family, "rcan", hyper, renamed, ())


def _common(ours: Arrays, width: int) -> dict[str, Any]:
    return {
        "num_in_ch": shape(ours, "conv_first.weight", 1),
        "num_out_ch": shape(ours, "conv_last.weight", 0),
        "num_feat": width,
        "upscale": shuffle_scale(ours, "upsample."),
    }


def _shifted(
    arrays: Arrays, family: str, arch: str, hyper: dict[str, Any], renamed: dict[str, str], assumed: tuple[str, ...]
) -> Match:
    """Return the match with mean and range, read from the fixed convolutions that subtract and add them where there are such."""
    bias = arrays.get("sub_mean.bias")
    dropped = tuple(name for name in _MEAN_SHIFTS if name in arrays)
    if bias is None or bias.ndim != 1 or not np.isfinite(bias).all():
        hyper.update(img_range=255.0, rgb_mean=list(DIV2K_MEAN))
        return Match(family, arch, hyper, changed(renamed), dropped, (*assumed, _ASSUMED_MEAN))
    unit = 255.0 if float(np.abs(bias).max()) > 1 else 1.0
    hyper.update(img_range=unit, rgb_mean=[round(float(-value) / unit, 6) for value in bias])
    return Match(family, arch, hyper, changed(renamed), dropped, assumed)


def _rdn(arrays: Arrays, renamed: dict[str, str], family: str) -> Match:
    ours = {renamed.get(name, name): array for name, array in arrays.items()}
    if "upscale.0.weight" not in ours:
        raise LackingError("upscale.0.weight")
    hyper = {
        "num_in_ch": shape(ours, "sfe1.weight", 1),
        "num_out_ch": shape(ours, "output.weight", 0),
        "num_feat": shape(ours, "sfe1.weight", 0),
        "num_grow_ch": shape(ours, "rdbs.0.layers.0.conv.weight", 0),
        "num_block": count(ours, r"rdbs\.(\d+)\."),
        "num_layer": count(ours, r"rdbs\.0\.layers\.(\d+)\."),
        "upscale": shuffle_scale(ours, "upscale."),
    }
    return Match(family, "rdn", hyper, changed(renamed))
