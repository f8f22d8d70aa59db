"""What a folder of results was made of: one line a picture, by which a later run knows what need not be done again.

``clearvision-manifest.jsonl`` lies in the folder of results. A line is written after its result has appeared under its name, so
that after a kill at any moment every line speaks of a whole file; the last line for a result counts, a broken one does not.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

from clearvision.apps.cli.jobs import Job

logger = logging.getLogger(__name__)

NAME = "clearvision-manifest.jsonl"

Record = dict[str, Any]


@dataclass
class Manifests:
    """The manifests of all folders that a command line writes to.

    Attributes:
        settings: everything that decides what a result looks like, as plain data; a result made with others is made again.
    """

    settings: Record
    _known: dict[Path, dict[str, Record]] = field(default_factory=dict)
    _noting: Lock = field(default_factory=Lock)

    def is_done(self, job: Job) -> bool:
        """Whether a job's result is there, whole, made from the same input with the same settings.

        Where there is no manifest, a result that is newer than its input is taken as done: results appear whole.
        """
        try:
            if job.root is None or not (job.root / NAME).is_file():
                return job.target.stat().st_mtime >= job.source.stat().st_mtime
            record = self._read(job.root).get(_relative(job))
            return (
                record is not None
                and record.get("settings") == self.settings
                and record.get("output_bytes") == job.target.stat().st_size
                and record.get("input_sha256") == sha256_of(job.source)
                and record.get("output_sha256") == sha256_of(job.target)
            )
        except OSError:
            return False

    def add(self, job: Job, facts: Record) -> None:
        """Note a result that has just been written; a manifest that cannot be written is a warning, the result stands."""
        if job.root is None:
            return
        record = {
            "output": _relative(job),
            "input": str(job.source.absolute()),
            "input_sha256": sha256_of(job.source),
            "output_sha256": sha256_of(job.target),
            "output_bytes": job.target.stat().st_size,
            "settings": self.settings,
            **facts,
        }
        line = json.dumps(record) + "\n"  # in ASCII: names may hold what UTF-8 cannot, and signs that end a line
        try:
            with self._noting, (job.root / NAME).open("a", encoding="utf-8") as file:
                file.write(line)
        except OSError as error:
            logger.warning("%s cannot be written (%s): --resume will not know '%s'", job.root / NAME, error.strerror, job.target)

    def _read(self, root: Path) -> dict[str, Record]:
        if root not in self._known:
            records: dict[str, Record] = {}
            for line in (root / NAME).read_text(encoding="utf-8", errors="replace").splitlines():
                try:
                    record = json.loads(line)
                    records[record["output"]] = record
                except (ValueError, KeyError, TypeError):  # cut short by a kill
                    continue
            self._known[root] = records
        return self._known[root]


def _relative(job: Job) -> str:
    return os.path.relpath(job.target, job.root)


def sha256_of(path: Path) -> str:
    """Return the hash of a file's contents."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
