"""What the app makes is what the command line makes, to the byte; and what it refuses, it refuses in a sentence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from clearvision.apps.cli import main
from clearvision.apps.streamlit_app.choices import Choices
from clearvision.apps.streamlit_app.comparing import compare
from clearvision.apps.streamlit_app.damage import Damage, why_not
from clearvision.apps.streamlit_app.making import (
    Failed,
    Finished,
    Given,
    Workshop,
    make,
    make_all,
    make_between,
    make_trust_map,
    safe_name,
    take,
    told_of,
)
from clearvision.apps.streamlit_app.preview import MOST_PIXELS, part_of, preview_of, shrunk
from clearvision.apps.streamlit_app.results_panel import names_apart, zipped
from clearvision.apps.streamlit_app.settings import Settings
from clearvision.apps.streamlit_app.work import CancelledError
from clearvision.errors import ClearVisionError, PictureError, UsageError
from clearvision.imaging.io import read_picture, write_picture
from clearvision.types import Picture

pytestmark = pytest.mark.usefixtures("models")


@pytest.fixture
def shop() -> Workshop:
    return Workshop(Settings(Path("runs"), 1_000_000, 4_000_000))


def waves(height: int, width: int, *, depth: type = np.uint8) -> Picture:
    y, x = np.mgrid[:height, :width] / max(height, width)
    values = np.stack([x, y, 0.5 + 0.4 * np.sin(20 * x)], axis=2)
    top = {np.uint8: 255, np.uint16: 65535, np.float32: 1}[depth]
    return Picture((values * top).astype(depth))


def given(folder: Path, name: str = "photo.png", picture: Picture | None = None) -> Given:
    folder.mkdir(exist_ok=True)
    picture = picture or waves(20, 28)
    write_picture(picture, folder / name)
    return Given(name, folder / name, picture.width, picture.height)


def silent(share: float, what: str | None = None) -> None:
    """Take no notice."""


CHOICES = [
    Choices(scale=4.0),
    Choices(scale=2.5, format="webp", quality=80),
    Choices(model="photo-x4", width=100, format="tiff"),
    Choices(model="photo-x4-vivid", megapixels=0.01),
    Choices(model="clean-x2", tta=True, lock="colour", strip_metadata=True),
    Choices(model="clean-x4", lock="input", precision="f32", height=60),
    Choices(model="photo-x4", vividness=0.35, scale=4.0),
    Choices(restoring=True, model="restore-x1"),
    Choices(restoring=True, model="photo-x4", format="jpeg"),
    Choices(model="clean-x4", sharpen=0.4),
]


@pytest.mark.parametrize("choices", CHOICES, ids=lambda choices: " ".join(choices.words()))
def test_file_is_what_the_command_line_writes(tmp_path: Path, shop: Workshop, choices: Choices) -> None:
    source = given(tmp_path / "in")
    (tmp_path / "out").mkdir()
    made = make(source, choices, None, tmp_path / "out", shop, silent)
    command = "restore" if choices.restoring else "upscale"
    assert main([command, str(source.path), *choices.words()]) == 0
    written = [path for path in source.path.parent.iterdir() if path != source.path and not path.name.startswith(".")]
    assert [path.name for path in written] == [made.name]
    assert written[0].read_bytes() == made.path.read_bytes()


@pytest.mark.parametrize("name", ["deep.tif", "deep.png", "small.avif", "old.bmp", "grey.pgm"])
def test_every_kind_of_picture_is_made_and_shown(tmp_path: Path, shop: Workshop, name: str) -> None:
    depth = np.uint16 if name.startswith("deep") else np.uint8
    picture = waves(20, 28, depth=depth)
    if name.startswith("grey"):
        picture = replace(picture, pixels=np.ascontiguousarray(picture.pixels[:, :, :1]))
    source = given(tmp_path / "in", name, picture)
    (tmp_path / "out").mkdir()
    made = make(source, Choices(scale=4.0), None, tmp_path / "out", shop, silent)
    assert read_picture(made.path).pixels.dtype == depth
    for preview in (made.before, made.after):
        assert preview.kind in ("image/png", "image/jpeg", "image/webp")
        assert preview.shown == 1
    assert (made.after.width, made.after.height) == (112, 80)


def test_twins_are_made_and_mixed_as_the_command_line_mixes_them(tmp_path: Path, shop: Workshop) -> None:
    source = given(tmp_path / "in")
    (tmp_path / "out").mkdir()
    made = make(source, Choices(model="photo-x4", scale=4.0), None, tmp_path / "out", shop, silent)
    assert made.vivid is not None
    between = make_between(made, 0.35, tmp_path / "between", shop, silent)
    assert (
        main(
            [
                "upscale",
                str(source.path),
                "-o",
                str(tmp_path / "cli.png"),
                *Choices(model="photo-x4", scale=4.0, vividness=0.35).words(),
            ]
        )
        == 0
    )
    assert between.read_bytes() == (tmp_path / "cli.png").read_bytes()
    faithful, vivid, mixed = (read_picture(path).pixels.astype(int) for path in (made.path, made.vivid.path, between))
    assert np.abs(faithful - vivid).max() > 2
    assert not (mixed == faithful).all()
    assert make(source, Choices(model="clean-x4"), None, new(tmp_path / "plain"), shop, silent).vivid is None


def new(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_damage_is_done_and_the_result_scored(tmp_path: Path, shop: Workshop) -> None:
    source = given(tmp_path / "in", picture=waves(66, 81))
    damage = Damage(4, None, quality=60)
    made = make(source, Choices(model="photo-x4"), damage, new(tmp_path / "out"), shop, silent)
    assert made.original is not None
    assert (made.before.width, made.before.height) == (20, 16)
    assert (made.after.width, made.after.height) == (80, 64)
    assert made.scores is not None
    assert made.bicubic is not None
    assert 10 < made.bicubic.psnr < 60
    assert made.scores.consistency is not None
    assert main(["data", "degrade", str(source.path), str(tmp_path / "cli"), *damage.words()]) == 0
    assert (tmp_path / "cli" / "photo.png").read_bytes() == made.source.read_bytes()


def test_damage_at_the_same_size_is_restored(tmp_path: Path, shop: Workshop) -> None:
    source = given(tmp_path / "in", picture=waves(40, 48))
    choices = Choices(restoring=True, model="restore-x1")
    made = make(source, choices, Damage(1, "bicubic"), new(tmp_path / "out"), shop, silent)
    assert made.name == "photo_restored.png"
    assert made.scores is not None
    assert made.scores.consistency is None


def test_damage_that_lacks_pytorch_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clearvision.apps.streamlit_app.damage.find_spec", lambda name: None)
    told = why_not(Damage(4, "clearvision-app"))
    assert told is not None
    assert "pip install 'clearvision[torch]'" in told
    assert why_not(Damage(4, None, noise=5.0)) is not None
    assert why_not(Damage(4, "bicubic")) is why_not(Damage(4, None, quality=50)) is None


def test_picture_too_small_for_the_damage_fails_in_words(tmp_path: Path, shop: Workshop) -> None:
    source = given(tmp_path / "in", picture=waves(3, 3))
    with pytest.raises(PictureError, match="too small to become 4 times smaller"):
        make(source, Choices(), Damage(4, "bicubic"), new(tmp_path / "out"), shop, silent)


def test_cancelling_ends_the_work_and_leaves_no_result(tmp_path: Path, shop: Workshop) -> None:
    def cancel(share: float, what: str | None = None) -> None:
        if share > 0:
            raise CancelledError

    source = given(tmp_path / "in")
    with pytest.raises(CancelledError):
        make(source, Choices(), None, new(tmp_path / "out"), shop, cancel)
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    with pytest.raises(CancelledError):
        make_all([source, source], Choices(), None, new(tmp_path / "all"), shop, cancel)


def test_one_bad_picture_does_not_stop_the_others(tmp_path: Path, shop: Workshop) -> None:
    session = new(tmp_path / "session")
    good, bad, also = given(session / "1", "a.png"), given(session / "2", "b.png"), given(session / "3", "a.png")
    bad.path.write_bytes(bad.path.read_bytes()[:100])
    told: list[tuple[float, str | None]] = []
    outcomes = make_all([good, bad, also], Choices(), None, new(tmp_path / "out"), shop, lambda *each: told.append(each))
    assert [type(each) for each in outcomes] == [Finished, Failed, Finished]
    assert isinstance(outcomes[1], Failed)
    assert outcomes[1].why.startswith("b.png is damaged")
    assert (1 / 3, "Working on b.png (2 of 3)") in [(pytest.approx(share), what) for share, what in told]
    finished = [each for each in outcomes if isinstance(each, Finished)]
    assert names_in(zipped(finished)) == ["a_x4_png.png", "a_x4_png_2.png"]


def test_results_of_one_name_are_told_apart_as_the_command_line_does(tmp_path: Path, shop: Workshop) -> None:
    session = new(tmp_path / "session")
    sources = [given(session / "1", "a.png"), given(session / "1", "a.jpg"), given(session / "1", "b.png")]
    choices = Choices(format="webp")
    made = make_all(sources, choices, None, new(tmp_path / "out"), shop, silent)
    assert main(["upscale", str(session / "1"), "-o", str(tmp_path / "cli"), "--format", "webp"]) == 0
    ours = names_apart([each for each in made if isinstance(each, Finished)])
    assert {name.replace("_x4", "") for name in ours} == {path.name for path in (tmp_path / "cli").glob("*.webp")}


def names_in(data: bytes) -> list[str]:
    import io
    import zipfile

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        return archive.namelist()


def test_trust_map_has_the_results_size(tmp_path: Path, shop: Workshop) -> None:
    made = make(given(tmp_path / "in"), Choices(model="photo-x4"), None, new(tmp_path / "out"), shop, silent)
    preview = make_trust_map(made, new(tmp_path / "trust"), shop, silent)
    assert (preview.width, preview.height) == (112, 80)


def test_models_are_compared_beside_bicubic(tmp_path: Path, shop: Workshop) -> None:
    source = given(tmp_path / "in", picture=waves(64, 80))
    compared = compare(source, ["clean-x2", "photo-x4"], 4.0, Damage(2, "bicubic"), new(tmp_path / "out"), shop, silent)
    assert [each.name for each in compared.candidates] == ["bicubic", "clean-x2", "photo-x4"]
    assert all((each.preview.width, each.preview.height) == (80, 64) for each in compared.candidates)
    assert all(each.scores is not None for each in compared.candidates)
    plain = compare(source, ["clean-x2"], 2.0, None, new(tmp_path / "plain"), shop, silent)
    assert plain.original is None
    assert plain.candidates[1].scores is None
    assert plain.candidates[1].consistency is not None


def test_result_beyond_the_limit_is_refused_before_the_work(tmp_path: Path, shop: Workshop) -> None:
    source = given(tmp_path / "in", picture=waves(600, 700))
    with pytest.raises(UsageError, match="the result would be 2800x2400, 7 megapixels, and at most 4 are made here"):
        make(source, Choices(scale=4.0), None, new(tmp_path / "out"), shop, silent)


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("layers.psd", b"8BPS" + b"\0" * 60, "layers.psd is a Photoshop file, which is not read here"),
        ("notes.txt", b"hello there, this is no picture", "notes.txt is not a picture"),
        ("empty.png", b"", "empty.png is empty"),
    ],
)
def test_what_is_no_picture_is_refused_in_words(tmp_path: Path, shop: Workshop, name: str, data: bytes, why: str) -> None:
    folder = new(tmp_path / "1")
    with pytest.raises(ClearVisionError) as caught:
        take(name, data, folder, shop.settings)
    assert told_of(folder / name, caught.value).startswith(why)


def test_bomb_is_refused_by_its_header(tmp_path: Path, shop: Workshop) -> None:
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    head = (60_000).to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    with pytest.raises(PictureError, match="60000x60000, 3600 megapixels, and at most 1 are read"):
        take("bomb.png", data, tmp_path, shop.settings)


@pytest.mark.parametrize(
    ("given_name", "kept"),
    [
        ("photo.jpg", "photo.jpg"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\My photo (1).JPG", "My_photo_(1).JPG"),
        (".hidden", "hidden"),
        ("-rf.png", "rf.png"),
        ("Grüße 写真.png", "Grüße_写真.png"),
        ("a\x00b\n.png", "a_b_.png"),
        ("", "picture"),
        ("...", "picture"),
        ("x" * 300 + ".png", "x" * 80 + ".png"),
    ],
)
def test_names_are_made_safe(given_name: str, kept: str) -> None:
    assert safe_name(given_name) == kept


def test_previews_are_bounded_and_keep_the_shape(tmp_path: Path) -> None:
    large = Picture(np.zeros((4000, 6000, 3), np.uint16), np.full((4000, 6000), 65535, np.uint16))
    small, share = shrunk(large, MOST_PIXELS)
    assert small.width * small.height <= MOST_PIXELS * 1.01
    assert small.width / small.height == pytest.approx(1.5, abs=0.01)
    assert (small.pixels.dtype, share) == (np.uint8, pytest.approx(0.7071, abs=1e-3))
    preview = preview_of(waves(10, 12, depth=np.float32), tmp_path / "float")
    assert (preview.width, preview.height, preview.shown) == (12, 10, 1)


@pytest.mark.parametrize("transparent", [False, True])
def test_parts_of_large_pictures_are_shown_in_all_their_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, transparent: bool
) -> None:
    monkeypatch.setattr("clearvision.apps.streamlit_app.preview.MOST_PIXELS", 10_000)
    draw = np.random.default_rng(1)
    pixels = draw.integers(0, 256, (600, 400, 3), np.uint8)
    alpha = draw.integers(0, 256, (600, 400), np.uint8) if transparent else None
    preview = preview_of(Picture(pixels, alpha), tmp_path / "large")
    assert preview.shown < 1
    part = part_of(preview, (0.25, 0.5, 0.75, 1.0), tmp_path / "large")
    assert part is not None
    shown = read_picture(part.path)
    assert (shown.pixels == pixels[300:, 100:300]).all()
    assert (shown.alpha is not None) == transparent
    if shown.alpha is not None and alpha is not None:
        assert (shown.alpha == alpha[300:, 100:300]).all()
    assert part_of(preview_of(waves(10, 12), tmp_path / "small"), (0, 0, 1, 1), tmp_path / "small") is None


def test_deep_pictures_are_rounded_for_the_browser() -> None:
    levels = np.arange(256, dtype=np.uint16).reshape(16, 16, 1) * 257
    small, _ = shrunk(Picture(levels), MOST_PIXELS)
    assert (small.pixels[:, :, 0] == np.arange(256).reshape(16, 16)).all()


def test_command_line_is_told() -> None:
    choices = Choices(model="clean-x4", width=1_000_000, quality=80, lock="input", tta=True)
    assert choices.command("my photo.png") == (
        "clearvision upscale 'my photo.png' --model clean-x4 --width 1000000 --quality 80 --tta --back-project"
    )
    assert Damage(4, None, noise=10, blur=0.5, quality=70).command("a.png") == (
        "clearvision data degrade a.png damaged --step resize --step noise:sigma=10 --step round "
        "--step blur:size=5,sigma=0.5 --step jpeg:quality=70 --scale 4 --seed 0"
    )
