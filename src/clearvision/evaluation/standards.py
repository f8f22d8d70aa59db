"""The standard test sets and the literature's bicubic row on each, by which a set and this program prove themselves.

The rows are those of the tables in the papers on RCAN (Zhang et al., ECCV 2018) and SAFMN (Sun et al., ICCV 2023), which agree:
luma, PSNR in dB and SSIM, low-resolution pictures by MATLAB's bicubic.
"""

from __future__ import annotations

from dataclasses import dataclass

PSNR_TOLERANCE = 0.02
SSIM_TOLERANCE = 0.001
_LAST_DIGIT = {"psnr": 0.005, "ssim": 0.00005}  # half of the last digit that the tables print


@dataclass(frozen=True)
class StandardSet:
    """A test set of the literature.

    Attributes:
        name: as the tables write it.
        count: how many pictures it has.
        bicubic: scale to (PSNR-Y in dB, SSIM-Y) of bicubic interpolation.
        aliases: other names that its folder goes by, lower case.
    """

    name: str
    count: int
    bicubic: dict[int, tuple[float, float]]
    aliases: tuple[str, ...] = ()


STANDARD_SETS = (
    StandardSet("Set5", 5, {2: (33.66, 0.9299), 3: (30.39, 0.8682), 4: (28.42, 0.8104)}),
    StandardSet("Set14", 14, {2: (30.24, 0.8688), 3: (27.55, 0.7742), 4: (26.00, 0.7027)}),
    StandardSet(
        "BSD100", 100, {2: (29.56, 0.8431), 3: (27.21, 0.7385), 4: (25.96, 0.6675)}, ("b100", "bsds100", "cbsd100", "bsdsd100")
    ),
    StandardSet("Urban100", 100, {2: (26.88, 0.8403), 3: (24.46, 0.7349), 4: (23.14, 0.6577)}, ("u100",)),
    StandardSet("Manga109", 109, {2: (30.80, 0.9339), 3: (26.95, 0.8556), 4: (24.89, 0.7866)}),
)


def find_standard(name: str) -> StandardSet | None:
    """Return the standard set that a folder's name stands for, whatever its case."""
    key = name.lower()
    return next((each for each in STANDARD_SETS if key in (each.name.lower(), *each.aliases)), None)


@dataclass(frozen=True)
class SelfCheck:
    """What the bicubic row says about a recognised set.

    Attributes:
        passed: whether the row agrees with the literature's.
        text: one sentence.
    """

    passed: bool
    text: str


def check_bicubic(
    standard: StandardSet, scale: int, count: int, psnr: float, ssim: float | None, *, source: str
) -> SelfCheck | None:
    """Compare a measured bicubic row under protocol ``y`` with the literature's.

    The tables print two and four digits, so a difference is out of tolerance when it exceeds 0.02 dB, or 0.001 in SSIM, by more
    than half a unit of the last digit printed.

    Args:
        standard: the set.
        scale: the factor.
        count: pictures that were scored.
        psnr: measured mean PSNR-Y in dB.
        ssim: measured mean SSIM-Y, or None where it was not measured.
        source: where the low-resolution pictures came from, in words.

    Returns:
        The verdict, or None where the literature has no row for the scale.
    """
    if scale not in standard.bicubic:
        return None
    expected_psnr, expected_ssim = standard.bicubic[scale]
    row = f"bicubic on {standard.name} x{scale} ({source})"
    if count != standard.count:
        return SelfCheck(
            False,
            f"Self-check failed: '{standard.name}' has {standard.count} pictures, but {count} were scored, "
            "so no figure here can be compared with the literature's.",
        )
    measured = f"{psnr:.3f} dB" + ("" if ssim is None else f" / {ssim:.4f}")
    literature = f"{expected_psnr:.2f} dB" + ("" if ssim is None else f" / {expected_ssim:.4f}")
    good = abs(psnr - expected_psnr) <= PSNR_TOLERANCE + _LAST_DIGIT["psnr"]
    good = good and (ssim is None or abs(ssim - expected_ssim) <= SSIM_TOLERANCE + _LAST_DIGIT["ssim"])
    if good:
        return SelfCheck(True, f"Self-check passed: {row} measures {measured}, the literature says {literature}.")
    return SelfCheck(
        False,
        f"Self-check failed: {row} measures {measured}, the literature says {literature}; "
        "these are not the standard pictures, so do not compare the scores below with the literature's.",
    )
