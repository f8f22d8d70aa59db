"""``clearvision data get | audit``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from clearvision.apps.cli import console
from clearvision.apps.cli.reading import Bar, quiet_pictures
from clearvision.errors import UsageError

SHOWN = 40

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]


def get(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Such as div2k; without it, what there is.")] = None,
    out: Annotated[Path | None, typer.Option("-o", "--out", metavar="DIR", help="Where it goes; by default ./NAME.")] = None,
    part: Annotated[list[str] | None, typer.Option("--part", metavar="PART", help="Such as train-hr; again for more.")] = None,
    keep_archives: Annotated[bool, typer.Option("--keep-archives", help="Keep what was fetched beside what it holds.")] = False,
    as_json: AsJson = False,
) -> int:
    """Fetch a data set from its authors' place, check it and unpack it. Run again, it goes on where it stopped."""
    from clearvision.data.catalogue import data_sets, find_set, get_parts

    if name is None:
        if as_json:
            console.say_json(
                {each.name: vars(each) | {"files": [vars(file) for file in each.files]} for each in data_sets().values()}
            )
        else:
            _list_sets()
        return console.DONE
    chosen = find_set(name)
    parts = chosen.parts(part or ())
    folder = out if out is not None else Path(chosen.name)
    if folder.is_file():
        raise UsageError(f"'{folder}' is a file; give a folder with --out")
    known = sum(file.bytes or 0 for file in parts)
    console.note(f"{chosen.title}\n{chosen.home}\nTerms: {chosen.terms}\nCite: {chosen.paper}")
    console.note(
        f"{len(parts)} file{'s' if len(parts) > 1 else ''} to {folder}" + (f", {console.human_bytes(known)}" if known else "")
    )
    with Bar("fetching") as bar:
        fetched = get_parts(
            chosen, parts, folder, keep_archives=keep_archives, watch=lambda what, done, total: bar.show(done, total, what)
        )
    for file in fetched:
        console.note(f"{file.path.name}: {_TRUST[file.trust]} (SHA-256 {file.sha256})")
    if as_json:
        files = [{"file": file.path.name, "sha256": file.sha256, "trust": file.trust, "bytes": file.came} for file in fetched]
        console.say_json({"out": str(folder), "terms": chosen.terms, "fetched": files})
    else:
        console.say(f"{chosen.name} is in {folder}" + ("" if fetched else "; nothing was missing"))
    return console.DONE


_TRUST = {
    "published": "its checksum is the published one",
    "recorded": "its checksum is that of the first download",
    "first": "no checksum is published; this one is recorded, and later downloads must equal it",
}


def audit(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Pictures to train on, with subfolders.")],
    against: Annotated[
        list[Path] | None,
        typer.Option("--against", metavar="DIR", help="Test pictures that must not be among them; again for more."),
    ] = None,
    lq_folder: Annotated[
        Path | None, typer.Option("--lq-folder", metavar="DIR", help="The low-quality side of pairs, matched by name.")
    ] = None,
    scale: Annotated[int, typer.Option(metavar="S", min=1, max=16, help="How many times smaller that side is.")] = 4,
    soft_below: Annotated[
        float,
        typer.Option(metavar="X", min=0, max=1, help="Point out pictures whose detail ends below this share of the spectrum."),
    ] = 0.75,
    report: Annotated[Path | None, typer.Option("-o", "--report", metavar="FILE", help="Write everything as JSON.")] = None,
    as_json: AsJson = False,
) -> int:
    """Look for doubles, pictures enlarged or blurred before, pairs that do not fit and leaks of test sets. Exit code 1 if any."""
    from clearvision.data.audit import audit_folder

    with quiet_pictures(), Bar("reading pictures") as bar:
        found = audit_folder(
            folder, against=against or (), lq_folder=lq_folder, scale=scale, soft_below=soft_below, progress=bar.show
        )
    data = found.to_data()
    if report is not None:
        report.parent.mkdir(parents=True, exist_ok=True)
        temporary = report.with_name(f".{report.name}.tmp")
        temporary.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
        temporary.replace(report)
        console.note(f"report: {report}")
    if as_json:
        console.say_json(data)
        return console.FAILED if found.findings else console.DONE
    held = f", held to {found.against} test pictures" if found.against else ""
    pairs = f", {found.pairs} pairs" if found.pairs else ""
    console.say(f"{found.pictures} pictures{held}{pairs}")
    if data["cut_off"]:
        shares = data["cut_off"]
        console.say(
            f"detail reaches {shares['median']:.2f} of the spectrum in the median, one picture in ten stays below "
            f"{shares['tenth']:.2f}, the softest reaches {shares['min']:.2f}"
        )
    if not found.findings:
        console.say("nothing suspicious")
        return console.DONE
    rows = [(_short(each.path, folder), each.kind, each.text) for each in found.findings]
    console.table(("FILE", "WHAT", "WHY"), rows[:SHOWN])
    if len(rows) > SHOWN:
        console.say(f"... and {len(rows) - SHOWN} more; --json names them all")
    advice = {each["kind"]: each["advice"] for each in data["findings"]}
    for kind, number in found.counts().items():
        console.say(f"{number} {kind}: {advice[kind]}")
    return console.FAILED


def _list_sets() -> None:
    from clearvision.data.catalogue import data_sets

    for chosen in data_sets().values():
        console.say(f"{chosen.name:<10} {chosen.title}")
        console.say(f"{'':<10} parts: {', '.join(file.part for file in chosen.files)}")
        console.say(f"{'':<10} {chosen.terms}")


def _short(path: Path, folder: Path) -> Path:
    return path.relative_to(folder) if path.is_relative_to(folder) else path
