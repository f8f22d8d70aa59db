"""What a model costs, counted from its arrays: parameters, and multiply-adds in convolutions. PyTorch is not needed.

A convolution does one multiply-add for every weight at every pixel it is applied to, so the count needs the size of each
kernel and the resolution it works at. The networks of this project that run without PyTorch keep to the input's resolution,
but for RRDBNet's tail; any other network is counted by running it on PyTorch's "meta" device, which computes shapes only.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clearvision.zoo.checkpoint import Checkpoint

if TYPE_CHECKING:
    from torch import nn

PIXELS_720P = 1280 * 720
_BRANCHES = (".sk.", ".conv.0.", ".conv.1.", ".conv.2.")  # of re-parameterised convolutions: folded away when the network runs
_BUFFERS = (  # ends of names of what is not learned
    *("running_mean", "running_var", "num_batches_tracked"),
    *("relative_position_index", "relative_position_index_SA", "relative_position_index_OCA", "attn_mask"),
)
_META_SIDE = 48  # of the input that is run for its shapes; a multiple of what every network needs


@dataclass(frozen=True)
class ModelCost:
    """What a model costs.

    Attributes:
        parameters: numbers that the network holds when it runs, re-parameterised branches folded.
        macs_per_pixel: multiply-adds for each pixel of the result; None if it cannot be told.
    """

    parameters: int
    macs_per_pixel: float | None

    @property
    def flops_per_pixel(self) -> float | None:
        """Two operations, one product and one sum, for each multiply-add."""
        return None if self.macs_per_pixel is None else 2 * self.macs_per_pixel

    @property
    def giga_macs_720p(self) -> float | None:
        """Billions of multiply-adds for a result of 1280x720 pixels, as papers state them."""
        return None if self.macs_per_pixel is None else self.macs_per_pixel * PIXELS_720P / 1e9


def model_cost(checkpoint: Checkpoint) -> ModelCost:
    """Count a model's parameters and multiply-adds."""
    info = checkpoint.info
    arrays = dict(_running_arrays(checkpoint))
    parameters = sum(value.size for value in arrays.values())
    kernels = {name: value.size for name, value in arrays.items() if name.endswith("weight") and value.ndim == 4}
    if info.arch in ("span", "srvgg"):
        return ModelCost(parameters, sum(kernels.values()) / (info.scale * info.hyper.get("unshuffle", 1)) ** 2)
    if info.arch == "rrdbnet":
        # where scales 1 and 2 gather pixels 4x4 and 2x2 for the body, the result has 4 times its sides
        sides = 4 if info.hyper.get("unshuffle", True) else info.scale
        tail = {"conv_up1": 2, "conv_up2": 4, "conv_up3": 8, "conv_hr": sides, "conv_last": sides}
        body = sum(size * tail.get(name.partition(".")[0], 1) ** 2 for name, size in kernels.items())
        return ModelCost(parameters, body / sides**2)
    return ModelCost(parameters, _traced_macs(checkpoint))


def _running_arrays(checkpoint: Checkpoint) -> Iterable[tuple[str, Any]]:
    folded = any(".eval_conv." in name for name in checkpoint.weights)
    for name, value in checkpoint.weights.items():
        if not (folded and any(branch in name for branch in _BRANCHES)) and not name.endswith(_BUFFERS):
            yield name, value


def _traced_macs(checkpoint: Checkpoint) -> float | None:
    try:
        from clearvision.zoo.build import build_network
    except ImportError:
        return None
    return network_macs(build_network(checkpoint).to("meta"), checkpoint.info.num_in_ch)


def network_macs(net: nn.Module, num_in_ch: int) -> float:
    """Count multiply-adds for each pixel of the result, by shapes alone: convolutions, linear layers, products in attention.

    Args:
        net: a network on PyTorch's "meta" device.
        num_in_ch: channels of its input.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        sr = net(torch.zeros(1, num_in_ch, _META_SIDE, _META_SIDE, device="meta"))
    return counter.get_total_flops() / 2 / (sr.shape[-1] * sr.shape[-2])
