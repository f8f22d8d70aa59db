"""``clearvision upscale --dry-run``: what the work would take, measured on one tile and reckoned from the files' headers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from clearvision.apps.cli import console
from clearvision.apps.cli.jobs import Job
from clearvision.errors import ClearVisionError
from clearvision.imaging.io import read_size
from clearvision.inference.choosing import as_target
from clearvision.inference.files import pictures_of
from clearvision.types import Picture

if TYPE_CHECKING:
    from clearvision.apps.cli.chain import Chain
    from clearvision.imaging.quality import Diagnosis
    from clearvision.inference.upscaler import Upscaler

SIDE = 192  # of the picture that is enlarged to learn the speed: large enough that starting up does not count


def plan_work(jobs: Sequence[Job], chain: Chain) -> list[dict[str, Any]]:
    """Return for every job what it would take, as plain data; ``error`` tells why a picture cannot be done.

    Pictures are decoded only where the choice of a model depends on what they show.
    """
    speeds: dict[str, float] = {}
    planned = []
    for job in jobs:
        fact: dict[str, Any] = {"input": str(job.source), "output": str(job.target)}
        try:
            height, width = read_size(job.source)
            upscaler = chain.upscalers.choose(height, width, diagnosis_of(job, chain))
            plan = upscaler.plan(height, width, **as_target(chain.upscalers.wishes))
        except ClearVisionError as error:
            planned.append(fact | {"error": console.sentence(error)})
            continue
        name = upscaler.info.name
        if plan.passes and name not in speeds:
            speeds[name] = measure_speed(upscaler)
        megapixels = plan.height * plan.width / 1e6
        fact |= {
            "source_size": (width, height),
            "target_size": (plan.width, plan.height),
            "model": name,
            "passes": plan.passes,
            "tiles": plan.tiles,
            "exact_tiles": plan.exact,
            "memory_bytes": plan.memory,
            "seconds": megapixels / speeds[name] if plan.passes else 0.0,
        }
        planned.append(fact)
    return planned


def tell_plan(planned: Sequence[dict[str, Any]], skipped: int) -> None:
    """Print the plan as a table with its sums; pictures that cannot be done go to stderr."""
    rows = [
        (
            fact["input"],
            "{}x{}".format(*fact["source_size"]),
            "{}x{}".format(*fact["target_size"]),
            fact["model"],
            fact["tiles"],
            console.human_bytes(fact["memory_bytes"]),
            f"{fact['seconds']:.1f} s",
        )
        for fact in planned
        if "error" not in fact
    ]
    heads = ("picture", "from", "to", "model", "tiles", "memory", "time")
    if rows:
        console.table(heads, rows, right=heads[1:3] + heads[4:])
    for fact in planned:
        if "error" in fact:
            console.note(f"clearvision: {fact['error']}")
    seconds = sum(fact.get("seconds", 0.0) for fact in planned)
    megapixels = sum(fact["target_size"][0] * fact["target_size"][1] for fact in planned if "error" not in fact) / 1e6
    there = f", {skipped} already there" if skipped else ""
    expected = human_time(seconds)
    console.say(f"{len(rows)} of {len(planned)} pictures, {megapixels:.1f} megapixels, about {expected}{there}; nothing was done")


def diagnosis_of(job: Job, chain: Chain) -> Diagnosis | None:
    """Return what a job's picture has been through, where the choice of a model depends on it."""
    if not chain.upscalers.has_choice:
        return None
    return chain.upscalers.diagnose(pictures_of(chain.read(job))[0], job.source)


def measure_speed(upscaler: Upscaler) -> float:
    """Return output megapixels a second on one picture, the first run of which compiles and does not count."""
    picture = Picture(np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8))
    upscaler.run(picture)
    start = time.perf_counter()
    upscaler.run(picture)
    return SIDE**2 * upscaler.info.scale**2 / 1e6 / (time.perf_counter() - start)


def human_time(seconds: float) -> str:
    """Return a time such as ``40 seconds`` or ``1.5 hours``."""
    if seconds < 9.5:
        return f"{seconds:.1f} seconds"
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"
