"""``clearvision data``: looking at folders of pictures, degrading them, and the commands of two more files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clearvision.apps.cli import console, data_fetch, data_prepare
from clearvision.apps.cli.jobs import plan_jobs
from clearvision.apps.cli.reading import Bar, quiet_pictures
from clearvision.errors import PictureError, UsageError
from clearvision.imaging.formats import READABLE_SUFFIXES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clearvision.data.inspect import Inspection
    from clearvision.degradations.presets import Preset

app = typer.Typer(help="Get folders of pictures, look at them, and prepare them for training.")
app.command("get")(data_fetch.get)
app.command("audit")(data_fetch.audit)
app.command("split")(data_prepare.split)
app.command("crop")(data_prepare.crop)
app.command("augment")(data_prepare.augment)

PREVIEW_PICTURES, PREVIEW_DRAWS, PREVIEW_SIDE, CELL = 4, 4, 192, 192
SHOWN = 20

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]


@app.command()
def inspect(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder; its subfolders count too.")],
    min_side: Annotated[int, typer.Option(metavar="N", help="Point out pictures with a side below N pixels.")] = 64,
    low_quality: Annotated[int, typer.Option(metavar="Q", help="Point out JPEG pictures of a quality below Q.")] = 75,
    sheet: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a contact sheet, such as sheet.png.")] = None,
    as_json: AsJson = False,
) -> int:
    """Count and measure the pictures of a folder; name those that are damaged or suspicious. Exit code 1 if any is unreadable."""
    from clearvision.data.inspect import inspect_folder, inspection_sheet

    _check_sheet(sheet)
    with quiet_pictures(), Bar("reading pictures") as bar:
        inspection = inspect_folder(folder, min_side=min_side, low_quality=low_quality, progress=bar.show)
    if sheet is not None:
        _write_sheet(inspection_sheet(inspection), sheet)
    if as_json:
        console.say_json(inspection.to_data())
    else:
        _tell(inspection)
    return console.FAILED if inspection.unreadable else console.DONE


@app.command()
def degrade(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A folder of pictures, with its subfolders, or one picture.")],
    out: Annotated[Path | None, typer.Argument(metavar="OUT", help="The folder of the degraded copies, all PNG.")] = None,
    preset: Annotated[
        str | None,
        typer.Option(metavar="NAME|FILE", help="A preset, such as bicubic, clearvision or realesrgan, or a YAML list of steps."),
    ] = None,
    step: Annotated[
        list[str] | None,
        typer.Option("--step", metavar="STEP", help="Instead of a preset, a step such as noise:sigma=5..25; again for more."),
    ] = None,
    scale: Annotated[int, typer.Option(metavar="S", help="How many times smaller the copies are; 1 keeps the size.")] = 4,
    seed: Annotated[int, typer.Option(metavar="N", help="The same seed gives the same bytes.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what other settings left in OUT.")] = False,
    preview: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a contact sheet of what happens to some pictures; OUT may be missing."),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Write a degraded copy of a folder with a manifest of every number drawn. Run again, it goes on where it stopped."""
    chosen = _chosen(preset, step or [])
    if out is None and preview is None:
        raise UsageError("there is nothing to write; give OUT, a folder for the copies, or --preview FILE")
    if not source.exists():
        raise UsageError(f"'{source}' does not exist")
    if out is not None and (out.is_file() or out.suffix.lower() in READABLE_SUFFIXES):
        raise UsageError(f"OUT '{out}' names a file; give a folder")
    _check_sheet(preview)
    planned = plan_jobs([source], out, label="_degraded", format="png", recursive=True)
    jobs = [(job.source, job.target) for job in planned.jobs]
    if preview is not None:
        _write_sheet(_preview([path for path, _ in jobs], chosen, scale, seed), preview)
    if out is None:
        if as_json:
            console.say_json({"preview": str(preview)})
        return console.DONE
    return _copy(jobs, out, chosen, scale=scale, seed=seed, overwrite=overwrite, as_json=as_json)


