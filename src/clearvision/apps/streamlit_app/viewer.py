"""The before/after slider and the panes that zoom together: a component of our own, without anything from elsewhere."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamlit import runtime
from streamlit.components import v2

from clearvision.apps.streamlit_app.preview import Preview

_FRONTEND = Path(__file__).parent / "frontend"


@dataclass(frozen=True)
class Pane:
    """One picture of a viewer: what it is called, what is shown, and its vivid twin if it has one."""

    label: str
    preview: Preview
    vivid: Preview | None = None


def show_viewer(
    panes: Sequence[Pane], *, name: str, key: str, label: str, slider: tuple[int, int] | None = None, arrangement: str = "slider"
) -> float | None:
    """Show pictures of one scene, which may differ in size; return the vividness that the visitor chose, None before.

    Args:
        panes: the pictures; all are stretched to the size of the largest.
        name: tells one scene from another: with a new one the view starts afresh.
        key: of the component on its page.
        label: what is shown, for readers of the screen.
        arrangement: what is shown at first where there is a slider: ``slider`` or ``panes``.
        slider: which two pictures the slider compares, or None for panes alone.
    """
    largest = max((pane.preview for pane in panes), key=lambda preview: preview.width * preview.height)
    data = {
        "name": name,
        "label": label,
        "width": largest.width,
        "height": largest.height,
        "slider": slider,
        "arrangement": arrangement,
        "panes": [_told(pane, f"{key}-{index}") for index, pane in enumerate(panes)],
    }
    state = _component()(key=key, data=data, default={"vividness": None}, on_vividness_change=lambda: None)
    return state.vividness


@functools.cache
def _component() -> Any:  # noqa: ANN401 - Streamlit's callable
    html, css, js = ((_FRONTEND / f"viewer.{kind}").read_text(encoding="utf-8") for kind in ("html", "css", "js"))
    return v2.component("clearvision_viewer", html=html, css=css, js=js)


def _told(pane: Pane, place: str) -> dict[str, Any]:
    preview = pane.preview
    size = f"{preview.width} by {preview.height} pixels"
    vivid = None if pane.vivid is None else address(pane.vivid, f"{place}-vivid")
    return {"label": pane.label, "url": address(preview, place), "alt": f"{pane.label}, {size}", "vivid": vivid}


def address(preview: Preview, place: str) -> str:
    """Return where the browser finds a picture; it is served as long as a page of this visitor shows it.

    Args:
        preview: the picture.
        place: where on the page it is shown; each place serves one picture.
    """
    return runtime.get_instance().media_file_mgr.add(preview.path.read_bytes(), preview.kind, place)
