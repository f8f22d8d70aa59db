"""Fetching from a server in this process that can break, lie and change; nothing here leaves the machine."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from clearvision.data import download
from clearvision.data.archive import unpack
from clearvision.data.catalogue import DataSet, SetFile, data_sets, find_set, get_parts
from clearvision.data.download import fetch
from clearvision.errors import DataError, UsageError

CONTENTS = bytes(range(256)) * 40


class Server(ThreadingHTTPServer):
    """Files by path, and what goes wrong with the next answers: 'cut', '500', or nothing."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {"/a.bin": CONTENTS}
        self.tag = '"one"'
        self.faults: list[str] = []
        self.ranges: list[str | None] = []

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.ranges.append(self.headers.get("Range"))
        fault = self.server.faults.pop(0) if self.server.faults else ""
        body = self.server.files.get(self.path)
        if body is None or fault == "500":
            self.send_error(404 if body is None else 503)
            return
        start = 0
        if self.headers.get("Range") and self.headers.get("If-Range") in (None, self.server.tag):
            start = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
            if start >= len(body):
                self.send_error(416)
                return
        self.send_response(206 if start else 200)
        self.send_header("ETag", self.server.tag)
        self.send_header("Content-Length", str(len(body) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.end_headers()
        self.wfile.write(body[start : start + 3000] if fault == "cut" else body[start:])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(download, "CHUNK", 1000)
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_a_broken_connection_is_taken_up_where_it_ended(server: Server, tmp_path: Path) -> None:
    server.faults = ["cut", "500", "cut"]
    seen: list[tuple[int, int | None]] = []
    found = fetch(server.base + "a.bin", tmp_path, sha256=sha256(CONTENTS), progress=lambda *now: seen.append(now), pause=0.001)
    assert found.path.read_bytes() == CONTENTS
    assert (found.trust, found.came) == ("published", len(CONTENTS))
    assert server.ranges == [None, "bytes=3000-", "bytes=3000-", "bytes=6000-"]
    assert seen[-1] == (len(CONTENTS), len(CONTENTS))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.bin"]
    fetch(server.base + "a.bin", tmp_path, sha256=sha256(CONTENTS))
    assert len(server.ranges) == 4


def test_an_interrupted_download_goes_on_in_another_run(server: Server, tmp_path: Path) -> None:
    server.faults = ["cut"] + ["500"] * download.ATTEMPTS
    with pytest.raises(DataError, match="what came so far is kept, run the same again to go on"):
        fetch(server.base + "a.bin", tmp_path, pause=0.001)
    assert (tmp_path / "a.bin.part").stat().st_size == 3000
    assert fetch(server.base + "a.bin", tmp_path).came == len(CONTENTS) - 3000
    assert (tmp_path / "a.bin").read_bytes() == CONTENTS


def test_a_file_that_changed_in_between_is_begun_again(server: Server, tmp_path: Path) -> None:
    server.faults = ["cut"] + ["500"] * download.ATTEMPTS
    with pytest.raises(DataError):
        fetch(server.base + "a.bin", tmp_path, pause=0.001)
    server.files["/a.bin"], server.tag = CONTENTS[::-1], '"two"'
    assert fetch(server.base + "a.bin", tmp_path).path.read_bytes() == CONTENTS[::-1]
    (tmp_path / "a.bin").rename(tmp_path / "a.bin.part")
    with (tmp_path / "a.bin.part").open("ab") as part:
        part.write(b"more than there is")
    assert fetch(server.base + "a.bin", tmp_path, pause=0.001).path.read_bytes() == CONTENTS[::-1]


def test_checksums_are_held_to_the_published_or_the_first(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"'a\.bin' has the SHA-256 .*, not the published one .*; what came was thrown away"):
        fetch(server.base + "a.bin", tmp_path, sha256="0" * 64)
    assert not list(tmp_path.iterdir())
    with pytest.raises(DataError, match="has 10240 bytes and should have 7; it is not the published file"):
        fetch(server.base + "a.bin", tmp_path, size=7)
    first = fetch(server.base + "a.bin", tmp_path)
    assert (first.trust, json.loads((tmp_path / "downloads.json").read_text())) == ("first", {"a.bin": sha256(CONTENTS)})
    assert fetch(server.base + "a.bin", tmp_path).trust == "recorded"
    first.path.unlink()
    server.files["/a.bin"] = b"another"
    with pytest.raises(DataError, match=r"not that of the first download, recorded in '.*downloads\.json'"):
        fetch(server.base + "a.bin", tmp_path)


def test_refusals_are_told_at_once(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the server answers 404"):
        fetch(server.base + "none.bin", tmp_path)
    assert len(server.ranges) == 1
    with pytest.raises(DataError, match="must begin with http"):
        fetch("file:///etc/passwd", tmp_path)


def zipped(path: Path, members: dict[str, bytes], link: str = "") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(name, data)
        if link:
            info = zipfile.ZipInfo(link)
            info.external_attr = 0o120777 << 16
            file.writestr(info, "/etc/passwd")
    return path


def tarred(path: Path, members: dict[str, bytes], link: str = "") -> Path:
    with tarfile.open(path, "w:gz") as file:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
        if link:
            info = tarfile.TarInfo(link)
            info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
            file.addfile(info)
    return path


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_archives_unpack_and_are_not_trusted(pack, tmp_path: Path) -> None:  # noqa: ANN001
    good = pack(tmp_path / "good", {"set/HR/1.png": b"one", "set/2.png": b"two"})
    out = tmp_path / "out"
    assert [path.relative_to(out).as_posix() for path in unpack(good, out)] == ["set/2.png", "set/HR/1.png"]
    (out / "set/2.png").write_bytes(b"")
    before = (out / "set/HR/1.png").stat().st_mtime_ns
    unpack(good, out)
    assert (out / "set/2.png").read_bytes() == b"two"
    assert (out / "set/HR/1.png").stat().st_mtime_ns == before
    for name in ("../evil.png", "/evil.png", "a/../../evil.png", "..\\evil.png", "C:/evil.png"):
        with pytest.raises(DataError, match="a name that leads out of its folder; nothing is unpacked"):
            unpack(pack(tmp_path / "bad", {"fine.png": b"", name: b"evil"}), tmp_path / "bad_out")
    with pytest.raises(DataError, match="holds 'link', which is no plain file"):
        unpack(pack(tmp_path / "linked", {"a.png": b"a"}, link="link"), tmp_path / "bad_out")
    with pytest.raises(DataError, match=r"would grow from \d+ to 9000000 bytes, as no pictures do"):
        unpack(pack(tmp_path / "bomb", {"a.png": bytes(9_000_000)}), tmp_path / "bad_out")
    assert not (tmp_path / "bad_out").exists()
    assert not list(tmp_path.rglob("evil*"))


def test_damaged_archives_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"no archive")
    with pytest.raises(DataError, match="neither a zip nor a tar archive; fetch it again"):
        unpack(tmp_path / "a.zip", tmp_path / "out")
    cut = tarred(tmp_path / "b.tgz", {"a.png": bytes(range(256)) * 99})
    cut.write_bytes(cut.read_bytes()[:-60])
    with pytest.raises(DataError, match="damaged or not readable"):
        unpack(cut, tmp_path / "out")
    assert not list((tmp_path / "out").rglob("*.png"))


def test_a_data_set_is_fetched_once_and_its_archives_removed(server: Server, tmp_path: Path) -> None:
    archive = zipped(tmp_path / "x.zip", {"HR/1.png": b"one"}).read_bytes()
    server.files["/set.zip"] = archive
    chosen = DataSet("tiny", "", "", "", "", (SetFile("hr", server.base + "set.zip", len(archive), sha256(archive)),), ("hr",))
    seen: list[str] = []
    (got,) = get_parts(chosen, chosen.parts(), tmp_path / "out", watch=lambda what, *_: seen.append(what))
    assert got.trust == "published"
    assert (tmp_path / "out/HR/1.png").read_bytes() == b"one"
    assert not (tmp_path / "out/set.zip").exists()
    assert set(seen) == {"fetching set.zip", "unpacking set.zip"}
    assert get_parts(chosen, chosen.parts(), tmp_path / "out") == []
    with pytest.raises(UsageError, match="tiny has no part 'lr'; known: hr"):
        chosen.parts(["lr"])


def test_the_catalogue_is_whole() -> None:
    assert set(data_sets()) >= {"div2k", "flickr2k"}
    for entry in data_sets().values():
        assert entry.terms
        assert entry.parts()
        for file in entry.files:
            assert file.url.startswith("https://")
            assert file.sha256 is None or (len(file.sha256) == 64 and file.bytes)
    assert find_set("DIV2K").parts(["train-bicubic-x4"])[0].name == "DIV2K_train_LR_bicubic_X4.zip"
    with pytest.raises(UsageError, match="unknown data set 'imagenet'; known: div2k, flickr2k"):
        find_set("imagenet")
