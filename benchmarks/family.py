"""Every network of the family: what it costs, and how fast it runs on each engine of this machine.

Commands: ``python benchmarks/family.py --facts`` prints the table of docs/networks.md in a few seconds and measures nothing;
``python benchmarks/family.py`` measures (some minutes), ``--only edsr rcan`` a part, ``--save FILE`` keeps the figures as JSON.

Weights are those of an untrained network, which takes as long as a trained one. Every case lives in a process of its own, so that
its memory is its own: torch in float32 as PyTorch does by default, torch in bf16 with channels last, OpenVINO in float32 and,
where the processor computes it, in bf16; the same on a CUDA device where there is one. Inputs are squares, the side chosen so
that a picture takes about the same arithmetic in every network. Figures are medians of three runs after a first one. Memory is
what the process holds at its peak beyond what it held before the network was built: weights, compiled kernels, activations.
Memory is read as Linux tells it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BUDGET = 20e9  # multiply-adds of one picture, at most
SIDES = (192, 144, 96, 72, 48, 24)  # multiples of what every network needs
RUNS = 3


@dataclass(frozen=True)
class Variant:
    """A network as it is published or shipped.

    Attributes:
        name: for the tables.
        arch: key of ``clearvision.archs.ARCHS``.
        hyper: arguments of the constructor.
        scales: that the network can be built for.
        paper: first author and year, with a link where there is a paper.
        use: what to take it for.
    """

    name: str
    arch: str
    hyper: dict[str, Any] = field(default_factory=dict)
    scales: str = ""
    paper: str = ""
    use: str = ""


def paper(text: str, number: str) -> str:
    """Return a link to arXiv."""
    return f"[{text}](https://arxiv.org/abs/{number})"


SPAN_PAPER, REAL_PAPER = paper("Wan 2024", "2311.12770"), paper("Wang 2021", "2107.10833")
ESRGAN_PAPER, SRGAN_PAPER = paper("Wang 2018", "1809.00219"), paper("Ledig 2017", "1609.04802")
CYCLE_PAPER = paper("Zhu 2017", "1703.10593")
SWINIR_LIGHT = {
    "embed_dim": 60,
    "depths": [6, 6, 6, 6],
    "num_heads": [6, 6, 6, 6],
    "upsampler": "pixelshuffledirect",
}

FAMILY = (
    Variant("SPAN", "span", {}, "1 2 3 4", SPAN_PAPER, "the default, made for processors"),
    Variant("SPAN fast", "span", {"feature_channels": 32}, "1 2 3 4", SPAN_PAPER, "less than half the arithmetic of SPAN"),
    Variant("SRVGG compact", "srvgg", {"num_conv": 32}, "1 2 3 4", REAL_PAPER, "Real-ESRGAN's small files"),
    Variant("ClearVision", "clearvision", {}, "1 2 4", "ours", "faces and restoration, as the first ClearVision"),
    Variant("ClearVision x1", "clearvision", {"scale": 1}, "1 2 4", "ours", "restoration at the same size"),
    Variant("Sharpener", "sharpener", {}, "1", "ours", "sharpening after any network"),
    Variant("SRGAN bicubic", "srgan_bicubic", {}, "2 3 4", SRGAN_PAPER, "a small GAN whose colours come from the input"),
    Variant("SRResNet", "srresnet", {}, "2 3 4", SRGAN_PAPER, "SRGAN as in its paper"),
    Variant("MSRResNet", "msrresnet", {}, "2 3 4", ESRGAN_PAPER, "SRGAN without normalisation"),
    Variant("EDSR baseline", "edsr", {}, "1 2 3 4 8", paper("Lim 2017", "1707.02921"), "the yardstick of every table"),
    Variant(
        "EDSR",
        "edsr",
        {"num_feat": 256, "num_block": 32, "res_scale": 0.1},
        "1 2 3 4 8",
        paper("Lim 2017", "1707.02921"),
        "other people's files; comparison",
    ),
    Variant("RDN", "rdn", {}, "2 3 4 8", paper("Zhang 2018", "1802.08797"), "dense fidelity without attention"),
    Variant(
        "RDN concat", "rdn_concat", {}, "2 4 8", paper("Zhang 2018", "1802.08797"), "Keras users' small RDN without additions"
    ),
    Variant("RRDN", "rrdn", {}, "1 2 3 4 8", ESRGAN_PAPER, "Keras users' ESRGAN generator"),
    Variant("RRDBNet-6", "rrdbnet", {"num_block": 6}, "1 2 4", ESRGAN_PAPER, "Real-ESRGAN's anime files; smaller GANs"),
    Variant("RRDBNet-23", "rrdbnet", {}, "1 2 4", ESRGAN_PAPER, "ESRGAN and Real-ESRGAN files; their training"),
    Variant(
        "RCAN",
        "rcan",
        {},
        "1 2 3 4 8",
        paper("Zhang 2018", "1807.02758"),
        "highest published PSNR of the convolutional ones trained on DIV2K alone",
    ),
    Variant(
        "SwinIR light", "swinir", SWINIR_LIGHT, "1 2 3 4 8", paper("Liang 2021", "2108.10257"), "fidelity for few parameters"
    ),
    Variant("SwinIR", "swinir", {}, "1 2 3 4 8", paper("Liang 2021", "2108.10257"), "its files: clean, real, denoising, JPEG"),
    Variant("DRCT", "drct", {}, "2 3 4 8", paper("Hsu 2024", "2404.00722"), "its files; fidelity without regard to time"),
    Variant("HAT", "hat", {}, "2 3 4 8", paper("Chen 2023", "2205.04437"), "its files; fidelity without regard to time"),
    Variant("SRFlow", "srflow", {}, "2 4 8", paper("Lugmayr 2020", "2006.14200"), "comparison; many pictures for one, by seed"),
    Variant("CycleGAN ResNet-6", "cyclegan_resnet", {"num_block": 6}, "1", CYCLE_PAPER, "unpaired translation, small pictures"),
    Variant("CycleGAN ResNet-9", "cyclegan_resnet", {}, "1", CYCLE_PAPER, "unpaired translation"),
)


@dataclass(frozen=True)
class Facts:
    """What a variant states and costs."""

    scale: int
    parameters: int
    macs: float  # for each pixel of the input
    radius: int | None
    multiple: int
    minimum: int
    precisions: tuple[str, ...]

    @property
    def side(self) -> int:
        """Side of the picture that is measured."""
        return next((side for side in SIDES if self.macs * side**2 <= BUDGET), SIDES[-1])


def facts_of(variant: Variant) -> Facts:
    """Build the variant without memory and read its facts off it."""
    import torch

    from clearvision.archs import ARCHS
    from clearvision.zoo.cost import network_macs

    with torch.device("meta"):
        net = ARCHS[variant.arch](**variant.hyper).eval()
    stated = net.facts()  # type: ignore[operator]
    parameters = sum(parameter.numel() for parameter in net.parameters())
    macs = network_macs(net, stated.num_in_ch) * stated.scale**2
    size = stated.size
    radius = stated.receptive_radius
    return Facts(stated.scale, parameters, macs, radius, size.multiple, size.minimum, stated.precisions)


def print_facts(variants: list[Variant]) -> None:
    """Print the table of docs/networks.md."""
    print("| network | key | scales | parameters | kMAC a pixel of lq | radius | sizes | safe in | paper | for |")
    print("|---|---|---|---:|---:|---:|---|---|---|---|")
    for variant in variants:
        facts = facts_of(variant)
        radius = "global" if facts.radius is None else facts.radius
        sizes = "any" if facts.multiple == facts.minimum == 1 else f"multiples of {facts.multiple}, from {facts.minimum}"
        name = variant.name if f"x{facts.scale}" in variant.name else f"{variant.name} x{facts.scale}"
        print(
            f"| {name} | `{variant.arch}` | {variant.scales} | {facts.parameters:,} | {facts.macs / 1e3:,.0f} | {radius} "
            f"| {sizes} | {' '.join(facts.precisions)} | {variant.paper} | {variant.use} |"
        )


# --- one case, in a process of its own


def memory_mib(what: str) -> float:
    """Return what Linux says of this process: ``VmRSS``, the memory held now, or ``VmHWM``, the most held since the last mark."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what)) / 1024


