"""The limits and folders of one server, set when it starts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

RUNS, MEGAPIXELS = "CLEARVISION_APP_RUNS", "CLEARVISION_APP_MEGAPIXELS"  # environment variables
USUAL_RUNS, USUAL_MEGAPIXELS = "runs", 100.0


@dataclass(frozen=True)
class Settings:
    """What a server allows.

    Attributes:
        runs: the folder whose training runs are shown.
        most_pixels: of a picture that is read.
        most_result: pixels of a result.
        most_pictures: of one batch.
    """

    runs: Path
    most_pixels: int
    most_result: int
    most_pictures: int = 50

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Return the settings that the environment states, which ``clearvision app`` does."""
        pixels = int(float(environment.get(MEGAPIXELS, USUAL_MEGAPIXELS)) * 1e6)
        return cls(Path(environment.get(RUNS, USUAL_RUNS)), pixels, 4 * pixels)
