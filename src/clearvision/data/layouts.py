"""Which files belong together: folders of ground truth, pairs by name, two domains, in the layouts that data sets come in.

| layout | ground truth (or domain B) | low quality (or domain A) |
|---|---|---|
| any folder | every picture below it | made from it |
| two folders | ``high_res``, ``HR`` or ``gt`` | ``low_res``, ``LR`` or ``lq``, also ``LR_bicubic/X4`` |
| DIV2K | ``DIV2K_train_HR/0001.png`` | ``DIV2K_train_LR_bicubic/X4/0001x4.png``, else ``DIV2K_train_LR_unknown`` |
| by scale | ``x4/HR`` | ``x4/LR`` |
| unpaired | ``trainB`` or ``B`` | ``trainA`` or ``A`` |
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from clearvision.errors import DataError
from clearvision.imaging.formats import READABLE_SUFFIXES

GT_NAMES = ("high_res", "hr", "gt")
LQ_NAMES = ("low_res", "lr", "lq")
NAMED = 5  # names in a sentence


@dataclass(frozen=True)
class Item:
    """One picture to learn from.

    Attributes:
        gt: its file.
        lq: the file of its low-quality partner, or None where that is made.
        name: its path below the folder it was found in, which splits go by.
    """

    gt: Path
    lq: Path | None
    name: str


def find_pictures(folders: Sequence[Path]) -> list[Path]:
    """Return all pictures below the folders, sorted by path, without hidden files and folders.

    Raises:
        DataError: if a folder is missing or there is no picture at all.
    """
    found: set[Path] = set()
    for folder in folders:
        if not folder.is_dir():
            raise DataError(f"training folder '{folder}' does not exist; give the right one with --data")
        found.update(path for path in folder.rglob("*") if _is_picture(path, folder))
    if not found:
        raise DataError(
            f"no pictures below {', '.join(str(f) for f in folders)}; put some there or give another folder with --data"
        )
    return sorted(found)


def find_items(folders: Sequence[Path]) -> list[Item]:
    """Return the pictures below the folders as items without partners; see :func:`find_pictures`."""
    items = []
    for path in find_pictures(folders):
        folder = next(each for each in folders if path.is_relative_to(each))
        items.append(Item(path, None, path.relative_to(folder).as_posix()))
    return items


def pair_by_name(gt_folder: Path, lq_folder: Path, scale: int) -> tuple[list[Item], list[str]]:
    """Match two folders by relative path and name; a low-quality name may end in ``x4`` or ``_x4`` and have another suffix.

    Returns:
        The pairs, sorted by name, and a sentence for each kind of file left over.

    Raises:
        DataError: if a folder is missing or empty, nothing matches, or two files claim one name.
    """
    lq_files = _by_key(lq_folder)
    items, alone = [], []
    for key, gt in _by_key(gt_folder).items():
        lq = next((lq_files.pop(name) for name in partner_keys(key, scale) if name in lq_files), None)
        if lq is None:
            alone.append(gt.name)
        else:
            items.append(Item(gt, lq, gt.relative_to(gt_folder).as_posix()))
    if not items:
        raise DataError(
            f"no picture of '{gt_folder}' has a partner in '{lq_folder}': there are '{alone[0]}' and "
            f"'{next(iter(lq_files.values())).name}'; a partner has the same name, or the name followed by x{scale}"
        )
    notes = []
    if alone:
        notes.append(f"{len(alone)} of '{gt_folder}' without a partner left out: {named(alone)}")
    if lq_files:
        notes.append(f"{len(lq_files)} of '{lq_folder}' without a partner left out: {named([p.name for p in lq_files.values()])}")
    return items, notes


def find_both(folder: Path, scale: int) -> tuple[Path, Path]:
    """Return the ground-truth and the low-quality folder inside one folder.

    Raises:
        DataError: if the folder is missing or holds no layout that is known.
    """
    if not folder.is_dir():
        raise DataError(f"training folder '{folder}' does not exist; give the right one with --data")
    inside = {path.name.lower(): path for path in sorted(folder.iterdir()) if path.is_dir()}
    by_scale = inside.get(f"x{scale}")
    if by_scale is not None and any(path.name.lower() in GT_NAMES for path in by_scale.iterdir()):
        return find_both(by_scale, scale)
    for gt_name in (*GT_NAMES, *sorted((name for name in inside if name.endswith("_hr")), key=lambda name: "train" not in name)):
        if gt_name not in inside:
            continue
        prefix = gt_name[:-2] if gt_name.endswith("_hr") else ""
        for lq_name in (f"{prefix}lr_bicubic", *([f"{prefix}lr"] if prefix else LQ_NAMES), f"{prefix}lr_unknown"):
            if lq_name in inside:
                return inside[gt_name], _of_scale(inside[lq_name], scale)
    raise DataError(
        f"'{folder}' holds no pairs: it needs two folders such as high_res and low_res, HR and LR, or "
        f"DIV2K_train_HR and DIV2K_train_LR_bicubic/X{scale}; or name them in data.folders and data.lq_folders"
    )


def find_domains(folder: Path, part: str = "train") -> tuple[Path, Path] | None:
    """Return the folders of domain A and domain B inside one folder (``trainA`` and ``trainB``, or ``A`` and ``B``), or None."""
    for a, b in ((f"{part}A", f"{part}B"), *((("A", "B"),) if part == "train" else ())):
        if (folder / a).is_dir() and (folder / b).is_dir():
            return folder / a, folder / b
    return None


def looks_low_quality(folder: Path) -> list[str]:
    """Return the folders directly inside one whose names say that they hold shrunk copies."""
    return sorted(
        path.name
        for path in folder.iterdir()
        if path.is_dir() and (path.name.lower() in LQ_NAMES or re.search(r"(^|_)LR(_|$)", path.name, re.IGNORECASE))
    )


def partner_keys(key: str, scale: int) -> list[str]:
    """Return the names, lower case and without suffix, that a low-quality partner may have: a, ax4, a_x4, ax4m, a_srf_4_lr."""
    keys = [key, *(f"{key}{join}x{scale}" for join in ("", "_", "-")), f"{key}x{scale}m", f"{key}x{scale}d"]
    for high, low in (("hr", "lr"), ("gt", "lq"), ("high", "low")):
        if key.endswith(f"_{high}"):
            keys.append(f"{key[: -len(high)]}{low}")
    return keys


def named(names: Sequence[str]) -> str:
    """Return some names for a sentence."""
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


def _of_scale(folder: Path, scale: int) -> Path:
    """Go into ``X4`` where a folder of low-quality pictures is divided by scale."""
    inside = {path.name.lower(): path for path in sorted(folder.iterdir()) if re.fullmatch(r"[xX]\d", path.name)}
    if not inside:
        return folder
    if f"x{scale}" not in inside:
        raise DataError(f"'{folder}' has no pictures for scale {scale}, only {', '.join(path.name for path in inside.values())}")
    return inside[f"x{scale}"]


def _is_picture(path: Path, folder: Path) -> bool:
    return path.suffix.lower() in READABLE_SUFFIXES and not any(part.startswith(".") for part in path.relative_to(folder).parts)


def _by_key(folder: Path) -> dict[str, Path]:
    """Return the pictures below a folder by relative path, lower case and without suffix."""
    files: dict[str, Path] = {}
    for path in find_pictures([folder]):
        first = files.setdefault(path.relative_to(folder).with_suffix("").as_posix().lower(), path)
        if first is not path:
            raise DataError(f"'{first}' and '{path}' have one name; which of them has the partner cannot be told: remove one")
    return files
