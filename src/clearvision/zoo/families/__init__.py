"""Networks known by the names and shapes of their tensors: one function a family, which reads off the constructor's arguments.

Names and shapes do not tell everything: what they leave open (a mean that is subtracted, a slope) is taken from the family's
published files and said in :attr:`~clearvision.zoo.families.match.Match.assumed`.
"""

from __future__ import annotations

from clearvision.zoo.families.compact import span, srvgg
from clearvision.zoo.families.keras import KERAS_FAMILIES, keras_family
from clearvision.zoo.families.match import LackingError, Match
from clearvision.zoo.families.projects import clearvision_first, cyclegan, srgan_bicubic
from clearvision.zoo.families.residual import edsr, edsr_pytorch, msrresnet, rcan, rcan_authors, rdn, rdn_authors, srresnet
from clearvision.zoo.families.rrdb import rrdbnet, rrdbnet_2018, rrdbnet_2019
from clearvision.zoo.families.transformer import drct, hat, swinir

FAMILIES = (
    rrdbnet,
    rrdbnet_2019,
    rrdbnet_2018,
    srvgg,
    span,
    srresnet,
    msrresnet,
    edsr,
    edsr_pytorch,
    rdn,
    rdn_authors,
    rcan,
    rcan_authors,
    swinir,
    hat,
    drct,
    clearvision_first,
    srgan_bicubic,
    cyclegan,
)

__all__ = ["FAMILIES", "KERAS_FAMILIES", "LackingError", "Match", "keras_family"]
