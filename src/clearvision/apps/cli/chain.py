"""The chain that every picture goes through: read, diagnosed, enlarged by the model that suits it, held to its input, written."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import clearvision
from clearvision.apps.cli.ahead import Content, Ready, pictures_of
from clearvision.apps.cli.batch import Result, as_target
from clearvision.apps.cli.jobs import Job
from clearvision.apps.cli.manifest import Manifests
from clearvision.imaging.canvas import LARGEST_IN_MEMORY
from clearvision.imaging.frames import Frames, count_frames, holds_frames, read_frames, write_frames
from clearvision.imaging.io import read_picture, write_picture

if TYPE_CHECKING:
    from clearvision.imaging.quality import Diagnosis
    from clearvision.inference.upscaler import Upscaler, UpscaleReport
    from clearvision.types import Picture

TASK = "clean"  # of the model that is taken when none is named and nothing speaks for another
NATIVE = 4  # the factor when neither a size nor a model is named
TOLD = ("model", "source_size", "target_size", "frames", "engine", "device", "precision", "tiles", "seconds", "retries")


class Upscalers:
    """The upscaler for each picture: the named model's, or that of the bundled model that suits it and the wished size."""

    def __init__(self, model: str | None, wishes: dict[str, Any], **options: Any) -> None:  # noqa: ANN401
        self._model = model
        self._options = options
        self._open: dict[str, Upscaler] = {}
        self._opening = Lock()  # pictures are read in several threads
        self.wishes = wishes if model is not None or any(value is not None for value in wishes.values()) else {"scale": NATIVE}
        self._get(model or self._suited(wishes["scale"] or NATIVE))  # wrong options show now rather than at every picture

    @property
    def has_choice(self) -> bool:
        """Whether the model depends on what a picture shows."""
        from clearvision.zoo.catalogue import bundled_tasks

        return self._model is None and not bundled_tasks() <= {TASK}

    def diagnose(self, job: Job, picture: Picture) -> Diagnosis | None:
        """Return what a picture has been through, or None where the model is named and it does not matter."""
        from clearvision.imaging.quality import diagnose

        return diagnose(picture, job.source) if self._model is None else None

    def choose(self, height: int, width: int, diagnosis: Diagnosis | None = None) -> Upscaler:
        """Return the upscaler for a picture of a size; of the family that its diagnosis asks for, if a model of it is bundled."""
        if self._model is not None:
            return self._get(self._model)
        rows, columns = self._target(height, width)
        return self._get(self._suited(max(rows / height, columns / width), TASK if diagnosis is None else diagnosis.family))

    def pixels(self, height: int, width: int) -> int:
        """Return how many pixels the result of a picture of a size will have."""
        rows, columns = self._target(height, width)
        return rows * columns

    def twins_of(self, upscaler: Upscaler) -> list[Upscaler]:
        """Return the faithful and the vivid twin of a bundled model, or nothing."""
        from clearvision.inference.upscaler import Upscaler
        from clearvision.zoo.catalogue import bundled_models
        from clearvision.zoo.interpolate import VIVID

        stem = upscaler.info.name.removesuffix(VIVID)
        if not {stem, stem + VIVID} <= set(bundled_models()):
            return []
        options = {name: value for name, value in self._options.items() if name != "vividness"}
        return [Upscaler(stem, vividness=value, **options) for value in (0.0, 1.0)]

    def _target(self, height: int, width: int) -> tuple[int, int]:
        from clearvision.inference.plan import target_size

        native = NATIVE if self._model is None else self._get(self._model).info.scale
        return target_size(height, width, native=native, **as_target(self.wishes))

    @staticmethod
    def _suited(factor: float, task: str = TASK) -> str:
        from clearvision.zoo.catalogue import bundled_tasks, model_for

        return model_for(task if task in bundled_tasks() else TASK, factor)

    def _get(self, model: str) -> Upscaler:
        from clearvision.inference.upscaler import Upscaler

        with self._opening:
            if model not in self._open:
                self._open[model] = Upscaler(model, **self._options)
            return self._open[model]


