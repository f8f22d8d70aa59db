"""``clearvision evaluate``."""

from __future__ import annotations

import os
import shlex
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from clearvision.apps.cli import console
from clearvision.errors import UsageError

if TYPE_CHECKING:
    from clearvision.evaluation.evaluate import Progress
    from clearvision.evaluation.results import Evaluation
    from clearvision.evaluation.standards import SelfCheck
    from clearvision.evaluation.tables import Comparison


def evaluate(
    data: Annotated[
        Path,
        typer.Option("--data", metavar="DIR", help="The test set: HR and LR, x4/HR and x4/LR, DIV2K's folders, or pictures."),
    ],
    model: Annotated[
        list[str],
        typer.Option(
            "--model", "-m", metavar="NAME|FILE", help="A model, or bicubic, lanczos, nearest; give it again to compare."
        ),
    ],
    lq: Annotated[
        Path | None, typer.Option("--lr", metavar="DIR", help="Folder of the inputs, where it is not inside the set's.")
    ] = None,
    scale: Annotated[int | None, typer.Option(metavar="S", help="The factor.", show_default="the models' own")] = None,
    protocol: Annotated[
        str, typer.Option(metavar="NAME", help="y, y-fullrange, rgb, rgb-uniform7, tf-rgb or global-ssim: what the numbers mean.")
    ] = "y",
    metrics: Annotated[
        str | None,
        typer.Option(metavar="A,B", help="What to measure.", show_default="psnr,ssim; niqe,lr_consistency with --real"),
    ] = None,
    degrade: Annotated[
        str | None, typer.Option(metavar="PRESET", help="Make the inputs from the ground truth with a degradation preset.")
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of --degrade.")] = 0,
    real: Annotated[bool, typer.Option("--real", help="The pictures have no ground truth: they are the inputs.")] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="REPORT", help="Folder for report.html, report.md, scores.csv, report.json."),
    ] = None,
    device: Annotated[Literal["auto", "cpu", "cuda", "mps"], typer.Option(help="Where to compute.")] = "auto",
    precision: Annotated[Literal["auto", "f32", "bf16", "f16"], typer.Option(help="What convolutions multiply in.")] = "auto",
    engine: Annotated[
        Literal["auto", "openvino", "torch"], typer.Option(help="What runs the networks; auto chooses by device.")
    ] = "auto",
    tile: Annotated[int | None, typer.Option(metavar="N", help="Longest side of a tile.", show_default="by memory")] = None,
    tta: Annotated[bool, typer.Option("--tta", help="Average eight flipped and turned views in every network.")] = False,
    weights: Annotated[
        list[str] | None, typer.Option(metavar="NETWORK=FILE", help="A learned metric's network, such as alexnet=alexnet.pth.")
    ] = None,
    fetch: Annotated[bool, typer.Option("--fetch", help="Download the networks of learned metrics that are missing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")] = False,
) -> int:
    """Score models on a test set, beside bicubic, under a protocol that every table names.

    With -o, a run that was broken off goes on where it stopped: finished pictures are not computed again.
    """
    # before numpy is loaded: scoring runs in threads of its own, and BLAS's spinning ones would take the network's cores
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from clearvision.evaluation.evaluate import evaluate as run
    from clearvision.evaluation.learned import open_features, open_learned
    from clearvision.evaluation.loading import PictureReader
    from clearvision.evaluation.memory import keep_freed_memory
    from clearvision.evaluation.methods import open_methods
    from clearvision.evaluation.protocols import find_protocol
    from clearvision.evaluation.report import open_journal, write_report
    from clearvision.evaluation.sets import open_set
    from clearvision.evaluation.store import DEFAULT_ROOM, Store
    from clearvision.evaluation.tables import compare

    keep_freed_memory()
    chosen = find_protocol(protocol)
    wanted = [name.strip() for name in (metrics or ("niqe,lr_consistency" if real else "psnr,ssim")).split(",") if name.strip()]
    files = {name: Path(file) for name, _, file in map(_pair, weights or [])}
    chosen_engine = None if engine == "auto" else engine
    methods = open_methods(model, device=device, precision=precision, engine=chosen_engine, tile=tile, tta=tta)
    native = next((method.scale for method in methods if method.scale is not None), None)
    picture_set = open_set(
        data, scale=scale if scale is not None else native, lq_folder=lq, degrade=degrade, seed=seed, real=real
    )
    reader, gallery = PictureReader(picture_set), Store(DEFAULT_ROOM if out is not None or "fid" in wanted else 0)
    with console.Watcher() as watcher:
        evaluation = run(
            reader,
            methods,
            protocol=chosen,
            metrics=wanted,
            learned=open_learned(wanted, weights=files, fetch=fetch, device=device),
            features=open_features(wanted, weights=files, fetch=fetch, device=device),
            journal=open_journal(out),
            gallery=gallery,
            progress=partial(_show_progress, watcher),
            on_check=partial(_tell_failed, watcher),
        )
    comparisons = compare(evaluation)
    page = None
    if out is not None:
        command = ["clearvision", "evaluate", *(word for name in model for word in ("--model", name)), "--data", str(data)]
        command += ["--scale", str(picture_set.scale), "--protocol", protocol, "--metrics", ",".join(wanted)]
        command += ["--degrade", degrade, "--seed", str(seed)] if degrade else []
        command += ["--tta"] if tta else []
        page = write_report(out, evaluation, comparisons, methods, reader, gallery, command=shlex.join(command))
    _show(evaluation, comparisons, page, as_json=as_json)
    return console.FAILED if evaluation.faults else console.DONE


def _show(evaluation: Evaluation, comparisons: list[Comparison], page: Path | None, *, as_json: bool) -> None:
    from clearvision.evaluation.tables import comparison_table, head_lines, main_table, to_document

    if as_json:
        console.say_json({**to_document(evaluation, comparisons), "report": None if page is None else str(page)})
        return
    for line in head_lines(evaluation):
        console.say(line)
    if evaluation.check is not None:
        console.say(evaluation.check.text)
    for table in (main_table(evaluation, narrow=True), comparison_table(evaluation, comparisons)):
        if table.rows:
            console.say("")
            console.table(table.heads, table.rows, right=table.right)
    if page is not None:
        console.say(f"\nreport: {page}")


def _pair(text: str) -> tuple[str, str, str]:
    parts = text.partition("=")
    if not (parts[0] and parts[2]):
        raise UsageError(f"--weights '{text}' must be NETWORK=FILE, such as alexnet=alexnet.pth")
    return parts


def _show_progress(watcher: console.Watcher, progress: Progress) -> None:
    what = f"{progress.label} ({progress.index} of {progress.methods})"
    watcher.show(progress.label, what, progress.done, progress.total, left=progress.seconds_left)


def _tell_failed(watcher: console.Watcher, check: SelfCheck) -> None:
    """Tell a failed self-check as soon as it is known; a passed one stands above the table."""
    if not check.passed:
        watcher.tell(check.text)
