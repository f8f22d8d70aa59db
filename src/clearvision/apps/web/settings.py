"""Everything the operator decides, and every limit, in one frozen value."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from clearvision.errors import UsageError

MEGAPIXEL = 1_000_000
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")

# What is checked in one way, with the options of the command line that set it.
_COUNTS = {
    "workers": "--workers",
    "max_bytes": "--max-bytes",
    "max_pixels": "--max-megapixels",
    "max_result_pixels": "--max-result-megapixels",
    "sync_pixels": "sync_pixels",
    "max_visitors": "--max-visitors",
    "max_waiting": "--max-waiting",
    "client_waiting": "--client-waiting",
    "max_stored": "--max-stored",
}
_NUMBERS = {
    "max_seconds": "--max-seconds",
    "sync_seconds": "sync_seconds",
    "keep_hours": "--keep-hours",
    "drain_seconds": "--drain-seconds",
}


@dataclass(frozen=True)
class Settings:
    """How the server runs and what it takes.

    Attributes:
        data_dir: folder for jobs and their pictures; made if missing, used by one server at a time.
        host: address to listen on.
        port: port to listen on; 0 for any free one.
        workers: pictures computed at a time; reading and writing of others overlaps with it.
        device: as in :class:`~clearvision.inference.upscaler.Upscaler`.
        models_dir: folder whose model files may be asked for by name, beside the bundled ones.
        key_file: file of API keys, a line ``name:sha256`` each; None lets everybody in who reaches the server.
        open: whether to do so on an address that other machines reach.
        api_only: leave the web site out.
        allowed_hosts: names that requests may be addressed to; empty for any, but on loopback for loopback's own only.
        origins: origins whose scripts may use the API (CORS), such as ``https://intranet.example``.
        trusted_proxy: address of the reverse proxy whose X-Forwarded headers are believed; ``*`` for any.
        max_bytes: most bytes of a request.
        max_pixels: most pixels of a picture, of all its frames or pages together.
        max_result_pixels: most pixels of a result, likewise.
        max_seconds: most seconds that computing one picture may take.
        sync_pixels: most pixels of a result for which a client may wait in one request; views of ``tta`` count.
        sync_seconds: most seconds that it may wait.
        max_visitors: requests that may wait so at a time.
        max_waiting: jobs that may wait.
        client_waiting: of both, how many one key, or without keys one address, may have waiting.
        keep_hours: how long finished jobs and their pictures are kept.
        max_stored: bytes of pictures on disk from which on no new ones are taken.
        drain_seconds: on SIGTERM, how long running work may go on; jobs that take longer go back to the queue.
    """

    data_dir: Path
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 2
    device: str = "auto"
    models_dir: Path | None = None
    key_file: Path | None = None
    open: bool = False
    api_only: bool = False
    allowed_hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    trusted_proxy: str | None = None
    max_bytes: int = 64_000_000
    max_pixels: int = 50 * MEGAPIXEL
    max_result_pixels: int = 200 * MEGAPIXEL
    max_seconds: float = 600
    sync_pixels: int = 16 * MEGAPIXEL
    sync_seconds: float = 60
    max_visitors: int = 64
    max_waiting: int = 200
    client_waiting: int = 20
    keep_hours: float = 24
    max_stored: int = 20_000_000_000
    drain_seconds: float = 30

    def __post_init__(self) -> None:
        """Check what the command line cannot.

        Raises:
            UsageError: if a number is outside what is allowed, or other machines would be let in without a word.
        """
        for name, option in _COUNTS.items():
            if getattr(self, name) < 1:
                raise UsageError(f"{option} ({getattr(self, name)}) must be at least 1")
        for name, option in _NUMBERS.items():
            if not 0 <= getattr(self, name) < float("inf"):  # NaN is neither
                raise UsageError(f"{option} ({getattr(self, name):g}) must be a number that is not below 0")
        if not 0 <= self.port <= 65_535:
            raise UsageError(f"--port ({self.port}) must be at least 0 and at most 65535")
        if self.key_file is None and not self.open and not self.on_loopback:
            raise UsageError(
                f"--host {self.host} lets every machine of the network use this server; "
                "give --keys FILE, or --open if everybody may"
            )

    @property
    def keep_seconds(self) -> float:
        """How long finished jobs are kept, in seconds."""
        return 3600 * self.keep_hours

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine reaches the server."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return False

    @property
    def hosts(self) -> tuple[str, ...]:
        """Names that requests may be addressed to, or none for any.

        A stranger's page can give its own name this machine's address (DNS rebinding): on loopback, where often no key is asked
        for, only loopback's names are taken. They always are, for health checks from within.
        """
        return (*self.allowed_hosts, *LOOPBACK) if self.allowed_hosts or self.on_loopback else ()
