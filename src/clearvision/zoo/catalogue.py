"""The models that a name can stand for: those bundled in the package, and files on disk."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path

from clearvision.errors import ModelError
from clearvision.types import ModelInfo
from clearvision.zoo.checkpoint import read_info

WEIGHTS_DIR = Path(__file__).parent / "weights"
VIVID = "-vivid"  # NAME and NAME-vivid are twins: the same network, faithful and perceptual


def bundled_models() -> dict[str, Path]:
    """Return name to file of every model in the package, sorted by name."""
    return {path.stem: path for path in sorted(WEIGHTS_DIR.glob("*.safetensors"), key=lambda path: path.stem)}


def find_model(model: str | Path) -> Path:
    """Return the file of a bundled model's name, or of a path.

    Raises:
        ModelError: if it is neither; the text lists what there is.
    """
    bundled = bundled_models()
    if str(model) in bundled:
        return bundled[str(model)]
    path = Path(model).expanduser()
    if path.is_file():
        return path
    near = get_close_matches(str(model), bundled, n=1)
    hint = f"; did you mean '{near[0]}'?" if near else "."
    raise ModelError(f"unknown model '{model}'{hint} Bundled: {', '.join(bundled)}; or give the path of a model file")


def bundled_pairs() -> list[str]:
    """Return the names of the bundled models that have a vivid twin."""
    bundled = bundled_models()
    return [name for name in bundled if name + VIVID in bundled]


def model_for(task: str, scale: float, *, among: Collection[str] | None = None) -> str:
    """Return the name of the bundled model of a task whose scale best serves a factor.

    The nearest native scale not below the factor wins, so that only shrinking remains; above all of them, the largest. Of several
    variants, such as ``photo-x4`` and ``photo-x4-vivid``, the plain name wins, which sorts before the others.

    Args:
        task: the family, such as ``photo``.
        scale: the factor.
        among: names that alone come into question; None for all.

    Raises:
        ModelError: if no bundled model has the task.
    """
    cards = [info for info in list_models() if info.task == task and (among is None or info.name in among)]
    if not cards:
        known = ", ".join(sorted(bundled_tasks()))
        raise ModelError(f"no bundled model for task '{task}'; there are models for: {known}")
    enough = [info for info in cards if info.scale >= scale]
    best = min(enough, key=lambda info: info.scale) if enough else max(cards, key=lambda info: info.scale)
    return best.name


def bundled_tasks() -> set[str]:
    """Return the tasks, or families, of which a model is bundled."""
    return {info.task for info in list_models()}


def list_models() -> list[ModelInfo]:
    """Return the cards of all bundled models, sorted by name."""
    return [_card(path, path.stat().st_mtime_ns) for path in bundled_models().values()]


@lru_cache(64)
def _card(path: Path, modified: int) -> ModelInfo:
    """Return a file's card, read once for as long as the file stays as it is: every picture asks for all of them."""
    return read_info(path)
