"""``clearvision restore``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clearvision.apps.cli import flags
from clearvision.apps.cli.work import Work, do

TASK = "restore"  # of the model that is taken when none is named

Out = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--out",
        metavar="OUT",
        help="A file for one picture, else a folder; - for stdout. Default: beside the input, as NAME_restored.",
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|FILE",
        help="See 'clearvision models list'.",
        rich_help_panel=flags.COMPUTING,
        show_default="the bundled one for restoring",
    ),
]


def restore(
    inputs: flags.Inputs,
    out: Out = None,
    model: Model = None,
    device: flags.Device = "auto",
    precision: flags.Precision = "auto",
    tile: flags.Tile = None,
    tta: flags.Tta = False,
    vividness: flags.Vividness = None,
    memory: flags.Memory = None,
    alpha: flags.Alpha = "resize",
    sharpen: flags.Sharpen = 0.0,
    verify_tiles: flags.VerifyTiles = False,
    trust_map: flags.TrustMap = False,
    tileable: flags.Tileable = "none",
    format: flags.Format = None,
    quality: flags.Quality = None,
    recursive: flags.Recursive = False,
    resume: flags.Resume = False,
    watching: flags.Watch = False,
    dry_run: flags.DryRun = False,
    pyramid: flags.Pyramid = False,
    dpi: flags.Dpi = None,
    strip_metadata: flags.StripMetadata = False,
    no_provenance: flags.NoProvenance = False,
    max_pixels: flags.MaxPixels = 500_000_000,
    as_json: flags.AsJson = False,
) -> int:
    """Take noise, blur and JPEG damage out of pictures, at their own size.

    A model that enlarges does it too: its result is made small again.
    """
    from clearvision.zoo.catalogue import model_for

    model = model_for(TASK, 1) if model is None else model
    computing = {
        "precision": precision,
        "tta": tta,
        "vividness": vividness,
        "tileable": tileable,
        "alpha": alpha,
        "sharpen": sharpen,
    }
    return do(
        Work(
            inputs=inputs,
            out=out,
            label="_restored",
            model=model,
            wishes={"scale": 1.0, "width": None, "height": None, "megapixels": None},
            computing=computing,
            device=device,
            tile=tile,
            memory=memory,
            format=format,
            quality=quality,
            pyramid=pyramid,
            dpi=dpi,
            strip_metadata=strip_metadata,
            no_provenance=no_provenance,
            max_pixels=max_pixels,
            verify_tiles=verify_tiles,
            trust_map=trust_map,
            recursive=recursive,
            resume=resume,
            watching=watching,
            dry_run=dry_run,
            as_json=as_json,
        )
    )
