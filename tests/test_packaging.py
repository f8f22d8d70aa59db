"""What an install brings: no PyTorch in the core, and a tested version for everything that is declared."""

from __future__ import annotations

import re
import tomllib
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
DECLARED = [Requirement(text) for text in chain(PROJECT["dependencies"], *EXTRAS.values())]


def pins() -> dict[str, str]:
    lines = [line.split(";")[0].strip() for line in (ROOT / "constraints.txt").read_text().splitlines()]
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def test_core_names_nothing_of_torch() -> None:
    names = {Requirement(text).name for text in PROJECT["dependencies"]}
    assert not names & {"torch", "torchvision", "onnx", "onnxscript", "tensorboard"}


@pytest.mark.parametrize("requirement", [r for r in DECLARED if r.name != "clearvision"], ids=lambda r: r.name)
def test_every_requirement_has_a_tested_version_in_its_range(requirement: Requirement) -> None:
    assert pins()[canonicalize_name(requirement.name)] in requirement.specifier


def test_torch_is_pinned_to_the_release_that_the_figures_were_made_with() -> None:
    assert pins()["torch"] == "2.13.0"


def test_extras_that_name_extras_of_this_package_name_existing_ones() -> None:
    own = [requirement for requirement in DECLARED if requirement.name == "clearvision"]
    assert own
    assert all(requirement.extras <= EXTRAS.keys() for requirement in own)


def test_example_pictures_are_all_explained_and_small() -> None:
    folder = ROOT / "examples"
    pictures = {path.name for path in folder.iterdir() if path.suffix in {".png", ".jpg", ".tif"}}
    explained = set(re.findall(r"^\| `([^`]+)`", (folder / "README.md").read_text(), re.MULTILINE))
    assert pictures == explained
    assert sum((folder / name).stat().st_size for name in pictures) < 500_000
