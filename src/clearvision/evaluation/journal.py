"""What is already done: one line of JSON for each finished picture, only ever appended to, so that a run may die at any time."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any


class Journal:
    """The finished pictures of a report folder.

    A line that was cut off, or is otherwise no JSON object with a key, counts as not written: that picture is computed again.

    Args:
        path: the file, made with its folder when the first picture is finished; None keeps everything in memory.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._records: dict[str, dict[str, Any]] = {}
        self._clean_end = True
        self._lock = threading.Lock()
        if path is not None and path.is_file():
            text = path.read_bytes()
            self._clean_end = not text or text.endswith(b"\n")
            for line in text.splitlines():
                record = _parsed(line)
                if record is not None:
                    self._merge(record)

    def find(self, key: str) -> dict[str, Any] | None:
        """Return what is known of a picture, or None."""
        return self._records.get(key)

    def add(self, record: dict[str, Any]) -> None:
        """Append a finished picture, from any thread; it is on its way to the disk when this returns."""
        with self._lock:
            self._merge(record)
            if self._path is None:
                return
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab") as file:
                file.write((b"" if self._clean_end else b"\n") + json.dumps(record).encode() + b"\n")
            self._clean_end = True

    def _merge(self, record: dict[str, Any]) -> None:
        """Let a later line add metrics to an earlier one of the same picture."""
        before = self._records.get(record["key"], {}).get("values", {})
        self._records[record["key"]] = {**record, "values": {**before, **record["values"]}}


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    whole = isinstance(record, dict) and isinstance(record.get("key"), str) and isinstance(record.get("values"), dict)
    return record if whole else None
