"""What a network says about itself, as a value that needs no torch."""

from __future__ import annotations

from dataclasses import dataclass, field

from clearvision.types import SizeRequirements


@dataclass(frozen=True)
class ArchFacts:
    """The facts of a network that tiling, padding and model cards are built on.

    Attributes:
        scale: output side divided by input side.
        num_in_ch: channels of ``lq``.
        num_out_ch: channels of ``sr``.
        receptive_radius: the smallest number r such that no pixel of ``sr`` depends on a pixel of ``lq`` more than r rows or
            columns away from the one it lies over; None when there is no bound below the whole picture.
        size: the sizes of ``lq`` that the network takes.
        precisions: arithmetic that the network is known to be safe in, best first. ``bf16`` has f32's range; ``f16`` ends at
            65,504 and is named only for networks whose features stay far below, or that are widely run in it.
    """

    scale: int
    num_in_ch: int
    num_out_ch: int
    receptive_radius: int | None
    size: SizeRequirements = field(default_factory=SizeRequirements)
    precisions: tuple[str, ...] = ("bf16", "f32")
