"""``clearvision upscale``."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import clearvision
from clearvision.apps.cli import console
from clearvision.apps.cli.jobs import Jobs
from clearvision.errors import UsageError

if TYPE_CHECKING:
    from clearvision.apps.cli.batch import Result, Work
    from clearvision.apps.cli.jobs import Job
    from clearvision.apps.cli.manifest import Manifests
    from clearvision.imaging.quality import Diagnosis
    from clearvision.inference.upscaler import Upscaler
    from clearvision.types import Picture

TASK = "clean"  # of the model that is taken when none is named
AUTO = "auto"  # the model's name that stands for none
NATIVE = 4  # the factor when neither a size nor a model is named
TOLD = ("model", "source_size", "target_size", "frames", "engine", "device", "precision", "tiles", "seconds", "retries")
SIZE, COMPUTING, FILES = "Size of the result (one of)", "Computing", "Files"


def upscale(
    inputs: Annotated[list[Path], typer.Argument(metavar="INPUT", help="Pictures, folders of pictures, or - for stdin.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            metavar="OUT",
            help="A file for one picture, else a folder; - for stdout. Default: beside the input, as NAME_x4.",
        ),
    ] = None,
    scale: Annotated[
        float | None,
        typer.Option(
            metavar="S", parser=console.number, help="Factor, up to 16. Default: the model's own, 4.", rich_help_panel=SIZE
        ),
    ] = None,
    width: Annotated[
        int | None, typer.Option(metavar="W", parser=console.whole_number, help="Width in pixels.", rich_help_panel=SIZE)
    ] = None,
    height: Annotated[
        int | None, typer.Option(metavar="H", parser=console.whole_number, help="Height in pixels.", rich_help_panel=SIZE)
    ] = None,
    megapixels: Annotated[
        float | None, typer.Option(metavar="M", parser=console.number, help="Millions of pixels.", rich_help_panel=SIZE)
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="auto|NAME|FILE",
            help="See 'clearvision models list'. auto: what suits the picture and the size.",
            rich_help_panel=COMPUTING,
            show_default="auto",
        ),
    ] = None,
    device: Annotated[
        str, typer.Option(metavar="auto|cpu|cuda|mps", help="Where to compute.", rich_help_panel=COMPUTING)
    ] = "auto",
    precision: Annotated[
        str, typer.Option(metavar="auto|f32|bf16|f16", help="Arithmetic of the network.", rich_help_panel=COMPUTING)
    ] = "auto",
    tile: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            parser=console.whole_number,
            help="Longest side of the tiles; smaller takes less memory.",
            rich_help_panel=COMPUTING,
        ),
    ] = None,
    tta: Annotated[
        bool,
        typer.Option("--tta", help="Average eight flipped and turned views: better, 8 times as slow.", rich_help_panel=COMPUTING),
    ] = False,
    vividness: Annotated[
        float | None,
        typer.Option(
            metavar="0..1",
            parser=console.number,
            help="From faithful to vivid, for a model with twins.",
            rich_help_panel=COMPUTING,
        ),
    ] = None,
    verify_tiles: Annotated[
        bool, typer.Option("--verify-tiles", help="Prove that no cut between tiles shows.", rich_help_panel=COMPUTING)
    ] = False,
    format: Annotated[
        str | None, typer.Option(help="png, jpeg, tiff, webp, avif ... Default: the input's.", rich_help_panel=FILES)
    ] = None,
    quality: Annotated[
        int | None,
        typer.Option(metavar="Q", parser=console.whole_number, help="Of JPEG, WebP and AVIF, 1 to 100.", rich_help_panel=FILES),
    ] = None,
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Descend into subfolders and mirror them.", rich_help_panel=FILES)
    ] = False,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Skip what an earlier run made from the same pictures in the same way.", rich_help_panel=FILES
        ),
    ] = False,
    watching: Annotated[
        bool, typer.Option("--watch", help="Go on with what appears in the folders, until Ctrl-C.", rich_help_panel=FILES)
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell sizes, memory and time, and do nothing.", rich_help_panel=FILES)
    ] = False,
    dpi: Annotated[
        float | None,
        typer.Option(
            metavar="D", parser=console.number, help="Pixels per inch to state. Default: the input's.", rich_help_panel=FILES
        ),
    ] = None,
    strip_metadata: Annotated[
        bool, typer.Option("--strip-metadata", help="Leave out EXIF, XMP and IPTC.", rich_help_panel=FILES)
    ] = False,
    no_provenance: Annotated[
        bool, typer.Option("--no-provenance", help="Do not note model and scale in the XMP.", rich_help_panel=FILES)
    ] = False,
    max_pixels: Annotated[
        int, typer.Option(metavar="N", parser=console.whole_number, help="Refuse inputs with more pixels.", rich_help_panel=FILES)
    ] = 500_000_000,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")] = False,
) -> int:
    """Enlarge pictures. The result keeps the input's format, bit depth, colour profile and metadata; inputs are never changed."""
    from clearvision.apps.cli.batch import run_batch
    from clearvision.apps.cli.jobs import plan_jobs
    from clearvision.apps.cli.manifest import Manifests
    from clearvision.apps.cli.pipes import expand, piped
    from clearvision.apps.cli.report import Meter

    if quality is not None and not 1 <= quality <= 100:
        raise UsageError(f"quality ({quality}) must be at least 1 and at most 100")
    model = None if model == AUTO else model
    if dpi is not None and not 1 <= dpi <= 65_535:
        raise UsageError(f"dpi ({dpi:g}) must be at least 1 and at most 65535")
    files = FileOptions(quality, dpi, strip_metadata, not no_provenance, max_pixels)
    wishes = {"scale": scale, "width": width, "height": height, "megapixels": megapixels}
    label = _label(wishes, model)
    settings = {
        **_told_model(model),
        **{name: value for name, value in wishes.items() if value is not None},
        "precision": precision,
        "tta": tta,
        "vividness": vividness,
        "quality": quality,
        "dpi": dpi,
        "strip_metadata": strip_metadata,
        "provenance": not no_provenance,
        "version": clearvision.__version__,
    }
    if watching and not all(source.is_dir() for source in inputs):
        raise UsageError("--watch takes folders; give the folders that pictures will appear in")
    with piped(expand(inputs), out, format) as (sources, target):
        if watching:
            return _watch(
                lambda: plan_jobs(sources, target, label=label, format=format, recursive=recursive, some=False),
                Manifests(settings),
                _Upscalers(model, wishes, device=device, precision=precision, tile=tile, tta=tta, vividness=vividness),
                files,
                verify_tiles,
            )
        planned = plan_jobs(sources, target, label=label, format=format, recursive=recursive)
        manifests = Manifests(settings)
        finished = _finished(planned.jobs, manifests, clear=not dry_run) if resume else set()
        todo = [job for job in planned.jobs if job not in finished]
        upscalers = _Upscalers(model, wishes, device=device, precision=precision, tile=tile, tta=tta, vividness=vividness)
        if dry_run:
            return _tell_plan(todo, upscalers, len(finished), as_json)
        interrupted = False
        with Meter(planned, finished, upscalers.pixels) as meter:
            try:
                run_batch(todo, _work(upscalers, manifests, files, verify_tiles), meter)
            except KeyboardInterrupt:
                interrupted = True
        if as_json:
            console.say_json({**meter.as_plain(), "interrupted": interrupted})
        else:
            meter.tell()
        return console.INTERRUPTED if interrupted else console.FAILED if meter.failed else console.DONE


