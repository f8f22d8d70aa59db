"""Is a folder fit to learn from? Doubles by look, pictures enlarged or blurred before, misfit pairs, leaks of test sets."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearvision.data.decode import Progress, in_threads, read_rgb
from clearvision.data.fingerprint import Fingerprint, cut_off, fingerprint, grey_plane, mirrored, shift_between
from clearvision.data.inspect import Finding
from clearvision.data.layouts import Item, find_pictures, pair_by_name
from clearvision.errors import PictureError
from clearvision.imaging.resize import resize

HASH_DISTANCE = 12  # of 63 bits: candidates
ALIKE = 0.96  # correlation of two thumbnails of one picture
SAME_SCENE = 0.8  # of the two sides of a pair, which blur or noise may part
OFF = 0.25  # low-quality pixels that a pair may be off
SURE = 0.03  # height of a peak of phase correlation that means something
SOFT_BELOW = 0.75
BLOCK = 1024
SHIFT_SIDE = 512  # pixels of a pair's middle that are compared

_ADVICE = {
    "unreadable": "damaged; remove or replace",
    "double": "the same scene twice weighs twice; keep one",
    "soft": "enlarged or blurred before; shrink or remove",
    "leak": "also in a test set; remove before training",
    "scale": "the sides of the pair do not fit the scale",
    "shifted": "the sides of the pair are not aligned",
    "unlike": "the sides of the pair show different things",
}


@dataclass(frozen=True)
class Audit:
    """What an audit found.

    Attributes:
        folder: the folder.
        pictures: how many were read.
        against: how many test pictures they were held to.
        pairs: how many pairs were compared.
        findings: what deserves a look, by file.
        softness: the cut-off of each readable picture, by path; see :func:`clearvision.data.fingerprint.cut_off`.
    """

    folder: Path
    pictures: int
    against: int = 0
    pairs: int = 0
    findings: tuple[Finding, ...] = ()
    softness: dict[Path, float] = field(default_factory=dict)

    def counts(self) -> dict[str, int]:
        """Return how many findings there are of each kind."""
        kinds = [finding.kind for finding in self.findings]
        return {kind: kinds.count(kind) for kind in _ADVICE if kind in kinds}

    def to_data(self) -> dict[str, Any]:
        """Return everything as plain data."""
        values = sorted(self.softness.values())
        return {
            "folder": str(self.folder),
            "pictures": self.pictures,
            "test_pictures": self.against,
            "pairs": self.pairs,
            "counts": self.counts(),
            "cut_off": {name: float(np.percentile(values, share)) for name, share in _SHARES.items()} if values else {},
            "findings": [
                {"file": str(each.path), "kind": each.kind, "text": each.text, "advice": _ADVICE[each.kind]}
                for each in self.findings
            ],
        }


_SHARES = {"min": 0, "tenth": 10, "median": 50, "max": 100}


def audit_folder(
    folder: Path,
    *,
    against: Sequence[Path] = (),
    lq_folder: Path | None = None,
    scale: int = 4,
    soft_below: float = SOFT_BELOW,
    progress: Progress | None = None,
) -> Audit:
    """Look through a folder of ground truth.

    Doubles and leaks are found by a perceptual hash and confirmed by the correlation of thumbnails: whole pictures, also in a
    mirror, rescaled or recompressed, but not parts of pictures.

    Args:
        folder: pictures to train on; subfolders count.
        against: folders of test pictures that must not be among them.
        lq_folder: the low-quality side of pairs, matched by name.
        scale: of the pairs.
        soft_below: cut-off under which a picture counts as enlarged or blurred.
        progress: called with how many pictures are read and how many there are.

    Raises:
        DataError: if a folder is missing or empty, or no pair matches.
    """
    paths = find_pictures([folder])
    tests = [path for each in against for path in find_pictures([each])]
    items = pair_by_name(folder, lq_folder, scale)[0] if lq_folder is not None else []
    total, workers = len(paths) + len(tests) + len(items), min(8, os.cpu_count() or 1)

    def told(before: int) -> Progress:
        return lambda done, _: progress(before + done, total) if progress else None

    looks = in_threads(_look, paths, workers, told(0))
    test_looks = in_threads(_look, tests, workers, told(len(paths)))
    findings = [look for look in (*looks, *test_looks) if isinstance(look, Finding)]
    seen = [look for look in looks if isinstance(look, _Look)]
    findings += [_soft(look) for look in seen if look.cut_off is not None and look.cut_off < soft_below]
    findings += _doubles(seen)
    findings += _leaks(seen, [look for look in test_looks if isinstance(look, _Look)])
    for found in in_threads(lambda item: _compare(item, scale), items, workers, told(len(paths) + len(tests))):
        findings += found
    order = list(_ADVICE)
    findings.sort(key=lambda finding: (order.index(finding.kind), finding.path))
    softness = {look.path: look.cut_off for look in seen if look.cut_off is not None}
    return Audit(folder, len(seen), len(tests), len(items), tuple(findings), softness)


@dataclass(frozen=True, eq=False)
class _Look:
    path: Path
    height: int
    width: int
    print_: Fingerprint
    cut_off: float | None


def _look(path: Path) -> _Look | Finding:
    try:
        grey = grey_plane(read_rgb(path))
    except PictureError as error:
        return Finding(path, "unreadable", " ".join(str(error).split()))
    return _Look(path, grey.shape[0], grey.shape[1], fingerprint(grey), cut_off(grey))


def _soft(look: _Look) -> Finding:
    share = look.cut_off or 0.0
    text = f"its detail ends at {share:.2f} of the highest frequency ({look.width}x{look.height})"
    return Finding(look.path, "soft", text)


def _doubles(looks: Sequence[_Look]) -> list[Finding]:
    """Return a finding for each picture that an earlier one looks like."""
    prints = [look.print_ for look in looks]
    findings = []
    for place, (other, alike, turned) in sorted(_nearest(prints, prints, earlier=True).items()):
        how = " in a mirror" if turned else ""
        findings.append(Finding(looks[place].path, "double", f"looks like '{looks[other].path}'{how} ({alike:.3f})"))
    return findings


def _leaks(looks: Sequence[_Look], tests: Sequence[_Look]) -> list[Finding]:
    near = _nearest([look.print_ for look in looks], [look.print_ for look in tests], earlier=False)
    return [
        Finding(looks[place].path, "leak", f"looks like '{tests[other].path}'{' in a mirror' if turned else ''} ({alike:.3f})")
        for place, (other, alike, turned) in sorted(near.items())
    ]


def _nearest(
    prints: Sequence[Fingerprint], others: Sequence[Fingerprint], *, earlier: bool
) -> dict[int, tuple[int, float, bool]]:
    """Return for each print that has one its best match among the others (only those before it): place, likeness, mirrored."""
    best: dict[int, tuple[int, float, bool]] = {}
    if not prints or not others:
        return best
    bits, thumbs = _stacked(others)
    for turned in (False, True):
        own = [mirrored(each) for each in prints] if turned else list(prints)
        for start in range(0, len(own), BLOCK):
            block_bits, block_thumbs = _stacked(own[start : start + BLOCK])
            near = block_bits @ bits.T >= bits.shape[1] - 2 * HASH_DISTANCE
            for row, column in zip(*np.nonzero(near), strict=True):
                place, other = start + int(row), int(column)
                if earlier and other >= place:
                    continue
                alike = float(block_thumbs[row] @ thumbs[other])
                if alike >= ALIKE and (place not in best or alike > best[place][1]):
                    best[place] = (other, alike, turned)
    return best


def _stacked(prints: Sequence[Fingerprint]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    return np.stack([each.bits for each in prints]), np.stack([each.thumb for each in prints])


def _compare(item: Item, scale: int) -> list[Finding]:
    """Return what is wrong with a pair: its scale, its contents, or its alignment."""
    assert item.lq is not None
    try:
        gt, lq = grey_plane(read_rgb(item.gt)), grey_plane(read_rgb(item.lq))
    except PictureError as error:
        return [Finding(item.lq, "unreadable", " ".join(str(error).split()))]
    height, width = (side // scale for side in gt.shape)
    sizes = f"'{item.gt.name}' is {gt.shape[1]}x{gt.shape[0]}, '{item.lq.name}' {lq.shape[1]}x{lq.shape[0]}"
    if lq.shape != (height, width):
        ratio = gt.shape[0] / lq.shape[0]
        return [Finding(item.lq, "scale", f"{sizes}: about {ratio:.3g} times smaller, not {scale}")]
    small = resize(np.ascontiguousarray(gt[: height * scale, : width * scale]), height, width)
    y, x = (max(0, (side - SHIFT_SIDE) // 2) for side in lq.shape)
    first, second = small[y : y + SHIFT_SIDE, x : x + SHIFT_SIDE], lq[y : y + SHIFT_SIDE, x : x + SHIFT_SIDE]
    down, right, sure = shift_between(first, second)
    if sure >= SURE and max(abs(down), abs(right)) > OFF and min(first.shape) >= 32:
        text = f"its input lies {down:+.2f} pixels down and {right:+.2f} right of where it should (low-quality pixels)"
        return [Finding(item.gt, "shifted", text)]
    alike = float(fingerprint(small).thumb @ fingerprint(lq).thumb)
    if alike < SAME_SCENE:
        return [Finding(item.gt, "unlike", f"'{item.lq.name}' looks different (correlation {alike:.2f})")]
    return []
