"""How many planted faults ``clearvision data audit`` finds, and how many sound pictures it takes for faulty ones.

Command: ``python benchmarks/audit.py --data SHARP_PICTURES``. Copies of the pictures are changed in memory: shrunk to 0.6, saved
as JPEG of quality 70 and every other one mirrored, for leaks; enlarged or blurred, for softness.
"""

from __future__ import annotations

import argparse
import io
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from clearvision.data.audit import SOFT_BELOW, audit_folder
from clearvision.data.decode import read_rgb
from clearvision.data.fingerprint import cut_off, grey_plane
from clearvision.data.layouts import find_pictures


def main() -> None:
    """Plant the faults, look for them, print the rates."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    folder = parser.parse_args().data
    paths = find_pictures([folder])
    soft: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as planted:
        for number, path in enumerate(paths):
            picture = Image.fromarray(read_rgb(path))
            copy = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if number % 2 else picture
            _times(copy, 0.6).save(Path(planted) / f"{number:05}.jpg", quality=70)
            for name, changed in _changed(picture).items():
                share = cut_off(grey_plane(np.asarray(changed)))
                soft[name] = soft.get(name, 0) + (share is not None and share < SOFT_BELOW)
        found = audit_folder(Path(planted), against=[folder])
    leaks = {finding.path.stem: finding.text for finding in found.findings if finding.kind == "leak"}
    right = sum(f"'{path}'" in leaks.get(f"{number:05}", "") for number, path in enumerate(paths))
    print(f"{len(paths)} pictures of {folder.name}; leaks planted {len(paths)}, found with the right original {right}")
    print(f"called soft below {SOFT_BELOW}: " + ", ".join(f"{name} {count}" for name, count in soft.items()))


def _changed(picture: Image.Image) -> dict[str, Image.Image]:
    file = io.BytesIO()
    _times(picture, 2).save(file, "JPEG", quality=90)
    return {
        "as they are": picture,
        "enlarged by 1.5": _times(picture, 1.5),
        "enlarged by 2": _times(picture, 2),
        "enlarged by 2 and JPEG 90": Image.open(file),
        "blurred by 1.5 pixels": picture.filter(ImageFilter.GaussianBlur(1.5)),
    }


def _times(picture: Image.Image, factor: float) -> Image.Image:
    return picture.resize((round(picture.width * factor), round(picture.height * factor)), Image.Resampling.BICUBIC)


if __name__ == "__main__":
    main()
