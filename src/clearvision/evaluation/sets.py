"""Test sets on disk: which folder layouts are understood, which pictures belong together, and where the inputs come from.

| layout | ground truth | input |
|---|---|---|
| SelfExSR, BasicSR | ``HR/a.png`` or ``x4/HR/a.png`` | ``LR/a.png``, ``x4/LR/a.png`` |
| EDSR's benchmark | ``HR/a.png`` | ``LR_bicubic/X4/ax4.png`` |
| DIV2K | ``DIV2K_valid_HR/0801.png`` | ``DIV2K_valid_LR_bicubic/X4/0801x4.png`` (the ``..._LR_unknown`` track by its own path) |
| SelfExSR, one folder | ``a_SRF_4_HR.png`` | ``a_SRF_4_LR.png`` |
| two folders | any, ``a.png`` | any, ``a.png`` or ``ax4.png`` |
| ground truth only | pictures | made from it: bicubic, or a degradation preset |
| real pictures | none | pictures |
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from clearvision.errors import DataError, PictureError, UsageError
from clearvision.evaluation.standards import StandardSet, find_standard
from clearvision.imaging.io import READABLE_SUFFIXES, read_picture

GT_FOLDERS = ("hr", "gt", "high_res")
LQ_FOLDERS = ("lr", "lq", "low_res")
_SCALE_FOLDER = re.compile(r"[xX]([1-9])")
_LQ_TRACK = re.compile(r"(.*?)LR(_\w+)?", re.IGNORECASE)  # DIV2K_valid_LR_unknown -> DIV2K_valid_
_SRF = re.compile(r"(.+)_SRF_(\d)_(HR|LR)", re.IGNORECASE)


@dataclass(frozen=True)
class Fault:
    """Why a picture was left out."""

    picture: str
    reason: str


@dataclass(frozen=True)
class Pair:
    """One picture of a set.

    Attributes:
        name: the ground truth's file name without suffix, or the input's where there is no ground truth.
        gt: ground truth, or None for a real picture.
        lq: input, or None if it is to be made from the ground truth.
    """

    name: str
    gt: Path | None
    lq: Path | None


@dataclass(frozen=True)
class PictureSet:
    """Pictures to evaluate on.

    Attributes:
        name: for tables, such as ``Set5``.
        scale: the factor that models must enlarge by.
        pairs: the pictures, sorted by name.
        source: where the inputs come from, in words.
        faults: files that have no partner.
        degrade: the preset that inputs are made with, None for bicubic or given inputs.
        seed: of the preset.
        standard: the literature's set that this one goes by the name of.
    """

    name: str
    scale: int
    pairs: tuple[Pair, ...]
    source: str
    faults: tuple[Fault, ...] = ()
    degrade: str | None = None
    seed: int = 0
    standard: StandardSet | None = None

    @property
    def real(self) -> bool:
        """Whether there is no ground truth."""
        return self.pairs[0].gt is None


@dataclass(frozen=True)
class _Found:
    """What a layout holds before anything is paired."""

    name: str
    gt: tuple[Path, ...]
    lq: tuple[Path, ...] | None
    scale: int | None
    where: str  # of the inputs


def open_set(
    folder: str | Path,
    *,
    scale: int | None = None,
    lq_folder: str | Path | None = None,
    degrade: str | None = None,
    seed: int = 0,
    real: bool = False,
) -> PictureSet:
    """Find the pictures of a test set and pair them by name.

    Args:
        folder: the set, in any layout of this module's table.
        scale: the factor; by default what the layout or the first pair's sizes say.
        lq_folder: the inputs' folder, where it is not inside the set's.
        degrade: make the inputs from the ground truth with this preset of :mod:`clearvision.degradations`, whatever is given.
        seed: of the preset.
        real: the pictures have no ground truth.

    Raises:
        DataError: if the folder is missing, has no pictures, or no picture has a partner.
        UsageError: if the options exclude each other, or the scale cannot be told.
    """
    folder = Path(folder)
    for each in (folder, *([] if lq_folder is None else [Path(lq_folder)])):
        if not each.is_dir():
            raise DataError(f"data folder '{each}' does not exist")
    if scale is not None and not 1 <= scale <= 8:
        raise UsageError(f"scale ({scale}) must be a whole number from 1 to 8")
    if degrade is not None and (lq_folder is not None or real):
        raise UsageError(
            "a degradation preset makes the inputs, so it excludes an inputs' folder and pictures without ground truth"
        )
    if real:
        return _real_set(folder, scale)
    if lq_folder is not None:
        where = f"given files in '{Path(lq_folder).name}'"
        found = _Found(_set_name(folder), tuple(pictures_in(folder)), tuple(pictures_in(Path(lq_folder))), scale, where)
    else:
        found = _find_layout(folder, scale)
    if not found.gt:
        raise DataError(_no_pictures(folder))
    return _paired(found, folder, scale, degrade, seed)


def pictures_in(folder: Path) -> list[Path]:
    """Return the picture files directly in a folder, by name, without hidden ones."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in READABLE_SUFFIXES and not path.name.startswith(".") and path.is_file()
    )


