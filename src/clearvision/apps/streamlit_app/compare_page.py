"""Several models on one picture: side by side, zoomed together, with figures where the original is known."""

from __future__ import annotations

from functools import partial
from typing import Any

import streamlit as st

from clearvision.apps.streamlit_app.comparing import Candidate, Compared, compare
from clearvision.apps.streamlit_app.damage import why_not
from clearvision.apps.streamlit_app.making import Given
from clearvision.apps.streamlit_app.options_panel import KEPT, choose_damage
from clearvision.apps.streamlit_app.progress_panel import show_progress
from clearvision.apps.streamlit_app.scores import PROTOCOL
from clearvision.apps.streamlit_app.shared import given_pictures, session, show_intake, show_refusals, show_samples, workshop
from clearvision.apps.streamlit_app.viewer import Pane, show_viewer
from clearvision.apps.streamlit_app.work import Work
from clearvision.zoo.catalogue import bundled_tasks, list_models, model_for

PLACE = "compare"
_FORMATS = {"PSNR, dB": "%.2f", "SSIM": "%.4f", "Agreement, dB": "%.1f", "Seconds": "%.2f"}
_MOST = 6  # models at once
_USUAL = ("clean", "photo")  # of these tasks a model each is chosen at first


def show() -> None:
    """Show the page."""
    given = given_pictures()
    show_refusals()
    if not given:
        st.title("Compare models on a picture", anchor=False)
        with st.container(key="welcome"):
            show_intake(PLACE)
        show_samples(PLACE)
        return
    options, results = st.columns([3, 8], gap="large")
    work = session().work(PLACE)
    with options:
        picture, names, factor, damage = _choose(given)
        unable = not names or (damage is not None and why_not(damage) is not None)
        busy = work is not None and work.busy
        if st.button("Compare", type="primary", width="stretch", disabled=busy or unable, icon=":material/compare:"):
            task = partial(compare, picture, names, factor, damage, session().new_folder(), workshop())
            session().begin(PLACE, Work(task, workshop().turn))
            st.rerun()
    with results:
        _show_work(work)


def _choose(given: list[Given]) -> tuple[Given, list[str], float, Any]:
    index = 0
    if len(given) > 1:
        index = st.selectbox("Picture to compare on", range(len(given)), format_func=lambda place: given[place].name)
    else:
        st.markdown(f"**{given[0].name}** · {given[0].width} x {given[0].height}")
    damage = choose_damage(restoring=False)
    factor = 4.0 if damage is None else float(damage.shrink)
    if damage is None:
        factor = st.select_slider("Size", [2, 3, 4, 6, 8], 4, format_func=lambda each: f"{each}x", key="compare-size", **KEPT)
    models = [info for info in list_models() if info.scale > 1]
    usual = [model_for(task, 4) for task in _USUAL if task in bundled_tasks()]
    names = st.multiselect("Models", [info.name for info in models], usual, max_selections=_MOST, key="compare-models", **KEPT)
    return given[index], names, float(factor), damage


def _show_work(work: Work[Compared] | None) -> None:
    if work is None:
        st.info("Choose models and press Compare. Bicubic interpolation is always shown beside them.")
    elif work.busy:
        show_progress(PLACE)
    elif work.result is None:
        st.error(work.error or "Cancelled; nothing was kept.")
    else:
        _show_compared(work.result)


def _show_compared(compared: Compared) -> None:
    panes = [Pane(each.name, each.preview) for each in compared.candidates]
    panes.insert(0, Pane("Original", compared.original) if compared.original else Pane("Input", compared.source))
    places = range(len(panes))
    with st.popover("What the slider compares"):
        left = st.selectbox("On the left", places, 1, format_func=lambda place: panes[place].label)
        right = st.selectbox("On the right", places, len(panes) - 1, format_func=lambda place: panes[place].label)
    label = f"{compared.given.name} by {len(compared.candidates)} methods"
    show_viewer(panes, name=str(compared.source.path), key=PLACE, label=label, slider=(left, right), arrangement="panes")
    formats = {name: st.column_config.NumberColumn(format=form) for name, form in _FORMATS.items()}
    st.dataframe([_row(each) for each in compared.candidates], hide_index=True, column_config=formats)
    if any(each.scores for each in compared.candidates):
        st.caption(f"Against the original, protocol {PROTOCOL.name}: {PROTOCOL.summary}.")
    st.caption("Agreement: PSNR of the result, made small again, against what the model was given.")


def _row(each: Candidate) -> dict[str, Any]:
    agreement = each.scores.consistency if each.scores else each.consistency
    figures = {} if each.scores is None else {"PSNR, dB": each.scores.psnr, "SSIM": each.scores.ssim}
    return {"Method": each.name, **figures, "Agreement, dB": agreement, "Seconds": each.seconds}
