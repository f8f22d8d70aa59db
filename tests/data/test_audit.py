"""What an audit finds, on pictures made to have exactly these faults, and what it leaves alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from clearvision.data.audit import audit_folder
from clearvision.data.fingerprint import cut_off, fingerprint, grey_plane, mirrored, shift_between
from clearvision.errors import DataError
from clearvision.imaging.resize import resize_scale


def scene(seed: int, height: int = 160, width: int = 192) -> np.ndarray:
    """Large forms with sharp edges, and a texture as fine as pixels, falling off as in photographs."""
    draw = np.random.default_rng(seed)
    pixels = np.zeros((height, width, 3))
    for cells in (4, 9, 20, 50, 120):
        coarse = draw.normal(0, 60 / cells**0.5, (cells, cells, 3))
        y, x = np.arange(height) * cells // height, np.arange(width) * cells // width
        pixels += coarse[y][:, x]
    pixels += draw.normal(0, 3, pixels.shape)
    return np.clip(pixels + 128, 0, 255).astype(np.uint8)


def save(path: Path, pixels: np.ndarray) -> Image.Image:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels)
    image.save(path)
    return image


def test_doubles_and_leaks_are_found_rescaled_recompressed_and_mirrored(tmp_path: Path) -> None:
    train, test = tmp_path / "train", tmp_path / "test"
    for seed in range(6):
        save(train / f"{seed}.png", scene(seed))
    image = Image.fromarray(scene(0))
    image.resize((96, 80), Image.Resampling.BICUBIC).save(train / "small.jpg", quality=60)
    save(test / "leak.png", scene(3)[:, ::-1])
    save(test / "fine.png", scene(99))
    audit = audit_folder(train, against=[test])
    assert (audit.pictures, audit.against) == (7, 2)
    assert [(each.kind, each.path.name) for each in audit.findings if each.kind in ("double", "leak")] == [
        ("double", "small.jpg"),
        ("leak", "3.png"),
    ]
    assert "looks like" in audit.findings[0].text
    leak = audit.findings[[each.kind for each in audit.findings].index("leak")]
    assert "leak.png' in a mirror" in leak.text
    assert audit.to_data()["counts"]["leak"] == 1


def test_enlarged_and_blurred_pictures_are_soft_and_sharp_ones_are_not() -> None:
    sharp = Image.fromarray(scene(1))
    assert cut_off(grey_plane(np.asarray(sharp))) > 0.85  # type: ignore[operator]
    large = sharp.resize((sharp.width * 2, sharp.height * 2), Image.Resampling.BICUBIC)
    blurred = sharp.filter(ImageFilter.GaussianBlur(1.5))
    assert cut_off(grey_plane(np.asarray(large))) < 0.72  # type: ignore[operator]
    assert cut_off(grey_plane(np.asarray(blurred))) < 0.5  # type: ignore[operator]
    assert cut_off(np.zeros((20, 20), np.float32)) is None
    assert cut_off(np.full((64, 64), 7, np.float32)) is None


@pytest.mark.parametrize("moved", [(0, 0), (3, -2), (-1, 5)])
def test_shifts_come_out_to_the_pixel(moved: tuple[int, int]) -> None:
    large = grey_plane(scene(2, 200, 200))
    first = large[20:148, 20:148]
    second = large[20 - moved[0] : 148 - moved[0], 20 - moved[1] : 148 - moved[1]]
    down, right, sure = shift_between(first, second)
    assert (round(down), round(right)) == moved
    assert abs(down - moved[0]) < 0.1
    assert sure > 0.1


def test_half_pixels_show(tmp_path: Path) -> None:
    large = scene(5, 272, 272)
    first = resize_scale(large[8:264, 8:264], 1 / 4)
    off = resize_scale(large[10:266, 8:264], 1 / 4)  # two of four pixels: half a low-quality pixel
    down, right, _ = shift_between(grey_plane(first), grey_plane(off))
    assert -0.75 < down < -0.3
    assert abs(right) < 0.1


def test_pairs_are_checked_for_scale_alignment_and_contents(tmp_path: Path) -> None:
    for seed, name in enumerate(("fine", "shifted", "halved", "other")):
        pixels = scene(seed, 256, 256)
        save(tmp_path / "HR" / f"{name}.png", pixels)
        lq = {
            "fine": resize_scale(pixels, 1 / 2),
            "shifted": np.roll(resize_scale(pixels, 1 / 2), 2, axis=1),
            "halved": resize_scale(pixels, 1 / 4),
            "other": resize_scale(scene(50, 256, 256), 1 / 2),
        }[name]
        save(tmp_path / "LR" / f"{name}x2.png", lq)
    audit = audit_folder(tmp_path / "HR", lq_folder=tmp_path / "LR", scale=2)
    found = {each.path.name: (each.kind, each.text) for each in audit.findings}
    assert found["halvedx2.png"] == ("scale", "'halved.png' is 256x256, 'halvedx2.png' 64x64: about 4 times smaller, not 2")
    assert found["shifted.png"][0] == "shifted"
    assert "+2.0" in found["shifted.png"][1]
    assert found["other.png"][0] in ("unlike", "shifted")
    assert "fine.png" not in found


def test_damage_is_a_finding_and_nothing_to_compare_an_error(tmp_path: Path) -> None:
    save(tmp_path / "a.png", scene(0))
    (tmp_path / "b.png").write_bytes(b"rubbish")
    assert [each.kind for each in audit_folder(tmp_path).findings] == ["unreadable"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no pictures below"):
        audit_folder(tmp_path, against=[tmp_path / "empty"])


def test_flat_pictures_are_nobodys_double() -> None:
    flat = fingerprint(np.full((50, 60), 90, np.float32))
    assert not flat.thumb.any()
    picture = fingerprint(grey_plane(scene(3)))
    assert float(mirrored(mirrored(picture)).thumb @ picture.thumb) > 0.999
