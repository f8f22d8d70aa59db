"""``clearvision serve``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from clearvision.apps.cli import console
from clearvision.errors import MissingExtraError, UsageError

ACCESS, LIMITS, RUNNING = "Who may use it", "Limits", "Running"
PREFIX = "CLEARVISION_SERVE_"


def _option(*words: str, name: str, help: str, panel: str, **more: Any) -> Any:  # noqa: ANN401
    return typer.Option(*words, envvar=PREFIX + name, help=help, rich_help_panel=panel, show_envvar=False, **more)


def serve(
    host: Annotated[str, _option(name="HOST", metavar="ADDRESS", help="Address to listen on.", panel=RUNNING)] = "127.0.0.1",
    port: Annotated[
        int, _option(name="PORT", metavar="P", parser=console.whole_number, help="Port; 0 for any free one.", panel=RUNNING)
    ] = 8000,
    data_dir: Annotated[
        Path, _option(name="DATA_DIR", metavar="DIR", help="Where jobs and their pictures are kept.", panel=RUNNING)
    ] = Path("clearvision-data"),
    workers: Annotated[
        int, _option(name="WORKERS", metavar="N", parser=console.whole_number, help="Pictures computed at a time.", panel=RUNNING)
    ] = 2,
    device: Annotated[str, _option(name="DEVICE", metavar="auto|cpu|cuda|mps", help="Where to compute.", panel=RUNNING)] = "auto",
    models_dir: Annotated[
        Path | None,
        _option(name="MODELS_DIR", metavar="DIR", help="Offer the model files in it too, by their names.", panel=RUNNING),
    ] = None,
    api_only: Annotated[bool, _option("--api-only", name="API_ONLY", help="Leave the web site out.", panel=RUNNING)] = False,
    keep_hours: Annotated[
        float,
        _option(
            name="KEEP_HOURS",
            metavar="H",
            parser=console.number,
            help="Delete finished jobs and their pictures after so long.",
            panel=RUNNING,
        ),
    ] = 24,
    drain_seconds: Annotated[
        float,
        _option(
            name="DRAIN_SECONDS",
            metavar="S",
            parser=console.number,
            help="On SIGTERM, time for running pictures to end.",
            panel=RUNNING,
        ),
    ] = 30,
    keys: Annotated[
        Path | None, _option(name="KEYS", metavar="FILE", help="Ask for keys: a file of lines name:sha256.", panel=ACCESS)
    ] = None,
    open_: Annotated[
        bool, _option("--open", name="OPEN", help="Let everybody in, on an address that others reach.", panel=ACCESS)
    ] = False,
    allow_host: Annotated[
        list[str] | None,
        _option(name="ALLOW_HOST", metavar="NAME", help="Name that the server may be called by; repeat it.", panel=ACCESS),
    ] = None,
    cors: Annotated[
        list[str] | None,
        _option(name="CORS", metavar="ORIGIN", help="Origin whose scripts may use the API; repeat it.", panel=ACCESS),
    ] = None,
    trust_proxy: Annotated[
        str | None,
        _option(name="TRUST_PROXY", metavar="ADDRESS", help="Believe the X-Forwarded headers of this proxy.", panel=ACCESS),
    ] = None,
    new_key: Annotated[
        str | None, typer.Option(metavar="NAME", help="Make a key, print its line for the file, and end.", rich_help_panel=ACCESS)
    ] = None,
    max_bytes: Annotated[
        str, _option(name="MAX_BYTES", metavar="N", help="Most bytes of a request, such as 64M.", panel=LIMITS)
    ] = "64M",
    max_megapixels: Annotated[
        float,
        _option(name="MAX_MEGAPIXELS", metavar="M", parser=console.number, help="Most megapixels of a picture.", panel=LIMITS),
    ] = 50,
    max_result_megapixels: Annotated[
        float,
        _option(
            name="MAX_RESULT_MEGAPIXELS", metavar="M", parser=console.number, help="Most megapixels of a result.", panel=LIMITS
        ),
    ] = 200,
    max_seconds: Annotated[
        float, _option(name="MAX_SECONDS", metavar="S", parser=console.number, help="Most seconds for one picture.", panel=LIMITS)
    ] = 600,
    max_waiting: Annotated[
        int, _option(name="MAX_WAITING", metavar="N", parser=console.whole_number, help="Jobs that may wait.", panel=LIMITS)
    ] = 200,
    max_visitors: Annotated[
        int,
        _option(
            name="MAX_VISITORS",
            metavar="N",
            parser=console.whole_number,
            help="Requests that may wait for their picture at a time.",
            panel=LIMITS,
        ),
    ] = 64,
    client_waiting: Annotated[
        int,
        _option(
            name="CLIENT_WAITING",
            metavar="N",
            parser=console.whole_number,
            help="Pictures that one client may have waiting.",
            panel=LIMITS,
        ),
    ] = 20,
    max_stored: Annotated[
        str, _option(name="MAX_STORED", metavar="N", help="Most bytes of pictures kept, such as 20G.", panel=LIMITS)
    ] = "20G",
) -> int:
    """Serve a web site and an HTTP API. Every option can be set as CLEARVISION_SERVE_NAME in the environment too."""
    try:
        from clearvision.apps import web
    except ImportError as error:
        raise MissingExtraError(f"the server needs {error.name}, not installed; pip install 'clearvision[serve]'") from error
    if new_key is not None:
        key, line = web.new_key(new_key)
        console.note(f"the key, which is not kept anywhere: {key}")
        console.say(line)
        return console.DONE
    settings = web.Settings(
        data_dir=data_dir,
        host=host,
        port=port,
        workers=workers,
        device=device,
        models_dir=models_dir,
        key_file=keys,
        open=open_,
        api_only=api_only,
        allowed_hosts=tuple(allow_host or ()),
        origins=tuple(cors or ()),
        trusted_proxy=trust_proxy,
        max_bytes=console.byte_count(max_bytes, "--max-bytes"),
        max_pixels=_pixels(max_megapixels, "--max-megapixels"),
        max_result_pixels=_pixels(max_result_megapixels, "--max-result-megapixels"),
        max_seconds=max_seconds,
        max_waiting=max_waiting,
        max_visitors=max_visitors,
        client_waiting=client_waiting,
        keep_hours=keep_hours,
        max_stored=console.byte_count(max_stored, "--max-stored"),
        drain_seconds=drain_seconds,
    )
    web.serve(settings, console.say)
    return console.DONE


def _pixels(megapixels: float, option: str) -> int:
    if not 0 < megapixels <= 1_000_000:  # NaN is neither
        raise UsageError(f"{option} ({megapixels:g}) must be above 0 and at most 1000000")
    return int(megapixels * 1e6)
