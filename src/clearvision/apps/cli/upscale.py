"""``clearvision upscale``."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import clearvision
from clearvision.apps.cli import console
from clearvision.apps.cli.jobs import Jobs
from clearvision.errors import UsageError

if TYPE_CHECKING:
    from clearvision.apps.cli.chain import Chain
    from clearvision.apps.cli.jobs import Job
    from clearvision.apps.cli.manifest import Manifests

AUTO = "auto"  # the model's name that stands for none
SIZE, COMPUTING, FILES = "Size of the result (one of)", "Computing", "Files"
TRUST, TEXTURES = "Trust", "Textures"


def upscale(
    inputs: Annotated[
        list[Path],
        # unreadable ones fail one by one, like all that cannot be read, rather than the whole command
        typer.Argument(metavar="INPUT", readable=False, help="Pictures, folders of pictures, videos, or - for stdin."),
    ],
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
    memory: Annotated[
        str | None,
        typer.Option(
            metavar="M", help="Most memory to take, such as 2G or 800M; the rest lies on disk.", rich_help_panel=COMPUTING
        ),
    ] = None,
    alpha: Annotated[
        str,
        typer.Option(metavar="resize|network", help="How transparency is enlarged.", rich_help_panel=COMPUTING),
    ] = "resize",
    verify_tiles: Annotated[
        bool, typer.Option("--verify-tiles", help="Prove that no cut between tiles shows.", rich_help_panel=COMPUTING)
    ] = False,
    lock_colour: Annotated[
        bool, typer.Option("--lock-colour", help="Keep the picture's own colours over areas.", rich_help_panel=TRUST)
    ] = False,
    back_project: Annotated[
        bool,
        typer.Option("--back-project", help="Make the result give the input back when made small.", rich_help_panel=TRUST),
    ] = False,
    measure_consistency: Annotated[
        bool, typer.Option("--consistency", help="Measure how far it does, in dB.", rich_help_panel=TRUST)
    ] = False,
    trust_map: Annotated[
        bool, typer.Option("--trust-map", help="Write NAME_trust.png: bright where detail is made up.", rich_help_panel=TRUST)
    ] = False,
    tileable: Annotated[
        str,
        typer.Option(metavar="x|y|both", help="For textures that repeat.", rich_help_panel=TEXTURES, show_default=False),
    ] = "none",
    normal_map: Annotated[
        bool, typer.Option("--normal-map", help="Give the vectors of normal maps length 1 again.", rich_help_panel=TEXTURES)
    ] = False,
    format: Annotated[
        str | None, typer.Option(help="png, jpeg, tiff, webp, avif ... Default: the input's.", rich_help_panel=FILES)
    ] = None,
    quality: Annotated[
        int | None,
        typer.Option(
            metavar="Q", parser=console.whole_number, help="Of JPEG, WebP, AVIF and videos, 1 to 100.", rich_help_panel=FILES
        ),
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
    pyramid: Annotated[
        bool, typer.Option("--pyramid", help="Write TIFF in tiles with halved copies, for viewers.", rich_help_panel=FILES)
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
    from clearvision.apps.cli import video
    from clearvision.apps.cli.batch import run_batch
    from clearvision.apps.cli.chain import Chain
    from clearvision.apps.cli.jobs import plan_jobs
    from clearvision.apps.cli.manifest import Manifests
    from clearvision.apps.cli.pipes import expand, piped
    from clearvision.apps.cli.report import Meter
    from clearvision.inference.choosing import Upscalers
    from clearvision.inference.files import FileOptions
    from clearvision.inference.plan import USUAL, Budget

    if quality is not None and not 1 <= quality <= 100:
        raise UsageError(f"quality ({quality}) must be at least 1 and at most 100")
    model = None if model == AUTO else model
    if dpi is not None and not 1 <= dpi <= 65_535:
        raise UsageError(f"dpi ({dpi:g}) must be at least 1 and at most 65535")
    if lock_colour and back_project:
        raise UsageError("--lock-colour is part of what --back-project does; give one of the two")
    limit = None if memory is None else console.byte_count(memory, "--memory")
    in_memory = (USUAL if limit is None else Budget.of(limit)).in_memory
    files = FileOptions(quality, dpi, strip_metadata, not no_provenance, max_pixels, pyramid, in_memory)
    options = {
        "precision": precision,
        "tta": tta,
        "vividness": vividness,
        "lock": "input" if back_project else "colour" if lock_colour else "none",
        "tileable": tileable,
        "normal_map": normal_map,
        "alpha": alpha,
    }
    wishes = {"scale": scale, "width": width, "height": height, "megapixels": megapixels}
    label = _label(wishes, model)
    settings = {
        **_told_model(model),
        **{name: value for name, value in wishes.items() if value is not None},
        **options,
        "trust_map": trust_map,
        "pyramid": pyramid,
        "quality": quality,
        "dpi": dpi,
        "strip_metadata": strip_metadata,
        "provenance": not no_provenance,
        "version": clearvision.__version__,
    }
    if video.only_videos(inputs):
        pictures_only = {"--format": format, "--trust-map": trust_map, "--pyramid": pyramid, "--dpi": dpi, "--watch": watching}
        pictures_only |= {"--verify-tiles": verify_tiles, "--consistency": measure_consistency, "-o -": out == Path("-")}
        video.refuse({name: bool(value) for name, value in pictures_only.items()})
        pairs = video.plan_targets(inputs, out, label)
        upscalers = Upscalers(model, wishes, device=device, tile=tile, memory=limit, **options)
        ways = {"quality": quality, "max_pixels": max_pixels, "resume": resume, "dry_run": dry_run, "as_json": as_json}
        return video.run_videos(pairs, upscalers, settings, **ways)
    if watching and not all(source.is_dir() for source in inputs):
        raise UsageError("--watch takes folders; give the folders that pictures will appear in")
    with piped(expand(inputs), out, format) as (sources, target):
        find = partial(plan_jobs, sources, target, label=label, format=format, recursive=recursive)
        upscalers = Upscalers(
            model, wishes, device=device, tile=tile, memory=limit, measure_consistency=measure_consistency, **options
        )
        chain = Chain(upscalers, files, Manifests(settings), verify_tiles, trust_map)
        if watching:
            return _watch(partial(find, some=False), chain)
        planned = find()
        finished = _finished(planned.jobs, chain.manifests, clear=not dry_run) if resume else set()
        todo = [job for job in planned.jobs if job not in finished]
        if dry_run:
            return _tell_plan(todo, chain, len(finished), as_json)
        interrupted = False
        with Meter(planned, finished, upscalers.pixels) as meter:
            try:
                run_batch(todo, chain, meter)
            except KeyboardInterrupt:
                interrupted = True
        if as_json:
            console.say_json({**meter.as_plain(), "interrupted": interrupted})
        else:
            meter.tell()
        return console.INTERRUPTED if interrupted else console.FAILED if meter.failed else console.DONE


def _label(wishes: dict[str, Any], model: str | None) -> str:
    """Return what tells the result from its input in a file's name, after checking the wish as far as no picture is needed."""
    from clearvision.inference.choosing import NATIVE
    from clearvision.inference.naming import size_label
    from clearvision.zoo.catalogue import find_model
    from clearvision.zoo.checkpoint import read_info

    return size_label(wishes, NATIVE if model is None else read_info(find_model(model)).scale)


def _told_model(model: str | None) -> dict[str, Any]:
    """Return what a manifest says of the model asked for: a file's contents count, not its name alone."""
    from clearvision.zoo.catalogue import find_model

    if model is None:
        return {"model": "auto"}
    with find_model(model).open("rb") as file:
        return {"model": model, "model_sha256": hashlib.file_digest(file, "sha256").hexdigest()}


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
