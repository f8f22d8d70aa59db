"""The small convolutional networks: SRVGGNetCompact and SPAN."""

from __future__ import annotations

import re
from typing import Any

from clearvision.zoo.families.match import Match, count, root, shape
from clearvision.zoo.files import Arrays


def srvgg(arrays: Arrays) -> Match | None:
    """SRVGGNetCompact: a flat chain of 3x3 convolutions and PReLUs."""
    chain = [name for name in arrays if re.fullmatch(r"body\.\d+\.(weight|bias)", name)]
    if "body.0.weight" not in arrays or len(chain) != len(arrays) or arrays["body.0.weight"].ndim != 4:
        return None
    length = count(arrays, r"body\.(\d+)\.")
    if length < 3 or length % 2 == 0 or any(array.ndim not in (1, 4) for array in arrays.values()):
        return None
    channels = shape(arrays, "body.0.weight", 1)
    slopes = any(f"body.{index}.weight" in arrays for index in range(1, length, 2))
    hyper = {
        "num_in_ch": channels,
        "num_out_ch": channels,
        "num_feat": shape(arrays, "body.0.weight", 0),
        "num_conv": (length - 3) // 2,
        "upscale": root(
            shape(arrays, f"body.{length - 1}.weight", 0) // channels,
            f"the channels of 'body.{length - 1}.weight' over {channels}",
        ),
        "act_type": "prelu" if slopes else "relu",
    }
    assumed = () if slopes else ("the activation has no weights and is taken to be ReLU",)
    return Match("SRVGGNetCompact (Real-ESRGAN's small network)", "srvgg", hyper, assumed=assumed)


def span(arrays: Arrays) -> Match | None:
    """SPAN with the names of hongyuanyu/SPAN, with its training branches or folded."""
    if "block_1.c1_r.eval_conv.weight" not in arrays and "block_1.c1_r.sk.weight" not in arrays:
        return None
    reparam = "block_1.c1_r.sk.weight" in arrays
    first = "conv_1.sk.weight" if reparam else "conv_1.eval_conv.weight"
    channels = shape(arrays, first, 1)
    shifted = "no_norm" not in arrays
    hyper: dict[str, Any] = {
        "num_in_ch": channels,
        "num_out_ch": channels,
        "feature_channels": shape(arrays, first, 0),
        "num_block": count({name: value for name, value in arrays.items() if name.startswith("block_")}, r"block_(\d+)\.") - 1,
        "upscale": root(
            shape(arrays, "upsampler.0.weight", 0) // channels, f"the channels of 'upsampler.0.weight' over {channels}"
        ),
        "bias": any(name.startswith("block_1.c1_r.") and name.endswith("bias") for name in arrays),
        "img_range": 255.0 if shifted else 1.0,
        "rgb_mean": [0.4488, 0.4371, 0.4040] if shifted else [0.0, 0.0, 0.0],
        "skip": "none",
        "reparam": reparam,
    }
    assumed = ("the mean of DIV2K and the factor 255 on the input are those of the official files",) if shifted else ()
    return Match("SPAN", "span", hyper, dropped=() if shifted else ("no_norm",), assumed=assumed)
