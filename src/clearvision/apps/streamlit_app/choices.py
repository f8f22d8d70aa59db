"""What a visitor chose for enlarging, as plain values: the same that the options of ``clearvision upscale`` are."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Any, Literal

from clearvision.inference.choosing import NATIVE, OpenModels, Upscalers, Wishes
from clearvision.inference.files import FileOptions
from clearvision.inference.naming import size_label
from clearvision.zoo.catalogue import list_models

Lock = Literal["none", "colour", "input"]
_LOCKS = {"colour": "--lock-colour", "input": "--back-project"}


@dataclass(frozen=True)
class Choices:
    """How pictures are enlarged and written.

    Attributes:
        restoring: at the picture's own size, as ``clearvision restore`` does; the model is named then.
        model: a bundled model's name, or None for the one that suits the picture.
        scale: factor; of the four sizes at most one is not None.
        width: columns of the result.
        height: rows of the result.
        megapixels: millions of pixels of the result.
        vividness: between the twins of a model, 0 to 1, or None for the model as it is.
        tta: whether eight views are averaged.
        lock: what of the input the result is held to.
        alpha: how transparency is enlarged, ``resize`` or ``network``.
        sharpen: how much the result is sharpened, 0 to 1.
        device: where to compute.
        precision: arithmetic of the network.
        format: name of the result's format, or None for the input's.
        quality: of JPEG, WebP and AVIF, or None for the usual one.
        strip_metadata: leave EXIF, XMP and IPTC out.
    """

    restoring: bool = False
    model: str | None = None
    scale: float | None = None
    width: int | None = None
    height: int | None = None
    megapixels: float | None = None
    vividness: float | None = None
    tta: bool = False
    lock: Lock = "none"
    alpha: str = "resize"
    sharpen: float = 0.0
    device: str = "auto"
    precision: str = "auto"
    format: str | None = None
    quality: int | None = None
    strip_metadata: bool = False

    @property
    def wishes(self) -> Wishes:
        """The wished size, under the names that :class:`Upscalers` takes."""
        return {
            "scale": 1.0 if self.restoring else self.scale,
            "width": self.width,
            "height": self.height,
            "megapixels": self.megapixels,
        }

    @property
    def native(self) -> int:
        """The factor where no size is wished."""
        return next((info.scale for info in list_models() if info.name == self.model), NATIVE)

    @property
    def label(self) -> str:
        """What tells the result's name from its input's."""
        return "_restored" if self.restoring else size_label(self.wishes, self.native)

    def upscalers(self, models: OpenModels, *, measure: bool = False) -> Upscalers:
        """Return the models that enlarge by these choices; ``measure`` has results held against their input."""
        options: dict[str, Any] = {"device": self.device, "precision": self.precision, "tta": self.tta}
        options |= {"vividness": self.vividness, "lock": self.lock, "alpha": self.alpha, "sharpen": self.sharpen}
        return Upscalers(self.model, self.wishes, models=models, measure_consistency=measure, **options)

    def files(self, most_pixels: int) -> FileOptions:
        """Return how files are read and written by these choices."""
        return FileOptions(self.quality, strip_metadata=self.strip_metadata, max_pixels=most_pixels)

    def words(self) -> list[str]:
        """Return these choices as options of ``clearvision upscale`` or ``restore``."""
        words = [] if self.model is None else ["--model", self.model]
        named = {
            **({} if self.restoring else self.wishes),
            "vividness": self.vividness,
            "format": self.format,
            "quality": self.quality,
        }
        for name, value in named.items():
            if value is not None:
                words += [f"--{name}", f"{value:g}" if isinstance(value, float) else str(value)]
        for name, usual in (("alpha", "resize"), ("sharpen", 0.0), ("device", "auto"), ("precision", "auto")):
            if getattr(self, name) != usual:
                words += [f"--{name}", str(getattr(self, name))]
        words += ["--tta"] * self.tta + ["--strip-metadata"] * self.strip_metadata
        return words + ([_LOCKS[self.lock]] if self.lock != "none" else [])

    def command(self, name: str) -> str:
        """Return the command line that writes the same file."""
        return shlex.join(["clearvision", "restore" if self.restoring else "upscale", name, *self.words()])
