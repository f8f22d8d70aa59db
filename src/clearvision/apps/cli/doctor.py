"""``clearvision doctor``: what this machine has, what works, and why the rest does not."""

from __future__ import annotations

import dataclasses
import os
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from clearvision import __version__
from clearvision.apps.cli import console

OK, ABSENT, BROKEN = "ok", "absent", "broken"
NEEDED = ("numpy", "openvino", "pyvips", "pyvips-binary", "pillow", "safetensors", "pydantic", "typer", "rich")
FEATURES = {"avx2": "avx2", "avx512f": "avx512", "avx512_bf16": "avx512-bf16", "avx512_vnni": "avx512-vnni"}
FEATURES |= {"amx_bf16": "amx-bf16", "amx_int8": "amx-int8", "asimd": "neon", "bf16": "bf16", "i8mm": "i8mm", "sve": "sve"}
FAITHFUL_DB = 40.0  # bf16 against f32; trained networks reach 55 and more, a miscompiled one falls far below


@dataclass(frozen=True)
class Finding:
    """One thing looked at.

    Attributes:
        group: what it belongs to.
        name: what it is.
        state: ``ok``, ``absent`` (nothing to mend) or ``broken``.
        detail: what was found, for people.
    """

    group: str
    name: str
    state: str
    detail: str


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")] = False) -> int:
    """Show what this machine has and prove that the bundled models run on it; exit 1 if something is broken."""
    findings = list(examine())
    broken = [finding for finding in findings if finding.state == BROKEN]
    if as_json:
        console.say_json({"ok": not broken, "findings": [dataclasses.asdict(finding) for finding in findings]})
    else:
        _show(findings, broken)
    return console.FAILED if broken else console.DONE


def examine() -> Iterator[Finding]:
    """Look at everything, in order; what raises is broken, and the rest is still looked at."""
    groups: dict[str, Callable[[], Iterator[tuple[str, str, str]]]] = {
        "software": _software,
        "machine": _machine,
        "openvino": _openvino,
        "torch": _torch,
        "pictures": _pictures,
        "models": _models,
    }
    for group, look in groups.items():
        try:
            for name, state, detail in look():
                yield Finding(group, name, state, detail)
        except Exception as error:  # whatever is wrong with this machine, it is what was asked for
            yield Finding(group, group, BROKEN, console.sentence(error))


def _show(findings: list[Finding], broken: list[Finding]) -> None:
    group = ""
    for finding in findings:
        if finding.group != group:
            group = finding.group
            console.say(group)
        mark = "" if finding.state == OK else f"[{finding.state}] "
        console.say(f"  {finding.name:<16} {mark}{finding.detail}")
    if broken:
        console.say(f"{len(broken)} broken: {', '.join(finding.name for finding in broken)}")
    else:
        console.say("all well")


def _software() -> Iterator[tuple[str, str, str]]:
    yield "python", OK, f"{platform.python_version()}, {sys.executable}"
    yield "clearvision", OK, __version__
    for name in NEEDED:
        try:
            yield name, OK, metadata.version(name)
        except metadata.PackageNotFoundError:
            # a source tree on PYTHONPATH, or a library from the system's packager, works without an entry
            yield name, ABSENT, "not among the installed distributions"


def _machine() -> Iterator[tuple[str, str, str]]:
    yield "system", OK, f"{platform.system()} {platform.release()}, {platform.machine()}"
    name, features = _processor()
    yield "processor", OK, name
    yield "features", OK, ", ".join(features) or "not told by this system"
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    yield "cores", OK, f"{usable} usable of {os.cpu_count()}"
    yield "memory", OK, _memory()


def _processor() -> tuple[str, list[str]]:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine(), []
    facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    flags = set(f"{facts.get('flags', '')} {facts.get('Features', '')}".split())
    name = facts.get("model name") or platform.processor() or platform.machine()
    return name, [shown for flag, shown in FEATURES.items() if flag in flags]


def _memory() -> str:
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return "not told by this system"
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return console.human_bytes(total)
    free = next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)
    return console.human_bytes(total) + (f", {console.human_bytes(free)} free" if free is not None else "")