@dataclass(frozen=True)
class FileOptions:
    """How files are read and written.

    Attributes:
        quality: of JPEG, WebP and AVIF, or None for the usual one.
        dpi: resolution to state, or None for the input's.
        strip_metadata: leave EXIF, XMP and IPTC out.
        provenance: note model and scale in the XMP.
        max_pixels: most pixels of an input.
        pyramid: write TIFF results in tiles with halved copies.
        in_memory: bytes of an input up to which it is held in memory.
    """

    quality: int | None
    dpi: float | None
    strip_metadata: bool
    provenance: bool
    max_pixels: int
    pyramid: bool = False
    in_memory: int = LARGEST_IN_MEMORY

    def stated(self, picture: Picture, result: Result) -> Picture:
        """Return a result with the resolution asked for and the note of where it comes from."""
        from clearvision.imaging.provenance import note_provenance

        dpi = picture.dpi if self.dpi is None else (self.dpi, self.dpi)
        if not self.provenance or result.model is None or result.source_size is None or result.target_size is None:
            return replace(picture, dpi=dpi)
        scale = result.target_size[0] / result.source_size[0]
        xmp = note_provenance(picture.xmp, model=result.model, scale=scale, version=clearvision.__version__)
        return replace(picture, dpi=dpi, xmp=xmp)


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
        if holds_frames(job.source, job.target) and count_frames(job.source) > 1:
            return read_frames(job.source, max_pixels=self.files.max_pixels)
        return read_picture(job.source, max_pixels=self.files.max_pixels, in_memory=self.files.in_memory)

    def ready(self, job: Job) -> Ready:
        """Read a job's file and choose the model by what it holds."""
        content = self.read(job)
        pictures = pictures_of(content)
        diagnosis = self.upscalers.diagnose(job, pictures[0])
        upscalers = tuple(self.upscalers.choose(picture.height, picture.width, diagnosis) for picture in pictures)
        return Ready(content, diagnosis, upscalers)

    def prepare(self, coming: Future[Ready | None]) -> None:
        """Compile what a picture that is being read will need."""
        with suppress(Exception):  # of whatever kind, it will be met again, and told, when the picture's turn comes
            if (ready := coming.result()) is not None:
                ready.upscalers[0].prepare(pictures_of(ready.content)[0], **as_target(self.upscalers.wishes))

    def enlarge(
        self, picture: Picture, upscaler: Upscaler, progress: Callable[[int, int], None]
    ) -> tuple[Picture, UpscaleReport]:
        """Enlarge a picture."""
        return upscaler.run(picture, **self.upscalers.wishes, verify_tiles=self.verify_tiles, progress=progress)

    def write(self, content: Content, result: Result) -> None:
        """Write what was enlarged to its job's target, and note that it is there."""
        target, files = result.job.target, self.files
        if isinstance(content, Frames):
            stated = tuple(files.stated(picture, result) for picture in content.pictures)
            write_frames(replace(content, pictures=stated), target, quality=files.quality, strip_metadata=files.strip_metadata)
        else:
            picture = files.stated(content, result)
            pyramid = files.pyramid and target.suffix.lower() in (".tif", ".tiff")
            write_picture(picture, target, quality=files.quality, strip_metadata=files.strip_metadata, pyramid=pyramid)
        plain = result.as_plain()
        self.manifests.add(result.job, {name: plain[name] for name in TOLD})

    def write_trust_map(self, job: Job, picture: Picture, upscaler: Upscaler) -> None:
        """Write beside a result how much it changes with the network's point of view; see :mod:`clearvision.inference.trust`."""
        from clearvision.inference.trust import as_picture, spread_of
        from clearvision.types import Picture

        plan = upscaler.plan(picture.height, picture.width, **as_target(self.upscalers.wishes))
        levels = spread_of([upscaler, *self.upscalers.twins_of(upscaler)], picture, plan.height, plan.width)
        write_picture(Picture(as_picture(levels)), trust_map_of(job.target))


def trust_map_of(target: Path) -> Path:
    """Return where the trust map of a result goes."""
    return target.with_name(f"{target.stem}_trust.png")
