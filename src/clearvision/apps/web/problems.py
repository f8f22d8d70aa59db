"""What can go wrong, told as problem documents (RFC 9457) with types that stay."""

from __future__ import annotations

import errno
import re
from pathlib import Path
from typing import Any

from clearvision.errors import (
    ClearVisionError,
    EngineError,
    MissingExtraError,
    ModelError,
    PictureError,
    PictureWriteError,
    UsageError,
)

MEDIA_TYPE = "application/problem+json"
TYPE = "urn:clearvision:problem:"

# slug: status and title. Clients may rely on the slugs; the details are for people.
KNOWN: dict[str, tuple[int, str]] = {
    "bad-request": (400, "The request cannot be understood"),
    "form-expired": (400, "The form is out of date"),
    "key-needed": (401, "A key is needed"),
    "forbidden": (403, "Not allowed"),
    "not-found": (404, "There is nothing here"),
    "method-not-allowed": (405, "The method is not allowed here"),
    "not-finished": (409, "The job is not finished"),
    "length-required": (411, "The length of the body is missing"),
    "body-too-large": (413, "The request is too large"),
    "too-many-pixels": (413, "The picture is too large"),
    "use-a-job": (413, "The picture is too large to wait for"),
    "unsupported-media-type": (415, "The body is of a kind that is not taken"),
    "unsupported-picture": (415, "The file is not a picture of a known kind"),
    "invalid-options": (422, "The options are not valid"),
    "damaged-picture": (422, "The picture cannot be read"),
    "result-too-large": (422, "The result would be too large"),
    "time-limit": (422, "The picture took too long"),
    "cancelled": (409, "The job was cancelled"),
    "too-many-requests": (429, "Too many pictures of yours are waiting"),
    "headers-too-large": (431, "The headers are too large"),
    "internal": (500, "Something is wrong with the server"),
    "not-computed": (500, "The picture could not be computed"),
    "not-implemented": (501, "The server does not do this"),
    "queue-full": (503, "The queue is full"),
    "draining": (503, "The server is about to stop"),
    "storage": (503, "There is no room on the server's disk"),
}
BY_STATUS = {
    400: "bad-request",
    401: "key-needed",
    403: "forbidden",
    404: "not-found",
    405: "method-not-allowed",
    411: "length-required",
    413: "body-too-large",
    415: "unsupported-media-type",
    422: "invalid-options",
    429: "too-many-requests",
    431: "headers-too-large",
    501: "not-implemented",
}


_FOLDERS = re.compile(r"(?<![\w/])/(?:[^\s/'\"]+/)+")  # of the server: what a message names is told without where it lies


class Problem(Exception):  # noqa: N818 - the term of RFC 9457
    """A request that is refused, or work that failed.

    Args:
        slug: a key of :data:`KNOWN`.
        detail: a sentence for people; without names of files or folders of the server.
        retry_after: seconds after which the same request may do.
        more: further members of the document.
    """

    def __init__(self, slug: str, detail: str, *, retry_after: float | None = None, **more: Any) -> None:  # noqa: ANN401
        super().__init__(detail)
        self.slug, self.detail, self.retry_after, self.more = slug, detail, retry_after, more
        self.status, self.title = KNOWN[slug]

    @property
    def document(self) -> dict[str, Any]:
        """The problem document, as plain data."""
        facts = {"type": TYPE + self.slug, "title": self.title, "status": self.status, "detail": self.detail}
        return facts | self.more

    @property
    def headers(self) -> dict[str, str]:
        """Headers that go with it."""
        headers = {} if self.retry_after is None else {"Retry-After": str(max(1, round(self.retry_after)))}
        return headers | ({"WWW-Authenticate": "Bearer"} if self.status == 401 else {})


def problem_of(error: BaseException, *paths: Path) -> Problem:
    """Return what to tell of an error that working on a picture raised.

    Args:
        error: what was raised.
        paths: files that its text may name; clients are told of "the picture" instead.
    """
    if isinstance(error, Problem):
        return error
    text = " ".join(str(error).split())
    for path in paths:
        text = text.replace(str(path), "the picture")
    text = _FOLDERS.sub("", text)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Problem("storage", "the server's disk is full", retry_after=60)
    if isinstance(error, PictureWriteError):
        # with a cause it is the disk's fault, without one the picture does not fit its format
        slug = "storage" if error.__cause__ is not None else "result-too-large"
        return Problem(slug, text, retry_after=60 if slug == "storage" else None)
    if isinstance(error, MemoryError):
        return Problem("not-computed", "there is not enough memory for this picture; try a smaller result")
    if isinstance(error, PictureError):
        return Problem("damaged-picture", text)
    if isinstance(error, UsageError | ModelError):
        return Problem("invalid-options", text)
    if isinstance(error, EngineError | MissingExtraError):
        return Problem("not-computed", text)
    if isinstance(error, ClearVisionError):
        return Problem("internal", text)
    return Problem("internal", f"an unexpected {type(error).__name__}, which is a fault of the server; its log has more")
