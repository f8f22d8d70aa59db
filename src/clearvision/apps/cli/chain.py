"""What every picture of a command line goes through: the steps of :mod:`clearvision.inference.files`, with jobs and manifests."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from clearvision.apps.cli.jobs import Job
from clearvision.apps.cli.manifest import Manifests
from clearvision.imaging.io import write_picture
from clearvision.inference.choosing import Upscalers, as_target
from clearvision.inference.files import Content, FileOptions, Made, Ready, enlarge_ready, read_content, read_ready, write_made

if TYPE_CHECKING:
    from clearvision.inference.upscaler import Upscaler
    from clearvision.types import Picture


@dataclass(frozen=True)
class Chain:
    """The steps of every picture of a command line.

    Attributes:
        upscalers: the models.
        files: how files are read and written.
        manifests: where results are noted.
        verify_tiles: as in :meth:`Upscaler.run`.
        trust_map: whether a map of where the result is to be trusted is written beside it.
    """

    upscalers: Upscalers
    files: FileOptions
    manifests: Manifests
    verify_tiles: bool = False
    trust_map: bool = False

    def read(self, job: Job) -> Content:
        """Read a job's file: a picture, or several where the job's result can hold them."""
        return read_content(job.source, job.target, self.files)

    def ready(self, job: Job) -> Ready:
        """Read a job's file and choose the model by what it holds."""
        return read_ready(job.source, job.target, self.upscalers, self.files)

    def prepare(self, coming: Future[Ready | None]) -> None:
        """Compile what a picture that is being read will need."""
        with suppress(Exception):  # of whatever kind, it will be met again, and told, when the picture's turn comes
            if (ready := coming.result()) is not None:
                ready.upscalers[0].prepare(ready.pictures[0], **as_target(self.upscalers.wishes))

    def enlarge(self, job: Job, ready: Ready, *, started: Callable[[int], None], advanced: Callable[[float], None]) -> Made:
        """Enlarge what a job's file holds, and map where the result is to be trusted if that is asked for."""
        made = enlarge_ready(
            ready, job.target, self.upscalers, self.files, verify_tiles=self.verify_tiles, started=started, advanced=advanced
        )
        if self.trust_map and made.frames == 1:
            self._write_trust_map(job, ready.pictures[0], ready.upscalers[0])
        return made

    def write(self, job: Job, made: Made, facts: dict[str, object]) -> None:
        """Write a result to its job's target, and note that it is there and how it came about."""
        write_made(made, job.target, self.files)
        self.manifests.add(job, facts)

    def _write_trust_map(self, job: Job, picture: Picture, upscaler: Upscaler) -> None:
        """Write beside a result how much it changes with the network's point of view; see :mod:`clearvision.inference.trust`."""
        from clearvision.inference.trust import as_picture, spread_of
        from clearvision.types import Picture

        plan = upscaler.plan(picture.height, picture.width, **as_target(self.upscalers.wishes))
        above = self.files.in_memory
        levels = spread_of([upscaler, *self.upscalers.twins_of(upscaler)], picture, plan.height, plan.width, above=above)
        write_picture(Picture(as_picture(levels, above=above)), trust_map_of(job.target))


def trust_map_of(target: Path) -> Path:
    """Return where the trust map of a result goes."""
    return target.with_name(f"{target.stem}_trust.png")
