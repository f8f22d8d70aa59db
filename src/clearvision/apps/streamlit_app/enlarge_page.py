"""The first page: pictures in, options, results."""

from __future__ import annotations

from functools import partial
from typing import Any

import streamlit as st

from clearvision.apps.streamlit_app.choices import Choices
from clearvision.apps.streamlit_app.damage import Damage, why_not
from clearvision.apps.streamlit_app.making import Failed, Finished, Given, make_all, told_of
from clearvision.apps.streamlit_app.options_panel import show_options
from clearvision.apps.streamlit_app.preview import Preview, preview_of
from clearvision.apps.streamlit_app.progress_panel import show_progress
from clearvision.apps.streamlit_app.results_panel import show_results
from clearvision.apps.streamlit_app.shared import (
    forget_pictures,
    given_pictures,
    session,
    show_intake,
    show_refusals,
    show_samples,
    workshop,
)
from clearvision.apps.streamlit_app.viewer import Pane, show_viewer
from clearvision.apps.streamlit_app.work import Work
from clearvision.errors import ClearVisionError
from clearvision.imaging.io import read_picture
from clearvision.imaging.quality import diagnose

PLACE = "enlarge"


def show() -> None:
    """Show the page."""
    given = given_pictures()
    show_refusals()
    if not given:
        _welcome()
        return
    options, results = st.columns([3, 8], gap="large")
    work = session().work(PLACE)
    with options:
        _show_given(given)
        choices, damage = show_options()
        label = ("Restore" if choices.restoring else "Enlarge") + ("" if len(given) == 1 else f" all {len(given)}")
        unable = damage is not None and why_not(damage) is not None
        busy = work is not None and work.busy
        if st.button(label, type="primary", width="stretch", disabled=busy or unable, icon=":material/auto_awesome:"):
            _begin(given, choices, damage)
            st.rerun()
    with results:
        _show_work(work, given, (choices, damage, tuple(given)))


def _welcome() -> None:
    st.title("Make pictures larger and cleaner", anchor=False)
    st.markdown(
        "Everything is computed on this server. Nothing is sent elsewhere, and files are removed two minutes after you leave."
    )
    with st.container(key="welcome"):
        show_intake(PLACE)
    show_samples(PLACE)


def _show_given(given: list[Given]) -> None:
    first = given[0]
    st.markdown(f"**{first.name}** · {first.width} x {first.height}" if len(given) == 1 else f"**{len(given)} pictures**")
    with st.expander("Other pictures"):
        show_intake(PLACE)
        if st.button("Start over", icon=":material/restart_alt:", width="stretch"):
            forget_pictures()
            st.rerun()


def _begin(given: list[Given], choices: Choices, damage: Damage | None) -> None:
    visitor, shop = session(), workshop()
    for place in ("between", "trust"):
        visitor.forget(place)
    task = partial(make_all, list(given), choices, damage, visitor.new_folder(), shop)
    visitor.begin(PLACE, Work(task, shop.turn))
    st.session_state.made_of = (choices, damage, tuple(given))


def _show_work(work: Work[list[Finished | Failed]] | None, given: list[Given], chosen: tuple[Any, ...]) -> None:
    if work is not None and work.busy:
        show_progress(PLACE)
    if work is None or work.busy:
        _show_input(given)
    elif work.state == "cancelled":
        st.info("Cancelled; nothing was kept.")
        _show_input(given)
    elif work.state == "failed" or work.result is None:
        st.error(work.error)
    else:
        if st.session_state.get("made_of") != chosen:
            st.info("These results were made with other options or pictures. Press the button to make them anew.")
        show_results(work.result)


def _show_input(given: list[Given]) -> None:
    """Show what was given: a picture with what it has been through, or a list."""
    if len(given) > 1:
        rows = [{"Name": each.name, "Width": each.width, "Height": each.height} for each in given]
        st.dataframe(rows, hide_index=True)
        return
    shown, told = _look(given[0])
    if shown is None:
        st.error(told)
        return
    show_viewer([Pane("Your picture", shown)], name=str(given[0].path), key="input", label=f"{given[0].name}, as it is")
    st.caption(f"Found in the picture: {told}.")


def _look(given: Given) -> tuple[Preview | None, str]:
    """Return what is shown of a picture and what it has been through; or None and why it cannot be read."""
    seen = st.session_state.setdefault("seen", {})
    if given.path not in seen:
        try:
            picture = read_picture(given.path, max_pixels=workshop().settings.most_pixels)
            seen[given.path] = preview_of(picture, given.path.with_name("shown")), diagnose(picture, given.path).text
        except (ClearVisionError, MemoryError, OSError) as error:
            seen[given.path] = None, told_of(given, error)
    return seen[given.path]
