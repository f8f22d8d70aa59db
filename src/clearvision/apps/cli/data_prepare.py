"""``clearvision data split | crop | augment``."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clearvision.apps.cli import console
from clearvision.apps.cli.reading import Bar, quiet_pictures
from clearvision.errors import UsageError

if TYPE_CHECKING:
    from clearvision.data.extract import Written


class As(Enum):
    """How a split is written."""

    LISTS = "lists"
    LINKS = "links"
    COPIES = "copies"


Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A folder of pictures; its subfolders count too.")]
Out = Annotated[Path, typer.Argument(metavar="OUT", help="The folder of the results.")]
LqFolder = Annotated[
    Path | None, typer.Option("--lq-folder", metavar="DIR", help="Low-quality partners, matched by name and treated alike.")
]
Scale = Annotated[int, typer.Option(metavar="S", min=1, max=16, help="How many times smaller the partners are.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]


def split(
    folder: Folder,
    out: Out,
    share: Annotated[float | None, typer.Option(metavar="X", help="Hold out this share of the pictures, such as 0.2.")] = None,
    count: Annotated[int | None, typer.Option(metavar="N", help="Or hold out N pictures.")] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Another seed, another choice; for --share.")] = 0,
    how: Annotated[As, typer.Option("--as", help="Text files, or folders of links or copies.")] = As.LISTS,
    lq_folder: LqFolder = None,
    scale: Scale = 4,
    as_json: AsJson = False,
) -> int:
    """Divide a folder into train and val by a hash of the names: the same on every machine, whatever the order of the files."""
    from clearvision.data.extract import place_parts, write_lists
    from clearvision.data.layouts import find_items, pair_by_name
    from clearvision.data.split import split_by_count, split_by_share

    if (share is None) == (count is None):
        raise UsageError("give either --share or --count")
    if share is not None and not 0 < share < 1:
        raise UsageError(f"--share ({share:g}) must lie between 0 and 1")
    if count is not None and count < 1:
        raise UsageError(f"--count ({count}) must be 1 or more")
    items = find_items([folder]) if lq_folder is None else pair_by_name(folder, lq_folder, scale)[0]
    if share is not None:
        train, val = split_by_share(items, share, lambda item: item.gt, seed=seed)
    else:
        assert count is not None
        train, val = split_by_count(items, count, lambda item: item.gt)
    parts = {"train": train, "val": val}
    if how is As.LISTS:
        write_lists(folder, out, parts)
    else:
        place_parts(out, parts, copy=how is As.COPIES)
    if as_json:
        console.say_json({"out": str(out), **{name: [str(item.gt) for item in each] for name, each in parts.items()}})
    else:
        console.say(f"{len(train)} to train, {len(val)} to validate, as {how.value} in {out}")
    return console.DONE


def crop(
    folder: Folder,
    out: Out,
    size: Annotated[int, typer.Option(metavar="N", help="Side of a sub-image in pixels.")] = 480,
    step: Annotated[int, typer.Option(metavar="N", help="Pixels from one sub-image to the next.")] = 240,
    lq_folder: LqFolder = None,
    scale: Scale = 1,
    as_json: AsJson = False,
) -> int:
    """Cut pictures into overlapping sub-images, so that training from files decodes little. Run again, it goes on."""
    from clearvision.data.extract import crop_pictures

    with quiet_pictures(), Bar("cutting") as bar:
        written = crop_pictures(folder, out, size=size, step=step, lq_folder=lq_folder, scale=scale, progress=bar.show)
    return _tell(written, out, f"{size}x{size}", as_json)


def augment(
    folder: Folder,
    out: Out,
    turn: Annotated[
        list[str] | None,
        typer.Option(
            "--turn", metavar="NAME", help="original, flip-lr, flip-tb, rot90, rot180, rot270, transpose or transverse."
        ),
    ] = None,
    lq_folder: LqFolder = None,
    scale: Scale = 1,
    as_json: AsJson = False,
) -> int:
    """Write turned and mirrored copies, all eight unless some are named. Training itself does this without copies."""
    from clearvision.data.extract import TURNS, turn_pictures

    with quiet_pictures(), Bar("turning") as bar:
        written = turn_pictures(folder, out, turns=turn or list(TURNS), lq_folder=lq_folder, scale=scale, progress=bar.show)
    return _tell(written, out, "picture", as_json)


def _tell(written: Written, out: Path, size: str, as_json: bool) -> int:
    for text in written.failed.values():
        console.note(f"clearvision: {text}")
    if as_json:
        console.say_json(
            {
                "out": str(out),
                "written": written.written,
                "kept": written.kept,
                "small": [str(path) for path in written.small],
                "failed": {str(path): text for path, text in written.failed.items()},
            }
        )
    else:
        kept = f", {written.kept} already there" if written.kept else ""
        small = f", {len(written.small)} pictures smaller than {size}" if written.small else ""
        failed = f", {len(written.failed)} failed" if written.failed else ""
        console.say(f"{written.written} written{kept}{small}{failed}; see {out}")
    return console.FAILED if written.failed or not (written.written or written.kept) else console.DONE
