"""The table of docs/networks.md is what its command prints."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from clearvision.archs import ARCHS

ROOT = Path(__file__).parents[2]


def rows(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("| ") and "| `" in line and line.count("|") == 11]


@pytest.mark.slow
def test_table_is_what_the_command_prints() -> None:
    printed = subprocess.run(
        [sys.executable, "benchmarks/family.py", "--facts"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert rows((ROOT / "docs" / "networks.md").read_text(encoding="utf-8")) == rows(printed.stdout)


def test_every_network_is_in_the_table() -> None:
    listed = {line.split("|")[2].strip(" `") for line in rows((ROOT / "docs" / "networks.md").read_text(encoding="utf-8"))}
    assert listed == set(ARCHS)
