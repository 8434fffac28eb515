"""The program: its commands, and what they have in common."""

from __future__ import annotations

import io
import sys
from typing import Annotated

import typer

from ratewise import __version__
from ratewise.cli.advise import advise
from ratewise.cli.audit import audit
from ratewise.cli.check import check
from ratewise.cli.choose import choose
from ratewise.cli.compare import compare
from ratewise.cli.convert import convert
from ratewise.cli.errors import Commands, Options, spoken_errors
from ratewise.cli.find import find
from ratewise.cli.predict import predict
from ratewise.cli.recipes import recipes
from ratewise.cli.run import run
from ratewise.cli.show import show
from ratewise.cli.status import status
from ratewise.cli.studio import studio

app = typer.Typer(cls=Commands, add_completion=False, pretty_exceptions_enable=False)


@app.callback(invoke_without_command=True)
def ratewise(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Learning-rate schedules, described once, run anywhere, chosen by evidence."""
    if version:
        typer.echo(f"ratewise {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


COMMANDS = (
    *(show, convert, check, run, audit),
    *(find, compare, choose, status, predict, advise, recipes, studio),
)

for _command in COMMANDS:
    app.command()(spoken_errors(Options.of(_command))(_command))


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # where ⠤ cannot be written, a question mark is
    app()
