"""Files that were published, known by their digest or by name: who made them, and under which terms.

A digest is in the table only where independent sources agree on it. A name proves nothing, and what is told of it says so.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """What is known of a published file.

    Attributes:
        name: the file's name where it was published, without suffix.
        source: the repository that published it.
        licence: of that repository; SPDX.
        task: as in :class:`~clearvision.types.ModelInfo`.
        certain: whether the digest, and not just the name, told it.
    """

    name: str
    source: str
    licence: str
    task: str
    certain: bool = False

    @property
    def terms(self) -> str:
        """The licence in words that say how it is known."""
        if self.certain:
            return f"{self.licence} (of {self.source}, which published this file)"
        return f"{self.licence} if this is {self.name} of {self.source}, as its name says; unproven"


_REAL_ESRGAN = ("xinntao/Real-ESRGAN", "BSD-3-Clause", "photo")
_BY_DIGEST = {
    "4fa0d38905f75ac06eb49a7951b426670021be3018265fd191d2125df9d682f1": "RealESRGAN_x4plus",
    "49fafd45f8fd7aa8d31ab2a22d14d91b536c34494a5cfe31eb5d89c2fa266abb": "RealESRGAN_x2plus",
    "f872d837d3c90ed2e05227bed711af5671a6fd1c9f7d7e91c911a61f155e99da": "RealESRGAN_x4plus_anime_6B",
    "b8a8376811077954d82ca3fcf476f1ac3da3e8a68a4f4d71363008000a18b75d": "realesr-animevideov3",
    "8dc7edb9ac80ccdc30c3a5dca6616509367f05fbc184ad95b731f05bece96292": "realesr-general-x4v3",
    "1641f8c4464b9f097c9fdda5589273713f67cf59f3d909e0bd688f0cee269dca": "realesr-general-wdn-x4v3",
}
_BY_NAME = {
    "RealESRGAN_x4plus": _REAL_ESRGAN,
    "RealESRGAN_x2plus": _REAL_ESRGAN,
    "RealESRGAN_x4plus_anime_6B": _REAL_ESRGAN,
    "RealESRNet_x4plus": _REAL_ESRGAN,
    "realesr-animevideov3": _REAL_ESRGAN,
    "realesr-general-x4v3": _REAL_ESRGAN,
    "realesr-general-wdn-x4v3": _REAL_ESRGAN,
    "RRDB_ESRGAN_x4": ("xinntao/ESRGAN", "Apache-2.0", "clean"),
    "RRDB_PSNR_x4": ("xinntao/ESRGAN", "Apache-2.0", "clean"),
}


def find_published(sha256: str, stem: str) -> Published | None:
    """Return what is known of a file by its digest, or else by its name without suffix."""
    name = _BY_DIGEST.get(sha256)
    if name is not None:
        return Published(name, *_BY_NAME[name], certain=True)
    return Published(stem, *_BY_NAME[stem]) if stem in _BY_NAME else None
