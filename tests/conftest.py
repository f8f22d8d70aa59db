"""What every test gets: a fixed seed and caches of its own."""

from __future__ import annotations

import os
import random
import sys

import numpy as np
import pytest


@pytest.fixture(autouse=True)
def fixed_seed() -> None:
    """Seed the global generators, so that a test does not depend on those that ran before it."""
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 - libraries under test may still draw from the legacy generator
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep compiled models out of the user's cache for the whole run, in subprocesses too."""
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))
