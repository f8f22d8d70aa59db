"""The pre-trained networks under perceptual metrics and losses: which file each needs, where it is kept, how it is fetched.

None of them comes with the package. A file of the user's own may be given instead, or is found in the user's cache, where
:func:`download_backbone` puts the official one. The hexadecimal in an official file's name begins its SHA-256.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from clearvision.errors import ModelError, UsageError

_CHUNK = 1 << 20
_TIMEOUT = 60.0


@dataclass(frozen=True)
class Backbone:
    """A pre-trained network: its name, the official file's address, and how that file's SHA-256 begins."""

    name: str
    url: str
    sha256_start: str

    @property
    def file_name(self) -> str:
        """Name of the official file, also in the cache."""
        return self.url.rpartition("/")[2]


_TORCHVISION = "https://download.pytorch.org/models/"
_PYTORCH_FID = "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"

BACKBONES: dict[str, Backbone] = {
    "alexnet": Backbone("alexnet", _TORCHVISION + "alexnet-owt-7be5be79.pth", "7be5be79"),
    "vgg16": Backbone("vgg16", _TORCHVISION + "vgg16-397923af.pth", "397923af"),
    "vgg19": Backbone("vgg19", _TORCHVISION + "vgg19-dcbb9e9d.pth", "dcbb9e9d"),
    "inception": Backbone("inception", _PYTORCH_FID + "pt_inception-2015-12-05-6726825d.pth", "6726825d"),
}


def find_backbone(name: str, path: str | Path | None = None) -> Path:
    """Return the file of a backbone's weights: the one given, else the official one in the cache.

    Raises:
        UsageError: if the name is unknown.
        ModelError: if the file does not exist; the text says how to get it.
    """
    backbone = _backbone(name)
    if path is not None:
        given = Path(path).expanduser()
        if not given.is_file():
            raise ModelError(f"the weights of {name} are not at '{given}'; give the path of {backbone.file_name} or leave it out")
        return given
    cached = cache_folder() / backbone.file_name
    if not cached.is_file():
        raise ModelError(
            f"the weights of {name} are not on this machine; put {backbone.url} into '{cached.parent}', "
            f"call clearvision.metrics.backbones.download_backbone('{name}'), or give a file's path"
        )
    return cached


def download_backbone(name: str, *, url: str | None = None, progress: Callable[[int, int | None], None] | None = None) -> Path:
    """Fetch a backbone's official file into the cache, unless it is there, and return its path.

    The file appears under its name only when it is whole and its SHA-256 begins as it should.

    Args:
        name: key of :data:`BACKBONES`.
        url: a mirror of the official file.
        progress: called with the bytes so far and the bytes in all, None where the server does not say.

    Raises:
        UsageError: if the name is unknown.
        ModelError: if the server refuses, the transfer breaks off, the checksum is wrong or the cache cannot be written.
    """
    backbone = _backbone(name)
    target = cache_folder() / backbone.file_name
    if target.is_file():
        return target
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    address = url or backbone.url
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        digest = _fetch(address, partial, progress)
        if not digest.startswith(backbone.sha256_start):
            raise ModelError(
                f"'{address}' is not the official file of {name}: its SHA-256 begins {digest[:8]}, not {backbone.sha256_start}; "
                "nothing was kept"
            )
        partial.replace(target)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise ModelError(f"cannot fetch the weights of {name} from '{address}' ({error}); nothing was kept") from error
    finally:
        with suppress(OSError):
            partial.unlink()
    return target


def cache_folder() -> Path:
    """Return where fetched weights are kept: ``clearvision/backbones`` in the user's cache (``XDG_CACHE_HOME``, ``~/.cache``)."""
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "clearvision" / "backbones"


def _backbone(name: str) -> Backbone:
    if name not in BACKBONES:
        raise UsageError(f"backbone '{name}' is unknown; known: {', '.join(BACKBONES)}")
    return BACKBONES[name]


def _fetch(address: str, path: Path, progress: Callable[[int, int | None], None] | None) -> str:
    """Write what an address serves to a file and return its SHA-256 in hexadecimal."""
    digest = hashlib.sha256()
    done = 0
    with urllib.request.urlopen(address, timeout=_TIMEOUT) as answer, path.open("wb") as file:
        length = answer.headers.get("Content-Length")
        total = int(length) if length else None
        while chunk := answer.read(_CHUNK):
            file.write(chunk)
            digest.update(chunk)
            done += len(chunk)
            if progress is not None:
                progress(done, total)
    if total is not None and done < total:
        raise ModelError(f"'{address}' broke off after {done} of {total} bytes; nothing was kept, try again")
    return digest.hexdigest()
