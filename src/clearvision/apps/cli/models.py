"""``clearvision models list | info | convert | families | interpolate | export``."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clearvision.apps.cli import console, interpolate
from clearvision.errors import ModelError, UsageError

if TYPE_CHECKING:
    from clearvision.types import ModelInfo
    from clearvision.zoo.checkpoint import Checkpoint
    from clearvision.zoo.foreign import Foreign

app = typer.Typer(help="List the models, show what a file is, convert other people's weights, mix two models, export one.")
app.command("interpolate")(interpolate.interpolate)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Model = Annotated[str, typer.Argument(metavar="NAME|FILE", help="A bundled model's name or a model file.")]


@app.command("list")
def list_(as_json: AsJson = False) -> int:
    """List the bundled models."""
    from clearvision.zoo.catalogue import bundled_models
    from clearvision.zoo.checkpoint import read_checkpoint

    cards = [card(read_checkpoint(path), path) for path in bundled_models().values()]
    if as_json:
        console.say_json(cards)
        return console.DONE
    if not cards:
        raise ModelError("this installation has no bundled models; reinstall clearvision, or give the path of a model file")
    rows = [
        (
            each["name"],
            each["task"],
            f"x{each['scale']}",
            each["arch"],
            f"{each['parameters']:,}",
            console.human_bytes(each["bytes"]),
            figures(each["figures"]),
        )
        for each in cards
    ]
    console.table(
        ("NAME", "TASK", "SCALE", "NETWORK", "PARAMETERS", "SIZE", "FIGURES"), rows, right=("SCALE", "PARAMETERS", "SIZE")
    )
    return console.DONE


@app.command()
def info(model: Model, as_json: AsJson = False) -> int:
    """Show what a file is: network, costs, training, scores, terms; of other people's files too."""
    from clearvision.zoo.catalogue import find_model
    from clearvision.zoo.checkpoint import has_card, read_checkpoint

    path = find_model(model)
    foreign = None
    if not has_card(path):
        from clearvision.zoo.foreign import inspect_foreign

        foreign = inspect_foreign(path)
    if foreign is not None and foreign.fault:
        return _show_misfit(foreign, as_json=as_json)
    checkpoint = read_checkpoint(path)
    shown = {**card(checkpoint, path), "notes": foreign.notes if foreign else []}
    if as_json:
        console.say_json(shown)
        return console.DONE
    size = shown["size"]
    rows = [
        ("name", shown["name"]),
        ("what", shown["description"]),
        ("use", shown["intended_use"]),
        ("task", shown["task"]),
        ("scale", f"x{shown['scale']}"),
        ("network", f"{shown['arch']} ({settings(shown['hyper'])})"),
        ("parameters", f"{shown['parameters']:,}"),
        ("multiply-adds", _macs(shown["macs_per_pixel"])),
        ("channels", f"{shown['num_in_ch']} in, {shown['num_out_ch']} out"),
        ("receptive radius", _radius(checkpoint.info)),
        ("input size", f"at least {size['minimum']}, padded to a multiple of {size['multiple']}"),
        ("precisions", ", ".join(shown["precisions"])),
        ("figures", figures(shown["figures"])),
        ("training", settings(shown["training"])),
        ("licence", shown["licence"]),
        ("file", f"{shown['file']} ({console.human_bytes(shown['bytes'])})"),
        ("sha256", shown["sha256"]),
    ]
    for key, value in [*rows, *(("note", note) for note in shown["notes"])]:
        console.say(f"{key:<17} {value or '-'}")
    return console.DONE


@app.command()
def convert(
    model: Annotated[str, typer.Argument(metavar="IN", help="A file of weights: .pth, .pt, .ckpt, .safetensors.")],
    output: Annotated[Path, typer.Option("-o", "--out", metavar="OUT", help="The .safetensors file to write.")],
    licence: Annotated[str | None, typer.Option(metavar="TEXT", help="The terms of the weights, for the card.")] = None,
    task: Annotated[str | None, typer.Option(metavar="NAME", help="What it is for: clean, photo, restore, face.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT if it exists.")] = False,
    as_json: AsJson = False,
) -> int:
    """Write other people's weights as a model file of ours, which opens faster and, for most networks here, without PyTorch."""
    from clearvision.zoo.catalogue import find_model
    from clearvision.zoo.checkpoint import has_card, read_checkpoint, write_checkpoint

    path = find_model(model)
    if output.suffix.lower() != ".safetensors":
        raise UsageError(f"'{output}' must end in .safetensors, the form that models have here; to others, use 'models export'")
    if output.exists() and output.samefile(path):
        raise UsageError(f"'{output}' is the input itself; inputs are never changed, so name another file")
    if output.exists() and not overwrite:
        raise UsageError(f"'{output}' exists; name another file, or give --overwrite")
    if has_card(path):
        raise UsageError(f"'{path}' is a model file of ours already; there is nothing to convert")
    checkpoint = read_checkpoint(path)
    told = {"licence": licence, "task": task}
    info = dataclasses.replace(
        checkpoint.info, name=output.stem, **{key: value for key, value in told.items() if value is not None}
    )
    write_checkpoint(output, info, checkpoint.weights)
    if as_json:
        console.say_json({"path": str(output), "info": dataclasses.asdict(info)})
        return console.DONE
    console.say(f"{output}: {info.arch} x{info.scale} ({settings(info.hyper)}), licence {info.licence}")
    return console.DONE


