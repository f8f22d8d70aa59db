"""What every test gets: a fixed seed."""

from __future__ import annotations

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
