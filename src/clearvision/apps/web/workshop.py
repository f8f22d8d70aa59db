"""Where pictures are enlarged: models kept ready, few pictures open at a time, the engine never waiting for a file.

Everyone's pictures go through the same two lines. The first bounds how many are open at a time, and their memory; in the second,
for the engine, those that are read wait while others are computed and still others written.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from clearvision.apps.web.line import Line
from clearvision.apps.web.problems import Problem
from clearvision.apps.web.schemas import AUTO, ModelDocument, Options
from clearvision.apps.web.settings import Settings
from clearvision.errors import PictureError, UsageError
from clearvision.imaging.formats import Format, check_writable, identify
from clearvision.imaging.frames import count_frames, holds_frames
from clearvision.imaging.io import read_picture, read_size, write_picture
from clearvision.imaging.resize import resize
from clearvision.inference.choosing import NATIVE, OpenModels, Upscalers
from clearvision.inference.ensemble import VIEWS
from clearvision.inference.files import FileOptions, Made, enlarge_ready, read_ready, write_made
from clearvision.inference.naming import result_suffix
from clearvision.types import Picture
from clearvision.zoo.catalogue import VIVID, bundled_models
from clearvision.zoo.checkpoint import read_info

AHEAD = 3  # pictures that may be read or written beside those that are computed
ROOM = 1_500_000_000  # bytes that the pixels of all open pictures may take
PIXEL = 8  # bytes that a pixel may take: four channels of 16 bits
SHOWN = 40_000_000  # pixels that a browser is asked to show
SHOWN_QUALITY = 92
OPEN_MODELS = 6
CHOICES = 128  # combinations of options kept ready; each is small, for the models are shared
MODEL_SUFFIXES = (".safetensors", ".pth", ".pt", ".ckpt")
FIRST_PACE = 0.3  # seconds a megapixel of the result, until it is known better


@dataclass(frozen=True)
class Work:
    """A picture that was looked at, and what is to be made of it.

    Attributes:
        source: its file.
        target: where the result goes.
        options: how.
        form: what the file is.
        size: width and height.
        frames: frames or pages that will be enlarged.
        result_size: width and height of the result, of the first frame or page.
    """

    source: Path
    target: Path
    options: Options
    form: Format
    size: tuple[int, int]
    frames: int
    result_size: tuple[int, int]

    @property
    def result_pixels(self) -> int:
        """Pixels of the result, of all frames."""
        return self.result_size[0] * self.result_size[1] * self.frames

    @property
    def cost(self) -> float:
        """Megapixels to compute."""
        return self.result_pixels / 1e6 * (len(VIEWS) if self.options.tta else 1)

    @property
    def room(self) -> int:
        """Bytes that the pixels of picture and result may take."""
        return PIXEL * (self.size[0] * self.size[1] * self.frames + self.result_pixels)


class Workshop:
    """Enlarges pictures for everybody.

    Args:
        settings: limits, models and how many pictures are computed at a time.

    Raises:
        UsageError: if the models' folder cannot be read or holds a name twice.
        ModelError: if a file in it is no model.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._paths = _named_models(settings.models_dir)
        self._infos = {name: read_info(path) for name, path in self._paths.items()}
        self._models = OpenModels(OPEN_MODELS)
        self._choices: OrderedDict[Options, Upscalers] = OrderedDict()
        self._lock = threading.Lock()
        self._open = Line(settings.workers + AHEAD, ROOM)
        self._engine = Line(settings.workers)
        self._pace = FIRST_PACE
        self.warm = False

    @property
    def names(self) -> list[str]:
        """Models that may be asked for."""
        return list(self._paths)

    @property
    def has_twins(self) -> bool:
        """Whether vividness means anything for some model."""
        return any(name + VIVID in self._paths for name in self._paths)

    @property
    def waiting(self) -> int:
        """Pictures that wait to be opened or computed."""
        return self._open.length + self._engine.length

    def cards(self) -> list[ModelDocument]:
        """Return the models' cards."""
        known = ModelDocument.model_fields.keys() - {"name"}
        return [
            ModelDocument(name=name, **{key: value for key, value in vars(info).items() if key in known})
            for name, info in self._infos.items()
        ]

    def native(self, model: str) -> int:
        """Return the factor of a model, or without one that of pictures for which no size is wished."""
        return self._infos[model].scale if model in self._infos else NATIVE

    def warm_up(self) -> None:
        """Open the models that pictures get by themselves, and compile their graphs for small pictures."""
        grey = np.full((32, 32, 3), 128, np.uint8)
        upscalers = self._upscalers(Options())
        for diagnosis in {upscalers.diagnose(Picture(grey)), None}:
            upscalers.choose(32, 32, diagnosis).run(Picture(grey), **upscalers.wishes)
        self.warm = True

    def look_at(self, path: Path, options: Options) -> Work:
        """Find out what a file is and what is to be made of it, by its header alone, and refuse what goes beyond the limits.

        The file gets the name that its contents call for.

        Raises:
            Problem: if it is no picture, damaged, or too large, or the options do not suit it.
        """
        try:
            form = identify(path)
        except PictureError as error:
            raise Problem("unsupported-picture", str(error).replace(str(path), "the file")) from error
        source = path.rename(path.with_name(f"source{form.suffixes[0]}"))
        height, width = read_size(source)
        target = source.with_name(f"result{result_suffix(source, options.format)}")
        frames = count_frames(source) if holds_frames(source, target) else 1
        limit = self._settings.max_pixels
        if height < 1 or width < 1 or height * width * frames > limit:
            whole = f"{width}x{height} pixels" + (f" in {frames} frames" if frames > 1 else "")
            raise Problem("too-many-pixels", f"the picture has {whole}; at most {limit / 1e6:g} megapixels are taken here")
        result_width, result_height = self._upscalers(options).target(height, width)[::-1]
        work = Work(source, target, options, form, (width, height), frames, (result_width, result_height))
        self._check_result(work.result_pixels)
        check_writable(target, height=result_height, width=result_width)
        return work

    def enlarge(self, work: Work, *, check: Callable[[], None], advanced: Callable[[float], None] | None = None) -> Made:
        """Enlarge a picture into its target.

        Args:
            work: what :meth:`look_at` returned.
            check: called now and then; what it raises ends the work, and nothing is written.
            advanced: called with the share that is computed.

        Raises:
            Problem: if the result or the time goes beyond the limits; and what
                :func:`~clearvision.inference.files.enlarge_file` raises.
        """
        options = work.options
        upscalers = self._upscalers(options)
        files = FileOptions(options.quality, strip_metadata=options.metadata == "strip", max_pixels=self._settings.max_pixels)
        with self._open.place(check, work.room):
            ready = read_ready(work.source, work.target, upscalers, files)
            with self._engine.place(check):
                begun = time.monotonic()

                def go_on(share: float) -> None:
                    check()
                    if time.monotonic() - begun > self._settings.max_seconds:
                        raise Problem("time-limit", f"computing took more than {self._settings.max_seconds:g} seconds")
                    if advanced is not None:
                        advanced(share)

                made = enlarge_ready(ready, work.target, upscalers, files, started=self._check_result, advanced=go_on)
            del ready
            self._note_pace(made.report.seconds, work.cost)
            write_made(made, work.target, files)
        return made

    def show(self, path: Path, target: Path, check: Callable[[], None]) -> None:
        """Write a picture as a JPEG file that browsers show: with 8 bits, of at most :data:`SHOWN` pixels, its first page.

        Raises:
            ClearVisionError: as reading and writing do.
        """
        height, width = read_size(path)
        with self._open.place(check, PIXEL * height * width):
            picture = read_picture(path, max_pixels=max(self._settings.max_pixels, self._settings.max_result_pixels))
            factor = math.sqrt(SHOWN / (picture.height * picture.width))
            if factor < 1:
                size = (max(1, int(picture.height * factor)), max(1, int(picture.width * factor)))
                alpha = None if picture.alpha is None else resize(picture.alpha, *size)
                picture = replace(picture, pixels=resize(picture.pixels, *size), alpha=alpha)  # type: ignore[arg-type]
            write_picture(picture, target, quality=SHOWN_QUALITY, strip_metadata=True)

    def seconds_for(self, megapixels: float) -> float:
        """Return about how long so much takes."""
        return megapixels * self._pace

    def _note_pace(self, seconds: float, megapixels: float) -> None:
        # large pictures tell more than small ones, whose time is mostly that of beginning
        weight = min(0.5, megapixels / 20)
        self._pace += weight * (seconds / megapixels - self._pace)

    def _check_result(self, pixels: int) -> None:
        limit = self._settings.max_result_pixels
        if pixels > limit:
            raise Problem(
                "result-too-large",
                f"the result would have {pixels / 1e6:.0f} megapixels; at most {limit / 1e6:g} are made here",
            )

    def _upscalers(self, options: Options) -> Upscalers:
        """Return the upscalers for options; those that differ in how files are written alone share theirs."""
        key = options.model_copy(update={"format": None, "quality": None, "metadata": "keep"})
        with self._lock:
            found = self._choices.get(key)
            if found is not None:
                self._choices.move_to_end(key)
                return found
        model = None if options.model == AUTO else self._path_of(options.model)
        made = Upscalers(
            model,
            options.wishes,
            models=self._models,
            device=self._settings.device,
            tta=options.tta,
            vividness=options.vividness,
            sharpen=options.sharpen,
        )
        with self._lock:
            self._choices[key] = made
            while len(self._choices) > CHOICES:
                self._choices.popitem(last=False)
        return made

    def _path_of(self, name: str) -> str:
        """Return what to call a model by: only names of the list are known, whatever files there are."""
        if name not in self._paths:
            raise Problem("invalid-options", f"model: '{name}' is unknown here; known: auto, {', '.join(self._paths)}")
        return name if name in bundled_models() else str(self._paths[name])


def _named_models(folder: Path | None) -> dict[str, Path]:
    """Return name to file of the bundled models and those of a folder."""
    models = dict(bundled_models())
    if folder is None:
        return models
    if not folder.is_dir():
        raise UsageError(f"--models-dir {folder} is not a folder")
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in MODEL_SUFFIXES or not path.is_file():
            continue
        if path.stem in models or path.stem == AUTO:
            raise UsageError(f"--models-dir: the name '{path.stem}' is taken already; rename {path}")
        models[path.stem] = path.resolve()
    return models
