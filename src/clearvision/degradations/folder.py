"""A degraded copy of many picture files, with a manifest that says what was done to each.

``manifest.jsonl`` in the result's folder holds the settings on its first line, then one line a picture, sorted by file: the
plan with every number drawn, the ``index`` that with the seed decides them, and the SHA-256 of both files. The index comes
from the source file's own bytes, so neither its name nor its place nor the other pictures change what happens to it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from clearvision.degradations.draw import check_numbers, shown
from clearvision.degradations.pipeline import degrade_by_plan, plan_picture
from clearvision.degradations.presets import Degradation, Preset, preset_from
from clearvision.errors import ClearVisionError, MissingExtraError, PictureError, PictureWriteError, UsageError
from clearvision.imaging.io import read_picture, write_picture
from clearvision.types import Picture

MANIFEST = "manifest.jsonl"
FORMAT = 1  # of the manifest, and of the way from settings to bytes: another number, and nothing is resumed
WORKERS = 4

Progress = Callable[[Path], None]


@dataclass(frozen=True)
class Copied:
    """What a run over many files came to.

    Attributes:
        done: files written now.
        kept: files of an earlier run that are as they should be.
        failed: a sentence for each source that could not be degraded.
    """

    done: tuple[Path, ...] = ()
    kept: tuple[Path, ...] = ()
    failed: dict[Path, str] = field(default_factory=dict)


def degrade_files(
    jobs: Sequence[tuple[Path, Path]],
    out: Path,
    degradation: Degradation,
    *,
    scale: int,
    seed: int,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Copied:
    """Write a degraded copy of every source; a file that is already there and right is kept.

    Pictures are taken as 8-bit RGB without alpha, cut at the right and the bottom to a multiple of the scale. A grey source
    whose result is grey is written grey. The ICC profile is kept, other metadata are not.

    Args:
        jobs: pairs of source and target, each target below ``out``.
        out: folder of the manifest.
        degradation: the name of a preset, a preset, or steps.
        scale: how many times smaller the results are.
        seed: decides every random number.
        overwrite: replace what another run with other settings, or nobody knows who, left in ``out``.
        progress: called with each source when it is done, from the caller's thread.

    Raises:
        UsageError: if a setting is outside what is allowed, or ``out`` holds something else and ``overwrite`` is not given.
        PictureWriteError: if the manifest cannot be written.
        MissingExtraError: if the degradation needs PyTorch, which is not installed.
    """
    check_numbers(scale, seed)
    if not jobs:
        raise UsageError("there are no pictures to degrade")
    run = _Run(out, preset_from(degradation), scale, seed)
    if not overwrite:
        run.take_up([target for _, target in jobs])
    done, kept, failed = [], [], {}
    with run.manifest(), ThreadPoolExecutor(min(WORKERS, os.cpu_count() or 1)) as threads:
        try:
            for (source, target), outcome in zip(jobs, threads.map(run.do, *zip(*jobs, strict=True)), strict=True):
                if isinstance(outcome, str):
                    failed[source] = outcome
                else:
                    (done if outcome else kept).append(target)
                if progress:
                    progress(source)
        except BaseException:
            threads.shutdown(cancel_futures=True)  # what is under way ends, the rest does not begin
            raise
    return Copied(tuple(done), tuple(kept), failed)


def index_of(digest: str) -> int:
    """Return the index that a source file's SHA-256 (hexadecimal) stands for: its first 48 bits."""
    return int(digest[:12], 16)


def plain_pixels(picture: Picture) -> NDArray[np.uint8]:
    """Return a picture's pixels as (H, W, 3) uint8, without its alpha."""
    factor = {"uint8": 1.0, "uint16": 1 / 257}.get(picture.pixels.dtype.name, 255.0)
    levels = picture.pixels if factor == 1 else np.floor(np.clip(picture.pixels * factor, 0, 255) + 0.5)
    pixels = np.empty((picture.height, picture.width, 3), np.uint8)
    pixels[:] = levels  # one channel goes to all three
    return pixels


