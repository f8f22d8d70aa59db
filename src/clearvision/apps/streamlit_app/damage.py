"""Damage done to a picture on purpose, so that what is made of it can be held against the original.

It is done by ``clearvision data degrade`` in a process of its own: noise and blur need PyTorch, whose threads would slow down
the engine that everybody's pictures wait for.
"""

from __future__ import annotations

import json
import math
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import clearvision
from clearvision.degradations.presets import PRESETS
from clearvision.errors import EngineError, MissingExtraError, PictureError

LARGEST_BLUR = 5.0  # standard deviation in pixels
_WITHOUT_TORCH = ("bicubic",)
_LOOK = 0.1  # seconds


@dataclass(frozen=True)
class Damage:
    """What happens to a picture.

    Attributes:
        shrink: how many times smaller it becomes, before all else.
        preset: name of a preset, or None for the numbers below.
        noise: standard deviation in grey levels of 255.
        blur: standard deviation of a Gaussian in pixels.
        quality: of JPEG, or None for no compression.
        seed: decides every random number.
    """

    shrink: int = 4
    preset: str | None = "clearvision-app"
    noise: float = 0.0
    blur: float = 0.0
    quality: int | None = None
    seed: int = 0

    @property
    def needs_torch(self) -> bool:
        """Whether PyTorch must be there for it."""
        return self.preset not in _WITHOUT_TORCH if self.preset else self.noise > 0 or self.blur > 0

    @property
    def text(self) -> str:
        """What happens, in words."""
        if self.preset:
            return PRESETS[self.preset].summary
        parts = [f"shrunk {self.shrink} times"] * (self.shrink > 1)
        parts += [f"noise of {self.noise:g} grey levels"] * (self.noise > 0)
        parts += [f"blur of sigma {self.blur:g}"] * (self.blur > 0)
        parts += [f"JPEG at {self.quality}"] * (self.quality is not None)
        return ", ".join(parts) or "nothing"

    def words(self) -> list[str]:
        """Return it as options of ``clearvision data degrade``."""
        words = ["--scale", str(self.shrink), "--seed", str(self.seed)]
        if self.preset:
            return ["--preset", self.preset, *words]
        steps = ["resize"]
        if self.noise > 0:
            steps += [f"noise:sigma={self.noise:g}", "round"]
        if self.blur > 0:
            steps.append(f"blur:size={2 * math.ceil(3 * self.blur) + 1},sigma={self.blur:g}")
        if self.quality is not None:
            steps.append(f"jpeg:quality={self.quality}")
        return [word for step in steps for word in ("--step", step)] + words

    def command(self, name: str) -> str:
        """Return the command line that does it."""
        return shlex.join(["clearvision", "data", "degrade", name, "damaged", *self.words()])


def why_not(damage: Damage) -> str | None:
    """Return why damage cannot be done on this machine, in a sentence, or None."""
    if damage.needs_torch and find_spec("torch") is None:
        return (
            "This damage needs PyTorch, which is not installed here: pip install 'clearvision[torch]'. "
            "Shrinking ('bicubic') and JPEG do without."
        )
    return None


def do_damage(source: Path, out: Path, damage: Damage, *, alive: Callable[[], None]) -> Path:
    """Write the damaged copy of a picture, a PNG of 8-bit RGB or grey, and return its path.

    Args:
        source: the picture.
        out: folder of the copy; not there yet, or empty.
        damage: what to do.
        alive: called several times a second; an exception that it raises ends the work.

    Raises:
        PictureError: if the picture cannot be read, or is too small to be shrunk so much.
        MissingExtraError: if PyTorch is needed and not installed.
        EngineError: if the process failed otherwise.
    """
    if (lack := why_not(damage)) is not None:
        raise MissingExtraError(lack)
    command = [sys.executable, "-m", "clearvision.apps.cli", "data", "degrade", str(source), str(out), "--json", *damage.words()]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, env=_environment(), stdin=quiet, stdout=subprocess.PIPE, stderr=quiet) as process:
        try:
            said = _wait(process, alive)
        except BaseException:
            process.kill()
            raise
    try:
        told = json.loads(said)
        if told.get("failed"):
            raise PictureError(next(iter(told["failed"].values())))
        return Path((told["done"] or told["kept"])[0])
    except (ValueError, KeyError, IndexError) as error:
        raise EngineError(
            f"the picture could not be damaged: 'clearvision data degrade' ended with {process.returncode}"
        ) from error


def _environment() -> dict[str, str]:
    """Return an environment in which Python finds this very ClearVision, also where it is not installed."""
    places = [str(Path(clearvision.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, places))}


def _wait(process: subprocess.Popen[bytes], alive: Callable[[], None]) -> bytes:
    while True:
        try:
            return process.communicate(timeout=_LOOK)[0]
        except subprocess.TimeoutExpired:
            alive()
