"""``clearvision models list | info | export``."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clearvision.apps.cli import console
from clearvision.errors import ModelError, UsageError

if TYPE_CHECKING:
    from clearvision.zoo.checkpoint import Checkpoint

app = typer.Typer(help="List the models, show a model's card, export a model to other formats.")

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Model = Annotated[str, typer.Argument(metavar="NAME|FILE", help="A bundled model's name or a .safetensors file.")]


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
        raise ModelError(
            "this installation has no bundled models; reinstall clearvision, or give the path of a .safetensors file"
        )
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
    """Show a model's card: what it is for, how it was trained, what it scores, under which terms."""
    from clearvision.zoo.catalogue import find_model
    from clearvision.zoo.checkpoint import read_checkpoint

    path = find_model(model)
    shown = card(read_checkpoint(path), path)
    if as_json:
        console.say_json(shown)
        return console.DONE
    radius = shown["receptive_radius"]
    size = shown["size"]
    rows = [
        ("name", shown["name"]),
        ("what", shown["description"]),
        ("use", shown["intended_use"]),
        ("task", shown["task"]),
        ("scale", f"x{shown['scale']}"),
        ("network", f"{shown['arch']} ({settings(shown['hyper'])})"),
        ("parameters", f"{shown['parameters']:,}"),
        ("channels", f"{shown['num_in_ch']} in, {shown['num_out_ch']} out"),
        ("receptive radius", "whole picture" if radius is None else f"{radius} pixels: tiles overlap by it and are exact"),
        ("input size", f"at least {size['minimum']}, padded to a multiple of {size['multiple']}"),
        ("precisions", ", ".join(shown["precisions"])),
        ("figures", figures(shown["figures"])),
        ("training", settings(shown["training"])),
        ("licence", shown["licence"]),
        ("file", f"{shown['file']} ({console.human_bytes(shown['bytes'])})"),
        ("sha256", shown["sha256"]),
    ]
    for key, value in rows:
        console.say(f"{key:<17} {value or '-'}")
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
    return {
        **dataclasses.asdict(checkpoint.info),
        "parameters": sum(value.size for value in checkpoint.weights.values()),
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
