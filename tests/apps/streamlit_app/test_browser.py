"""The app in a real browser: dropping, sliding, zooming, downloading, by mouse and by keys, and what axe says of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.apps.chromium import PHONE

from clearvision.imaging.io import picture_from_array, read_picture, write_picture

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page, Route

pytestmark = pytest.mark.browser

LONG = 60_000  # milliseconds


@pytest.fixture
def page(server: str, new_page: Callable[..., Page]) -> Page:
    """The app's first page."""
    return visit(server, new_page)


def visit(server: str, new_page: Callable[..., Page], **options: Any) -> Page:  # noqa: ANN401
    page = new_page(accept_downloads=True, **options)
    page.set_default_timeout(LONG)
    page.goto(server)
    page.get_by_text("Drop pictures here").wait_for()
    return page


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A PNG of 64x48 pixels."""
    y, x = np.mgrid[:48, :64] / 64
    pixels = np.stack([x, y, 0.5 + 0.4 * np.sin(25 * x)], axis=2) * 255
    write_picture(picture_from_array(pixels.astype(np.uint8)), tmp_path / "wave.png")
    return tmp_path / "wave.png"


def give(page: Page, *files: Path) -> None:
    page.locator("input[type=file]").first.set_input_files([str(file) for file in files])
    button(page, "Enlarge" if len(files) == 1 else f"Enlarge all {len(files)}").wait_for()


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True)


def enlarge(page: Page, name: str = "Enlarge") -> None:
    button(page, name).click()
    page.get_by_role("button", name="Download").first.wait_for()
    viewer = page.get_by_role("group", name="before and after")
    viewer.wait_for()
    page.wait_for_function("() => !document.querySelector('[data-testid=stProgress]')")


def shown(page: Page) -> list[bool]:
    """Whether each picture of the viewers has arrived."""
    page.wait_for_timeout(300)
    images = page.locator(".viewer .pane img")
    return [images.nth(index).evaluate("img => img.complete && img.naturalWidth > 0") for index in range(images.count())]


def download(page: Page, name: str) -> Path:
    with page.expect_download() as coming:
        page.get_by_role("button", name=name).click()
    return Path(coming.value.path())


def test_picture_in_option_changed_result_out(page: Page, picture: Path, run: Callable[..., Any], tmp_path: Path) -> None:
    give(page, picture)
    page.get_by_text("2x", exact=True).click()
    enlarge(page)
    assert shown(page) == [True, True]
    with page.expect_download() as coming:
        page.get_by_role("button", name="Download PNG").click()
    assert coming.value.suggested_filename == "wave_x2.png"
    assert run("upscale", picture, "--scale", 2, "-o", tmp_path / "cli.png").code == 0
    assert Path(coming.value.path()).read_bytes() == (tmp_path / "cli.png").read_bytes()


def test_picture_is_asked_for_again_until_it_arrives(server: str, new_page: Callable[..., Page], picture: Path) -> None:
    page = visit(server, new_page, refusals=True)
    asked: list[str] = []

    def refuse_twice(route: Route) -> None:
        asked.append(route.request.url)
        if len(asked) <= 2:
            route.fulfill(status=404)
        else:
            route.continue_()

    page.route("**/media/**", refuse_twice)
    give(page, picture)
    page.locator(".viewer .pane img").wait_for()
    page.wait_for_timeout(4000)  # milliseconds; it is asked for again after 500 and another 1000
    assert shown(page) == [True]
    assert len(asked) == 3
    assert len(set(asked)) == 1


def test_viewer_by_mouse_and_by_keys(page: Page, picture: Path) -> None:
    give(page, picture)
    enlarge(page)
    _slide(page)
    _zoom(page)


def _slide(page: Page) -> None:
    divider = page.get_by_role("slider", name="Divider between Your picture and Result")
    at = lambda: int(divider.get_attribute("aria-valuenow") or "-1")  # noqa: E731
    assert at() == 50
    box = divider.bounding_box()
    frame = page.locator(".viewer .pane").bounding_box()
    assert box is not None
    assert frame is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(frame["x"] + frame["width"] * 0.25, box["y"] + 20, steps=4)
    page.mouse.up()
    assert at() == pytest.approx(25, abs=1)
    for key, place in (("ArrowRight", 27), ("ArrowLeft", 25), ("PageUp", 35), ("Home", 0), ("End", 100)):
        divider.press(key)
        assert at() == pytest.approx(place, abs=1), key


def _zoom(page: Page) -> None:
    """Zoom and move two panes, which stay alike; the wheel scrolls the page until a picture was clicked."""
    button(page, "Side by side").click()
    level = page.get_by_role("status", name="Zoom level")
    panes = page.locator(".viewer .pane")
    assert panes.count() == 2
    places = lambda: [panes.nth(index).locator("img").first.evaluate("img => img.style.transform") for index in (0, 1)]  # noqa: E731
    button(page, "100 %").click()
    panes.first.hover()
    page.mouse.wheel(0, -200)
    page.wait_for_timeout(200)
    assert level.inner_text() == "100 %"
    panes.first.press("+")
    assert level.inner_text() == "125 %"
    panes.first.click()
    page.mouse.wheel(0, -300)
    page.wait_for_timeout(200)
    assert int(level.inner_text().split()[0]) > 190
    before = places()
    panes.last.press("ArrowRight")
    after = places()
    assert before[0] == before[1] != after[0] == after[1]
    panes.first.press("1")
    assert level.inner_text() == "100 %"
    panes.first.press("0")
    assert int(level.inner_text().split()[0]) > 100


@pytest.mark.slow
def test_large_result_is_shown_pixel_for_pixel_where_it_is_looked_at(page: Page, tmp_path: Path) -> None:
    y, x = np.mgrid[:800, :1040]
    pixels = np.stack([x % 256, y % 256, (x + y) // 8 % 256], axis=2)
    write_picture(picture_from_array(pixels.astype(np.uint8)), tmp_path / "large.png")
    give(page, tmp_path / "large.png")
    enlarge(page)
    page.get_by_text("Sent to the browser at 95% of its size").wait_for()
    assert page.locator("img.part").count() == 0
    button(page, "100 %").click()
    part = page.locator("img.part").first
    part.wait_for(state="attached")
    frame = page.locator(".viewer .pane").bounding_box()
    assert frame is not None
    natural = part.evaluate("async img => { await img.decode(); return [img.naturalWidth, img.naturalHeight] }")
    assert natural == [pytest.approx(frame["width"], abs=3), pytest.approx(frame["height"], abs=3)]  # a pixel for a pixel
    covered = part.bounding_box()
    assert covered is not None
    assert (covered["x"], covered["y"]) == (pytest.approx(frame["x"], abs=2), pytest.approx(frame["y"], abs=2))


def test_vividness_blends_at_once_and_the_file_is_computed(
    page: Page, picture: Path, patched: dict[str, str], tmp_path: Path
) -> None:
    import subprocess
    import sys

    give(page, picture)
    page.get_by_role("combobox", name="Model").click()
    page.get_by_role("option", name="photo-x4", exact=True).click()
    enlarge(page)
    vividness = page.get_by_role("slider", name="Vividness, from faithful to vivid")
    assert page.locator("img.vivid").first.evaluate("img => img.style.opacity") == "0"
    for _ in range(5):
        vividness.press("ArrowRight")
    assert page.locator("img.vivid").first.evaluate("img => img.style.opacity") == "0.25"
    button(page, "Compute the file at vividness 0.25").click()
    found = download(page, "Download PNG")
    assert page.locator("img.vivid").first.evaluate("img => img.style.opacity") == "0.25"  # the view is as it was
    words = (
        "upscale",
        str(picture),
        "--scale",
        "4",
        "--model",
        "photo-x4",
        "--vividness",
        "0.25",
        "-o",
        str(tmp_path / "cli.png"),
    )
    subprocess.run([sys.executable, "-m", "clearvision.apps.cli", *words], env=patched, check=True, capture_output=True)
    assert found.read_bytes() == (tmp_path / "cli.png").read_bytes()


def test_damage_simulated_and_measured(page: Page, picture: Path) -> None:
    give(page, picture)
    page.get_by_text("Simulate damage").click()
    page.get_by_role("combobox", name="Damage").click()
    page.get_by_role("option", name="bicubic", exact=True).click()
    enlarge(page)
    assert page.get_by_test_id("stMetric").count() == 3
    button(page, "Side by side").click()
    assert shown(page) == [True] * 3
    assert page.locator(".viewer figcaption").all_inner_texts() == ["Original", "Damaged", "Restored"]
    widths = page.locator(".viewer .pane").evaluate_all(
        "panes => panes.map(pane => Math.round(pane.getBoundingClientRect().top))"
    )
    assert len(set(widths)) == 1  # three columns


def test_batch_comes_as_one_zip(page: Page, picture: Path, tmp_path: Path) -> None:
    import zipfile

    deep = tmp_path / "deep.tif"
    levels = (read_picture(picture).pixels.astype(np.uint16) * 257).astype(np.uint16)
    write_picture(picture_from_array(levels), deep)
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"\xff\xd8\xff\xe0 cut short")
    page.locator("input[type=file]").first.set_input_files([str(each) for each in (picture, deep, bad)])
    page.get_by_text("bad.jpg is damaged").first.wait_for()
    enlarge(page, "Enlarge all 2")
    with zipfile.ZipFile(download(page, "Download all 2 as ZIP")) as archive:
        assert archive.namelist() == ["wave_x4.png", "deep_x4.tif"]
        archive.extract("deep_x4.tif", tmp_path)
    assert read_picture(tmp_path / "deep_x4.tif").pixels.dtype == np.uint16


def test_pages_compare_models_show_cards_and_runs_and_fetch_nothing_from_elsewhere(
    server: str, new_page: Callable[..., Page], picture: Path
) -> None:
    page = new_page()
    page.set_default_timeout(LONG)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(server)
    give(page, picture)
    page.get_by_role("link", name="Compare").click()
    button(page, "Compare").click()
    page.get_by_text("Agreement: PSNR of the result").wait_for()
    assert shown(page) == [True] * 4
    page.get_by_role("link", name="Models").click()
    page.get_by_role("heading", name="restore-x1").wait_for()
    page.get_by_role("link", name="Training runs").click()
    page.frame_locator("iframe").get_by_role("heading", name="Curves").wait_for()
    page.get_by_role("link", name="Enlarge").click()
    page.get_by_text("wave.png").first.wait_for()  # what was given is still there
    assert [url for url in asked if not url.startswith((server, "data:", "blob:", "about:"))] == []


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_is_ours_has_no_serious_fault_by_axe(server: str, new_page: Callable[..., Page], picture: Path, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = visit(server, new_page, color_scheme=scheme)
    give(page, picture)
    enlarge(page)
    assert serious(axe.run(page, context={"include": [{"fromShadowDom": [HOST, ".viewer"]}]}).response) == {}
    for name, ready in (("Enlarge", "wave.png"), ("Compare", "Compare"), ("Models", "restore-x1"), ("Training runs", "Run")):
        page.get_by_role("link", name=name, exact=True).click()
        page.get_by_text(ready).first.wait_for()
        page.wait_for_timeout(500)
        assert serious(axe.run(page).response) == {}, name


HOST = "[data-testid=stBidiComponentIsolated]"


def serious(response: dict[str, Any]) -> dict[str, list[str]]:
    return {
        each["id"]: [node["html"][:200] for node in each["nodes"]]
        for each in response["violations"]
        if each["impact"] in ("serious", "critical")
    }


def test_phone_shows_everything_without_scrolling_sideways(server: str, new_page: Callable[..., Page], picture: Path) -> None:
    page = visit(server, new_page, viewport=PHONE, has_touch=True, is_mobile=True)
    give(page, picture)
    enlarge(page)
    button(page, "Side by side").click()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.locator(".viewer").evaluate("viewer => viewer.scrollWidth <= viewer.clientWidth")
