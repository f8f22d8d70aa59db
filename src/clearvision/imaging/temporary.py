"""Names of files that are being written, and how to know one whose writer was killed."""

from __future__ import annotations

import os
import re
import secrets
import socket
from pathlib import Path

_PREFIX = ".clearvision-"
_NAME = re.compile(re.escape(_PREFIX) + r"(?P<host>.*)-(?P<process>\d+)-[0-9a-f]{16}\.tmp")


def temporary_beside(path: Path) -> Path:
    """Return a hidden name of this process' own in a path's folder."""
    return path.parent / f"{_PREFIX}{_host()}-{os.getpid()}-{secrets.token_hex(8)}.tmp"


def remove_abandoned(folder: Path) -> int:
    """Remove from a folder the half-written files of processes of this machine that no longer run; return how many."""
    count = 0
    for path in folder.glob(f"{_PREFIX}*.tmp"):
        found = _NAME.fullmatch(path.name)
        if found is not None and found["host"] == _host() and not _is_running(int(found["process"])):
            path.unlink(missing_ok=True)
            count += 1
    return count


def _host() -> str:
    return re.sub(r"[^A-Za-z0-9_.]", "_", socket.gethostname())[:40]


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's, or a system without such signals
        return True
    return True
