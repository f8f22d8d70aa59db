"""Folders with one of everything that deserves a look."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clearvision.data.inspect import Inspection, inspect_folder, inspection_sheet
from clearvision.data.sheet import contact_sheet
from clearvision.errors import UsageError
from clearvision.imaging.io import picture_from_array, write_picture


def colours(height: int = 80, width: int = 100, seed: int = 0) -> np.ndarray:
    small = np.random.default_rng(seed).integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), np.uint8)
    return small.repeat(8, 0).repeat(8, 1)[:height, :width]


def save(path: Path, pixels: np.ndarray, **options: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "pictures"
    for seed in range(5):
        save(root / f"plain{seed}.png", colours(seed=seed))
    save(root / "deep/twin.webp", colours(seed=1), lossless=True)
    grey = colours(seed=7).mean(2).astype(np.uint8)
    save(root / "grey.png", grey)
    save(root / "hidden_grey.png", np.stack([grey] * 3, axis=2))
    save(root / "poor.jpg", colours(seed=8), quality=40)
    save(root / "good.jpg", colours(seed=9), quality=90)
    save(root / "tiny.png", colours(20, 200, seed=10))
    save(root / "flat.png", np.full((80, 80, 3), (10, 20, 30), np.uint8))
    frames = [Image.fromarray(colours(seed=seed)) for seed in (11, 12, 13)]
    frames[0].save(root / "moving.gif", save_all=True, append_images=frames[1:])
    save(root / "really_png.jpg", colours(seed=14), format="PNG")
    whole = (root / "plain0.png").read_bytes()
    (root / "cut.png").write_bytes(whole[: len(whole) // 2])
    (root / "empty.png").write_bytes(b"")
    (root / "notes.txt").write_text("no picture")
    (root / ".hidden.png").write_bytes(whole)
    write_picture(picture_from_array(colours(seed=15).astype(np.uint16) * 257), root / "sixteen.png")
    return root


def findings(inspection: Inspection) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for finding in inspection.findings:
        found.setdefault(finding.path.name, set()).add(finding.kind)
    return found


def test_every_suspicion_is_found_and_nothing_else(folder: Path) -> None:
    inspection = inspect_folder(folder)
    assert findings(inspection) == {
        "plain1.png": {"duplicate"},
        "grey.png": {"grey"},
        "hidden_grey.png": {"grey"},
        "poor.jpg": {"low-quality"},
        "tiny.png": {"tiny"},
        "flat.png": {"flat"},
        "moving.gif": {"animated"},
        "really_png.jpg": {"misnamed"},
        "cut.png": {"unreadable"},
        "empty.png": {"unreadable"},
    }
    texts = {finding.path.name: finding.text for finding in inspection.findings}
    assert texts["poor.jpg"] == "JPEG of quality about 40, below 75"
    assert texts["moving.gif"].startswith("3 frames or pages")
    assert texts["plain1.png"] == f"the same pixels as '{folder / 'deep/twin.webp'}'"
    assert texts["tiny.png"] == "200x20, a side below 64"
    assert texts["empty.png"].endswith("is empty (0 bytes)")
    assert (inspection.unreadable, inspection.others) == (2, 1)


def test_totals(folder: Path) -> None:
    data = inspect_folder(folder).to_data()
    assert json.loads(json.dumps(data)) == data
    assert (data["pictures"], data["unreadable"], data["others"]) == (15, 2, 1)
    assert data["formats"] == {"png": 11, "jpeg": 2, "webp": 1, "gif": 1}
    assert data["kinds"]["16-bit RGB"] == 1
    assert data["kinds"]["8-bit grey"] == 1
    assert data["sizes"]["width"] == {"min": 80, "median": 100, "max": 200}
    assert data["sizes"]["height"] == {"min": 20, "median": 80, "max": 80}
    assert data["megapixels"] == pytest.approx((13 * 8000 + 4000 + 6400) / 1e6)
    assert data["files"][0]["path"].endswith("deep/twin.webp")


def test_limits_are_the_callers(folder: Path) -> None:
    found = findings(inspect_folder(folder, min_side=10, low_quality=95))
    assert "tiny.png" not in found
    assert "low-quality" in found["good.jpg"]


def test_a_grey_folder_is_not_suspicious(tmp_path: Path) -> None:
    for seed in range(3):
        save(tmp_path / f"{seed}.png", colours(seed=seed)[..., 0])
    save(tmp_path / "colour.png", colours(seed=9))
    assert findings(inspect_folder(tmp_path)) == {}


def test_progress_counts_every_picture(folder: Path) -> None:
    seen: list[tuple[int, int]] = []
    inspect_folder(folder, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(done, 17) for done in range(1, 18)]


def test_nothing_to_inspect_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"the folder '.*absent' does not exist"):
        inspect_folder(tmp_path / "absent")
    (tmp_path / "a.txt").write_text("a")
    with pytest.raises(UsageError, match=r"no pictures in '.*' \(1 other file\)"):
        inspect_folder(tmp_path)
    with pytest.raises(UsageError, match=r"a.txt' is not a folder"):
        inspect_folder(tmp_path / "a.txt")


def test_sheet_shows_the_pictures(folder: Path) -> None:
    sheet = inspection_sheet(inspect_folder(folder), columns=5, side=64)
    assert sheet.shape == (6 + 3 * (64 + 15 + 6), 6 + 5 * (64 + 6), 3)
    assert sheet.dtype == np.uint8
    assert sheet.std() > 20


def test_cells_keep_shape_and_square_pixels() -> None:
    white = np.full((2, 4, 3), 255, np.uint8)
    black = np.zeros((300, 100, 3), np.uint8)
    sheet = contact_sheet([("small", white), ("large", black)], columns=9, side=64)
    assert sheet.shape == (6 + 64 + 15 + 6, 6 + 2 * (64 + 6), 3)
    assert (sheet[6 + 16 : 6 + 48, 6:70] == 255).all()  # 2x4 becomes 32x64, in the middle
    assert (sheet[6 : 6 + 64, 76 + 22 : 76 + 42] == 0).all()  # 300x100 becomes 64x21
    assert (sheet[6 : 6 + 64, 76 : 76 + 20] == 250).all()
    with pytest.raises(UsageError, match=r"needs one picture and one column"):
        contact_sheet([], columns=3)


def test_inspecting_needs_no_torch(folder: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from pathlib import Path\n"
        "from clearvision.data.inspect import inspect_folder\n"
        f"print(len(inspect_folder(Path({str(folder)!r})).pictures))"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["15"], done.stderr
