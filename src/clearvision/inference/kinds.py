"""The kinds of image that are taken and given back: paths, Pillow images, arrays, pictures."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clearvision.errors import UsageError
from clearvision.types import Picture

if TYPE_CHECKING:
    from PIL.Image import Image as PilImage


def as_picture(image: object) -> tuple[Picture, Callable[[Picture], Any]]:
    """Return an image as a picture, and how to turn the result into the same kind."""
    if isinstance(image, Picture):
        return image, lambda picture: picture
    if isinstance(image, np.ndarray):
        from clearvision.imaging.convert import picture_from_array, picture_to_array

        shaped = np.atleast_3d if image.ndim == 3 else np.asarray  # (H, W, 1) stays so
        return picture_from_array(image), lambda picture: shaped(picture_to_array(picture))
    from clearvision.imaging.convert import picture_from_pil, picture_to_pil

    if isinstance(image, str | os.PathLike):
        from clearvision.imaging.io import read_picture

        return read_picture(Path(image)), picture_to_pil
    if hasattr(image, "getexif"):  # a Pillow image, without importing Pillow to find out
        pil: PilImage = image  # type: ignore[assignment]
        return picture_from_pil(pil), picture_to_pil
    raise UsageError(f"cannot upscale a {type(image).__name__}; give a path, a Pillow image, a numpy array or a Picture")
