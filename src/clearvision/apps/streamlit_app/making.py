"""From a visitor's picture to a result on disk, with all that the page shows of it; runs in the thread of a piece of work."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path

from clearvision.apps.streamlit_app.choices import Choices
from clearvision.apps.streamlit_app.damage import Damage, do_damage
from clearvision.apps.streamlit_app.preview import Preview, preview_of, preview_of_result
from clearvision.apps.streamlit_app.scores import Scores, scored, scored_bicubic
from clearvision.apps.streamlit_app.settings import Settings
from clearvision.apps.streamlit_app.work import Advance, CancelledError, sentence
from clearvision.errors import ImageShapeError, UsageError
from clearvision.imaging.formats import check_size, identify
from clearvision.imaging.io import read_picture, read_size
from clearvision.inference.choosing import OpenModels, as_target
from clearvision.inference.files import Made, enlarge_file
from clearvision.inference.naming import result_suffix
from clearvision.inference.plan import target_size
from clearvision.inference.trust import as_picture, spread_of
from clearvision.types import Picture
from clearvision.zoo.catalogue import VIVID, bundled_pairs

MEASURED = 16_000_000  # pixels of a result up to which its agreement with the input is measured: 2 seconds at most
_LONGEST_NAME = 80  # letters; file systems take 255 bytes


@dataclass(frozen=True)
class Workshop:
    """What all visitors share.

    Attributes:
        settings: the limits.
        models: open models.
        turn: lets one piece of work run at a time, because each takes all processors.
    """

    settings: Settings
    models: OpenModels = field(default_factory=OpenModels)
    turn: threading.Semaphore = field(default_factory=threading.Semaphore)


@dataclass(frozen=True)
class Given:
    """A visitor's picture: what it is called and where it lies, alone in its folder."""

    name: str
    path: Path
    width: int
    height: int


@dataclass(frozen=True)
class Facts:
    """How a result came about: model, what was found in the picture (None where the model was named), and the engine's report."""

    model: str
    scale: int
    choice: str | None
    seconds: float
    engine: str
    retries: tuple[str, ...]
    consistency: float | None
    frames: int

    @classmethod
    def of(cls, made: Made) -> Facts:
        """Return what is to be told of a result."""
        report = made.report
        engine = f"{report.engine}, {report.device}, {report.precision}"
        told = made.choice, report.seconds, engine, report.retries, report.consistency, made.frames
        return cls(made.info.name, made.info.scale, *told)


@dataclass(frozen=True)
class Finished:
    """A result.

    Attributes:
        given: the picture that it was made of.
        choices: how.
        damage: what was done to the picture before, or None.
        name: what the download is called.
        path: its file.
        facts: how it came about.
        before: what the network was given, for the browser.
        after: the result, for the browser.
        original: the picture before its damage, for the browser; None where it was not damaged.
        vivid: the vivid twin's result, for the browser; None where the model has none.
        scores: against the original, where there is one large enough.
        bicubic: the same of bicubic enlargement.
        source: the file that was enlarged.
    """

    given: Given
    choices: Choices
    damage: Damage | None
    name: str
    path: Path
    facts: Facts
    before: Preview
    after: Preview
    source: Path
    original: Preview | None = None
    vivid: Preview | None = None
    scores: Scores | None = None
    bicubic: Scores | None = None


@dataclass(frozen=True)
class Failed:
    """A picture of which nothing was made, and why."""

    name: str
    why: str


def take(name: str, data: bytes | memoryview, folder: Path, settings: Settings) -> Given:
    """Keep an uploaded file.

    Args:
        name: what the visitor's machine called it; not trusted.
        data: its contents, which decide what it is.
        folder: an empty folder for it.
        settings: the limits.

    Raises:
        PictureError: if it is no picture that is read here, or has too many pixels.
    """
    path = folder / safe_name(name)
    path.write_bytes(data)
    identify(path)
    height, width = read_size(path)
    check_size(path, width, height, settings.most_pixels)
    return Given(path.name, path, width, height)


def safe_name(name: str) -> str:
    """Return the last part of a file's name without what file systems, terminals or shells trip over."""
    last = name.replace("\\", "/").rpartition("/")[2]
    plain = re.sub(r"[^\w.()+-]+", "_", last).strip("._- ")
    stem, dot, suffix = plain.rpartition(".")
    if not dot or len(suffix) > 8:
        return plain[:_LONGEST_NAME] or "picture"
    return f"{stem[:_LONGEST_NAME] or 'picture'}.{suffix}"


def told_of(given: Given | Path, error: BaseException) -> str:
    """Return what to tell of an error, without the server's folders in it."""
    folder = given.parent if isinstance(given, Path) else given.path.parent
    return re.sub(rf"{re.escape(str(folder.parent))}/\d+/", "", sentence(error))


