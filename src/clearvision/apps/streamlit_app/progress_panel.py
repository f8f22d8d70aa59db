"""How far work is, how long it will take, and the button that cancels it."""

from __future__ import annotations

import streamlit as st

from clearvision.apps.streamlit_app.shared import session

_OFTEN = 0.4  # seconds between two looks
_FEW = 100  # seconds up to which time is told in seconds


@st.fragment(run_every=_OFTEN)
def show_progress(place: str) -> None:
    """Show the work of a page until it has ended; then the page runs anew."""
    work = session().work(place)
    if work is None or not work.busy:
        st.rerun()
        return
    if work.state == "waiting":
        st.progress(0.0, "Waiting: another visitor's picture is being made")
    else:
        left = work.seconds_left
        told = f": {work.share:.0%}" if work.share < 1 else " ..."
        told += "" if left is None or work.share == 1 else f", {duration(left)} left"
        st.progress(work.share, f"{work.what or 'Starting'}{told}")
    if st.button("Cancelling ..." if work.cancelling else "Cancel", key=f"{place}-cancel", disabled=work.cancelling):
        work.cancel()
        st.rerun(scope="fragment")


def duration(seconds: float) -> str:
    """Return a time such as ``45 s`` or ``12 min``."""
    return f"{seconds:.0f} s" if seconds < _FEW else f"{seconds / 60:.0f} min"
