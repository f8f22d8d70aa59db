"""OpenVINO graphs of the networks, built from a checkpoint's arrays: no PyTorch, no second file that could disagree.

A graph maps float32 pictures (B, h, w, C) to (B, h * scale, w * scale, C). Channels come last because that is the layout of
pictures and of the processor's convolutions, so that nothing is transposed on the way in or out.

Two things keep bf16 arithmetic faithful, where it is used:

* The picture that a skip adds to the output never passes through bf16 as a whole, which would cost half an 8-bit level.
  It is split into a part that bf16 holds exactly and a remainder, and both are enlarged by one convolution.
* Convolutions at the end hand on float32 sums. OpenVINO stores a convolution's output in bf16 unless a pointwise operation that
  follows it belongs to the graph's float32 tail; a PReLU of slope 1, which changes no value, is that operation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from clearvision.errors import ModelError
from clearvision.zoo.checkpoint import Checkpoint, Weights

if TYPE_CHECKING:
    from openvino import Model, Node

Array = NDArray[np.float32]
SPAN_MEAN = (0.4488, 0.4371, 0.4040)  # the default of archs.span, which cannot be imported without PyTorch
NHWC_TO_NCHW = np.array([0, 3, 1, 2])
NCHW_TO_NHWC = np.array([0, 2, 3, 1])


def build_graph(checkpoint: Checkpoint, batch: int, height: int, width: int) -> Model:
    """Return the graph of a checkpoint's network for one input shape (batch, height, width, channels).

    Args:
        checkpoint: the model; its network must be in :data:`GRAPHS`.
        batch: pictures at once.
        height: rows of the input, a multiple of the network's size multiple, or -1 to leave it open.
        width: columns likewise.

    Raises:
        ModelError: if there is no graph for the network, or the weights do not fit it.
    """
    from openvino import Model

    info = checkpoint.info
    if info.arch not in GRAPHS:
        raise ModelError(f"model '{info.name}': there is no OpenVINO graph for network '{info.arch}'; known: {', '.join(GRAPHS)}")
    builder = _Builder(checkpoint.weights)
    lq = builder.ops.parameter([batch, height, width, info.num_in_ch], np.float32, name="lq")
    try:
        sr = GRAPHS[info.arch](builder, info.hyper, lq)
    except KeyError as error:
        raise ModelError(f"model '{info.name}' does not fit network {info.arch}: it has no tensor {error}") from error
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise ModelError(f"model '{info.name}' does not fit network {info.arch}: {reason}") from error
    # openvino's stubs give its Python subclass the constructors of its C++ base
    return Model([builder.ops.transpose(sr, NCHW_TO_NHWC)], [lq], info.name)  # pyright: ignore[reportGeneralTypeIssues]


class _Builder:
    """The operations that the networks share; tensors are (B, C, h, w) as in the papers."""

    def __init__(self, weights: Weights) -> None:
        import openvino.opset13 as ops  # here, because importing it costs a fifth of a second

        self.ops = ops
        self.weights = weights

    def planes(self, picture: Node) -> Node:
        """Turn (B, h, w, C) into (B, C, h, w): a change of name only, for a processor that keeps channels last."""
        return self.ops.transpose(picture, NHWC_TO_NCHW)

    def conv(self, x: Node, name: str, *, gain: float = 1.0) -> Node:
        """Convolve with zero padding that keeps the size; ``gain`` multiplies the result."""
        weight, bias = _kernel(self.weights, name)
        return self._convolve(x, weight * np.float32(gain), None if bias is None else bias * np.float32(gain))

    def _convolve(self, x: Node, weight: Array, bias: Array | None, padding: int | None = None) -> Node:
        pad = [weight.shape[-1] // 2 if padding is None else padding] * 2
        out = self.ops.convolution(x, self.ops.constant(np.ascontiguousarray(weight)), [1, 1], pad, pad, [1, 1])
        return out if bias is None else self.ops.add(out, self.ops.constant(bias.reshape(1, -1, 1, 1)))

    def prelu(self, x: Node, slope: Array | float) -> Node:
        """Multiply negative values by a slope, one for all or one a channel."""
        return self.ops.prelu(x, self.ops.constant(np.atleast_1d(np.asarray(slope, np.float32))))

    def in_float32(self, x: Node) -> Node:
        """Keep a convolution's sums in float32 at the end of a bf16 graph; no value changes."""
        return self.prelu(x, 1.0)

    def enlarge(self, picture: Node, kernels: Array, scale: int, channels: int) -> Node:
        """Enlarge lq (B, h, w, C) before pixel shuffle: (B, channels * scale**2, h, w), exact to float32.

        Args:
            picture: lq; a single channel is repeated up to ``channels``.
            kernels: (scale, taps), for every phase its weights on the neighbouring pixels; the edge repeats.
            scale: the factor.
            channels: channels of the result.
        """
        in_ch = int(picture.get_output_partial_shape(0)[3].get_length())
        phases = np.einsum("iy,jx->ijyx", kernels, kernels).reshape(scale**2, 1, *[kernels.shape[1]] * 2)
        weight = np.zeros((channels, scale**2, in_ch, *phases.shape[2:]), np.float32)
        for channel in range(channels):
            weight[channel, :, channel % in_ch] = phases[:, 0]
        weight = weight.reshape(channels * scale**2, *weight.shape[2:])

        exact = self.ops.multiply(self.ops.floor(self.ops.multiply(picture, np.float32(256))), np.float32(1 / 256))
        parts = [exact, self.ops.subtract(picture, exact)]  # what bf16 holds exactly, and the remainder
        weights = [_as_bf16(weight)] * 2
        remainder = weight - weights[0]
        if remainder.any():  # a factor of 3, whose thirds bf16 rounds
            parts, weights = parts * 2, [*weights, remainder, remainder]
        split = self.planes(self.ops.concat(parts, 3))
        if (reach := kernels.shape[1] // 2) > 0:
            split = self.ops.pad(split, np.array([0, 0, reach, reach]), np.array([0, 0, reach, reach]), "edge")
        return self.in_float32(self._convolve(split, np.concatenate(weights, 1), None, padding=0))

    def pixel_shuffle(self, x: Node, scale: int) -> Node:
        """Spread (B, C * scale**2, h, w) to (B, C, h * scale, w * scale), in PyTorch's order."""
        return self.ops.depth_to_space(x, "depth_first", scale) if scale > 1 else x

    def pixel_unshuffle(self, x: Node, factor: int) -> Node:
        """Undo :meth:`pixel_shuffle`."""
        return self.ops.space_to_depth(x, "depth_first", factor) if factor > 1 else x

    def nearest_twice(self, x: Node) -> Node:
        """Repeat every pixel twice in both directions."""
        scales, axes = np.array([2, 2], np.float32), np.array([2, 3])
        return self.ops.interpolate(
            x, scales, "nearest", "scales", coordinate_transformation_mode="asymmetric", nearest_mode="floor", axes=axes
        )


def span(builder: _Builder, hyper: Mapping[str, Any], lq: Node) -> Node:
    """SPAN; see :mod:`clearvision.archs.span` for paper and structure."""
    ops = builder.ops
    scale, channels = hyper.get("upscale", 4), hyper.get("num_out_ch", 3)
    mean = np.asarray(hyper.get("rgb_mean", SPAN_MEAN), np.float32)
    mean = mean.mean(keepdims=True) if hyper.get("num_in_ch", 3) == 1 else mean
    shifted = ops.multiply(ops.subtract(lq, mean.reshape(1, 1, 1, -1)), np.float32(hyper.get("img_range", 255.0)))
    fold = hyper.get("unshuffle", 1)
    head = feat = first = after_first = builder.conv(builder.pixel_unshuffle(builder.planes(shifted), fold), "conv_1")
    for index in range(1, hyper.get("num_block", 6) + 1):
        first = ops.swish(builder.conv(feat, f"block_{index}.c1_r"))
        out = builder.conv(ops.swish(builder.conv(first, f"block_{index}.c2_r")), f"block_{index}.c3_r")
        feat = ops.multiply(ops.add(out, feat), ops.subtract(ops.sigmoid(out), np.float32(0.5)))
        if index == 1:
            after_first = feat
    fused = builder.conv(ops.concat([head, builder.conv(feat, "conv_2"), after_first, first], 1), "conv_cat")
    sr = builder.conv(fused, "upsampler.0")
    if hyper.get("skip", "none") == "none":
        return builder.pixel_shuffle(builder.in_float32(sr), scale * fold)
    enlarged = builder.enlarge(lq, _bilinear_kernels(scale), scale, channels)
    if fold == 1:
        return builder.pixel_shuffle(builder.in_float32(ops.add(sr, enlarged)), scale)
    return ops.add(builder.pixel_shuffle(builder.in_float32(sr), scale * fold), builder.pixel_shuffle(enlarged, scale))


def srvgg(builder: _Builder, hyper: Mapping[str, Any], lq: Node) -> Node:
    """SRVGGNetCompact; see :mod:`clearvision.archs.srvgg` for paper and structure."""
    scale, channels = hyper.get("upscale", 4), hyper.get("num_out_ch", 3)
    activation = hyper.get("act_type", "prelu")
    feat = builder.planes(lq)
    last = 2 * (hyper.get("num_conv", 16) + 1)
    for index in range(0, last, 2):
        feat = builder.conv(feat, f"body.{index}")
        if activation == "prelu":
            feat = builder.prelu(feat, builder.weights[f"body.{index + 1}.weight"])
        else:
            feat = builder.prelu(feat, 0.1) if activation == "leakyrelu" else builder.ops.relu(feat)
    nearest = builder.enlarge(lq, np.ones((scale, 1), np.float32), scale, channels)
    sr = builder.ops.add(builder.conv(feat, f"body.{last}"), nearest)
    return builder.pixel_shuffle(builder.in_float32(sr), scale)


def rrdbnet(builder: _Builder, hyper: Mapping[str, Any], lq: Node) -> Node:
    """RRDBNet; see :mod:`clearvision.archs.rrdbnet` for paper and structure."""
    ops = builder.ops
    scale = hyper.get("scale", 4)
    fold = 4 // scale if hyper.get("unshuffle", True) else 1
    head = feat = builder.conv(builder.pixel_unshuffle(builder.planes(lq), fold), "conv_first")
    for block in range(hyper.get("num_block", 23)):
        before = feat
        for dense in (1, 2, 3):
            prefix = f"body.{block}.rdb{dense}"
            seen = feat
            for index in range(1, 5):
                seen = ops.concat([seen, builder.prelu(builder.conv(seen, f"{prefix}.conv{index}"), 0.2)], 1)
            feat = ops.add(builder.conv(seen, f"{prefix}.conv5", gain=0.2), feat)
        feat = ops.add(ops.multiply(feat, np.float32(0.2)), before)
    feat = ops.add(builder.conv(feat, "conv_body"), head)
    for step in range(1, (scale * fold).bit_length()):
        feat = builder.prelu(builder.conv(builder.nearest_twice(feat), f"conv_up{step}"), 0.2)
    feat = builder.prelu(builder.conv(feat, "conv_hr"), 0.2)
    return builder.in_float32(builder.conv(feat, "conv_last"))


GRAPHS: dict[str, Callable[[_Builder, Mapping[str, Any], Node], Node]] = {"rrdbnet": rrdbnet, "span": span, "srvgg": srvgg}


def _kernel(weights: Weights, name: str) -> tuple[Array, Array | None]:
    """Return a convolution's weight and bias by name, from its folded or re-parameterised form."""
    if f"{name}.sk.weight" in weights:
        return _folded(weights, name)
    if f"{name}.eval_conv.weight" in weights:
        name = f"{name}.eval_conv"
    return weights[f"{name}.weight"], weights.get(f"{name}.bias")


def _folded(weights: Weights, name: str) -> tuple[Array, Array | None]:
    """Fold 1x1 -> 3x3 -> 1x1 plus shortcut into one convolution: its ``eval_conv`` is stale while training goes on."""
    last, middle, first = (weights[f"{name}.conv.{index}.weight"].astype(np.float64) for index in (2, 1, 0))
    weight = np.einsum("om,mikl,ij->ojkl", last[:, :, 0, 0], middle, first[:, :, 0, 0])
    weight[:, :, 1, 1] += weights[f"{name}.sk.weight"][:, :, 0, 0]
    if f"{name}.sk.bias" not in weights:
        return weight.astype(np.float32), None
    bias_3, bias_2, bias_1 = (weights[f"{name}.conv.{index}.bias"].astype(np.float64) for index in (2, 1, 0))
    bias = last[:, :, 0, 0] @ (np.einsum("mikl,i->m", middle, bias_1) + bias_2) + bias_3 + weights[f"{name}.sk.bias"]
    return weight.astype(np.float32), bias.astype(np.float32)


def _bilinear_kernels(scale: int) -> Array:
    """Return (scale, 3): how an output phase mixes its pixel with the one before and after (half-pixel centres)."""
    offset = (np.arange(scale) + 0.5) / scale - 0.5  # of the phase's centre from that of the pixel under it
    return np.stack([np.maximum(-offset, 0), 1 - np.abs(offset), np.maximum(offset, 0)], axis=1).astype(np.float32)


def _as_bf16(values: Array) -> Array:
    """Round to the nearest bf16, ties to even."""
    bits = values.astype(np.float32).view(np.uint32)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)
    return rounded.astype(np.uint32).view(np.float32)
