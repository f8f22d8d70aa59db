"""Who may use the server: API keys, kept as digests; a signed cookie for the site; tokens against forged forms."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from itsdangerous import BadSignature, URLSafeTimedSerializer

from clearvision.errors import UsageError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
DIGEST = re.compile(r"[0-9a-f]{64}")
SESSION_SECONDS = 7 * 24 * 3600


@dataclass(frozen=True)
class Key:
    """A key: whose it is, and its sha256 in hexadecimal."""

    name: str
    digest: str


def new_key(name: str) -> tuple[str, str]:
    """Return a new key and the line for the file of keys.

    Raises:
        UsageError: if the name holds other signs than letters, digits, dots, dashes and underscores.
    """
    if not NAME.fullmatch(name):
        raise UsageError(f"a key's name ({name!r}) is 1 to 40 letters, digits, dots, dashes and underscores")
    key = secrets.token_urlsafe(32)
    return key, f"{name}:{_digest(key)}"


def read_keys(path: Path) -> tuple[Key, ...]:
    """Return the keys of a file: a line ``name:sha256`` each; empty lines and those that begin with # do not count.

    Raises:
        UsageError: if the file cannot be read, a line is no key, a name comes twice, or there is none.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--keys {path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    keys: dict[str, Key] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, digest = line.strip().partition(":")
        if not NAME.fullmatch(name) or not DIGEST.fullmatch(digest):  # the line itself may be a key in the clear
            raise UsageError(f"--keys {path}: line {number} is not name:sha256; make one with clearvision serve --new-key NAME")
        if name in keys:
            raise UsageError(f"--keys {path}: line {number} names '{name}' again")
        keys[name] = Key(name, digest)
    if not keys:
        raise UsageError(f"--keys {path} holds no key; make one with clearvision serve --new-key NAME")
    return tuple(keys.values())


class Gate:
    """Knows whose a key, a cookie or a form is.

    Args:
        keys: the keys; none lets everybody in.
        secret: what cookies and forms are signed with.
    """

    def __init__(self, keys: tuple[Key, ...], secret: bytes) -> None:
        self._keys = keys
        self._secret = secret
        self._sessions = URLSafeTimedSerializer(secret, salt="session")

    @property
    def open(self) -> bool:
        """Whether no key is asked for."""
        return not self._keys

    def holder(self, presented: str) -> Key | None:
        """Return the key that was presented, if it is one; in the same time for all that are not."""
        digest = _digest(presented)
        found = [key for key in self._keys if hmac.compare_digest(key.digest, digest)]
        return found[0] if found else None

    def session(self, key: Key) -> str:
        """Return a cookie that stands for a key."""
        return self._sessions.dumps([key.name, key.digest[:16]])

    def holder_of_session(self, cookie: str) -> Key | None:
        """Return the key that a cookie stands for, if it is still one."""
        try:
            found = self._sessions.loads(cookie, max_age=SESSION_SECONDS)
        except BadSignature:
            return None
        return next((key for key in self._keys if [key.name, key.digest[:16]] == found), None)

    def form_token(self, cookie: str) -> str:
        """Return what a form must carry that is sent together with a cookie."""
        return hmac.digest(self._secret, b"form:" + cookie.encode(), "sha256").hex()

    def is_form_token(self, token: str, cookie: str) -> bool:
        """Whether a form carries what its cookie asks for."""
        return bool(cookie) and hmac.compare_digest(token.encode(), self.form_token(cookie).encode())


def secret_of(folder: Path) -> bytes:
    """Return the secret of a data folder, made on first use, so that sessions outlive a restart."""
    path = folder / "clearvision-secret"
    if not path.exists():
        partial = path.with_suffix(".partial")
        partial.touch(mode=0o600)
        partial.write_bytes(secrets.token_bytes(32))
        partial.replace(path)
    return path.read_bytes()


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()
