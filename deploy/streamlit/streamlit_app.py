"""The app for Streamlit Community Cloud, which runs a script of a repository without installing it; see docs/app.md."""

import runpy
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "src"))
runpy.run_module("clearvision.apps.streamlit_app.main", run_name="__main__")