def _real_set(folder: Path, scale: int | None) -> PictureSet:
    inside = _subfolder(folder, LQ_FOLDERS)
    files = pictures_in(inside or folder)
    if not files:
        raise DataError(_no_pictures(folder))
    if scale is None:
        raise UsageError("pictures without ground truth do not tell the scale; give --scale")
    pairs = tuple(Pair(path.stem, None, path) for path in files)
    unique, faults = _without_doubles(pairs)
    return PictureSet(_set_name(folder), scale, unique, "real pictures, no ground truth", faults)


def _find_layout(folder: Path, scale: int | None) -> _Found:
    by_scale = {
        int(match[1]): path
        for path in sorted(folder.iterdir())
        if (match := _SCALE_FOLDER.fullmatch(path.name)) and _subfolder(path, GT_FOLDERS)
    }
    if by_scale:
        chosen = scale if scale is not None else next(iter(by_scale)) if len(by_scale) == 1 else None
        if chosen is None:
            raise UsageError(f"'{folder}' holds the scales {', '.join(map(str, by_scale))}; choose one with --scale")
        if chosen in by_scale:
            return replace(_find_layout(by_scale[chosen], chosen), name=_set_name(folder))
        raise DataError(f"'{folder}' has no pictures for scale {chosen}; it holds the scales {', '.join(map(str, by_scale))}")
    if track := _track(folder, scale):
        return track
    if own := _subfolder(folder, GT_FOLDERS):
        return _with_inputs(folder, own, "", scale)
    for gt in sorted(folder.glob("*_HR"), key=lambda path: "valid" not in path.name):
        return _with_inputs(folder, gt, gt.name[:-2], scale)
    files = pictures_in(folder)
    if srf := _one_folder(folder, files, scale):
        return srf
    return _Found(_set_name(folder), tuple(files), None, scale, "")


def _track(folder: Path, scale: int | None) -> _Found | None:
    """Read ``DIV2K_valid_LR_unknown`` or its ``X4``, whose ground truth lies beside it."""
    match = _SCALE_FOLDER.fullmatch(folder.name)
    top = folder.parent if match else folder
    named = _LQ_TRACK.fullmatch(top.name)
    gt = named and next((path for path in top.parent.iterdir() if path.name.lower() == f"{named[1]}HR".lower()), None)
    if not gt:
        return None
    scale = scale if match is None else int(match[1])
    inputs, known = _scaled(top, scale)
    return _Found(_set_name(gt), tuple(pictures_in(gt)), tuple(pictures_in(inputs)), known, f"given files in '{top.name}'")


def _with_inputs(folder: Path, gt: Path, prefix: str, scale: int | None) -> _Found:
    name = prefix.rstrip("_-") or _set_name(folder)
    tracks = {path.name.lower(): path for path in sorted(folder.iterdir()) if path.is_dir()}
    wanted = (f"{prefix}LR_bicubic", f"{prefix}LR", *(LQ_FOLDERS if not prefix else ()), f"{prefix}LR_unknown")
    for track in (tracks[each.lower()] for each in wanted if each.lower() in tracks):
        inputs, known = _scaled(track, scale)
        return _Found(name, tuple(pictures_in(gt)), tuple(pictures_in(inputs)), known, f"given files in '{track.name}'")
    return _Found(name, tuple(pictures_in(gt)), None, scale, "")


def _scaled(track: Path, scale: int | None) -> tuple[Path, int | None]:
    """Go into ``X4`` where a folder of inputs is divided by scale."""
    inside = {int(match[1]): path for path in sorted(track.iterdir()) if (match := _SCALE_FOLDER.fullmatch(path.name))}
    if not inside:
        return track, scale
    if scale is None and len(inside) == 1:
        scale = next(iter(inside))
    if scale is None:
        raise UsageError(f"'{track}' holds the scales {', '.join(map(str, inside))}; choose one with --scale")
    if scale not in inside:
        raise DataError(f"'{track}' has no pictures for scale {scale}; it holds the scales {', '.join(map(str, inside))}")
    return inside[scale], scale


def _one_folder(folder: Path, files: list[Path], scale: int | None) -> _Found | None:
    named = {path: match for path in files if (match := _SRF.fullmatch(path.stem))}
    scales = {int(match[2]) for match in named.values()}
    if not named or (scale is None and len(scales) > 1):
        return None
    chosen = scale if scale is not None else scales.pop()
    sides = {
        side: tuple(path for path, match in named.items() if match[3].upper() == side and int(match[2]) == chosen)
        for side in ("HR", "LR")
    }
    parent = folder.parent.name if re.fullmatch(r"image_SRF_\d", folder.name, re.IGNORECASE) else folder.name
    return _Found(parent, sides["HR"], sides["LR"], chosen, "given files '..._LR'")


