"""A headless Chromium for tests of what people see; they skip where there is none."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page

NAMES = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    "--no-sandbox",  # tests run as root in containers, and show it their own pages only
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}


@pytest.fixture(scope="module")  # while it lives, an event loop counts as running in this thread: not for the whole session
def chromium() -> Iterator[Browser]:
    """A launched browser; CLEARVISION_BROWSER names another than the one on the PATH."""
    path = os.environ.get("CLEARVISION_BROWSER") or next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip(f"no Chromium: none of {', '.join(NAMES)} is on the PATH, and CLEARVISION_BROWSER names none")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(QUIET))
        yield browser
        browser.close()


@pytest.fixture
def new_page(chromium: Browser) -> Iterator[Callable[..., Page]]:
    """Return a function that opens a page; its arguments are those of a browser context, the desktop's size by default.

    Afterwards the test fails if a page said an error on its console or a script of it threw. Chromium counts refused requests
    among the errors; ``refusals=True`` says that the test makes some.
    """
    faults: list[str] = []
    with ExitStack() as contexts:

        def open_page(*, refusals: bool = False, **options: Any) -> Page:  # noqa: ANN401
            def heed(said: ConsoleMessage) -> None:
                if said.type == "error" and not (refusals and said.text.startswith("Failed to load resource")):
                    faults.append(f"{said.text} {said.location['url']}")

            context = contexts.enter_context(chromium.new_context(**{"viewport": DESKTOP, **options}))
            page = context.new_page()
            page.on("console", heed)
            page.on("pageerror", lambda error: faults.append(str(error)))
            return page

        yield open_page
    assert faults == []