def _copy(
    jobs: Sequence[tuple[Path, Path]], out: Path, preset: Preset, *, scale: int, seed: int, overwrite: bool, as_json: bool
) -> int:
    from clearvision.degradations.folder import MANIFEST, degrade_files

    count = iter(range(1, len(jobs) + 1))
    with quiet_pictures(), Bar("degrading") as bar:
        copied = degrade_files(
            jobs,
            out,
            preset,
            scale=scale,
            seed=seed,
            overwrite=overwrite,
            progress=lambda _: bar.show(next(count), len(jobs)),
        )
    for text in copied.failed.values():
        console.note(f"clearvision: {text}")
    if as_json:
        console.say_json(
            {
                "manifest": str(out / MANIFEST),
                "done": [str(path) for path in copied.done],
                "kept": [str(path) for path in copied.kept],
                "failed": {str(path): text for path, text in copied.failed.items()},
            }
        )
    else:
        kept = f", {len(copied.kept)} already there" if copied.kept else ""
        failed = f", {len(copied.failed)} failed" if copied.failed else ""
        console.say(f"{len(copied.done)} degraded by '{preset.name}' at scale {scale}{kept}{failed}; see {out / MANIFEST}")
    return console.FAILED if copied.failed else console.DONE


def _chosen(name: str | None, steps: Sequence[str]) -> Preset:
    from clearvision.degradations.notation import parse_step
    from clearvision.degradations.presets import PRESETS, preset_from, read_preset

    if (name is None) == (not steps):
        raise UsageError(f"give either --preset or --step; presets: {', '.join(PRESETS)}")
    if name is None:
        return preset_from([parse_step(text) for text in steps])
    return read_preset(Path(name)) if name.endswith((".yaml", ".yml")) else preset_from(name)


def _preview(paths: Sequence[Path], preset: Preset, scale: int, seed: int) -> NDArray[np.uint8]:
    """Return some pictures' middles, each beside what the degradation makes of it several times."""
    from clearvision.data.sheet import contact_sheet
    from clearvision.degradations.folder import plain_pixels
    from clearvision.degradations.pipeline import degrade_picture
    from clearvision.imaging.io import read_picture

    cells = []
    with quiet_pictures():
        for path in paths[:PREVIEW_PICTURES]:
            pixels = plain_pixels(read_picture(path))
            height, width = (min(side, PREVIEW_SIDE) // scale * scale for side in pixels.shape[:2])
            if not height or not width:
                raise PictureError(f"{path} ({pixels.shape[1]}x{pixels.shape[0]}) is too small to become {scale} times smaller")
            top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
            middle = pixels[top : top + height, left : left + width]
            cells.append((path.name, middle))
            for index in range(PREVIEW_DRAWS):
                cells.append((f"{preset.name} #{index}", degrade_picture(middle, preset, scale=scale, seed=seed, index=index)))
    return contact_sheet(cells, columns=1 + PREVIEW_DRAWS, side=CELL)


def _tell(inspection: Inspection) -> None:
    data = inspection.to_data()
    others = f", {data['others']} other file{'s' if data['others'] > 1 else ''}" if data["others"] else ""
    unreadable = f", {data['unreadable']} unreadable" if data["unreadable"] else ""
    console.say(
        f"{data['pictures']} pictures{unreadable}{others}: "
        f"{data['megapixels']:.1f} megapixels, {console.human_bytes(data['bytes'])}"
    )
    for key in ("formats", "kinds"):
        console.say(f"{key:<10} " + ", ".join(f"{name} {count}" for name, count in data[key].items()))
    console.table(
        ("", "MIN", "MEDIAN", "MAX"),
        [
            (name, *(f"{value:.4g}" if name == "megapixels" else f"{value:g}" for value in each.values()))
            for name, each in data["sizes"].items()
        ],
        right=("MIN", "MEDIAN", "MAX"),
    )
    if not inspection.findings:
        console.say("nothing suspicious")
        return
    rows = [(each.path.relative_to(inspection.folder), each.kind, each.text) for each in inspection.findings]
    console.table(("FILE", "WHAT", "WHY"), rows[:SHOWN])
    if len(rows) > SHOWN:
        console.say(f"... and {len(rows) - SHOWN} more; --json names them all")


def _check_sheet(path: Path | None) -> None:
    from clearvision.imaging.formats import check_writable

    if path is not None:
        check_writable(path)


def _write_sheet(pixels: NDArray[np.uint8], path: Path) -> None:
    from clearvision.imaging.io import picture_from_array, write_picture

    write_picture(picture_from_array(pixels), path)
    console.note(f"contact sheet: {path}")
