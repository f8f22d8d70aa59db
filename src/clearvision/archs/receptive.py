"""Measure how far a network looks, so that no receptive radius has to be believed.

The trace needs no trained weights and no gradients: it marks rows of the input as NaN and reads which rows of the output are NaN.
Arithmetic cannot lose the mark. A NaN survives multiplication by zero and every activation, it never cancels and, unlike a
gradient through 350 convolutions, never underflows. So the result is the reach of the structure, whatever the weights are.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from clearvision.archs.facts import ArchFacts


@torch.inference_mode()
def measured_receptive_radius(net: nn.Module, *, limit: int = 4096) -> int | None:
    """Return the smallest r such that no output pixel depends on input pixels more than r rows or columns away.

    An output pixel (Y, X) lies over the input pixel (Y // scale, X // scale). Every phase of the input's size multiple is tried,
    in both directions. The network is copied: neither its weights nor its mode change. The cost is that of strips as wide as the
    size multiple, doubled in length until the marks end inside. Width does not matter to the reach: measure a narrow net.

    Args:
        net: a network with ``facts()``; the radius stated there only sets the length of the first strip.
        limit: the longest strip tried, in input pixels.

    Returns:
        The radius in input pixels, or None when the marks reach the ends of every strip up to ``limit``: global operations.
    """
    probe = copy.deepcopy(net).eval().to("cpu", torch.float64)  # float64 is never computed by Winograd tiles, which spread NaN
    stated: ArchFacts = net.facts()  # type: ignore[operator]
    down, across = (_radius_along_rows(probe, stated, limit, transposed=transposed) for transposed in (False, True))
    return None if down is None or across is None else max(down, across)


def _radius_along_rows(probe: nn.Module, stated: ArchFacts, limit: int, *, transposed: bool) -> int | None:
    multiple = stated.size.multiple
    width = -(-stated.size.minimum // multiple) * multiple
    length = -(-(64 + 2 * (stated.receptive_radius or 0)) // multiple) * multiple
    while length <= limit:
        rows = torch.arange(multiple) + length // multiple // 2 * multiple  # one picture of the batch for each phase
        lq = torch.full((multiple, stated.num_in_ch, length, width), 0.5, dtype=torch.float64)
        lq[torch.arange(multiple), :, rows] = torch.nan
        marked = _marked_rows(probe, lq, transposed=transposed)
        touches_end = bool(marked[:, 0].any() or marked[:, -1].any())
        if not touches_end:
            picture, out_row = marked.nonzero(as_tuple=True)
            distance = (out_row // stated.scale - rows[picture]).abs()
            return int(distance.max()) if len(distance) else 0
        length *= 2
    return None


def _marked_rows(probe: nn.Module, lq: Tensor, *, transposed: bool) -> Tensor:
    """Run strips (B, C, length, width), lying down if transposed; return a mask (B, length * scale) of the rows with a NaN."""
    sr = probe(lq.mT.contiguous()).mT if transposed else probe(lq)
    return sr.isnan().any(dim=3).any(dim=1)
