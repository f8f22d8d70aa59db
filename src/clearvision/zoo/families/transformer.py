"""Transformers: SwinIR, HAT, DRCT, whose windows and heads show in the tables of relative positions."""

from __future__ import annotations

from typing import Any

from clearvision.errors import ModelError
from clearvision.zoo.families.match import Match, count, root, shape, shuffle_scale
from clearvision.zoo.files import Arrays

_TABLE = "relative_position_bias_table"
_JPEG_WINDOW = 7  # only SwinIR's models against JPEG damage have it, and they work in values from 0 to 255


def swinir(arrays: Arrays) -> Match | None:
    """SwinIR: enlargement (classical, light, real), denoising, removal of JPEG damage."""
    first = "layers.0.residual_group.blocks.0"
    if f"{first}.attn.{_TABLE}" not in arrays or any(".conv_block.cab." in name for name in arrays):
        return None
    layers = count(arrays, r"layers\.(\d+)\.")
    hyper = _trunk(arrays, f"{first}.", [f"layers.{index}.residual_group.blocks.0." for index in range(layers)])
    window = hyper["window_size"]
    hyper.update(
        depths=[count(arrays, rf"layers\.{index}\.residual_group\.blocks\.(\d+)\.") for index in range(layers)],
        resi_connection="3conv" if "conv_after_body.0.weight" in arrays else "1conv",
        img_range=255.0 if window == _JPEG_WINDOW else 1.0,
        img_size=_img_size(arrays, "layers.0.residual_group.blocks.1.attn_mask", window),
        **_tail(arrays),
    )
    assumed = ("windows of 7 pixels are taken for a model against JPEG damage, which works in 0 ... 255",)
    return Match("SwinIR", "swinir", hyper, assumed=assumed if window == _JPEG_WINDOW else ())


def hat(arrays: Arrays) -> Match | None:
    """HAT, the hybrid attention transformer, and HAT-S and HAT-L."""
    first = "layers.0.residual_group.blocks.0"
    if f"{first}.conv_block.cab.0.weight" not in arrays:
        return None
    layers = count(arrays, r"layers\.(\d+)\.")
    hyper = _trunk(arrays, f"{first}.", [f"layers.{index}.residual_group.blocks.0." for index in range(layers)])
    width, window = hyper["embed_dim"], hyper["window_size"]
    sides = root(shape(arrays, f"layers.0.residual_group.overlap_attn.{_TABLE}", 0), "the table of the overlapping attention")
    hyper.update(
        depths=[count(arrays, rf"layers\.{index}\.residual_group\.blocks\.(\d+)\.") for index in range(layers)],
        compress_ratio=width // max(shape(arrays, f"{first}.conv_block.cab.0.weight", 0), 1),
        squeeze_factor=width // max(shape(arrays, f"{first}.conv_block.cab.3.attention.1.weight", 0), 1),
        overlap_ratio=(sides + 1 - 2 * window) / window,
        conv_scale=0.01,
        num_feat=shape(arrays, "conv_before_upsample.0.weight", 0),
        upscale=shuffle_scale(arrays, "upsample."),
    )
    return Match("HAT", "hat", hyper, assumed=("channel attention is scaled by 0.01 as in the official models",))


def drct(arrays: Arrays) -> Match | None:
    """DRCT, the dense residual connected transformer, and DRCT-L."""
    if f"layers.0.swin1.attn.{_TABLE}" not in arrays:
        return None
    layers = count(arrays, r"layers\.(\d+)\.")
    hyper = _trunk(arrays, "layers.0.swin1.", [f"layers.{index}.swin1." for index in range(layers)])
    hyper.update(
        depths=[6] * layers,  # sets nothing but stochastic depth in training
        num_grow_ch=shape(arrays, "layers.0.adjust1.weight", 0),
        num_feat=shape(arrays, "conv_before_upsample.0.weight", 0),
        img_size=_img_size(arrays, "layers.0.swin2.attn_mask", hyper["window_size"]),
        upscale=shuffle_scale(arrays, "upsample."),
    )
    return Match("DRCT", "drct", hyper)


def _trunk(arrays: Arrays, block: str, firsts: list[str]) -> dict[str, Any]:
    """Return what the three have in common, read off the first block and the first block of each layer."""
    width = shape(arrays, "conv_first.weight", 0)
    sides = root(shape(arrays, f"{block}attn.{_TABLE}", 0), f"the length of '{block}attn.{_TABLE}'")
    return {
        "num_in_ch": shape(arrays, "conv_first.weight", 1),
        "embed_dim": width,
        "num_heads": [shape(arrays, f"{first}attn.{_TABLE}", 1) for first in firsts],
        "window_size": (sides + 1) // 2,
        "mlp_ratio": shape(arrays, f"{block}mlp.fc1.weight", 0) / width,
    }


def _tail(arrays: Arrays) -> dict[str, Any]:
    """Return SwinIR's upsampler, scale and width of the tail."""
    channels = shape(arrays, "conv_first.weight", 1)
    if "conv_before_upsample.0.weight" not in arrays:
        if "upsample.0.weight" not in arrays:
            return {"upsampler": "", "upscale": 1}
        scale = root(shape(arrays, "upsample.0.weight", 0) // channels, f"the channels of 'upsample.0.weight' over {channels}")
        return {"upsampler": "pixelshuffledirect", "upscale": scale}
    width = shape(arrays, "conv_before_upsample.0.weight", 0)
    if "conv_up1.weight" in arrays:
        return {"upsampler": "nearest+conv", "upscale": 4 if "conv_up2.weight" in arrays else 2, "num_feat": width}
    return {"upsampler": "pixelshuffle", "upscale": shuffle_scale(arrays, "upsample."), "num_feat": width}


def _img_size(arrays: Arrays, mask: str, window: int) -> int:
    """Return the side of the pictures trained on from a buffer that holds one mask a window; without it, one that has a mask."""
    if mask not in arrays:
        return 2 * window
    windows = root(shape(arrays, mask, 0), f"the number of windows in '{mask}'")
    if windows < 1 or window < 1:
        raise ModelError(f"'{mask}' has no windows")
    return windows * window
