"""``clearvision upscale``."""

from __future__ import annotations

from typing import Any

from clearvision.apps.cli import console, flags
from clearvision.apps.cli.work import Work, do
from clearvision.errors import UsageError

AUTO = "auto"  # the model's name that stands for none


def upscale(
    inputs: flags.Inputs,
    out: flags.Out = None,
    scale: flags.Scale = None,
    width: flags.Width = None,
    height: flags.Height = None,
    megapixels: flags.Megapixels = None,
    model: flags.Model = None,
    device: flags.Device = "auto",
    precision: flags.Precision = "auto",
    tile: flags.Tile = None,
    tta: flags.Tta = False,
    vividness: flags.Vividness = None,
    memory: flags.Memory = None,
    time: flags.Time = None,
    alpha: flags.Alpha = "resize",
    sharpen: flags.Sharpen = 0.0,
    verify_tiles: flags.VerifyTiles = False,
    lock_colour: flags.LockColour = False,
    back_project: flags.BackProject = False,
    measure_consistency: flags.MeasureConsistency = False,
    trust_map: flags.TrustMap = False,
    tileable: flags.Tileable = "none",
    normal_map: flags.NormalMap = False,
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
    """Enlarge pictures. The result keeps the input's format, bit depth, colour profile and metadata; inputs are never changed."""
    if lock_colour and back_project:
        raise UsageError("--lock-colour is part of what --back-project does; give one of the two")
    model = None if model == AUTO else model
    seconds = None if time is None else console.duration(time, "--time")
    if seconds is not None and (model is not None or vividness is not None):
        raise UsageError(f"--time chooses the model; leave {'--model' if model is not None else '--vividness'} out")
    wishes = {"scale": scale, "width": width, "height": height, "megapixels": megapixels}
    computing = {
        "precision": precision,
        "tta": tta,
        "vividness": vividness,
        "lock": "input" if back_project else "colour" if lock_colour else "none",
        "tileable": tileable,
        "normal_map": normal_map,
        "alpha": alpha,
        "sharpen": sharpen,
    }
    return do(
        Work(
            inputs=inputs,
            out=out,
            label=_label(wishes, model),
            model=model,
            wishes=wishes,
            computing=computing,
            device=device,
            tile=tile,
            memory=memory,
            measure_consistency=measure_consistency,
            seconds=seconds,
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


def _label(wishes: dict[str, Any], model: str | None) -> str:
    """Return what tells the result from its input in a file's name, after checking the wish as far as no picture is needed."""
    from clearvision.inference.choosing import NATIVE
    from clearvision.inference.naming import size_label
    from clearvision.zoo.catalogue import find_model
    from clearvision.zoo.checkpoint import read_info

    return size_label(wishes, NATIVE if model is None else read_info(find_model(model)).scale)
