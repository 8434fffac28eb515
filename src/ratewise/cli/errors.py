"""Errors as one line on standard error."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Generator

import typer

from ratewise import ScheduleError


@contextlib.contextmanager
def spoken_errors() -> Generator[None]:
    """Turn our errors into one line on standard error and exit code 2; others pass."""
    try:
        yield
    except ScheduleError as error:
        message = f"{error.who} {error.broken}: {in_options(error.fix)}."
    except ImportError as error:
        if "pip install 'ratewise[" not in str(error):
            raise
        message = str(error)
    else:
        return
    from ratewise.view.terminal import is_coloured

    line = "error: " + " ".join(message.split())
    typer.echo(f"\033[31m{line}\033[0m" if is_coloured(sys.stderr) else line, err=True, color=True)
    raise typer.Exit(2)


def in_options(fix: str) -> str:
    """Return advice about arguments as advice about options."""
    fix = re.sub(r"give \w+\(…, peaks=.*\)|give peaks=\[.*\]", "give --peaks 3e-4,1e-3,3e-3", fix)
    fix = re.sub(r'\bworkers="?(\w+)"?', r"--workers \1", fix)
    fix = re.sub(r"\bwith (loss|lr|rate|schedule|step)=…", r"with --\1", fix)
    return re.sub(r"give (total|epoch|samples|tokens)=…", r"give --\1 N", fix)
