"""Enlarging in one call: the model is chosen by the picture and the wish, and stays loaded."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from clearvision.inference.choosing import OpenModels, Upscalers
from clearvision.inference.kinds import as_picture

_models = OpenModels(2)


def upscale(
    image: object,
    *,
    scale: float | None = None,
    width: int | None = None,
    height: int | None = None,
    megapixels: float | None = None,
    model: str | Path | None = None,
    device: str = "auto",
    precision: str = "auto",
    tile: int | None = None,
    tta: bool = False,
    vividness: float | None = None,
) -> Any:  # noqa: ANN401 - the kind of image that came in; a Pillow image for a path
    """Enlarge a picture with a bundled model; the two models last used stay loaded.

    Without a model's name the picture is looked at, and the family that suits what it has been through is taken
    (:func:`clearvision.imaging.quality.diagnose`), ``clean`` where no model of it is bundled.

    Args:
        image: a path, a Pillow image, an array or a :class:`~clearvision.types.Picture`; the result is of the same kind, and a
            Pillow image for a path. Arrays are (H, W) or (H, W, C), uint8, uint16 or float32 in [0, 1], RGB.
        scale: sides of the result divided by those of the picture, above 0 and at most 16; 4 when no size is given.
        width: columns of the result; rows in proportion.
        height: rows of the result; columns in proportion.
        megapixels: millions of pixels of the result.
        model: a bundled model's name or the path of a model file; by default one that suits the picture and the factor.
        device: as in :class:`Upscaler`.
        precision: as in :class:`Upscaler`.
        tile: as in :class:`Upscaler`.
        tta: as in :class:`Upscaler`.
        vividness: as in :class:`Upscaler`.

    Raises:
        PictureError: if the picture cannot be read or taken.
        ImageShapeError: if an array is not a picture.
        UsageError: if an option is outside what is allowed.
        ModelError: if the model is unknown or damaged.
        EngineError: if the picture could not be computed.
    """
    picture, back = as_picture(image)
    wishes: dict[str, Any] = {"scale": scale, "width": width, "height": height, "megapixels": megapixels}
    options: dict[str, Any] = {"device": device, "precision": precision, "tile": tile, "tta": tta, "vividness": vividness}
    upscalers = Upscalers(None if model is None else str(model), wishes, models=_models, **options)
    source = Path(image) if isinstance(image, str | os.PathLike) else None
    diagnosis = upscalers.diagnose(picture, source) if upscalers.has_choice else None
    upscaler = upscalers.choose(picture.height, picture.width, diagnosis)
    return back(upscaler.run(picture, **upscalers.wishes)[0])
