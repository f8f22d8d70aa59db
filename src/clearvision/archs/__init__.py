"""Networks: one file, one paper. ``ARCHS`` is the whole catalogue; a constructor's signature is its schema."""

from __future__ import annotations

from torch import nn

from clearvision.archs.clearvision import ClearVisionNet
from clearvision.archs.cyclegan_resnet import CycleGANResnet
from clearvision.archs.edsr import EDSR
from clearvision.archs.msrresnet import MSRResNet
from clearvision.archs.patchgan import NLayerDiscriminator
from clearvision.archs.rcan import RCAN
from clearvision.archs.rdn import RDN
from clearvision.archs.rrdbnet import RRDBNet
from clearvision.archs.rrdn import RRDN
from clearvision.archs.sharpener import Sharpener
from clearvision.archs.span import SPAN
from clearvision.archs.srgan_bicubic import SRGANBicubic
from clearvision.archs.srresnet import SRResNet
from clearvision.archs.srvgg import SRVGGNetCompact
from clearvision.archs.unet_discriminator import UNetDiscriminatorSN
from clearvision.archs.vgg_discriminator import VGGStyleDiscriminator

ARCHS: dict[str, type[nn.Module]] = {
    "clearvision": ClearVisionNet,
    "cyclegan_resnet": CycleGANResnet,
    "edsr": EDSR,
    "msrresnet": MSRResNet,
    "rcan": RCAN,
    "rdn": RDN,
    "rrdbnet": RRDBNet,
    "rrdn": RRDN,
    "sharpener": Sharpener,
    "span": SPAN,
    "srgan_bicubic": SRGANBicubic,
    "srresnet": SRResNet,
    "srvgg": SRVGGNetCompact,
}

DISCRIMINATORS: dict[str, type[nn.Module]] = {
    "patchgan": NLayerDiscriminator,
    "unet": UNetDiscriminatorSN,
    "vgg": VGGStyleDiscriminator,
}

__all__ = [
    "ARCHS",
    "DISCRIMINATORS",
    "EDSR",
    "RCAN",
    "RDN",
    "RRDN",
    "SPAN",
    "ClearVisionNet",
    "CycleGANResnet",
    "MSRResNet",
    "RRDBNet",
    "SRGANBicubic",
    "SRResNet",
    "SRVGGNetCompact",
    "Sharpener",
]
