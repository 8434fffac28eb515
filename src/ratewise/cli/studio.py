"""`ratewise studio`: a page to design a schedule on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ratewise.cli.output import say

_FILES = "Configs and logs to be drawn, and journals to be followed."
_PORT = "Port; left out, 7283, or any other where that is taken."
_HOST = "What to listen on; 127.0.0.1 is this machine alone."
_BROWSER = "Print the address, and open no browser."


def studio(
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="FILE", help=_FILES, show_default=False)
    ] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help=_PORT, metavar="N")] = None,
    host: Annotated[str, typer.Option(help=_HOST, metavar="ADDRESS")] = "127.0.0.1",
    no_browser: Annotated[bool, typer.Option("--no-browser", help=_BROWSER)] = False,
) -> None:
    """Design schedules on a page of your own: draw, read configs and logs, simulate, predict.

    Nothing leaves this machine, and nothing is run. Ctrl-C ends it.
    """
    from ratewise.studio.server import serve

    serve(files or (), host=host, port=port, browser=not no_browser, said=say)
