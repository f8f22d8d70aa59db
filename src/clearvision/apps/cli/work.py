"""The work of a command line: every picture or video that it names, by the settings that it gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import clearvision
from clearvision.apps.cli import console
from clearvision.apps.cli.jobs import Jobs
from clearvision.errors import UsageError

if TYPE_CHECKING:
    from clearvision.apps.cli.chain import Chain
    from clearvision.apps.cli.jobs import Job
    from clearvision.apps.cli.manifest import Manifests
    from clearvision.inference.choosing import Upscalers
    from clearvision.inference.files import FileOptions


@dataclass(frozen=True, kw_only=True)
class Work:
    """What a command line asks for.

    Attributes:
        inputs: pictures, folders, videos, patterns, or ``-``.
        out: file, folder, ``-``, or None for beside the inputs.
        label: what tells a result's name from its input's.
        model: name or file, or None to choose by the picture.
        wishes: size of the results.
        computing: options of the upscaler that change pixels, by name.
        device: where to compute.
        tile: longest side of a window, or None.
        memory: most memory to take, as typed, or None.
        measure_consistency: measure how far results give their inputs back.
        seconds: for all pictures together, or None for as long as it takes.
        quality: of lossy formats, or None.
        dpi: resolution to state, or None.
        strip_metadata: leave EXIF, XMP and IPTC out.
        no_provenance: do not note model and scale in the XMP.
        max_pixels: most pixels of an input.
        pyramid: write TIFF for viewers of very large pictures.
        format: of the results, or None for the inputs'.
        verify_tiles: prove that no cut between tiles shows.
        trust_map: write beside every result a map of where it is to be trusted.
        recursive: descend into subfolders.
        resume: skip what is there.
        watching: go on with what appears in the folders.
        dry_run: tell and do nothing.
        as_json: print one JSON document.
    """

    inputs: list[Path]
    out: Path | None
    label: str
    model: str | None
    wishes: dict[str, Any]
    computing: dict[str, Any]
    device: str
    tile: int | None
    memory: str | None
    quality: int | None
    dpi: float | None
    strip_metadata: bool
    no_provenance: bool
    max_pixels: int
    pyramid: bool
    format: str | None
    verify_tiles: bool
    trust_map: bool
    recursive: bool
    resume: bool
    watching: bool
    dry_run: bool
    as_json: bool
    measure_consistency: bool = False
    seconds: float | None = None

    @property
    def limit(self) -> int | None:
        """Bytes of memory that may be taken, or None; raises UsageError for what is no size."""
        return None if self.memory is None else console.byte_count(self.memory, "--memory")

    @cached_property
    def files(self) -> FileOptions:
        """How files are read and written; raises UsageError for values outside what is allowed."""
        from clearvision.inference.files import FileOptions
        from clearvision.inference.plan import USUAL, Budget

        if self.quality is not None and not 1 <= self.quality <= 100:
            raise UsageError(f"quality ({self.quality}) must be at least 1 and at most 100")
        if self.dpi is not None and not 1 <= self.dpi <= 65_535:
            raise UsageError(f"dpi ({self.dpi:g}) must be at least 1 and at most 65535")
        return FileOptions(
            self.quality,
            self.dpi,
            self.strip_metadata,
            not self.no_provenance,
            self.max_pixels,
            self.pyramid,
            (USUAL if self.limit is None else Budget.of(self.limit)).in_memory,
        )

    @property
    def settings(self) -> dict[str, Any]:
        """Everything that decides what a result looks like, for the manifest."""
        files = self.files
        return {
            **_told_model(self.model, self.computing.get("vividness")),
            **{name: value for name, value in self.wishes.items() if value is not None},
            **self.computing,
            **({} if self.seconds is None else {"time": self.seconds}),
            "trust_map": self.trust_map,
            "pyramid": files.pyramid,
            "quality": files.quality,
            "dpi": files.dpi,
            "strip_metadata": files.strip_metadata,
            "provenance": files.provenance,
            "version": clearvision.__version__,
        }

    def upscalers(self) -> Upscalers:
        """Open the models."""
        from clearvision.inference.choosing import Upscalers

        return Upscalers(
            self.model,
            self.wishes,
            device=self.device,
            tile=self.tile,
            memory=self.limit,
            measure_consistency=self.measure_consistency,
            **self.computing,
        )


def do(work: Work) -> int:
    """Do what a command line asks for and return its exit code."""
    from clearvision.apps.cli.video import only_videos

    if only_videos(work.inputs):
        return _do_videos(work)
    if work.watching and not all(source.is_dir() for source in work.inputs):
        raise UsageError("--watch takes folders; give the folders that pictures will appear in")
    if work.watching and work.seconds is not None:
        raise UsageError("--time needs to know all pictures beforehand; it does not go with --watch")
    return _do_pictures(work)


def _do_videos(work: Work) -> int:
    from clearvision.apps.cli import video

    pictures_only = {
        "--format": work.format,
        "--trust-map": work.trust_map,
        "--pyramid": work.files.pyramid,
        "--dpi": work.files.dpi,
        "--watch": work.watching,
        "--time": work.seconds,
        "--verify-tiles": work.verify_tiles,
        "--consistency": work.measure_consistency,
        "-o -": work.out == Path("-"),
    }
    video.refuse({name: bool(value) for name, value in pictures_only.items()})
    pairs = video.plan_targets(work.inputs, work.out, work.label)
    ways = {"resume": work.resume, "dry_run": work.dry_run, "as_json": work.as_json}
    limits = {"quality": work.files.quality, "max_pixels": work.files.max_pixels}
    return video.run_videos(pairs, work.upscalers(), work.settings, **limits, **ways)


def _do_pictures(work: Work) -> int:
    from clearvision.apps.cli.batch import run_batch
    from clearvision.apps.cli.chain import Chain
    from clearvision.apps.cli.hurry import hurry
    from clearvision.apps.cli.jobs import plan_jobs
    from clearvision.apps.cli.manifest import Manifests
    from clearvision.apps.cli.pipes import expand, piped
    from clearvision.apps.cli.report import Meter

    files = work.files  # a wrong value is told before stdin is read
    with piped(expand(work.inputs), work.out, work.format) as (sources, target):
        find = partial(plan_jobs, sources, target, label=work.label, format=work.format, recursive=work.recursive)
        chain = Chain(work.upscalers(), files, Manifests(work.settings), work.verify_tiles, work.trust_map)
        if work.watching:
            return _watch(partial(find, some=False), chain)
        planned = find()
        finished = _finished(planned.jobs, chain.manifests, clear=not work.dry_run) if work.resume else set()
        todo = [job for job in planned.jobs if job not in finished]
        if work.seconds is not None:
            chain = hurry(todo, chain, work.seconds)
        if work.dry_run:
            return _tell_plan(todo, chain, len(finished), work.as_json)
        interrupted = False
        with Meter(planned, finished, chain.upscalers.pixels) as meter:
            try:
                run_batch(todo, chain, meter)
            except KeyboardInterrupt:
                interrupted = True
        if work.as_json:
            console.say_json({**meter.as_plain(), "interrupted": interrupted})
        else:
            meter.tell()
        return console.INTERRUPTED if interrupted else console.FAILED if meter.failed else console.DONE


def _told_model(model: str | None, vividness: float | None) -> dict[str, Any]:
    """Return what a manifest says of the model asked for: its file's contents count, and its twin's, not its name alone."""
    from clearvision.apps.cli.manifest import sha256_of
    from clearvision.zoo.catalogue import find_model
    from clearvision.zoo.interpolate import twins

    if model is None:
        return {"model": "auto"}
    files = [find_model(model)] if vividness is None else twins(model)
    return {"model": model, "model_sha256": "+".join(map(sha256_of, files))}


def _watch(find: Callable[[], Jobs], chain: Chain) -> int:
    from clearvision.apps.cli.batch import run_batch
    from clearvision.apps.cli.report import Meter
    from clearvision.apps.cli.watch import watch

    def do(jobs: Sequence[Job]) -> None:
        todo = tuple(job for job in jobs if not chain.manifests.is_done(job))
        with Meter(Jobs(todo), set(), chain.upscalers.pixels) as meter:
            run_batch(todo, chain, meter)
        if todo:
            meter.tell()

    console.note("watching; Ctrl-C ends it")
    try:
        watch(lambda: find().jobs, do)
    except KeyboardInterrupt:
        return console.INTERRUPTED


def _tell_plan(jobs: Sequence[Job], chain: Chain, skipped: int, as_json: bool) -> int:
    from clearvision.apps.cli.dryrun import plan_work, tell_plan

    planned = plan_work(jobs, chain)
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