def _openvino() -> Iterator[tuple[str, str, str]]:
    from openvino import Core

    core = Core()
    for device in core.available_devices:
        able = ", ".join(sorted(core.get_property(device, "OPTIMIZATION_CAPABILITIES")))
        yield device, OK, f"{core.get_property(device, 'FULL_DEVICE_NAME').strip()} ({able})"
    if "CPU" not in core.available_devices:
        yield "CPU", BROKEN, "OpenVINO finds no processor to run on; reinstall the package openvino"
    else:
        chosen = core.get_property("CPU", "INFERENCE_PRECISION_HINT").to_string()
        yield "precision", OK, f"{chosen} by default on this processor"


def _torch() -> Iterator[tuple[str, str, str]]:
    if find_spec("torch") is None:
        yield "torch", ABSENT, "not needed to upscale on the CPU; pip install 'clearvision[torch]' for GPUs"
        return
    import torch

    yield "torch", OK, torch.__version__
    if torch.cuda.is_available():
        names = ", ".join(torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count()))
        yield "cuda", OK, names
    elif torch.version.cuda is None:
        yield "cuda", ABSENT, "this PyTorch is built without CUDA"
    else:
        yield "cuda", ABSENT, f"PyTorch is built for CUDA {torch.version.cuda} but finds no usable device: see nvidia-smi"
    if torch.backends.mps.is_available():
        yield "mps", OK, "usable"
    else:
        built = torch.backends.mps.is_built()
        yield "mps", ABSENT, "macOS or this Mac does not offer it" if built else "this PyTorch is built without MPS"


def _pictures() -> Iterator[tuple[str, str, str]]:
    import numpy as np

    from clearvision.imaging.io import WRITABLE_FORMATS, picture_from_array, read_picture, write_picture

    probe = np.indices((16, 16)).sum(axis=0).astype(np.uint8) * 8
    with TemporaryDirectory() as folder:
        for name, suffix in WRITABLE_FORMATS.items():
            try:
                path = Path(folder) / f"probe{suffix}"
                write_picture(picture_from_array(np.stack([probe] * 3, axis=2)), path)
                error = np.abs(read_picture(path).pixels.astype(int) - probe[:, :, None]).max()
                yield name, OK if error <= 16 else BROKEN, "written and read" + (f", off by {error} levels" if error > 16 else "")
            except Exception as error:
                yield name, BROKEN, console.sentence(error)


def _models() -> Iterator[tuple[str, str, str]]:
    from clearvision.zoo.catalogue import bundled_models

    bundled = bundled_models()
    if not bundled:
        yield "bundled", BROKEN, "this installation has no bundled models; reinstall clearvision"
    for name in bundled:
        try:
            yield name, *_self_test(name)
        except Exception as error:
            yield name, BROKEN, console.sentence(error)


def _self_test(name: str) -> tuple[str, str]:
    """Return the state of a model and how well bf16 agrees with f32, if the processor computes it."""
    import numpy as np

    from clearvision.errors import UsageError
    from clearvision.inference.engines import open_engine
    from clearvision.zoo.catalogue import find_model
    from clearvision.zoo.checkpoint import read_checkpoint

    checkpoint = read_checkpoint(find_model(name))
    info = checkpoint.info
    y, x = np.indices((32, 32)) / 32
    probe = 0.5 + 0.4 * np.sin(9 * x + 5 * y * y)
    batch = np.repeat(probe[None, None], info.num_in_ch, axis=1).astype(np.float32)
    exact = open_engine(checkpoint, precision="f32").run(batch).copy()
    if exact.shape[2:] != (32 * info.scale, 32 * info.scale) or not np.isfinite(exact).all():
        return BROKEN, f"gives {exact.shape} with {np.count_nonzero(~np.isfinite(exact))} values that are not finite"
    try:
        fast = open_engine(checkpoint, precision="bf16").run(batch)
    except UsageError:
        return OK, "runs in f32; this processor does not compute in bf16"
    error = float(np.mean((fast - exact) ** 2))
    decibels = float("inf") if error == 0 else -10 * np.log10(error)
    if not decibels >= FAITHFUL_DB:  # so that NaN fails
        return BROKEN, f"bf16 lies {decibels:.1f} dB from f32, at least {FAITHFUL_DB:g} is normal; use --precision f32"
    return OK, f"runs; bf16 lies {decibels:.1f} dB from f32"