def _paired(found: _Found, folder: Path, scale: int | None, degrade: str | None, seed: int) -> PictureSet:
    standard = find_standard(found.name)
    if degrade is not None or found.lq is None:
        pairs, faults = _without_doubles(tuple(Pair(path.stem, path, None) for path in found.gt))
        known = scale if scale is not None else found.scale
        if known is None:
            raise UsageError(f"'{folder}' holds ground truth only, which does not tell the scale; give --scale")
        source = "made from the ground truth by " + (f"preset '{degrade}', seed {seed}" if degrade else "exact bicubic")
        return PictureSet(found.name, known, pairs, source, faults, degrade, seed, standard)
    known = found.scale if found.scale is not None else scale
    pairs, faults = _match(found.gt, found.lq, known)
    if not pairs:
        raise DataError(
            f"no picture of '{folder}' has a partner: the ground truth has '{found.gt[0].name}', "
            f"the inputs have {repr(found.lq[0].name) if found.lq else 'no picture'}; "
            "a partner has the same name, or the name followed by x and the scale"
        )
    if known is None:
        known = _scale_by_size(pairs[0])
    return PictureSet(found.name, known, pairs, found.where, faults, None, 0, standard)


def _match(gt: tuple[Path, ...], lq: tuple[Path, ...], scale: int | None) -> tuple[tuple[Pair, ...], tuple[Fault, ...]]:
    inputs: dict[str, Path] = {}
    for path in lq:
        inputs.setdefault(path.stem.lower(), path)
    pairs, faults = [], []
    for path in gt:
        taken = next((inputs.pop(key) for key in _partner_names(path.stem, scale) if key in inputs), None)
        if taken is None:
            faults.append(Fault(path.name, "has no input of its name"))
        else:
            pairs.append(Pair(path.stem, path, taken))
    faults.extend(Fault(path.name, "is an input without ground truth of its name") for path in inputs.values())
    unique, doubles = _without_doubles(tuple(pairs))
    return unique, (*doubles, *faults)


def _partner_names(stem: str, scale: int | None) -> list[str]:
    """Return the stems, lower case, that an input may have: a, ax4, a_x4; and a_SRF_4_LR for a_SRF_4_HR."""
    factors = range(1, 9) if scale is None else (scale,)
    names = [stem, *(f"{stem}{join}x{factor}" for factor in factors for join in ("", "_", "-"))]
    if match := _SRF.fullmatch(stem):
        names.append(f"{match[1]}_SRF_{match[2]}_LR")
    return [name.lower() for name in names]


def _without_doubles(pairs: tuple[Pair, ...]) -> tuple[tuple[Pair, ...], tuple[Fault, ...]]:
    """Keep the first of the files that differ in suffix only."""
    kept: dict[str, Pair] = {}
    faults = []
    for pair in pairs:
        first = kept.setdefault(pair.name, pair)
        if first is not pair:
            faults.append(Fault(_file(pair).name, f"has the name of '{_file(first).name}', which was taken"))
    return tuple(kept.values()), tuple(faults)


def _file(pair: Pair) -> Path:
    path = pair.gt or pair.lq
    assert path is not None
    return path


def _scale_by_size(pair: Pair) -> int:
    assert pair.gt is not None
    assert pair.lq is not None
    try:
        gt, lq = read_picture(pair.gt), read_picture(pair.lq)
    except PictureError as error:
        raise DataError(f"the scale cannot be told from the first pair ({error}); give --scale") from error
    scale = round(gt.height / lq.height)
    if scale < 1 or (gt.height // scale, gt.width // scale) != (lq.height, lq.width):
        raise UsageError(
            f"the scale cannot be told from the first pair: '{pair.gt.name}' is {gt.width}x{gt.height}, "
            f"'{pair.lq.name}' is {lq.width}x{lq.height}; give --scale"
        )
    return scale


def _subfolder(folder: Path, names: tuple[str, ...]) -> Path | None:
    if not folder.is_dir():
        return None
    return next((path for path in sorted(folder.iterdir()) if path.is_dir() and path.name.lower() in names), None)


def _set_name(folder: Path) -> str:
    """Return the folder's name, passing over parts such as ``x4`` and ``HR`` that say nothing about the set."""
    path = folder.resolve()
    while path.name.lower() in (*GT_FOLDERS, *LQ_FOLDERS) or _SCALE_FOLDER.fullmatch(path.name):
        path = path.parent
    return path.name or "pictures"


def _no_pictures(folder: Path) -> str:
    return (
        f"no pictures in '{folder}': it must hold pictures, or folders HR and LR (also inside x2, x3, x4), "
        "or DIV2K's folders; see the page on evaluate for all layouts"
    )
