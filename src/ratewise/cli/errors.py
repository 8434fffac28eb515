"""Errors as one line on standard error, in the words of the command line."""

from __future__ import annotations

import ast
import contextlib
import errno
import inspect
import shlex
import sys
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, get_args, get_type_hints

import typer
from typer.core import TyperGroup
from typer.models import OptionInfo

from ratewise import ScheduleError
from ratewise._extras import MissingExtra
from ratewise._printable import printable
from ratewise.cli.arguments import Misread
from ratewise.cli.output import say
from ratewise.schedule.errors import Context, shorten, speaking
from ratewise.tasks.failures import TaskError

STOPPED = 130
"""Exit code of what was stopped by Ctrl-C, as shells have it."""

NO_RECOMMENDATION = 4
"""Exit code of a command that did its work and has nothing to recommend."""


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
            kind, *more = get_args(hints[name]) or (None,)
            for info in more:
                if isinstance(info, OptionInfo):
                    options[name] = _spelt(name, info), _placeholder(kind, info.metavar)
        return cls(command=f"ratewise {command.__name__}", options=options)

    def argument(self, name: str, example: str) -> str:
        """Return an argument as an option; in Python where the command has none."""
        if name not in self.options and name and "settings" in self.options:
            return f"{self.options['settings'][0]} {name}={example}"
        if name not in self.options:
            return super().argument(name, example) if name else typed(example)
        option, placeholder = self.options[name]
        value = placeholder if not placeholder or example == "…" else typed(example)
        return f"{option} {value}".rstrip()

    def item(self, name: str) -> str:
        """Return a schedule by its name alone."""
        return repr(name)

    def call(self, function: str, given: str) -> str:
        """Return the option at fault alone, or the command."""
        return given or self.command


def _spelt(name: str, info: OptionInfo) -> str:
    """Return how an option is typed; what typer is told first it takes for a default at first."""
    told = [one for one in (info.default, *(info.param_decls or ())) if isinstance(one, str)]
    return next((one for one in told if one.startswith("--")), f"--{name.replace('_', '-')}")


def _placeholder(kind: Any, metavar: str | None) -> str:
    """Return what stands for the value of an option: nothing for a flag."""
    if kind is bool:
        return ""
    return metavar or ("N" if {int, float} & {kind, *get_args(kind)} else "…")


def typed(value: str) -> str:
    """Return a value that is written in Python as it is typed behind an option.

    >>> typed("'auto'"), typed("[1e-4, 3e-4]"), typed("'3 epochs'"), typed("5")
    ('auto', '1e-4,3e-4', "'3 epochs'", '5')
    """
    if value[:1] in ("'", '"'):
        with contextlib.suppress(SyntaxError, ValueError):
            text = ast.literal_eval(value)
            return f'"{text}"' if "'" in text and '"' not in text else shlex.quote(text)
    if value.startswith("[") and value.endswith("]"):
        return ",".join(typed(item) for item in value[1:-1].split(", ")) or "''"
    return value


@contextlib.contextmanager
def spoken_errors(context: Options) -> Generator[None]:
    """Turn errors into one line on standard error; only what is a fault of ours passes.

    The exit code is 2 for what cannot mean what it says, 1 for what fails (a task, whose own frames
    come before the line, or the system), and 130 for Ctrl-C.
    """
    try:
        with speaking(context):
            yield
        return
    except TaskError as error:
        if error.traceback:
            say(error.traceback.rstrip(), err=True)
        told, code = str(error), 1
    except (ScheduleError, MissingExtra) as error:
        told, code = str(error), 2
    except KeyboardInterrupt:
        told = str(ScheduleError(context.command, "was stopped by hand", "call it again"))
        code = STOPPED
    except OSError as error:
        if error.errno == errno.EPIPE:  # whoever reads has seen enough
            raise
        told, code = str(_of_system(context.command, error)), 1
    tell(told)
    raise typer.Exit(code)


def _of_system(command: str, error: OSError) -> ScheduleError:
    """Return what to say of what the system refuses: no room, no right, no such place."""
    where = "" if error.filename is None else f" at {error.filename}"
    rule = f"cannot go on ({error.strerror or type(error).__name__}{where})"
    return ScheduleError(command, rule, "make room, or give another place")


UsageError: Any = typer.BadParameter.__base__
"""Of click, or of the one that typer brings along; it exports this one child of it."""


class Commands(TyperGroup):
    """The commands; whoever types one wrong is answered in one line, as for any error."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read what is typed in front of a command."""
        with one_line():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Read what is typed behind a command, and run it."""
        with one_line():
            return super().invoke(ctx)


@contextlib.contextmanager
def one_line() -> Generator[None]:
    """Turn the long answer to a command that cannot be read into one line."""
    try:
        yield
    except Misread as error:
        tell(str(error.told))
        raise typer.Exit(error.exit_code) from None
    except UsageError as error:
        command = "ratewise"
        if error.ctx is not None and error.ctx.parent is not None:
            command += f" {error.ctx.info_name}"
        rule, fix = f"cannot be read ({_said(error)})", _number_of(error) or f"see {command} --help"
        name = str(getattr(error, "option_name", ""))
        if " " in name.strip():  # the flags of a trainer, as one text
            fix = f'put the text behind --, as in {command} --total 1000 -- "{name[:40]}…"'
        tell(str(ScheduleError(command, rule, fix)))
        raise typer.Exit(error.exit_code) from None


def _number_of(error: Any) -> str:
    """Return what to write where an option takes a number and was given none, or ""."""
    with contextlib.suppress(AttributeError, LookupError, TypeError):
        kind = str(error.__cause__.errors()[0]["type"]).partition("_")[0]
        what = {"int": "a whole number", "float": "a number"}[kind]
        return f"write {error.param.opts[0]} N, with {what} for N"
    return ""


def _said(error: Any) -> str:
    """Return what is wrong with what was typed, and what that was, where it is not said."""
    told = error.format_message().rstrip(".")
    with contextlib.suppress(AttributeError, LookupError, TypeError):
        value = str(error.__cause__.errors()[0]["input"])
        return told if f"'{value}'" in told else f"{told}, got {shorten(value)}"
    return told


def tell(message: str) -> None:
    """Print an error."""
    from ratewise.view.terminal import is_coloured

    line = "error: " + printable(" ".join(message.split()))
    typer.echo(f"\033[31m{line}\033[0m" if is_coloured(sys.stderr) else line, err=True, color=True)
