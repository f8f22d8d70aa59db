"""Which model enlarges a picture: the one named, or the bundled one that suits the picture and the wished size."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from pathlib import Path
from threading import Lock
from typing import Any

from clearvision.imaging.quality import Diagnosis, diagnose
from clearvision.inference.plan import target_size
from clearvision.inference.timing import hurried
from clearvision.inference.upscaler import Upscaler
from clearvision.types import ModelInfo, Picture
from clearvision.zoo.catalogue import VIVID, bundled_pairs, bundled_tasks, list_models, model_for

TASK = "clean"  # of the model that is taken when none is named and nothing speaks for another; always bundled
NATIVE = 4  # the factor when neither a size nor a model is named
USUAL_OPEN = 4  # models

Wishes = dict[str, Any]  # scale, width, height, megapixels: at most one of them not None


class OpenModels:
    """Upscalers kept ready for whoever asks for the same model and options again; those asked for least recently go first.

    Args:
        most: how many stay open.
    """

    def __init__(self, most: int = USUAL_OPEN) -> None:
        self._most = most
        self._open: OrderedDict[Hashable, Upscaler] = OrderedDict()
        self._opening = Lock()

    def get(self, model: str | Path, **options: Any) -> Upscaler:  # noqa: ANN401
        """Return the upscaler of a model with options of :class:`Upscaler`; raises what opening it raises."""
        key = (str(model), tuple(sorted(options.items())))
        with self._opening:  # pictures are read in several threads
            if key not in self._open:
                self._open[key] = Upscaler(model, **options)
            self._open.move_to_end(key)
            while len(self._open) > self._most:
                self._open.popitem(last=False)
            return self._open[key]


class Upscalers:
    """The upscaler for each picture: the named model's, or that of the bundled model that suits it and the wished size.

    Args:
        model: a bundled model's name, the path of a model file, or None to choose by the picture; with ``vividness`` among those
            that have a vivid twin.
        wishes: size of the results; without any, four times that of the picture or the named model's own scale.
        models: where open models are kept, to be shared by several of these.
        haste: how many steps down to smaller networks, where the model is chosen by the picture; see
            :mod:`clearvision.inference.timing`.
        options: of :class:`Upscaler`.

    Attributes:
        wishes: the size to ask of :meth:`Upscaler.run`.

    Raises:
        ModelError: as :class:`Upscaler`, as do the others: wrong options show now rather than at every picture.
        UsageError: likewise.
        MissingExtraError: likewise.
    """

    def __init__(
        self,
        model: str | None,
        wishes: Wishes,
        *,
        models: OpenModels | None = None,
        haste: int = 0,
        **options: Any,  # noqa: ANN401
    ) -> None:
        self._model, self._haste = model, haste
        self._options = options
        self._models = models or OpenModels()
        wished = model is not None or any(value is not None for value in wishes.values())
        self.wishes: Wishes = wishes if wished else {"scale": NATIVE}
        self.named(model or self._suited(wishes["scale"] or NATIVE))

    @property
    def has_choice(self) -> bool:
        """Whether the model depends on what a picture shows."""
        return self._model is None and not bundled_tasks() <= {TASK}

    def diagnose(self, picture: Picture, source: bytes | str | Path | None = None) -> Diagnosis | None:
        """Return what a picture has been through, or None where the model is named and it does not matter."""
        return diagnose(picture, source) if self._model is None else None

    def choose(self, height: int, width: int, diagnosis: Diagnosis | None = None) -> Upscaler:
        """Return the upscaler for a picture of a size; of the family that its diagnosis asks for, if a model of it is bundled."""
        if self._model is not None:
            return self.named(self._model)
        rows, columns = self.target(height, width)
        return self.named(self._suited(max(rows / height, columns / width), TASK if diagnosis is None else diagnosis.family))

    def pixels(self, height: int, width: int) -> int:
        """Return how many pixels the result of a picture of a size will have."""
        rows, columns = self.target(height, width)
        return rows * columns

    def twins_of(self, upscaler: Upscaler) -> list[Upscaler]:
        """Return the faithful and the vivid twin of a bundled model, or nothing."""
        stem = upscaler.info.name.removesuffix(VIVID)
        if stem not in bundled_pairs():
            return []
        options = {name: value for name, value in self._options.items() if name != "vividness"}
        return [Upscaler(stem, vividness=value, **options) for value in (0.0, 1.0)]

    def target(self, height: int, width: int) -> tuple[int, int]:
        """Return (height, width) of the result of a picture of a size; raises what :func:`target_size` raises."""
        native = NATIVE if self._model is None else self.named(self._model).info.scale
        return target_size(height, width, native=native, **as_target(self.wishes))

    def named(self, model: str) -> Upscaler:
        """Return the upscaler of a model by its name or file."""
        return self._models.get(model, **self._options)

    def in_haste(self, haste: int) -> Upscalers:
        """Return the same with networks so many steps down."""
        return Upscalers(self._model, self.wishes, models=self._models, haste=haste, **self._options)

    def _suited(self, factor: float, task: str = TASK) -> str:
        if self._options.get("vividness") is not None and (pairs := bundled_pairs()):  # it has a meaning for these alone
            tasks = [info.task for info in list_models() if info.name in pairs]
            return model_for(task if task in tasks else tasks[0], factor, among=pairs)
        return hurried(model_for(task if task in bundled_tasks() else TASK, factor), self._haste)


def as_target(wishes: Wishes) -> dict[str, Any]:
    """Return the wished size under the names that the planning functions use."""
    return {f"to_{name}" if name in ("width", "height") else name: value for name, value in wishes.items()}


def choice_in_words(diagnosis: Diagnosis, info: ModelInfo) -> str:
    """Return what was found and chosen, in a line."""
    if info.task == diagnosis.family:
        return f"{diagnosis.text}: chose {info.name}"
    lacking = f"no model of the '{diagnosis.family}' family is bundled"
    why = "vividness needs twins" if diagnosis.family in bundled_tasks() else lacking
    return f"{diagnosis.text}: chose {info.name}, since {why}"
