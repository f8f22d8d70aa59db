"""Which pictures a command line means and where each result goes, settled before any work starts."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from clearvision.errors import PictureWriteError, UsageError
from clearvision.imaging.formats import READABLE_SUFFIXES, check_writable, resolve_format
from clearvision.inference.naming import result_suffix


@dataclass(frozen=True)
class Job:
    """One picture to read and the file its result becomes.

    Attributes:
        source: what to read.
        target: where the result goes.
        root: the folder of results that the target belongs to, or None for a file of its own.
    """

    source: Path
    target: Path
    root: Path | None = None


@dataclass(frozen=True)
class Jobs:
    """The jobs of a command line, in order, and how many files of the folders are no pictures and were left out."""

    jobs: tuple[Job, ...]
    ignored: int = 0


@dataclass(frozen=True)
class _Source:
    path: Path
    relative: Path
    folder: Path | None  # the folder argument it was found in


def plan_jobs(
    inputs: Sequence[Path],
    output: Path | None,
    *,
    label: str,
    format: str | None = None,
    recursive: bool = False,
    some: bool = True,
) -> Jobs:
    """Pair every picture among the inputs with its target.

    Without an output, ``photo.jpg`` goes to ``photo{label}.jpg`` beside it and the folder ``holiday`` to ``holiday{label}``.
    An output that ends like a picture is a file (for exactly one file); any other is a folder, in which names are kept and
    the trees of folders are mirrored. Targets keep the input's suffix where that format can be written, else become PNG; GIF too,
    or WebP where it is animated.
    Two inputs of one stem whose targets would be the same file keep their suffix in the stem (``a_jpg.png``).

    Args:
        inputs: files and folders; a missing path counts as a file and fails when it is read.
        output: file, folder or None.
        label: what tells a result from its input, such as ``_x4``.
        format: name of a format or None for the input's.
        recursive: descend into the folders' subfolders.
        some: whether having no picture at all is an error.

    Raises:
        UsageError: if there is nothing to do, or a target would be an input, a folder, another job's target or unwritable.
    """
    if format is not None:
        format = resolve_format(Path(), format).name
    sources, ignored = _collect(inputs, output, recursive)
    if not sources and some:
        raise UsageError(_nothing_found(inputs, ignored, recursive))
    if output is not None and _names_a_file(output, format):
        if len(sources) > 1 or sources[0].folder is not None:
            raise UsageError(f"-o '{output}' names one file but the input is {_count(sources)}; give a folder instead")
        jobs = [Job(sources[0].path, output)]
    else:
        jobs = _named_apart([_job(source, output, label, format) for source in sources])
    _check_targets(jobs)
    return Jobs(tuple(jobs), ignored)


def _collect(inputs: Sequence[Path], output: Path | None, recursive: bool) -> tuple[list[_Source], int]:
    found: list[_Source] = []
    seen: set[str] = set()
    ignored = 0
    for given in inputs:
        if not given.is_dir():
            candidates = [_Source(given, Path(given.name), None)]
        else:
            files = list(_walk(given, output, recursive))
            pictures = [file for file in files if file.suffix.lower() in READABLE_SUFFIXES]
            ignored += len(files) - len(pictures)
            candidates = [_Source(file, file.relative_to(given), given) for file in pictures]
        for candidate in candidates:
            identity = os.path.realpath(candidate.path)
            if identity not in seen:
                seen.add(identity)
                found.append(candidate)
    return found, ignored


def _walk(folder: Path, output: Path | None, recursive: bool) -> Iterator[Path]:
    """Yield the files of a folder in order, without hidden ones (.DS_Store, ._photo.jpg) and without the results' folder."""
    results = output.resolve() if output is not None else None
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name == "__MACOSX":
            continue
        if path.is_dir():
            if recursive and not path.is_symlink() and path.resolve() != results:
                yield from _walk(path, output, recursive)
        else:
            yield path


def _names_a_file(output: Path, format: str | None) -> bool:
    suffix = output.suffix.lower()
    if output.is_dir() or suffix not in READABLE_SUFFIXES:
        return False
    written = resolve_format(output, None).name
    if format is not None and written != format:
        raise UsageError(f"-o '{output}' ends in '{suffix}' but --format says {format}; leave one of the two out")
    return True


def _job(source: _Source, output: Path | None, label: str, format: str | None) -> Job:
    suffix = result_suffix(source.path, format)
    if output is not None:
        return Job(source.path, output / source.relative.with_suffix(suffix), output)
    if source.folder is None:
        return Job(source.path, source.path.with_name(f"{source.path.stem}{label}{suffix}"))
    folder = source.folder.resolve()
    root = folder.with_name(f"{folder.name}{label}")
    return Job(source.path, root / source.relative.with_suffix(suffix), root)


def _named_apart(jobs: list[Job]) -> list[Job]:
    targets = Counter(_key(job.target) for job in jobs)

    def named_apart(job: Job) -> Job:
        if targets[_key(job.target)] == 1 or not job.source.suffix:
            return job
        return replace(job, target=job.target.with_stem(f"{job.target.stem}_{job.source.suffix[1:].lower()}"))

    return [named_apart(job) for job in jobs]


def _check_targets(jobs: Sequence[Job]) -> None:
    sources = {_identity(job.source): job.source for job in jobs if job.source.exists()}
    taken: dict[str, Path] = {}
    for job in jobs:
        source = sources.get(_identity(job.target)) if job.target.exists() else None
        if source is not None:
            raise UsageError(f"the result of '{job.source}' would overwrite the input '{source}'; give another place with -o")
        other = taken.setdefault(_key(job.target), job.source)
        if other is not job.source:
            raise UsageError(
                f"'{other}' and '{job.source}' would both become '{job.target}'; "
                "give their common folder with --recursive, or run them apart"
            )
        try:
            check_writable(job.target)
        except PictureWriteError as error:
            raise UsageError(f"{error}; give another place with -o") from error


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def _key(path: Path) -> str:
    return os.path.normcase(path.absolute())


def _count(sources: Sequence[_Source]) -> str:
    return f"{len(sources)} pictures" if len(sources) > 1 else f"the folder '{sources[0].folder}'"


def _nothing_found(inputs: Sequence[Path], ignored: int, recursive: bool) -> str:
    places = ", ".join(f"'{path}'" for path in inputs)
    others = f" ({ignored} other file{'s' if ignored > 1 else ''})" if ignored else ""
    hint = "" if recursive else "; --recursive also looks into subfolders"
    return f"no pictures in {places}{others}{hint}"
