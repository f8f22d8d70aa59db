"""What the pages share: the workshop of the server, the session of the visitor, the pictures that he gave."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st
from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

from clearvision.apps.streamlit_app.making import Given, Workshop, take, told_of
from clearvision.apps.streamlit_app.session import Attendance, Session, remove_abandoned
from clearvision.apps.streamlit_app.settings import Settings
from clearvision.errors import ClearVisionError

SAMPLES = {"Photograph": "coffee.jpg", "Drawing": "drawing.png"}
_SAMPLES = Path(__file__).parent / "samples"


@st.cache_resource(show_spinner=False, max_entries=1)
def workshop() -> Workshop:
    """Return the models and limits that all visitors share."""
    remove_abandoned()
    return Workshop(Settings.read())


@st.cache_resource(show_spinner=False, max_entries=1)
def _attendance() -> Attendance:
    attendance = Attendance(runtime.get_instance().is_active_session)
    attendance.keep_looking()
    return attendance


def session() -> Session:
    """Return what belongs to this visitor; a new one where he was away for so long that the old one ended."""
    found: Session | None = st.session_state.get("session")
    if found is None or found.ended:
        found = st.session_state.session = Session()
        st.session_state.given = []
        context = get_script_run_ctx()
        if context is not None:
            _attendance().enter(context.session_id, found)
    return found


def given_pictures() -> list[Given]:
    """Return the visitor's pictures, of any page."""
    session()
    return st.session_state.given


def show_intake(place: str) -> None:
    """Show where pictures are dropped, and samples; what arrives is kept on disk and the page runs anew.

    Args:
        place: tells the pages' widgets apart.
    """
    settings = workshop().settings
    count = st.session_state.setdefault("uploads", 0)
    limit = f"{settings.most_pixels / 1e6:g} megapixels each, {settings.most_pictures} pictures at once"
    uploaded = st.file_uploader(
        "Drop pictures here",
        accept_multiple_files=True,
        key=f"{place}-upload-{count}",
        help=f"JPEG, PNG, WebP, TIFF, AVIF and more, with 8 or 16 bits, up to {limit}. "
        "What a file is, is told by its contents. Files stay on this server and are removed two minutes after you leave.",
    )
    if uploaded:
        _take_all(uploaded)


def show_refusals() -> None:
    """Say which of the files that just came are not taken, and why."""
    for why in st.session_state.pop("refused", []):
        st.error(why)


def show_samples(place: str) -> None:
    """Show buttons that take a sample picture."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("No picture at hand? Try a sample:", width="content")
        for label, name in SAMPLES.items():
            if st.button(label, key=f"{place}-sample-{name}"):
                _keep(name, (_SAMPLES / name).read_bytes())
                st.rerun()


def forget_pictures() -> None:
    """Drop the visitor's pictures and what was made of them."""
    visitor = session()
    for place in ("enlarge", "between", "trust", "compare"):
        visitor.forget(place)
    st.session_state.given = []
    visitor.clear()


def _take_all(uploaded: list[Any]) -> None:
    """Keep what was uploaded and free Streamlit's memory of it; the uploader starts anew."""
    room = workshop().settings.most_pictures - len(given_pictures())
    refused: list[str] = []
    for file in uploaded[: max(0, room)]:
        try:
            _keep(file.name, file.getbuffer())
        except ClearVisionError as error:
            refused.append(told_of(session().folder / "0" / file.name, error))
    if len(uploaded) > room:
        refused.append(
            f"At most {workshop().settings.most_pictures} pictures are taken at once; {len(uploaded) - room} were left."
        )
    context = get_script_run_ctx()
    if context is not None:
        for file in uploaded:
            context.uploaded_file_mgr.remove_file(context.session_id, file.file_id)  # type: ignore[attr-defined]
    st.session_state.refused = refused
    st.session_state.uploads += 1
    st.rerun()


def _keep(name: str, data: bytes | memoryview) -> None:
    given_pictures().append(take(name, data, session().new_folder(), workshop().settings))
