import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from clearvision.errors import ModelError, UsageError
from clearvision.metrics.backbones import BACKBONES, Backbone, cache_folder, download_backbone, find_backbone

CONTENT = bytes(range(256)) * 9000  # more than one chunk


class Handler(BaseHTTPRequestHandler):
    """Serves the file whole, cut off, changed or not at all, by its path."""

    def do_GET(self) -> None:
        if self.path == "/absent.pth":
            self.send_error(404)
            return
        body = {"/cut.pth": CONTENT[:-5000], "/changed.pth": b"x" + CONTENT[1:]}.get(self.path, CONTENT)
        self.send_response(200)
        if self.path != "/endless.pth":
            self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """Serve on this machine, with an empty cache and a VGG16 whose checksum is that of the file served."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        address = f"http://127.0.0.1:{running.server_address[1]}"
        start = hashlib.sha256(CONTENT).hexdigest()[:8]
        monkeypatch.setitem(BACKBONES, "vgg16", Backbone("vgg16", f"{address}/vgg16-{start}.pth", start))
        yield address
        running.shutdown()


def test_a_whole_file_is_kept_and_not_fetched_again(server: str) -> None:
    seen: list[tuple[int, int | None]] = []
    path = download_backbone("vgg16", progress=lambda done, total: seen.append((done, total)))
    assert path.read_bytes() == CONTENT
    assert path == find_backbone("vgg16") == cache_folder() / BACKBONES["vgg16"].file_name
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert len(seen) > 1
    assert download_backbone("vgg16", url=f"{server}/absent.pth") == path


def test_a_server_that_does_not_say_how_much(server: str) -> None:
    totals: set[int | None] = set()
    path = download_backbone("vgg16", url=f"{server}/endless.pth", progress=lambda _, total: totals.add(total))
    assert path.read_bytes() == CONTENT
    assert totals == {None}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("absent.pth", "cannot fetch the weights of vgg16 from .*absent.pth.*404"),
        ("cut.pth", f"broke off after {len(CONTENT) - 5000} of {len(CONTENT)} bytes; nothing was kept"),
        ("changed.pth", f"not the official file of vgg16: its SHA-256 begins .*, not {hashlib.sha256(CONTENT).hexdigest()[:8]}"),
    ],
)
def test_what_goes_wrong_leaves_nothing(server: str, name: str, text: str) -> None:
    with pytest.raises(ModelError, match=text):
        download_backbone("vgg16", url=f"{server}/{name}")
    assert list(cache_folder().iterdir()) == []


def test_no_server_and_no_address(server: str) -> None:
    with pytest.raises(ModelError, match=r"cannot fetch .*127.0.0.1:1/"):
        download_backbone("vgg16", url="http://127.0.0.1:1/vgg16.pth")
    with pytest.raises(ModelError, match=r"cannot fetch .* from 'nonsense'"):
        download_backbone("vgg16", url="nonsense")


def test_a_cache_that_cannot_be_written(server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(ModelError, match="cannot fetch the weights of vgg16"):
        download_backbone("vgg16")


def test_absent_weights_say_how_to_get_them(server: str, tmp_path: Path) -> None:
    with pytest.raises(
        ModelError, match=r"put https://download\.pytorch\.org/models/alexnet-owt-7be5be79\.pth into '.*backbones'"
    ):
        find_backbone("alexnet")
    with pytest.raises(ModelError, match=r"the weights of vgg19 are not at '.*mine\.pth'; give the path of vgg19-dcbb9e9d\.pth"):
        find_backbone("vgg19", tmp_path / "mine.pth")
    with pytest.raises(UsageError, match="backbone 'vgg11' is unknown; known: alexnet, vgg16, vgg19, inception"):
        find_backbone("vgg11")


@pytest.mark.parametrize("backbone", BACKBONES.values(), ids=BACKBONES)
def test_official_names_end_in_their_checksum(backbone: Backbone) -> None:
    assert backbone.file_name.removesuffix(".pth").endswith(f"-{backbone.sha256_start}")
    assert len(backbone.sha256_start) == 8