def mark_memory() -> float:
    """Forget the peak so far, such as that of imports, and return the memory held now."""
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    return memory_mib("VmRSS")


def torch_case(variant: Variant, side: int, device: str, precision: str) -> tuple[Callable[[], None], float]:
    """Return what runs one picture in PyTorch, and the memory held before the network was built."""
    import torch

    from clearvision.archs import ARCHS

    dtype = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}[precision]
    layout = torch.contiguous_format if precision == "f32" else torch.channels_last
    torch.zeros(1, device=device)
    before = mark_memory()
    net = ARCHS[variant.arch](**variant.hyper).eval().to(device, dtype)
    net = net.to(memory_format=layout)  # type: ignore[call-overload]
    lq = torch.rand(1, 3, side, side).to(device, dtype, memory_format=layout)

    def run() -> None:
        with torch.inference_mode():
            net(lq)
        if device == "cuda":
            torch.cuda.synchronize()

    return run, before


def openvino_case(model: Path, side: int, precision: str) -> tuple[Callable[[], None], float]:
    """Return what runs one picture in OpenVINO, and the memory held before the network was compiled."""
    import numpy as np
    import openvino

    core = openvino.Core()
    lq = np.random.default_rng(0).random((1, 3, side, side), dtype=np.float32)
    before = mark_memory()
    compiled = core.compile_model(str(model), "CPU", {"INFERENCE_PRECISION_HINT": precision})
    request = compiled.create_infer_request()

    def run() -> None:
        request.infer([lq])

    return run, before


