"""The tracer of receptive radii, on networks of known reach."""

from __future__ import annotations

import pytest
from torch import Tensor, nn

from clearvision.archs.facts import ArchFacts
from clearvision.archs.receptive import measured_receptive_radius
from clearvision.types import SizeRequirements


class Known(nn.Module):
    """A network of known reach."""

    def __init__(self, layer: nn.Module, *, scale: int = 1, num_in_ch: int = 1, multiple: int = 1) -> None:
        super().__init__()
        self.layer = layer
        self.stated = ArchFacts(scale, num_in_ch, 1, 0, SizeRequirements(multiple, multiple))

    def forward(self, lq: Tensor) -> Tensor:
        return self.layer(lq)

    def facts(self) -> ArchFacts:
        return self.stated


@pytest.mark.parametrize(
    ("net", "radius"),
    [
        (Known(nn.Identity()), 0),
        (Known(nn.Conv2d(1, 1, 1)), 0),
        (Known(nn.Conv2d(1, 1, 3, padding=5, dilation=5)), 5),
        (Known(nn.Conv2d(1, 1, (1, 7), padding=(0, 3))), 3),
        (Known(nn.Conv2d(1, 1, (81, 1), padding=(40, 0))), 40),
        (Known(nn.PixelShuffle(2), scale=2, num_in_ch=4), 0),
        (Known(nn.Sequential(nn.AvgPool2d(4), nn.Upsample(scale_factor=4)), multiple=4), 3),
        (Known(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Upsample((64, 64)))), None),
    ],
)
def test_trace_on_known_networks(net: nn.Module, radius: int | None) -> None:
    assert measured_receptive_radius(net, limit=512) == radius
