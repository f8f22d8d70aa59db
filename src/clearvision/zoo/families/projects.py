"""Networks of single projects: ClearVision's first generator, the SRGAN with a bicubic skip, CycleGAN's ResNet."""

from __future__ import annotations

import re

import numpy as np

from clearvision.errors import ModelError
from clearvision.zoo.families.match import Match, changed, count, shape
from clearvision.zoo.files import Arrays

_STATISTICS = re.compile(r".*\.(running_mean|running_var|num_batches_tracked)")


def clearvision_first(arrays: Arrays) -> Match | None:
    """ClearVision's first generator: dense blocks with channel attention, trained on faces."""
    if not {"rrdb.0.layers.0.weight", "rrdb.0.ca.fc.0.weight"} <= arrays.keys():
        return None
    steps = sum(bool(re.fullmatch(r"upsample\.\d+\.weight", name)) and array.ndim == 4 for name, array in arrays.items())
    hyper = {
        "num_in_ch": shape(arrays, "conv1.weight", 1),
        "num_out_ch": shape(arrays, "conv3.weight", 0),
        "num_feat": shape(arrays, "conv1.weight", 0),
        "num_grow_ch": shape(arrays, "rrdb.0.layers.0.weight", 0),
        "num_block": count(arrays, r"rrdb\.(\d+)\."),
        "scale": 2**steps,
        "dense_act": "none",
        "output": "tanh",
    }
    return Match(
        "ClearVision's first generator",
        "clearvision",
        hyper,
        assumed=("dense layers without activation and a tanh at the end are those of the project's own files",),
    )


def cyclegan(arrays: Arrays) -> Match | None:
    """CycleGAN's ResNet generator with the names of junyanz/pytorch-CycleGAN-and-pix2pix."""
    if "model.10.conv_block.1.weight" not in arrays or "model.1.weight" not in arrays:
        return None
    blocks = sum(bool(re.fullmatch(r"model\.\d+\.conv_block\.1\.weight", name)) for name in arrays)
    up, end = f"model.{10 + blocks}.weight", f"model.{17 + blocks}.weight"
    width = shape(arrays, "model.1.weight", 0)
    hyper = {
        "num_in_ch": shape(arrays, "model.1.weight", 1),
        "num_out_ch": shape(arrays, end, 0),
        "num_feat": width,
        "num_block": blocks,
        "upsampling": "transposed" if shape(arrays, up, 0) == 4 * width else "resize",
    }
    if any(re.fullmatch(r"model\.2\.weight", name) for name in arrays):
        raise ModelError("this CycleGAN generator has batch normalisation; the one here has instance normalisation")
    if "model.10.conv_block.6.weight" in arrays:
        raise ModelError("this CycleGAN generator has dropout in its blocks, and the one here has none")
    statistics = tuple(name for name in arrays if _STATISTICS.fullmatch(name))  # PyTorch 0.3 stored them; they are not used
    return Match("CycleGAN's ResNet generator", "cyclegan_resnet", hyper, dropped=statistics)


def srgan_bicubic(arrays: Arrays) -> Match | None:
    """SRGAN of x2 with bottleneck blocks and a bicubic skip under a sigmoid; known by the order of its layers, not by names."""
    kernels = [name for name, array in arrays.items() if array.ndim == 4]
    sides = [arrays[name].shape[-1] for name in kernels]
    if len(kernels) < 6 or sides[0] != 7 or 9 not in sides or 2 not in sides:
        return None
    if 5 in sides:
        raise ModelError("this SRGAN file holds a sharpener of the picture's width, which the network here has wider")
    layers = _layers(arrays)
    narrow = arrays[kernels[1]].shape[0] * 2 == arrays[kernels[1]].shape[1]
    per_block = 6 if narrow else 4  # of layers: convolutions and normalisations
    blocks = (len(layers) - 1 - 2 - 2 - 1) // per_block
    targets = ["initial.cnn"]
    for index in range(blocks):
        inner = [f"residuals.{index}.{name}" for name in ("block1.cnn", "block1.bn", "block2.cnn", "block2.bn")]
        targets += [f"residuals.{index}.narrow", *inner, f"residuals.{index}.widen"] if narrow else inner
    targets += ["convblock.cnn", "convblock.bn", "upsamples.0.conv", "upsamples.0.act", "final"]
    if len(targets) != len(layers):
        raise ModelError(f"this SRGAN file has {len(layers)} layers where {len(targets)} were expected")
    renamed = {
        f"{layer}.{part}": f"{target}.{part}" for layer, target in zip(layers, targets, strict=True) for part in layers[layer]
    }
    width = arrays[kernels[0]].shape[0]
    hyper = {
        "num_in_ch": arrays[kernels[0]].shape[1],
        "num_out_ch": arrays[kernels[sides.index(9)]].shape[0],
        "num_feat": width,
        "num_block": blocks,
        "scale": 2,
        "narrow": narrow,
        "form": "sigmoid",
    }
    return Match("SRGAN with a bicubic skip", "srgan_bicubic", hyper, changed(renamed), adjust=_biases_into_means)


def _layers(arrays: Arrays) -> dict[str, list[str]]:
    """Return the layers in the file's order, each with the names of its tensors."""
    layers: dict[str, list[str]] = {}
    for name in arrays:
        layer, _, part = name.rpartition(".")
        layers.setdefault(layer, []).append(part)
    return layers


def _biases_into_means(arrays: Arrays) -> Arrays:
    """Move the bias of a convolution before a normalisation into its mean: ``conv + b - m`` is ``conv - (m - b)``."""
    ours = dict(arrays)
    for name in arrays:
        mean = f"{name.removesuffix('cnn.bias')}bn.running_mean"
        if name.endswith("cnn.bias") and mean in arrays:
            ours[mean] = arrays[mean].astype(np.float32) - ours.pop(name).astype(np.float32)
    return ours
