"""Networks: one file, one paper. ``ARCHS`` is the whole catalogue; a constructor's signature is its schema."""

from __future__ import annotations

from torch import nn

from clearvision.archs.rrdbnet import RRDBNet
from clearvision.archs.span import SPAN
from clearvision.archs.srvgg import SRVGGNetCompact

ARCHS: dict[str, type[nn.Module]] = {"rrdbnet": RRDBNet, "span": SPAN, "srvgg": SRVGGNetCompact}

__all__ = ["ARCHS", "SPAN", "RRDBNet", "SRVGGNetCompact"]