@app.command()
def families(as_json: AsJson = False) -> int:
    """List the kinds of weight files that are recognised."""
    from clearvision.zoo.families import FAMILIES, KERAS_FAMILIES

    every = (*FAMILIES, *KERAS_FAMILIES)
    known = [(family.__name__, " ".join((family.__doc__ or "").split()).rstrip(".")) for family in every]
    if as_json:
        console.say_json(dict(known))
        return console.DONE
    console.table(("FAMILY", "FILES"), known)
    return console.DONE


@app.command()
def export(
    model: Model,
    output: Annotated[Path, typer.Option("-o", "--out", metavar="OUT", help="The file to write: .onnx, or .xml.")],
    to: Annotated[str, typer.Option(metavar="onnx|openvino", help="The format.")] = "onnx",
    as_json: AsJson = False,
) -> int:
    """Export a model, run both forms on the same pictures, and print how far they differ."""
    from clearvision.zoo.catalogue import find_model
    from clearvision.zoo.checkpoint import read_checkpoint

    if to not in ("onnx", "openvino"):
        raise UsageError(f"cannot export to '{to}'; known: onnx, openvino")
    checkpoint = read_checkpoint(find_model(model))
    if to == "onnx":
        from clearvision.export import export_onnx as run_export
    else:
        from clearvision.export import export_openvino as run_export
    report = run_export(checkpoint, output)
    if as_json:
        checks = [dataclasses.asdict(check) for check in report.checks]
        console.say_json({"path": report.path, "max_difference": report.max_difference, "checks": checks})
        return console.DONE
    rows = [(check.runtime, " x ".join(map(str, check.shape)), f"{check.max_difference:.1e}") for check in report.checks]
    console.table(("RUNTIME", "INPUT", "MAX DIFFERENCE"), rows, right=("MAX DIFFERENCE",))
    console.say(f"{report.path}: computes what PyTorch computes, within {report.max_difference:.1e} of a range of 1")
    return console.DONE


def card(checkpoint: Checkpoint, path: Path) -> dict[str, Any]:
    """Return everything known about a model, as plain data."""
    from clearvision.zoo.cost import model_cost

    cost = model_cost(checkpoint)
    return {
        **dataclasses.asdict(checkpoint.info),
        "parameters": cost.parameters,
        "macs_per_pixel": cost.macs_per_pixel,
        "file": str(path),
        "bytes": path.stat().st_size,
        "sha256": checkpoint.sha256,
    }


def figures(measured: dict[str, float]) -> str:
    """Return results in one line."""
    return ", ".join(f"{name} {value:g}" for name, value in measured.items()) or "-"


def settings(values: dict[str, Any]) -> str:
    """Return named values in one line."""
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _radius(info: ModelInfo) -> str:
    from clearvision.inference.plan import halo_for

    halo, exact = halo_for(info)
    if exact:
        return f"{info.receptive_radius} pixels: tiles overlap by it and are exact"
    reach = "the whole picture" if info.receptive_radius is None else f"{info.receptive_radius} pixels"
    return f"{reach}: tiles overlap by {halo} pixels only and differ a little from the whole"


def _macs(per_pixel: float | None) -> str:
    if per_pixel is None:
        return "not told without PyTorch"
    return f"{per_pixel:,.0f} for each pixel of the result, {per_pixel * 1280 * 720 / 1e9:,.1f} billion for 1280x720"


def _show_misfit(foreign: Foreign, *, as_json: bool) -> int:
    """Tell what a file is that was recognised but does not fit its network."""
    detection = foreign.detection
    missing, left_over, misshapen = detection.missing, detection.left_over, detection.misshapen
    if as_json:
        told = {"file": str(foreign.path), "sha256": foreign.sha256, "error": foreign.fault, "notes": foreign.notes}
        network = {"family": detection.match.family, "arch": detection.match.arch, "hyper": detection.match.hyper}
        console.say_json({**told, **network, "missing": missing, "left_over": left_over, "misshapen": misshapen})
        return console.FAILED
    rows = [
        ("file", str(foreign.path)),
        ("sha256", foreign.sha256),
        ("network", f"{detection.match.family} ({settings(detection.match.hyper)})"),
        *(("missing", name) for name in missing),
        *(("left over", name) for name in left_over),
        *(("another shape", name) for name in misshapen),
        *(("note", note) for note in foreign.notes),
    ]
    for key, value in rows:
        console.say(f"{key:<17} {value}")
    console.note(f"clearvision: model file '{foreign.path}' cannot be used: {foreign.fault}")
    return console.FAILED
