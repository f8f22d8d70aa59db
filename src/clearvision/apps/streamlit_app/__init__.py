"""The app: pictures enlarged and restored in the browser, models compared, runs watched; ``main.py`` is what Streamlit runs.

| module | what it is |
|---|---|
| ``settings``, ``session`` | the limits of a server; the folder and the work of one visitor |
| ``choices``, ``damage`` | what a visitor chose, as plain values that the command line knows too |
| ``making``, ``work`` | pictures made in a thread of their own, with progress and cancelling; nothing of Streamlit in it |
| ``preview``, ``scores`` | what the browser is shown of a picture; figures against the original |
| ``viewer``, ``frontend/`` | the before/after slider and the panes that zoom together |
| ``..._page``, ``..._panel`` | the pages and their parts |
"""
