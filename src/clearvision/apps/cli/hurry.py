"""``clearvision upscale --time``: the networks that get all pictures done in a wished time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from clearvision.apps.cli import console
from clearvision.apps.cli.dryrun import diagnosis_of, human_time, measure_speed
from clearvision.apps.cli.jobs import Job
from clearvision.errors import ClearVisionError
from clearvision.imaging.frames import count_frames, holds_frames
from clearvision.imaging.io import read_size
from clearvision.inference.choosing import as_target
from clearvision.inference.timing import Hurry, choose_haste

if TYPE_CHECKING:
    from clearvision.apps.cli.chain import Chain


def hurry(jobs: Sequence[Job], chain: Chain, seconds: float) -> Chain:
    """Return the chain with the networks that do all jobs in time, or with the fastest; what was chosen is told on stderr.

    Speed is measured on one small picture for each network that comes into question. Pictures are decoded only where the choice
    of a model depends on what they show.
    """
    megapixels: defaultdict[str, float] = defaultdict(float)
    for job in jobs:
        try:
            height, width = read_size(job.source)
            upscaler = chain.upscalers.choose(height, width, diagnosis_of(job, chain))
            plan = upscaler.plan(height, width, **as_target(chain.upscalers.wishes))
            frames = count_frames(job.source) if holds_frames(job.source, job.target) else 1
        except ClearVisionError:  # told when its turn comes
            continue
        if plan.passes:
            megapixels[upscaler.info.name] += frames * plan.height * plan.width / 1e6
    if not megapixels:
        return chain
    chosen = choose_haste(megapixels, seconds, lambda name: measure_speed(chain.upscalers.named(name)))
    console.note(_told(chosen, seconds))
    return replace(chain, upscalers=chain.upscalers.in_haste(chosen.haste))


def _told(chosen: Hurry, seconds: float) -> str:
    names, expected = " and ".join(chosen.models), human_time(chosen.seconds)
    if chosen.seconds > seconds:
        return f"{human_time(seconds)} are too few for any model; chose the fastest, {names}, which will take about {expected}"
    if chosen.haste == 0:
        return f"{human_time(seconds)} are enough for {names}: about {expected}"
    return (
        f"chose {names}, about {expected}, for {human_time(seconds)}: the larger models take {human_time(chosen.plain_seconds)}"
    )
