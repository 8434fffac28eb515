"""Errors as one line on standard error, in the words of the command line."""

from __future__ import annotations

import ast
import contextlib
import inspect
import shlex
import sys
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import get_type_hints

import typer
from typer.models import OptionInfo

from ratewise import ScheduleError
from ratewise._extras import MissingExtra
from ratewise.schedule.errors import Context, speaking


@dataclass(frozen=True)
class Options(Context):
    """Where what is called is a command, and its arguments are options.

    Args:
        command: What the user has typed.
        options: How each argument is given that has an option, and what stands for its value.

    >>> context = Options(command="ratewise compare", options={"peaks": ("--peaks", "RATES")})
    >>> context.argument("peaks", "[3e-4, 1e-3]"), context.argument("peaks", "…")
    ('--peaks 3e-4,1e-3', '--peaks RATES')
    >>> context.argument("facts", "Facts()")
    'facts=Facts()'
    """

    command: str = "ratewise"
    options: Mapping[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])

    @classmethod
    def of(cls, command: Callable[..., None]) -> Options:
        """Return how a command is spoken of: its options are those that typer makes of it."""
        hints = get_type_hints(command, include_extras=True)
        options: dict[str, tuple[str, str]] = {}
        for name in inspect.signature(command).parameters:
            for info in getattr(hints[name], "__metadata__", ()):
                if isinstance(info, OptionInfo):
                    decls = info.param_decls or (f"--{name.replace('_', '-')}",)
                    is_flag = hints[name].__origin__ is bool
                    options[name] = decls[0], "" if is_flag else info.metavar or "…"
        return cls(command=f"ratewise {command.__name__}", options=options)

    def argument(self, name: str, example: str) -> str:
        """Return an argument as an option; in Python where the command has none."""
        if name not in self.options:
            return super().argument(name, example)
        option, placeholder = self.options[name]
        value = placeholder if not placeholder or example == "…" else typed(example)
        return f"{option} {value}".rstrip()

    def call(self, function: str, given: str) -> str:
        """Return the option at fault alone, or the command."""
        return given or self.command


def typed(value: str) -> str:
    """Return a value that is written in Python as it is typed behind an option.

    >>> typed("'auto'"), typed("[1e-4, 3e-4]"), typed("'3 epochs'"), typed("5")
    ('auto', '1e-4,3e-4', "'3 epochs'", '5')
    """
    if value.startswith("[") and value.endswith("]"):
        return ",".join(typed(item) for item in value[1:-1].split(", "))
    if value[:1] in ("'", '"'):
        with contextlib.suppress(SyntaxError, ValueError):
            text = ast.literal_eval(value)
            return shlex.quote(text) if not text or set(text) & set(" \t\n'\"") else text
    return value


@contextlib.contextmanager
def spoken_errors(context: Context) -> Generator[None]:
    """Turn our errors into one line on standard error and exit code 2; others pass."""
    try:
        with speaking(context):
            yield
    except (ScheduleError, MissingExtra) as error:
        told = str(error)
    else:
        return
    tell(told)
    raise typer.Exit(2)


def tell(message: str) -> None:
    """Print an error."""
    from ratewise.view.terminal import is_coloured

    line = "error: " + " ".join(message.split())
    typer.echo(f"\033[31m{line}\033[0m" if is_coloured(sys.stderr) else line, err=True, color=True)
