"""The data sets that can be fetched by name, as the file ``catalogue.yaml`` beside this one lists them, and fetching them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from clearvision.data.archive import unpack
from clearvision.data.download import Fetched, fetch
from clearvision.errors import DataError, UsageError

CATALOGUE = Path(__file__).with_name("catalogue.yaml")

Watch = Callable[[str, int, int | None], None]


@dataclass(frozen=True)
class SetFile:
    """An archive of a data set.

    Attributes:
        part: what users call it, such as ``train-hr``.
        url: its address.
        bytes: its length, where that is published.
        sha256: its checksum, where that is published.
    """

    part: str
    url: str
    bytes: int | None = None
    sha256: str | None = None

    @property
    def name(self) -> str:
        """The archive's file name."""
        return self.url.rpartition("/")[2]


@dataclass(frozen=True)
class DataSet:
    """A data set that can be fetched.

    Attributes:
        name: what users call it.
        title: what it is.
        home: its home page.
        paper: what to cite.
        terms: what its authors say about its use, to be shown before anything is fetched.
        files: its archives.
        default: the parts that are fetched unless others are named.
    """

    name: str
    title: str
    home: str
    paper: str
    terms: str
    files: tuple[SetFile, ...] = field(default=())
    default: tuple[str, ...] = ()

    def parts(self, wanted: Sequence[str] = ()) -> list[SetFile]:
        """Return the archives of the parts that are named, or of the default ones.

        Raises:
            UsageError: if there is no such part.
        """
        by_part = {file.part: file for file in self.files}
        unknown = [part for part in wanted if part not in by_part]
        if unknown:
            raise UsageError(f"{self.name} has no part '{unknown[0]}'; known: {', '.join(by_part)}")
        return [by_part[part] for part in (wanted or self.default)]


@cache
def data_sets() -> dict[str, DataSet]:
    """Return every data set of the catalogue by name."""
    return read_catalogue(CATALOGUE)


def read_catalogue(path: Path) -> dict[str, DataSet]:
    """Read a catalogue of the form of ``catalogue.yaml``.

    Raises:
        DataError: if it cannot be read or an entry is not as it must be.
    """
    import yaml

    try:
        entries: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
        return {name: _data_set(name, entry) for name, entry in entries.items()}
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"the catalogue '{path}' cannot be read: {' '.join(str(error).split())}") from error


def find_set(name: str) -> DataSet:
    """Return a data set by name.

    Raises:
        UsageError: if the catalogue has no such set.
    """
    found = data_sets().get(name.lower())
    if found is None:
        raise UsageError(f"unknown data set '{name}'; known: {', '.join(data_sets())}")
    return found


def get_parts(
    chosen: DataSet, parts: Sequence[SetFile], folder: Path, *, keep_archives: bool = False, watch: Watch | None = None
) -> list[Fetched]:
    """Fetch and unpack parts of a data set; run again, it goes on where it stopped.

    Args:
        chosen: the set.
        parts: some of its archives.
        folder: where everything goes; each archive's own folders are kept.
        keep_archives: do not remove an archive once it is unpacked.
        watch: called with what is being done to which file, bytes done, and bytes in all.

    Returns:
        What was fetched, without the parts that were complete before.

    Raises:
        DataError: see :func:`clearvision.data.download.fetch` and :func:`clearvision.data.archive.unpack`.
    """
    fetched = []
    for part in parts:
        done = folder / f".{chosen.name}-{part.part}.done"
        if done.exists():
            continue

        def told(what: str, name: str = part.name) -> Callable[[int, int | None], None]:
            return lambda now, total: watch(f"{what} {name}", now, total) if watch else None

        found = fetch(part.url, folder, sha256=part.sha256, size=part.bytes, progress=told("fetching"))
        unpack(found.path, folder, progress=told("unpacking"))
        done.write_text(f"{found.sha256}\n", encoding="utf-8")
        if not keep_archives:
            found.path.unlink()
        fetched.append(found)
    return fetched


def _data_set(name: str, entry: dict[str, Any]) -> DataSet:
    files = tuple(
        SetFile(part, entry["base"] + file["name"], file.get("bytes"), file.get("sha256"))
        for part, file in entry["files"].items()
    )
    return DataSet(name, entry["title"], entry["home"], entry["paper"], entry["terms"], files, tuple(entry["default"]))
