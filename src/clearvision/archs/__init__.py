"""Networks: one file, one paper. ``ARCHS`` is the whole catalogue; a constructor's signature is its schema."""

from __future__ import annotations

from torch import nn

from clearvision.archs.patchgan import NLayerDiscriminator
from clearvision.archs.rrdbnet import RRDBNet
from clearvision.archs.span import SPAN
from clearvision.archs.srvgg import SRVGGNetCompact
from clearvision.archs.unet_discriminator import UNetDiscriminatorSN
from clearvision.archs.vgg_discriminator import VGGStyleDiscriminator

ARCHS: dict[str, type[nn.Module]] = {"rrdbnet": RRDBNet, "span": SPAN, "srvgg": SRVGGNetCompact}

DISCRIMINATORS: dict[str, type[nn.Module]] = {
    "patchgan": NLayerDiscriminator,
    "unet": UNetDiscriminatorSN,
    "vgg": VGGStyleDiscriminator,
}

__all__ = ["ARCHS", "DISCRIMINATORS", "SPAN", "RRDBNet", "SRVGGNetCompact"]