def measure(run: Callable[[], None]) -> float:
    """Return the median seconds of a run after a first one."""
    run()
    seconds = []
    for _ in range(RUNS):
        started = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def serve(case: str, variant: Variant, side: int, model: Path) -> None:
    """Measure one case and print its figures as JSON."""
    engine, device, precision = case.split()
    if engine == "openvino":
        run, before = openvino_case(model, side, precision)
    else:
        run, before = torch_case(variant, side, device, precision)
    seconds = measure(run)
    held = memory_mib("VmHWM") - before
    if device == "cuda":
        import torch

        held = torch.cuda.max_memory_allocated() / 2**20
    print(json.dumps({"seconds": seconds, "mib": held}))


def export(variant: Variant, folder: Path) -> None:
    """Write the variant as ONNX, by the project's exporter."""
    import torch

    from clearvision.archs import ARCHS
    from clearvision.export.onnx import build_onnx
    from clearvision.types import ModelInfo
    from clearvision.zoo.checkpoint import Checkpoint

    torch.manual_seed(0)
    net = ARCHS[variant.arch](**variant.hyper).eval()
    stated = net.facts()  # type: ignore[operator]
    info = ModelInfo(variant.name, "clean", stated.scale, variant.arch, variant.hyper, size=stated.size)
    model = build_onnx(Checkpoint(info, {}, None, "0" * 64), net)
    (folder / "model.onnx").write_bytes(model.SerializeToString())


# --- all cases


def cases() -> list[str]:
    """Return engine, device and precision of what this machine can run."""
    import openvino
    import torch

    found = ["torch cpu f32", "torch cpu bf16", "openvino cpu f32"]
    if "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        found.append("openvino cpu bf16")
    if torch.cuda.is_available():
        found += ["torch cuda f32", "torch cuda bf16", "torch cuda f16"]
    return found


def child(*arguments: str) -> dict[str, Any] | None:
    """Run this file with the arguments; return what it printed last, or None if it failed."""
    done = subprocess.run([sys.executable, __file__, *arguments], capture_output=True, text=True, env=os.environ)
    if done.returncode != 0:
        print(f"{' '.join(arguments)}: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
        return None
    return json.loads(done.stdout.strip().splitlines()[-1])


def measure_all(variants: list[Variant], columns: list[str]) -> dict[str, dict[str, Any]]:
    """Return the figures of every variant: the side of its picture, and seconds and memory by case, None where a case fails."""
    figures: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory(prefix="clearvision-bench-") as folder:
        for variant in variants:
            print(variant.name, file=sys.stderr)
            facts = facts_of(variant)
            row: dict[str, Any] = {"side": facts.side, "scale": facts.scale}
            exported = child("--export", variant.name, "--folder", folder)
            for case in columns:
                possible = exported or not case.startswith("openvino")
                arguments = ("--case", case, "--variant", variant.name, "--side", str(facts.side), "--folder", folder)
                row[case] = child(*arguments) if possible else None
            figures[variant.name] = row
    return figures


def print_figures(columns: list[str], figures: dict[str, dict[str, Any]]) -> None:
    """Print speed and memory."""
    for title, key in (("output MP/s", "seconds"), ("peak memory, MiB", "mib")):
        print(f"\n{title}\n")
        print(f"| network | side of lq | {' | '.join(columns)} |")
        print(f"|---|---:|{'---:|' * len(columns)}")
        for name, row in figures.items():
            pixels = (row["side"] * row["scale"]) ** 2 / 1e6
            cells = []
            for found in (row[case] for case in columns):
                value = "-" if found is None else f"{found['mib']:.0f}" if key == "mib" else f"{pixels / found['seconds']:.3g}"
                cells.append(value)
            print(f"| {name} | {row['side']} | {' | '.join(cells)} |")


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--facts", action="store_true", help="print the table of costs and stop")
    parser.add_argument("--only", nargs="+", metavar="KEY", help="networks with these keys")
    parser.add_argument("--save", type=Path, help="also write the figures here, as JSON")
    for name in ("--case", "--variant", "--side", "--export", "--folder"):
        parser.add_argument(name, help=argparse.SUPPRESS)
    options = parser.parse_args()
    by_name = {variant.name: variant for variant in FAMILY}
    if options.export:
        export(by_name[options.export], Path(options.folder))
        print(json.dumps({"exported": options.export}))
        return
    if options.case:
        serve(options.case, by_name[options.variant], int(options.side), Path(options.folder) / "model.onnx")
        return
    known = {variant.arch for variant in FAMILY}
    if unknown := set(options.only or known) - known:
        parser.error(f"no network has the key {', '.join(sorted(unknown))}; known: {', '.join(sorted(known))}")
    variants = [variant for variant in FAMILY if variant.arch in (options.only or known)]
    print_facts(variants)
    if options.facts:
        return
    columns = cases()
    figures = measure_all(variants, columns)
    print_figures(columns, figures)
    if options.save:
        options.save.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
