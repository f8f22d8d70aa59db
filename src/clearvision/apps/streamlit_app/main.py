"""The script that Streamlit runs, for every visitor and at every change: ``clearvision app`` starts it."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from clearvision.apps.streamlit_app import compare_page, enlarge_page, models_page, runs_page

st.set_page_config(page_title="ClearVision", page_icon=str(Path(__file__).with_name("icon.png")), layout="wide")
st.html("<style>" + Path(__file__).with_name("frontend").joinpath("page.css").read_text(encoding="utf-8") + "</style>")
pages = [
    st.Page(enlarge_page.show, title="Enlarge", icon=":material/zoom_in:", url_path="enlarge", default=True),
    st.Page(compare_page.show, title="Compare", icon=":material/compare:", url_path="compare"),
    st.Page(models_page.show, title="Models", icon=":material/deployed_code:", url_path="models"),
    st.Page(runs_page.show, title="Training runs", icon=":material/show_chart:", url_path="runs"),
]
st.navigation(pages, position="top").run()
