"""Several models on one picture, and bicubic interpolation beside them."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

from clearvision.apps.streamlit_app.choices import Choices
from clearvision.apps.streamlit_app.damage import Damage, do_damage
from clearvision.apps.streamlit_app.making import MEASURED, Given, Workshop, check_result
from clearvision.apps.streamlit_app.preview import Preview, preview_of
from clearvision.apps.streamlit_app.scores import Scores, scored
from clearvision.apps.streamlit_app.work import Advance
from clearvision.errors import ImageShapeError
from clearvision.imaging.io import read_picture
from clearvision.imaging.resize import resize
from clearvision.inference.consistency import consistency
from clearvision.inference.plan import target_size
from clearvision.types import Picture

BICUBIC = "bicubic"


@dataclass(frozen=True)
class Candidate:
    """What one model made of the picture.

    Attributes:
        name: the model's, or ``bicubic``.
        preview: the result, for the browser.
        seconds: time taken.
        scores: against the original, where there is one that is large enough.
        consistency: PSNR in dB of the result made small again against the picture.
    """

    name: str
    preview: Preview
    seconds: float
    scores: Scores | None = None
    consistency: float | None = None


@dataclass(frozen=True)
class Compared:
    """A picture as several models make it.

    Attributes:
        given: what the picture is called.
        source: what the models were given, for the browser.
        original: the picture before its damage; None where it was not damaged.
        candidates: bicubic interpolation first.
    """

    given: Given
    source: Preview
    original: Preview | None
    candidates: tuple[Candidate, ...]


def compare(
    given: Given, names: list[str], factor: float, damage: Damage | None, folder: Path, shop: Workshop, advance: Advance
) -> Compared:
    """Enlarge a picture with several models.

    Args:
        given: the picture.
        names: of bundled models.
        factor: how many times larger the results are; with damage, as many times as it shrinks.
        damage: what is done to the picture before, or None.
        folder: an empty folder for what is made.
        shop: the models and the limits.
        advance: told how far this is; what it raises ends the work.

    Raises:
        ClearVisionError: if a model cannot take the picture.
    """
    path, original = given.path, None
    if damage is not None:
        advance(0, f"Damaging {given.name}")
        path, factor = do_damage(given.path, folder / "damaged", damage, alive=lambda: advance(0)), float(damage.shrink)
        original = read_picture(given.path, max_pixels=shop.settings.most_pixels)
    measure = check_result(path, Choices(scale=factor), shop.settings) <= MEASURED
    picture = read_picture(path, max_pixels=shop.settings.most_pixels)
    candidates = [_bicubic(picture, factor, original, folder)]
    for index, name in enumerate(names):

        def part(done: int, total: int, index: int = index, name: str = name) -> None:
            advance((index + done / total) / len(names), f"{name} ({index + 1} of {len(names)})")

        part(0, 1)
        choices = Choices(model=name, scale=factor)
        upscaler = choices.upscalers(shop.models, measure=measure).choose(picture.height, picture.width)
        result, report = upscaler.run(picture, scale=factor, progress=part)
        preview = preview_of(result, folder / name)
        scores = _scored(result, original, picture, factor)
        candidates.append(Candidate(name, preview, report.seconds, scores, report.consistency))
    shown = None if original is None else preview_of(original, folder / "original")
    return Compared(given, preview_of(picture, folder / "source"), shown, tuple(candidates))


def _bicubic(picture: Picture, factor: float, original: Picture | None, folder: Path) -> Candidate:
    rows, columns = target_size(picture.height, picture.width, native=1, scale=factor)
    alpha = None if picture.alpha is None else resize(picture.alpha, rows, columns)
    start = time.perf_counter()
    result = replace(picture, pixels=resize(picture.pixels, rows, columns), alpha=alpha)
    seconds = time.perf_counter() - start
    preview = preview_of(result, folder / BICUBIC)
    agreement = consistency(result.pixels, picture.pixels) if rows * columns <= MEASURED else None
    return Candidate(BICUBIC, preview, seconds, _scored(result, original, picture, factor), agreement)


def _scored(result: Picture, original: Picture | None, picture: Picture, factor: float) -> Scores | None:
    if original is None:
        return None
    try:
        return scored(result, original, picture, int(factor))
    except ImageShapeError:  # too small for the metrics
        return None
