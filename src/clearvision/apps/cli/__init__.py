"""The command line: parse, call, show. Heavy libraries are imported by the command that needs them, when it runs.

Exit codes: 0 all done, 1 some inputs failed (each is named), 2 usage, 130 interrupted.
"""

from __future__ import annotations

import io
import os
import signal
import sys
from typing import Annotated

import typer

from clearvision import __version__
from clearvision.apps.cli import console, data, doctor, evaluate, history, models, restore, serve, train, upscale
from clearvision.apps.cli.app import open_app

app = typer.Typer(
    name="clearvision",
    help="Enlarge and restore pictures; look after the models that do it; train and measure new ones.",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("upscale")(upscale.upscale)
app.command("restore")(restore.restore)
app.add_typer(models.app, name="models")
app.add_typer(data.app, name="data")
app.command("doctor")(doctor.doctor)
app.command("train")(train.train)
app.command("report")(history.report)
app.command("evaluate")(evaluate.evaluate)
app.command("serve")(serve.serve)
app.command("app")(open_app)


def _show_version(wanted: bool) -> None:
    if wanted:
        console.say(f"clearvision {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of errors; CLEARVISION_DEBUG=1 does the same.")] = False,
) -> None:
    """Hold the options that stand before any command."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command line and return its exit code; every error ends as one sentence on stderr."""
    if arguments is None:
        arguments = sys.argv[1:]
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that `kill` also leaves no temporary files
    arguments = arguments or ["--help"]
    console.show_tracebacks("--debug" in arguments)
    arguments = [word for word in arguments if word != "--debug"]  # taken anywhere: it comes to mind with the line typed
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # file names that the terminal's encoding lacks
    try:
        code = typer.main.get_command(app).main(arguments, prog_name="clearvision", standalone_mode=False)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader left, as in `... | head`
        return console.FAILED
    except KeyboardInterrupt:
        code = console.INTERRUPTED
    except Exception as error:
        return _told(error, as_json="--json" in arguments)
    if code == console.INTERRUPTED:
        console.note("clearvision: interrupted")
    return int(code or console.DONE)


def _told(error: Exception, *, as_json: bool) -> int:
    """Tell an error that ended the command, and return the exit code."""
    parsing = getattr(error, "format_message", None)  # typer's own errors, whose classes are private
    if parsing is None:
        text, code = console.sentence(error), console.exit_code(error)
    else:
        context = getattr(error, "ctx", None)
        command = context.command_path if context is not None else "clearvision"
        text, code = f"{' '.join(parsing().split()).rstrip('.')}; see '{command} --help'", console.USAGE
    console.note(f"clearvision: {text}")
    if as_json:
        console.say_json({"error": text})
    return code
