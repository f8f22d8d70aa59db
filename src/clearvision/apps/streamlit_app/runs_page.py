"""Training runs, while they go on and afterwards: curves, warnings and crops over time, as ``clearvision report`` shows them."""

from __future__ import annotations

import time
from pathlib import Path

import streamlit as st

from clearvision.apps.streamlit_app.shared import workshop
from clearvision.apps.streamlit_app.work import sentence
from clearvision.training.history import EVENTS, LOG, RECIPE, read_history
from clearvision.training.page import to_html
from clearvision.training.samples import read_strips

_OFTEN = 5.0  # seconds between two looks at a run
_ALIVE = 300.0  # seconds after a run's last line for which it counts as running
_DARK = "@media (prefers-color-scheme: dark)"
_MOST = 200  # runs in the list


def show() -> None:
    """Show the page."""
    st.title("Training runs", anchor=False)
    root = workshop().settings.runs
    runs = find_runs(root)
    if not runs:
        st.info(
            f"There are no runs in the folder '{root.name}' of this server. 'clearvision train RECIPE' writes one; "
            "'clearvision app --runs DIR' shows those of another folder."
        )
        return
    chosen = st.selectbox("Run", runs, format_func=lambda run: run.relative_to(root).as_posix(), key="run")
    _show_run(chosen)


def find_runs(root: Path) -> list[Path]:
    """Return the folders of runs in a folder and one level below, the latest first; a run's stages are not listed by themselves.

    Only what lies in the folder itself is found: links that lead out of it are left out.
    """
    if not root.is_dir():
        return []
    real = root.resolve()
    found: list[Path] = []
    for folder in _folders(root):
        if not folder.resolve().is_relative_to(real):
            continue
        if _is_run(folder):
            found.append(folder)
        else:
            found += [each for each in _folders(folder) if each.resolve().is_relative_to(real) and _is_run(each)]
    return sorted(found, key=_last_sign, reverse=True)[:_MOST]


def _folders(folder: Path) -> list[Path]:
    return [each for each in sorted(folder.iterdir()) if each.is_dir() and not each.name.startswith(".")]


def _is_run(folder: Path) -> bool:
    return (folder / LOG).is_file() or ((folder / RECIPE).is_file() and any((each / LOG).is_file() for each in _folders(folder)))


def _last_sign(run: Path) -> float:
    """Return when a run, or one of its stages, last wrote a line."""
    logs = [folder / name for folder in (run, *_folders(run)) for name in (LOG, EVENTS)]
    return max((log.stat().st_mtime for log in logs if log.is_file()), default=0.0)


@st.fragment(run_every=_OFTEN)
def _show_run(run: Path) -> None:
    """Show a run as its files are now; what did not change is not sent again."""
    try:
        history = read_history(run)
        page = to_html(history, read_strips(run))
    except Exception as error:  # a run's folder may hold anything
        st.error(f"This run cannot be shown: {sentence(error)}")
        return
    total = history.facts.get("total_steps")
    running = isinstance(total, int) and history.last_step < total and time.time() - _last_sign(run) < _ALIVE
    if running and isinstance(total, int):
        st.progress(min(1.0, history.last_step / total), f"Running: step {history.last_step:,} of {total:,}")
    st.iframe(in_theme(page, st.context.theme.type), height="content")


def in_theme(page: str, theme: str | None) -> str:
    """Return a report that is light or dark as the app around it is, rather than as the system is; None leaves it as it is."""
    return page if theme is None else page.replace(_DARK, "@media all" if theme == "dark" else "@media not all")
