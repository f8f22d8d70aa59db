"""``clearvision models interpolate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clearvision.apps.cli import console
from clearvision.errors import UsageError

if TYPE_CHECKING:
    from clearvision.zoo.checkpoint import Checkpoint

SUFFIX = ".safetensors"


def interpolate(
    a: Annotated[str, typer.Argument(metavar="A", help="The model at alpha 0: a name or a file.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The model at alpha 1: the same network with other weights.")],
    alpha: Annotated[
        list[float], typer.Option(metavar="0..1", parser=console.number, help="How far from A to B; give it again for more.")
    ],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="OUT", help="A .safetensors file for one alpha, else a folder.")],
    strip: Annotated[
        Path | None, typer.Option(metavar="IMAGE", help="Also draw this picture's results over alpha, as a PNG beside OUT.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")] = False,
) -> int:
    """Write the networks between two: (1 - alpha) of A's weights and alpha of B's."""
    from clearvision.zoo.catalogue import find_model
    from clearvision.zoo.checkpoint import read_checkpoint, write_checkpoint
    from clearvision.zoo.interpolate import RELATED, check_alike, mix_name, similarity
    from clearvision.zoo.interpolate import interpolate as between

    alphas = list(dict.fromkeys(alpha))
    if wrong := [each for each in alphas if not 0 <= each <= 1]:
        raise UsageError(f"alpha ({wrong[0]:g}) must be at least 0 (A) and at most 1 (B)")
    if out.suffix.lower() == SUFFIX and len(alphas) > 1:
        raise UsageError(f"{len(alphas)} alphas make {len(alphas)} files, so -o must name a folder, not the file '{out}'")
    first, second = (read_checkpoint(find_model(name)) for name in (a, b))
    check_alike(first, second)
    single = out.suffix.lower() == SUFFIX
    files = {each: out if single else out / f"{mix_name(first.info, second.info, each)}{SUFFIX}" for each in alphas}
    drawing = None if strip is None else out.with_name(f"{out.stem}-strip.png") if single else out / "strip.png"
    for path in (*files.values(), *([drawing] if drawing else [])):
        if path.exists() and not overwrite:
            raise UsageError(f"'{path}' exists; name another place, or give --overwrite")
        if any(Path(name).exists() and path.exists() and path.samefile(name) for name in (a, b)):
            raise UsageError(f"'{path}' is one of the two models; inputs are never changed, so name another place")
    if (close := similarity(first, second)) < RELATED:
        console.note(
            f"clearvision: these networks were probably trained apart (cosine of their weights {close:.2f}): what lies between "
            "is likely to be poor, unlike between a network and its fine-tuned form"
        )
    for each, path in files.items():
        made = between(first, second, each)
        write_checkpoint(path, made.info, made.weights)
    if strip is not None and drawing is not None:
        _draw(first, second, strip, drawing)
    written = [*files.values(), *([drawing] if drawing else [])]
    if as_json:
        console.say_json({"files": [str(path) for path in written], "cosine": close})
        return console.DONE
    for path in written:
        console.say(str(path))
    return console.DONE


def _draw(first: Checkpoint, second: Checkpoint, image: Path, target: Path) -> None:
    from clearvision.imaging.io import read_picture, write_picture
    from clearvision.inference.strip import interpolation_strip

    write_picture(interpolation_strip(first, second, read_picture(image)), target)