def _label(wishes: dict[str, Any], model: str | None) -> str:
    """Return what tells the result from its input in a file's name, after checking the wish as far as no picture is needed."""
    from clearvision.apps.cli.batch import as_target
    from clearvision.inference.plan import target_size
    from clearvision.zoo.catalogue import find_model
    from clearvision.zoo.checkpoint import read_info

    native = NATIVE if model is None else read_info(find_model(model)).scale
    vast = 10**9  # enlarging to a size is within bounds for some pictures only
    target_size(vast, vast, native=native, **as_target(wishes))
    if wishes["width"] is not None:
        return f"_{wishes['width']}w"
    if wishes["height"] is not None:
        return f"_{wishes['height']}h"
    if wishes["megapixels"] is not None:
        return f"_{wishes['megapixels']:g}mp"
    return f"_x{wishes['scale'] or native:g}"


def _told_model(model: str | None) -> dict[str, Any]:
    """Return what a manifest says of the model asked for: a file's contents count, not its name alone."""
    from clearvision.zoo.catalogue import find_model

    if model is None:
        return {"model": "auto"}
    with find_model(model).open("rb") as file:
        return {"model": model, "model_sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _watch(find: Callable[[], Jobs], manifests: Manifests, upscalers: _Upscalers, files: FileOptions, verify_tiles: bool) -> int:
    from clearvision.apps.cli.batch import run_batch
    from clearvision.apps.cli.report import Meter
    from clearvision.apps.cli.watch import watch

    work = _work(upscalers, manifests, files, verify_tiles)

    def do(jobs: Sequence[Job]) -> None:
        todo = tuple(job for job in jobs if not manifests.is_done(job))
        with Meter(Jobs(todo), set(), upscalers.pixels) as meter:
            run_batch(todo, work, meter)
        if todo:
            meter.tell()

    console.note("watching; Ctrl-C ends it")
    try:
        watch(lambda: find().jobs, do)
    except KeyboardInterrupt:
        return console.INTERRUPTED


def _tell_plan(jobs: Sequence[Job], upscalers: _Upscalers, skipped: int, as_json: bool) -> int:
    from clearvision.apps.cli.dryrun import plan_work, tell_plan

    planned = plan_work(jobs, upscalers.choose, upscalers.wishes)
    if as_json:
        console.say_json({"pictures": planned, "skipped": skipped})
    else:
        tell_plan(planned, skipped)
    return console.FAILED if any("error" in fact for fact in planned) else console.DONE


def _finished(jobs: Sequence[Job], manifests: Manifests, *, clear: bool) -> set[Job]:
    """Return the jobs that an earlier run finished, after clearing away, if wished, what it left half-written."""
    from clearvision.imaging.temporary import remove_abandoned

    if clear:
        for folder in {job.target.parent for job in jobs}:
            remove_abandoned(folder)
    return {job for job in jobs if manifests.is_done(job)}


class _Upscalers:
    """The upscaler for each picture: the named model's, or that of the bundled model that suits it and the wished size."""

    def __init__(self, model: str | None, wishes: dict[str, Any], **options: Any) -> None:  # noqa: ANN401
        self._model = model
        self._options = options
        self._open: dict[str, Upscaler] = {}
        self.wishes = wishes if model is not None or any(value is not None for value in wishes.values()) else {"scale": NATIVE}
        self._get(model or self._suited(wishes["scale"] or NATIVE))  # wrong options show now rather than at every picture

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

    def _target(self, height: int, width: int) -> tuple[int, int]:
        from clearvision.apps.cli.batch import as_target
        from clearvision.inference.plan import target_size

        native = NATIVE if self._model is None else self._get(self._model).info.scale
        return target_size(height, width, native=native, **as_target(self.wishes))

    @staticmethod
    def _suited(factor: float, task: str = TASK) -> str:
        from clearvision.zoo.catalogue import list_models, model_for

        bundled = {info.task for info in list_models()}
        return model_for(task if task in bundled else TASK, factor)

    def _get(self, model: str) -> Upscaler:
        from clearvision.inference.upscaler import Upscaler

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
    """

    quality: int | None
    dpi: float | None
    strip_metadata: bool
    provenance: bool
    max_pixels: int

    def stated(self, picture: Picture, result: Result) -> Picture:
        """Return a result with the resolution asked for and the note of where it comes from."""
        from clearvision.imaging.provenance import note_provenance

        dpi = picture.dpi if self.dpi is None else (self.dpi, self.dpi)
        if not self.provenance or result.model is None or result.source_size is None or result.target_size is None:
            return replace(picture, dpi=dpi)
        scale = result.target_size[0] / result.source_size[0]
        xmp = note_provenance(picture.xmp, model=result.model, scale=scale, version=clearvision.__version__)
        return replace(picture, dpi=dpi, xmp=xmp)


def _work(upscalers: _Upscalers, manifests: Manifests, files: FileOptions, verify_tiles: bool) -> Work:
    from clearvision.apps.cli.batch import Content, Work
    from clearvision.imaging.frames import Frames, count_frames, holds_frames, read_frames, write_frames
    from clearvision.imaging.io import read_picture, write_picture

    def read(job: Job) -> Content:
        if holds_frames(job.source, job.target) and count_frames(job.source) > 1:
            return read_frames(job.source, max_pixels=files.max_pixels)
        return read_picture(job.source, max_pixels=files.max_pixels)

    def write(content: Content, result: Result) -> None:
        target = result.job.target
        if isinstance(content, Frames):
            stated = tuple(files.stated(picture, result) for picture in content.pictures)
            write_frames(replace(content, pictures=stated), target, quality=files.quality, strip_metadata=files.strip_metadata)
        else:
            write_picture(files.stated(content, result), target, quality=files.quality, strip_metadata=files.strip_metadata)

    def note(result: Result) -> None:
        manifests.add(result.job, {name: value for name, value in result.as_plain().items() if name in TOLD})

    return Work(read, upscalers.diagnose, upscalers.choose, upscalers.wishes, verify_tiles, write, note)
