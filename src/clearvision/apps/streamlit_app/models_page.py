"""The models that are bundled, a card each."""

from __future__ import annotations

import streamlit as st

from clearvision.types import ModelInfo
from clearvision.zoo.catalogue import bundled_models, list_models

_TASKS = {
    "clean": "Enlarges clean pictures",
    "photo": "Enlarges photographs that are noisy, compressed or blurred",
    "restore": "Restores pictures at their own size",
    "face": "Enlarges faces",
}


def show() -> None:
    """Show the page."""
    st.title("Models", anchor=False)
    st.markdown("All of them come with ClearVision and run without a download. 'Automatic' on the first page picks one of them.")
    paths = bundled_models()
    for info in list_models():
        with st.container(border=True):
            _show_card(info, paths[info.name].stat().st_size)


def _show_card(info: ModelInfo, size: int) -> None:
    st.header(info.name, anchor=False)
    st.markdown(f"{_TASKS.get(info.task, info.task)}. {info.description}")
    with st.container(horizontal=True):
        st.metric("Scale", f"{info.scale}x", border=True, width=110)
        st.metric("File", f"{size / 1e6:.1f} MB", border=True, width=120)
        for name, value in list(info.figures.items())[:4]:
            st.metric(name, f"{value:.4f}" if "SSIM" in name else f"{value:.2f}", border=True, width=165)
    if info.intended_use:
        st.markdown(f"**Use.** {info.intended_use}")
    st.caption(f"Network {info.arch}, licence {info.licence or 'not known'}")
    if info.training or len(info.figures) > 4:
        with st.expander("Training and all figures"):
            st.table({name: str(value) for name, value in {**info.training, **info.figures}.items()})
