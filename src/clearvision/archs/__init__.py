"""Networks: one file, one paper. ``ARCHS`` is the whole catalogue; a constructor's signature is its schema."""

from __future__ import annotations

from torch import nn

from clearvision.archs.clearvision import ClearVisionNet
from clearvision.archs.cyclegan_resnet import CycleGANResnet
from clearvision.archs.drct import DRCT
from clearvision.archs.edsr import EDSR
from clearvision.archs.hat import HAT
from clearvision.archs.msrresnet import MSRResNet
from clearvision.archs.patchgan import NLayerDiscriminator
from clearvision.archs.rcan import RCAN
from clearvision.archs.rdn import RDN
from clearvision.archs.rdn_concat import RDNConcat
from clearvision.archs.rrdbnet import RRDBNet
from clearvision.archs.rrdn import RRDN
from clearvision.archs.sharpener import Sharpener
from clearvision.archs.span import SPAN
from clearvision.archs.srflow import SRFlow
from clearvision.archs.srgan_bicubic import SRGANBicubic
from clearvision.archs.srresnet import SRResNet
from clearvision.archs.srvgg import SRVGGNetCompact
from clearvision.archs.swinir import SwinIR
from clearvision.archs.unet_discriminator import UNetDiscriminatorSN
from clearvision.archs.vgg_discriminator import VGGStyleDiscriminator

ARCHS: dict[str, type[nn.Module]] = {
    "clearvision": ClearVisionNet,
    "cyclegan_resnet": CycleGANResnet,
    "drct": DRCT,
    "edsr": EDSR,
    "hat": HAT,
    "msrresnet": MSRResNet,
    "rcan": RCAN,
    "rdn": RDN,
    "rdn_concat": RDNConcat,
    "rrdbnet": RRDBNet,
    "rrdn": RRDN,
    "sharpener": Sharpener,
    "span": SPAN,
    "srflow": SRFlow,
    "srgan_bicubic": SRGANBicubic,
    "srresnet": SRResNet,
    "srvgg": SRVGGNetCompact,
    "swinir": SwinIR,
}

DISCRIMINATORS: dict[str, type[nn.Module]] = {
    "patchgan": NLayerDiscriminator,
    "unet": UNetDiscriminatorSN,
    "vgg": VGGStyleDiscriminator,
}

__all__ = [
    "ARCHS",
    "DISCRIMINATORS",
    "DRCT",
    "EDSR",
    "HAT",
    "RCAN",
    "RDN",
    "RRDN",
    "SPAN",
    "ClearVisionNet",
    "CycleGANResnet",
    "MSRResNet",
    "RDNConcat",
    "RRDBNet",
    "SRFlow",
    "SRGANBicubic",
    "SRResNet",
    "SRVGGNetCompact",
    "Sharpener",
    "SwinIR",
]
