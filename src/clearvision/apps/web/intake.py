"""What a client sent: a picture, as a file of ours, and the options. Its own names are for showing alone."""

from __future__ import annotations

import re
import shutil
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from flask import Request, g, request
from werkzeug.exceptions import ClientDisconnected

from clearvision.apps.web.problems import Problem

FIELD = "file"
MAX_PARTS = 24  # of a form: every option, the picture, and some
MAX_TEXT = 500_000  # bytes of a form beside the picture; the parser's buffer needs some of them
MAX_NAME = 150  # signs of a download's name, without what is put at its end
# The end of a name is heeded where contents do not tell enough: TGA and ICO have no signature of their own, and camera raw files
# look like TIFF. It becomes part of a path, so that nothing else is taken.
_SUFFIX = re.compile(r"\.[a-z0-9]{2,4}")
_RAW_TYPES = ("image/", "application/octet-stream", "binary/octet-stream")


@dataclass(frozen=True)
class Received:
    """A request's picture.

    Attributes:
        path: its file, in a folder of its own.
        name: what the client calls it, cleaned for showing, or ``picture``.
        fields: the options as they came.
    """

    path: Path
    name: str
    fields: dict[str, str]


class UploadRequest(Request):
    """A request whose uploaded files are written where the picture will stay, rather than copied there from elsewhere."""

    max_form_parts = MAX_PARTS  # type: ignore[assignment]
    max_form_memory_size = MAX_TEXT  # type: ignore[assignment]

    def _get_file_stream(
        self,
        total_content_length: int | None,
        content_type: str | None,
        filename: str | None = None,
        content_length: int | None = None,
    ) -> IO[bytes]:
        folder: Path | None = g.get("upload_folder")
        if folder is None:
            raise Problem("bad-request", "no file is taken here")
        if "upload" in g:
            raise Problem("invalid-options", f"send one picture a request, as the field '{FIELD}'")
        g.upload = (folder / "upload").open("w+b")
        return g.upload


def receive(folder: Path) -> Received:
    """Read the body of the request in hand: a form with the picture as its file, or the picture itself with options in the query.

    Args:
        folder: an empty folder for the picture.

    Raises:
        Problem: if there is no picture in it, or it is of another kind.
    """
    if request.content_length is None:
        raise Problem("length-required", "send the length of the body in Content-Length")
    kind = request.mimetype
    if kind == "multipart/form-data":
        return _receive_form(folder)
    if kind.startswith(_RAW_TYPES):
        path = folder / "upload"
        with path.open("wb") as file:
            shutil.copyfileobj(request.stream, file, 1 << 18)
        if path.stat().st_size != request.content_length:
            raise Problem("bad-request", "the body ended before its stated length")
        return Received(path, "picture", _single(request.args.items(multi=True)))
    raise Problem(
        "unsupported-media-type",
        f"send multipart/form-data with the picture as the field '{FIELD}', or the picture itself as image/...; "
        f"not {kind[:80] or 'nothing'}",
    )


def _receive_form(folder: Path) -> Received:
    g.upload_folder = folder
    try:
        files, form = request.files, request.form
    except ClientDisconnected:
        raise Problem("bad-request", "the body ended before its stated length") from None
    finally:
        if "upload" in g:
            g.upload.close()
    sent = files.get(FIELD)
    if len(files) > 1 or (files and sent is None):
        raise Problem("invalid-options", f"send one picture a request, as the field '{FIELD}'")
    if sent is None or not sent.filename:
        raise Problem("invalid-options", f"there is no picture: send one as the field '{FIELD}'")
    fields = _single([*request.args.items(multi=True), *form.items(multi=True)])
    suffix = Path(sent.filename).suffix.lower()
    path = folder / "upload"
    if _SUFFIX.fullmatch(suffix):
        path = path.rename(path.with_suffix(suffix))
    return Received(path, clean_name(sent.filename), fields)


def clean_name(name: str) -> str:
    """Return the stem of a client's name for a file, as it may be shown and used for a download: no path, no signs that act."""
    stem = re.split(r"[/\\]", name)[-1]
    stem = stem.rpartition(".")[0] or stem
    kept = "".join(sign for sign in unicodedata.normalize("NFC", stem) if sign.isprintable() and sign not in '<>:"/\\|?*')
    return kept.strip(" .")[:MAX_NAME].rstrip() or "picture"


def _single(items: Iterable[tuple[str, str]]) -> dict[str, str]:
    fields: dict[str, str] = {}
    for name, value in items:
        if name in fields:
            raise Problem("invalid-options", f"{name[:100]}: is given twice")
        fields[name] = value
    return fields