def make(given: Given, choices: Choices, damage: Damage | None, folder: Path, shop: Workshop, advance: Advance) -> Finished:
    """Make a result of a picture.

    Args:
        given: the picture.
        choices: how; with damage, the size is that of the original.
        damage: what is done to the picture before, or None.
        folder: an empty folder for what is made.
        shop: the models and the limits.
        advance: told how far this is; what it raises ends the work.

    Raises:
        ClearVisionError: if it cannot be made; :func:`sentence` tells why.
        CancelledError: if it is no longer wanted.
    """
    source, original = given.path, None
    if damage is not None:
        advance(0, f"Damaging {given.name}")
        source = do_damage(given.path, folder / "damaged", damage, alive=lambda: advance(0))
        original = read_picture(given.path, max_pixels=shop.settings.most_pixels)
        if not choices.restoring:
            choices = replace(choices, scale=float(damage.shrink), width=None, height=None, megapixels=None)
    measure = check_result(source, choices, shop.settings) <= MEASURED
    advance(0, f"Working on {given.name}")
    name = f"{Path(given.name).stem}{choices.label}{result_suffix(source, choices.format)}"
    target = folder / "result" / name
    files = choices.files(shop.settings.most_pixels)
    upscalers = choices.upscalers(shop.models, measure=measure)
    made = enlarge_file(source, target, upscalers, files, advanced=advance)
    advance(1, f"Preparing the view of {given.name}")
    vivid = _vivid_twin(made, source, choices, folder, shop, advance)
    damaged = read_picture(source, max_pixels=shop.settings.most_pixels)
    before = preview_of(damaged, folder / "before")
    after = preview_of_result(target, made.pictures[0], folder / "after")
    finished = Finished(given, choices, damage, name, target, Facts.of(made), before, after, source, vivid=vivid)
    if original is None or damage is None:
        return finished
    finished = replace(finished, original=preview_of(original, folder / "original"))
    try:
        scores = scored(made.pictures[0], original, damaged, damage.shrink)
        return replace(finished, scores=scores, bicubic=scored_bicubic(original, damaged, damage.shrink))
    except ImageShapeError:  # too small for the metrics: the pictures are shown all the same
        return finished


def make_all(
    pictures: list[Given], choices: Choices, damage: Damage | None, folder: Path, shop: Workshop, advance: Advance
) -> list[Finished | Failed]:
    """Make results of several pictures, one after the other; one that fails does not stop the others. See :func:`make`."""
    outcomes: list[Finished | Failed] = []
    for index, given in enumerate(pictures):
        part = folder / str(index)
        part.mkdir()
        try:
            outcomes.append(make(given, choices, damage, part, shop, _part_of(advance, index, len(pictures))))
        except CancelledError:
            raise
        except Exception as error:  # whatever it is, it is this picture's
            outcomes.append(Failed(given.name, told_of(given, error)))
    return outcomes


def make_between(finished: Finished, vividness: float, folder: Path, shop: Workshop, advance: Advance) -> Path:
    """Write a result anew between the twins of its model, as ``clearvision upscale --vividness`` does; return its path."""
    choices = replace(finished.choices, model=finished.facts.model.removesuffix(VIVID), vividness=vividness)
    target = folder / f"{vividness:g}" / finished.name
    enlarge_file(
        finished.source, target, choices.upscalers(shop.models), choices.files(shop.settings.most_pixels), advanced=advance
    )
    return target


def make_trust_map(finished: Finished, folder: Path, shop: Workshop, advance: Advance) -> Preview:
    """Map where a result is to be trusted; see :mod:`clearvision.inference.trust`."""
    advance(0, "Looking at the picture from eight sides")
    choices = replace(finished.choices, model=finished.facts.model)
    upscalers = choices.upscalers(shop.models)
    picture = read_picture(finished.source, max_pixels=shop.settings.most_pixels)
    upscaler = upscalers.choose(picture.height, picture.width)
    plan = upscaler.plan(picture.height, picture.width, **as_target(upscalers.wishes))
    levels = spread_of([upscaler, *upscalers.twins_of(upscaler)], picture, plan.height, plan.width)
    return preview_of(Picture(as_picture(levels)), folder / "trust")


def has_twin(model: str) -> bool:
    """Whether a bundled model has a faithful and a vivid form."""
    return model.removesuffix(VIVID) in bundled_pairs()


def _vivid_twin(made: Made, source: Path, choices: Choices, folder: Path, shop: Workshop, advance: Advance) -> Preview | None:
    if choices.vividness is not None or made.frames > 1 or not has_twin(made.info.name) or made.info.name.endswith(VIVID):
        return None
    advance(0, "Working on the vivid form")
    twin = replace(choices, model=made.info.name, vividness=1.0)
    target = folder / "vivid" / f"vivid{result_suffix(source, choices.format)}"
    vivid = enlarge_file(source, target, twin.upscalers(shop.models), choices.files(shop.settings.most_pixels), advanced=advance)
    return preview_of_result(target, vivid.pictures[0], folder / "vivid-shown")


def check_result(source: Path, choices: Choices, settings: Settings) -> int:
    """Return how many pixels a picture's result has; raise UsageError if they are more than this server makes."""
    height, width = read_size(source)
    rows, columns = target_size(height, width, native=choices.native, **as_target(choices.wishes))
    if rows * columns > settings.most_result:
        raise UsageError(
            f"the result would be {columns}x{rows}, {rows * columns / 1e6:.0f} megapixels, and at most "
            f"{settings.most_result / 1e6:g} are made here; choose a smaller size, or use 'clearvision upscale'"
        )
    return rows * columns


def _part_of(advance: Advance, index: int, count: int) -> Advance:
    """Return what tells of one of several pictures as a part of all."""

    def part(share: float, what: str | None = None) -> None:
        numbered = f"{what} ({index + 1} of {count})" if what and count > 1 else what
        advance((index + share) / count, numbered)

    return part