class _Run:
    """The settings of one run, what its manifest knows so far, and the file that it is appended to."""

    def __init__(self, out: Path, preset: Preset, scale: int, seed: int) -> None:
        self.out, self.preset, self.scale, self.seed = out, preset, scale, seed
        self.settings = {"format": FORMAT, "preset": preset.name, "scale": scale, "seed": seed, "steps": preset.to_data()}
        self.records: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()
        self._file: IO[str] | None = None

    def take_up(self, targets: Sequence[Path]) -> None:
        """Take up the manifest of an earlier run.

        Raises:
            UsageError: if it was another run's, or there is none but files that would be overwritten.
        """
        try:
            settings, *lines = (self.out / MANIFEST).read_text(encoding="utf-8").splitlines()
            found = json.loads(settings)
        except FileNotFoundError:
            taken = next((target for target in targets if target.exists()), None)
            if taken is None:
                return
            raise UsageError(
                f"'{taken}' exists already and '{self.out}' has no {MANIFEST}; give another folder or --overwrite"
            ) from None
        except (OSError, ValueError) as error:
            raise UsageError(f"'{self.out / MANIFEST}' cannot be read; give another folder or --overwrite") from error
        if found != self.settings:
            told = ", ".join(f"{key} {found.get(key)}" for key in ("preset", "scale", "seed")) if isinstance(found, dict) else "?"
            raise UsageError(f"'{self.out}' holds pictures made with other settings ({told}); give another folder or --overwrite")
        for line in lines:
            with contextlib.suppress(ValueError):  # the last line of a run that was killed may be cut
                record = json.loads(line)
                self.records[record["file"]] = record

    @contextlib.contextmanager
    def manifest(self) -> Iterator[None]:
        """Hold the manifest open: what is known first, then a line for each picture when it is there, sorted in the end."""
        self._write_sorted()
        with (self.out / MANIFEST).open("a", encoding="utf-8") as self._file:
            yield
        self._write_sorted()

    def _write_sorted(self) -> None:
        lines = [self.settings, *(self.records[name] for name in sorted(self.records))]
        path, temporary = self.out / MANIFEST, self.out / f".{MANIFEST}.tmp"
        try:
            self.out.mkdir(parents=True, exist_ok=True)
            temporary.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
            temporary.replace(path)
        except OSError as error:
            raise PictureWriteError(f"cannot write {path}: {error.strerror or error}") from error

    def do(self, source: Path, target: Path) -> bool | str:
        """Do one picture; return whether its file was written now, or a sentence on what went wrong."""
        name = target.relative_to(self.out).as_posix()
        try:
            digest = _sha256(source)
            known = self.records.get(name)
            if known and known["sha256_in"] == digest and target.is_file() and known["sha256_out"] == _sha256(target):
                return False
            record = {"file": name, **self._degrade(source, target, digest), "sha256_out": _sha256(target)}
        except MissingExtraError:
            raise
        except (ClearVisionError, OSError) as error:
            return " ".join(str(error).split())
        except MemoryError:
            return f"{source} does not fit in memory"
        with self._lock:
            self.records[name] = record
            if self._file is not None:
                self._file.write(f"{json.dumps(record)}\n")
                self._file.flush()
        return True

    def _degrade(self, source: Path, target: Path, digest: str) -> dict[str, Any]:
        picture = read_picture(source)
        height, width = (side - side % self.scale for side in picture.pixels.shape[:2])
        if not height or not width:
            raise PictureError(f"{source} ({picture.width}x{picture.height}) is too small to become {self.scale} times smaller")
        pixels, index = plain_pixels(picture)[:height, :width], index_of(digest)
        plan = plan_picture(pixels, self.preset, scale=self.scale, seed=self.seed, index=index)
        result: NDArray[np.uint8] = degrade_by_plan(pixels, plan)
        if picture.pixels.shape[2] == 1 and (result == result[:, :, :1]).all():
            result = np.ascontiguousarray(result[:, :, :1])
        write_picture(Picture(result, icc=picture.icc if result.shape[2] == picture.pixels.shape[2] else None), target)
        size = {"width": width, "height": height}
        return {"source": source.name, **size, "index": index, "steps": shown(plan), "sha256_in": digest}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
