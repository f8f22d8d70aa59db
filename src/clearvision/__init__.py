"""ClearVision enlarges and restores pictures.

    import clearvision
    big = clearvision.upscale("photo.jpg", scale=4)

Names are loaded when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from clearvision.errors import (
        ClearVisionError,
        DataError,
        EngineError,
        ExportError,
        ImageShapeError,
        MissingExtraError,
        ModelError,
        PictureError,
        PictureWriteError,
        RecipeError,
        TrainingError,
        UsageError,
    )
    from clearvision.inference.simple import upscale
    from clearvision.inference.upscaler import Upscaler, UpscaleReport
    from clearvision.types import ModelInfo, Picture

__version__ = "0.1.0"

_HOMES = {
    "clearvision.errors": (
        "ClearVisionError",
        "DataError",
        "EngineError",
        "ExportError",
        "ImageShapeError",
        "MissingExtraError",
        "ModelError",
        "PictureError",
        "PictureWriteError",
        "RecipeError",
        "TrainingError",
        "UsageError",
    ),
    "clearvision.inference.simple": ("upscale",),
    "clearvision.inference.upscaler": ("UpscaleReport", "Upscaler"),
    "clearvision.types": ("ModelInfo", "Picture"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "ClearVisionError",
    "DataError",
    "EngineError",
    "ExportError",
    "ImageShapeError",
    "MissingExtraError",
    "ModelError",
    "ModelInfo",
    "Picture",
    "PictureError",
    "PictureWriteError",
    "RecipeError",
    "TrainingError",
    "UpscaleReport",
    "Upscaler",
    "UsageError",
    "load_model",
    "upscale",
]


def load_model(model: str | Path) -> nn.Module:
    """Return a model as a PyTorch network in evaluation mode, on the CPU.

    It maps lq (B, C, h, w), RGB in [0, 1], to sr (B, C, h * scale, w * scale), not clamped.

    Args:
        model: a bundled model's name or the path of a model file, ours or another's.

    Raises:
        ModelError: if the model is unknown, damaged or does not fit its network.
        MissingExtraError: if PyTorch is not installed.
    """
    from clearvision.errors import MissingExtraError
    from clearvision.zoo.catalogue import find_model
    from clearvision.zoo.checkpoint import read_checkpoint

    checkpoint = read_checkpoint(find_model(model))
    try:
        from clearvision.zoo.build import build_network
    except ImportError as error:
        raise MissingExtraError(
            f"load_model needs PyTorch, which cannot be imported ({error}); pip install 'clearvision[torch]'"
        ) from error
    return build_network(checkpoint)


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'clearvision' has no attribute '{name}'")
    value = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
