"""What the browser may fetch of a picture, and for how long."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("streamlit")
from streamlit import runtime
from streamlit.runtime.media_file_manager import MediaFileManager
from streamlit.runtime.memory_media_file_storage import MemoryMediaFileStorage

from clearvision.apps.streamlit_app.preview import Preview
from clearvision.apps.streamlit_app.viewer import address


def test_picture_outlives_a_run_that_was_cut_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = MediaFileManager(MemoryMediaFileStorage("/media"))
    monkeypatch.setattr(runtime, "get_instance", lambda: SimpleNamespace(media_file_mgr=files))
    picture = tmp_path / "a.png"
    picture.write_bytes(b"picture")

    def run(*, cut_short: bool) -> str | None:
        """As Streamlit begins and ends a run of a page."""
        files.clear_session_refs()
        found = None if cut_short else address(Preview(picture, "image/png", 1, 1), "input")
        files.remove_orphaned_files()
        return found

    url = run(cut_short=False)
    assert url is not None
    for _ in range(3):
        run(cut_short=True)
        assert files.read_file(url.rpartition("/")[2]) is not None
        assert run(cut_short=False) == url
    run(cut_short=True)
    run(cut_short=True)
    assert files.read_file(url.rpartition("/")[2]) is None
