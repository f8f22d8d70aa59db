"""The site as people see it, in a headless Chromium: desktop and phone, mouse and keyboard, with and without JavaScript.

With CLEARVISION_SCREENSHOTS=1 the pictures of docs/images are made anew, with the bundled models.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.apps.chromium import DESKTOP, PHONE
from tests.apps.web.conftest import Process

from clearvision.imaging.io import read_picture
from clearvision.zoo.catalogue import WEIGHTS_DIR

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "examples" / "cat.png"
SCREENSHOTS = os.environ.get("CLEARVISION_SCREENSHOTS") == "1"
SIZES = pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
Pages = Callable[..., "Page"]


@pytest.fixture(scope="module")
def server(weights_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    server = Process(WEIGHTS_DIR if SCREENSHOTS else weights_dir, tmp_path_factory.mktemp("serve") / "data")
    yield server
    assert server.end() == 0
    assert "ERROR" not in server.log


def take(page: Page, name: str) -> None:
    if SCREENSHOTS:
        page.screenshot(path=ROOT / "docs" / "images" / f"{name}.jpg", type="jpeg", quality=85)


def width_is_kept(page: Page) -> bool:
    """Whether nothing makes the page wider than the window."""
    return page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def send(page: Page, server: Process, picture: Path) -> None:
    page.goto(server.url)
    page.get_by_label("Picture", exact=True).set_input_files(picture)
    page.get_by_role("button", name="Enlarge", exact=True).click()
    page.wait_for_selector("#download")


@SIZES
def test_a_picture_is_sent_compared_and_downloaded(
    run: Callable, new_page: Pages, server: Process, tmp_path: Path, size: dict, request: pytest.FixtureRequest
) -> None:
    page = new_page(viewport=size)
    kind = "desktop" if size is DESKTOP else "phone"
    begun = time.monotonic()
    page.goto(server.url)
    page.get_by_label("Picture", exact=True).set_input_files(EXAMPLE)
    assert time.monotonic() - begun < 5  # 2 on a quiet machine; the benchmark measures it
    page.get_by_label("Size").select_option(label="Factor")
    page.get_by_label("Number").fill("2")
    page.get_by_label("Format").select_option(label="WEBP")
    page.get_by_label("Quality").fill("100")
    page.get_by_label("Leave out camera data").check()
    page.wait_for_selector("#preview:not([hidden])")
    assert width_is_kept(page)
    take(page, f"serve_form_{kind}")
    page.get_by_role("button", name="Enlarge", exact=True).click()
    page.wait_for_selector("#download")
    assert width_is_kept(page)
    with page.expect_download() as download:
        page.click("#download")
    assert download.value.suggested_filename == "cat_x2.webp"
    download.value.save_as(tmp_path / "site.webp")
    words = ("--scale", 2, "--format", "webp", "--quality", 100, "--strip-metadata")
    assert run("upscale", EXAMPLE, "-o", tmp_path / "cli", *words).code == 0 or SCREENSHOTS
    site, line = (read_picture(path).pixels for path in (tmp_path / "site.webp", tmp_path / "cli" / "cat.webp"))
    assert SCREENSHOTS or (site == line).all()


def shown_share(page: Page) -> float:
    """Return the share of the width on which the picture as it was is seen."""
    return page.evaluate(
        """() => {
          const hidden = getComputedStyle(document.querySelector(".before")).clipPath.match(/inset\\(0px ([\\d.]+)px/);
          return 1 - Number(hidden ? hidden[1] : 0) / document.querySelector(".layers").offsetWidth;
        }"""
    )


@SIZES
def test_the_slider_moves_by_keyboard_and_mouse_and_both_pictures_zoom_as_one(
    new_page: Pages, server: Process, size: dict
) -> None:
    page = new_page(viewport=size)
    send(page, server, EXAMPLE)
    slider = page.get_by_label("Before and after", exact=True)
    assert abs(shown_share(page) - 0.5) < 0.01
    slider.focus()
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    assert abs(shown_share(page) - 0.6) < 0.01
    page.keyboard.press("Home")
    assert shown_share(page) < 0.01
    page.evaluate("scrollTo(0, 0)")
    box = page.locator("#stage").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.1, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + 40, steps=4)
    page.mouse.up()
    assert abs(shown_share(page) - 0.3) < 0.02
    assert slider.input_value() == "30"
    page.evaluate("scrollTo(0, 0)")
    take(page, f"serve_result_{'desktop' if size is DESKTOP else 'phone'}")
    page.get_by_role("button", name="100 %").click()
    images = page.evaluate("[...document.querySelectorAll('.layers img')].map((each) => each.getBoundingClientRect().toJSON())")
    assert images[0] == images[1]
    natural = page.evaluate("document.querySelector('.after img').naturalWidth / devicePixelRatio")
    assert abs(images[0]["width"] - natural) < 1
    before = shown_share(page)
    page.evaluate("document.getElementById('stage').scrollLeft += 40")
    page.wait_for_timeout(50)
    scrolls = page.evaluate("document.getElementById('stage').scrollWidth > document.getElementById('stage').clientWidth + 40")
    assert not scrolls or shown_share(page) != before
    assert width_is_kept(page)


def test_a_dropped_picture_is_taken_and_problems_show_without_leaving(new_page: Pages, server: Process) -> None:
    page = new_page(refusals=True)
    page.goto(server.url)
    page.evaluate(
        """() => {
          const carried = new DataTransfer();
          carried.items.add(new File(["words"], "notes.png", { type: "image/png" }));
          document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: carried, bubbles: true, cancelable: true }));
        }"""
    )
    assert page.evaluate("document.getElementById('file').files[0].name") == "notes.png"
    with page.expect_response(lambda answer: answer.status == 415):
        page.get_by_role("button", name="Enlarge", exact=True).click()
    page.wait_for_selector("#error:not([hidden])")
    assert "not a picture" in page.inner_text("#error")
    assert page.url.rstrip("/") == server.url


def test_a_job_can_be_watched_and_cancelled(new_page: Pages, server: Process, photo_writer: Callable, tmp_path: Path) -> None:
    page = new_page()
    page.goto(server.url)
    page.get_by_label("Picture", exact=True).set_input_files(photo_writer(tmp_path / "large.png", 700, 700))
    page.get_by_label("Finer, and eight times as slow").check()
    page.get_by_role("button", name="Enlarge", exact=True).click()
    page.wait_for_selector("#waiting")
    page.get_by_role("button", name="Cancel").click()
    page.wait_for_selector("text=The picture was deleted")


def test_it_works_without_javascript(new_page: Pages, server: Process) -> None:
    page = new_page(java_script_enabled=False)
    send(page, server, EXAMPLE)  # the page of the job loads itself anew until it is done
    shown = [image.get_attribute("alt") for image in page.locator(".compare img").all() if image.is_visible()]
    assert shown == ["The result", "The picture as it was"]
    with page.expect_download() as download:
        page.click("#download")
    assert download.value.suggested_filename == "cat_x4.png"
    page.get_by_role("button", name="Delete").click()
    page.wait_for_selector("#file")


def axe() -> str:
    import axe_playwright_python

    return (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_keeps_people_out(new_page: Pages, server: Process, scheme: str) -> None:
    page = new_page(viewport=PHONE if scheme == "dark" else DESKTOP, color_scheme=scheme)
    source = axe()

    def faults() -> list[str]:
        page.evaluate(source)
        found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")["violations"]
        return [
            f"{fault['id']}: {fault['nodes'][0]['html']} {fault['nodes'][0]['failureSummary']}"
            for fault in found
            if fault["impact"] in ("serious", "critical")
        ]

    page.goto(server.url)
    assert faults() == []
    page.goto(server.url + "/docs")
    assert faults() == []
    send(page, server, EXAMPLE)
    assert faults() == []
    page.get_by_role("button", name="100 %").click()
    assert faults() == []
