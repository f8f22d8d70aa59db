"""The values that pass between the rooms: plain, frozen, without torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

PixelArray = NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Picture:
    """A decoded picture, upright, with everything that must survive processing.

    Attributes:
        pixels: (H, W, C), C = 1 grey or 3 RGB, in the colour space that ``icc`` describes (sRGB without one);
            uint8 in [0, 255], uint16 in [0, 65535] or float32 nominally in [0, 1]. Alpha is never premultiplied.
        alpha: (H, W) of the same dtype as ``pixels``, or None for an opaque picture.
        icc: ICC profile, verbatim.
        exif: EXIF block with its prefix, verbatim but for the orientation tag, which is 1 because the pixels are upright.
        xmp: XMP packet, verbatim but for its orientation property.
        iptc: IPTC-IIM records, verbatim, without the Photoshop resource that wraps them in JPEG files.
        dpi: pixels per inch (horizontal, vertical), or None when the file does not say.
        format: the container it was read from, lower case (``"jpeg"``, ``"png"``, ``"tiff"`` ...), or "" for arrays.
    """

    pixels: PixelArray
    alpha: PixelArray | None = None
    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    iptc: bytes | None = None
    dpi: tuple[float, float] | None = None
    format: str = ""

    @property
    def height(self) -> int:
        """Rows of pixels."""
        return self.pixels.shape[0]

    @property
    def width(self) -> int:
        """Columns of pixels."""
        return self.pixels.shape[1]


@dataclass(frozen=True)
class SizeRequirements:
    """What input sizes a network takes.

    Attributes:
        multiple: height and width must be multiples of this; the input is padded by reflection up to it.
        minimum: least height and width.
    """

    multiple: int = 1
    minimum: int = 1


@dataclass(frozen=True)
class ModelInfo:
    """A model's card: what every front end shows and what is needed to rebuild the network.

    Attributes:
        name: catalogue name, such as ``clean-x4``.
        task: ``clean``, ``photo``, ``restore`` or ``face``.
        scale: output side divided by input side.
        arch: key of ``clearvision.archs.ARCHS``.
        hyper: keyword arguments of that network's constructor.
        num_in_ch: input channels, 1 or 3.
        num_out_ch: output channels, 1 or 3.
        receptive_radius: pixels of the input that can influence an output pixel in each direction, or None when global.
        size: input sizes taken.
        precisions: arithmetic known to be safe, best first.
        description: one sentence for people.
        training: facts of the run: data, steps, hours, hardware, recipe name.
        figures: measured results, such as ``{"Set5 x4 PSNR-Y": 31.0}``.
        licence: terms of the weights.
        intended_use: what it is for, and what it is not for.
    """

    name: str
    task: str
    scale: int
    arch: str
    hyper: dict[str, Any]
    num_in_ch: int = 3
    num_out_ch: int = 3
    receptive_radius: int | None = None
    size: SizeRequirements = field(default_factory=SizeRequirements)
    precisions: tuple[str, ...] = ("bf16", "f32")
    description: str = ""
    training: dict[str, Any] = field(default_factory=dict)
    figures: dict[str, float] = field(default_factory=dict)
    licence: str = ""
    intended_use: str = ""
