"""The before/after slider and the panes that zoom together: a component of our own, without anything from elsewhere."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit import runtime
from streamlit.components import v2

from clearvision.apps.streamlit_app.preview import Box, Preview, part_of

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
    box = _box_looked_at(key, name)
    data = {
        "name": name,
        "label": label,
        "width": largest.width,
        "height": largest.height,
        "slider": slider,
        "arrangement": arrangement,
        "panes": [_told(pane, f"{key}-{index}", box) for index, pane in enumerate(panes)],
        "box": box,
    }
    usual = {"vividness": None, "view": None}
    state = _component()(key=key, data=data, default=usual, on_vividness_change=_ignore, on_view_change=_ignore)
    return state.vividness["value"] if state.vividness and state.vividness["name"] == name else None


@functools.cache
def _component() -> Any:  # noqa: ANN401 - Streamlit's callable
    html, css, js = ((_FRONTEND / f"viewer.{kind}").read_text(encoding="utf-8") for kind in ("html", "css", "js"))
    return v2.component("clearvision_viewer", html=html, css=css, js=js)


def _ignore() -> None:
    """Streamlit sends a state only where somebody waits for it; the page runs anew in any case."""


def _box_looked_at(key: str, name: str) -> Box | None:
    """Return which part of a scene the visitor looks at closely, if any; what the browser says of it is not trusted."""
    view = (st.session_state.get(key) or {}).get("view")
    if not isinstance(view, dict) or view.get("name") != name:
        return None
    sides = view.get("box")
    if not isinstance(sides, list) or len(sides) != 4 or not all(isinstance(side, int | float) for side in sides):
        return None
    left, top, right, bottom = (min(1.0, max(0.0, float(side))) for side in sides)
    return (left, top, right, bottom) if left < right and top < bottom else None


def _told(pane: Pane, place: str, box: Box | None) -> dict[str, Any]:
    preview = pane.preview
    size = f"{preview.width} by {preview.height} pixels"
    told: dict[str, Any] = {"label": pane.label, "alt": f"{pane.label}, {size}", "shown": preview.shown}
    for name, each in (("", preview), ("vivid", pane.vivid)):
        part = None if each is None or box is None else part_of(each, box, each.path.with_suffix(""))
        told[name or "url"] = None if each is None else address(each, f"{place}{name}")
        told[f"{name}part"] = None if part is None else address(part, f"{place}{name}-part")
    return told


def address(preview: Preview, place: str) -> str:
    """Return where the browser finds a picture; it is served as long as a page of this visitor shows it, and a little longer.

    A run of the page that is cut short, as by a press of a button, has not come to the picture again, and what no run has come
    to is dropped at its end, also when the browser is about to fetch it; only downloads are kept until the end of the next run.

    Args:
        preview: the picture.
        place: where on the page it is shown; each place serves one picture.
    """
    files = runtime.get_instance().media_file_mgr
    return files.add(preview.path.read_bytes(), preview.kind, place, is_for_static_download=True)
