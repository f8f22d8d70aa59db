"""RRDBNet, under the three generations of names that its files have."""

from __future__ import annotations

import re
from collections.abc import Mapping

from clearvision.errors import ModelError
from clearvision.zoo.families.match import Match, changed, count, root, shape
from clearvision.zoo.files import Arrays


def rrdbnet(arrays: Arrays) -> Match | None:
    """RRDBNet with the names of BasicSR: Real-ESRGAN, BasicSR's ESRGAN, mmagic's RRDBNet."""
    if "body.0.rdb1.conv1.weight" not in arrays:
        return None
    return _rrdbnet(arrays, "RRDBNet (ESRGAN, Real-ESRGAN)", {})


def rrdbnet_2019(arrays: Arrays) -> Match | None:
    """RRDBNet with the names of xinntao/ESRGAN since 2019, BSRGAN and RealSR."""
    if "RRDB_trunk.0.RDB1.conv1.weight" not in arrays:
        return None
    plain = {"trunk_conv": "conv_body", "upconv1": "conv_up1", "upconv2": "conv_up2", "HRconv": "conv_hr"}
    return _rrdbnet(arrays, "RRDBNet with ESRGAN's names of 2019", {name: _from_2019(name, plain) for name in arrays})


def rrdbnet_2018(arrays: Arrays) -> Match | None:
    """RRDBNet with ESRGAN's first names: one numbered chain of layers, as many community models still have it."""
    if "model.1.sub.0.RDB1.conv1.0.weight" not in arrays:
        return None
    last = count(arrays, r"model\.(\d+)\.")
    ups = (last - 5) // 3  # the chain is first, trunk, then upsampling, convolution and activation each time, then four layers
    if any(".conv1x1." in name for name in arrays):
        raise ModelError("this is an ESRGAN+ file, whose dense blocks have an extra 1x1 convolution; no network here has that")
    blocks = count(arrays, r"model\.1\.sub\.(\d+)\.") - 1
    chain = {"0": "conv_first", str(last - 3): "conv_hr", str(last - 1): "conv_last"}
    chain |= {str(3 * step): f"conv_up{step}" for step in range(1, ups + 1)}
    return _rrdbnet(arrays, "RRDBNet with ESRGAN's first names", {name: _from_2018(name, chain, blocks) for name in arrays})


def _from_2019(name: str, plain: Mapping[str, str]) -> str:
    if found := re.fullmatch(r"RRDB_trunk\.(\d+)\.RDB(\d)\.(conv\d\.\w+)", name):
        return f"body.{found[1]}.rdb{found[2]}.{found[3]}"
    first, dot, rest = name.partition(".")
    return plain.get(first, first) + dot + rest


def _from_2018(name: str, chain: Mapping[str, str], blocks: int) -> str:
    if found := re.fullmatch(r"model\.1\.sub\.(\d+)\.RDB(\d)\.(conv\d)\.0\.(\w+)", name):
        return f"body.{found[1]}.rdb{found[2]}.{found[3]}.{found[4]}"
    if found := re.fullmatch(rf"model\.1\.sub\.{blocks}\.(\w+)", name):
        return f"conv_body.{found[1]}"
    if (found := re.fullmatch(r"model\.(\d+)\.(\w+)", name)) and found[1] in chain:
        return f"{chain[found[1]]}.{found[2]}"
    return name


def _rrdbnet(arrays: Arrays, family: str, renamed: Mapping[str, str]) -> Match:
    ours = {renamed.get(name, name): value for name, value in arrays.items()}
    out = shape(ours, "conv_last.weight", 0)
    inner = shape(ours, "conv_first.weight", 1)
    fold = root(inner // out, f"the folded pixels of 'conv_first.weight', {inner} channels for {out},") if inner >= out else 1
    if fold not in (1, 2, 4) or inner != out * fold**2:
        raise ModelError(f"an RRDBNet whose first convolution takes {inner} channels and whose last makes {out} is not known")
    steps = max(count(ours, r"conv_up(\d+)\.") - 1, 0)
    if steps > 3 or (steps != 2 and fold > 1):
        folded = f" after folding the input {fold}x{fold}" if fold > 1 else ""
        raise ModelError(
            f"this RRDBNet has {steps} upsampling steps{folded}, and there is none such; known are 0 to 3, or two after folding"
        )
    hyper = {
        "num_in_ch": out,
        "num_out_ch": out,
        "scale": 2**steps // fold,
        "num_feat": shape(ours, "conv_first.weight", 0),
        "num_block": count(ours, r"body\.(\d+)\."),
        "num_grow_ch": shape(ours, "body.0.rdb1.conv1.weight", 0),
    }
    if steps != 2:
        hyper["unshuffle"] = False
    assumed = ("one upsampling step is taken for x2; ESRGAN's first code could also enlarge by 3 in it, which no tensor tells",)
    return Match(family, "rrdbnet", hyper, changed(renamed), assumed=assumed if steps == 1 else ())
