"""The command line: commands that parse, call and print."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import inspect
import io
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import typer

from ratewise import ScheduleError, __version__, parse
from ratewise._extras import require
from ratewise.schedule.errors import nearest, shorten

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

_SPECS = 'Schedules such as "Warmup(50) >> Cosine(to=0.1)"; name=SPEC gives a name.'
_OUT = "New folder for results.json and figure.png."
Specs = Annotated[list[str], typer.Argument(metavar="SPEC", help=_SPECS)]
Total = Annotated[str | None, typer.Option(help='Updates in the run, or "3 epochs".', metavar="N")]
Epoch = Annotated[float | None, typer.Option(help="Updates in an epoch.", metavar="N")]
Samples = Annotated[float | None, typer.Option(help="Samples in an update.", metavar="N")]
Tokens = Annotated[float | None, typer.Option(help="Tokens in an update.", metavar="N")]
Rate = Annotated[float | None, typer.Option(help="Learning rate at level 1.", metavar="RATE")]
Png = Annotated[Path | None, typer.Option(help="Write a figure (.png, .svg, .pdf).")]
Log = Annotated[bool, typer.Option("--log", help="Draw levels on a logarithmic scale.")]
TaskName = Annotated[str, typer.Argument(metavar="MODULE:TASK", help="What to train.")]
Peaks = Annotated[str | None, typer.Option(help="Peak learning rates, such as 1e-4,3e-4.")]
Seeds = Annotated[int, typer.Option(help="Seeds that each schedule is trained with.", min=1)]
Metric = Annotated[str | None, typer.Option(help="Metric that decides; else the task's first.")]
Out = Annotated[Path | None, typer.Option(help=_OUT, metavar="DIR")]


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


@app.command()
def show(
    specs: Specs,
    total: Total = None,
    epoch: Epoch = None,
    samples: Samples = None,
    tokens: Tokens = None,
    lr: Rate = None,
    png: Png = None,
    log: Log = False,
) -> None:
    """Draw schedules, and say where they change and what they add up to."""
    with spoken_errors():
        from ratewise.show import show as look

        named = read_specs(specs)
        several = list(named) if list(named) == list(named.values()) else named
        units: Any = {"epoch": epoch, "samples": samples, "tokens": tokens}
        picture = look(several, read_total(total), lr=lr, log=log, **units)
        if png is not None:
            with writing(png):
                picture.save(png)
        typer.echo(picture.text(), color=True)


@app.command()
def compare(
    task: TaskName,
    specs: Specs,
    total: Total = None,
    peaks: Peaks = None,
    seeds: Seeds = 3,
    epoch: Epoch = None,
    samples: Samples = None,
    tokens: Tokens = None,
    metric: Metric = None,
    out: Out = None,
) -> None:
    """Train schedules on a task, each beginning they share once, and say which is best."""
    with spoken_errors():
        from ratewise.choose import compare as train
        from ratewise.show import show as look

        candidates, rates, length = read_specs(specs), read_peaks(peaks), read_total(total)
        units: Any = {"epoch": epoch, "samples": samples, "tokens": tokens}
        look(candidates, length, **units)  # refused now, before the task is loaded
        if out is not None:
            check_new(out)
        if seeds > 1:
            require("scipy", extra="search")  # it judges at the end: missed now, not then
        options: Any = {"total": length, "peaks": rates, "seeds": seeds, "metric": metric}
        what = load_task(task)
        training = partial(train, what, candidates, **options, **units)
        comparison, stopped = watched(training)
        typer.echo(str(comparison))
        if out is not None:
            typer.echo(write_results(comparison, out))
    if stopped:
        raise typer.Exit(130)


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # where ⠤ cannot be written, a question mark is
    app()


# Saying what is wrong -----------------------------------------------------------------------


@contextlib.contextmanager
def spoken_errors() -> Generator[None]:
    """Turn our errors into one line on standard error and exit code 2; others pass."""
    try:
        yield
    except ScheduleError as error:
        message = f"{error.who} {error.rule}: {in_options(error.fix)}."
    except ImportError as error:
        if "pip install 'ratewise[" not in str(error):
            raise
        message = str(error)
    else:
        return
    from ratewise.show.terminal import is_coloured

    line = "error: " + " ".join(message.split())
    typer.echo(f"\033[31m{line}\033[0m" if is_coloured(sys.stderr) else line, err=True, color=True)
    raise typer.Exit(2)


def in_options(fix: str) -> str:
    """Return advice about arguments as advice about options."""
    fix = re.sub(r"give compare\(…, peaks=.*\)", "give --peaks 3e-4,1e-3,3e-3", fix)
    return re.sub(r"give (total|epoch|samples|tokens)=…", r"give --\1 N", fix)


# Reading what was typed ---------------------------------------------------------------------


def read_specs(specs: list[str]) -> dict[str, str]:
    """Return texts of schedules by name; without `name=` in front the text is the name."""
    named: dict[str, str] = {}
    for given in specs:
        match = re.fullmatch(r"\s*([^=(\"'{\[]+?)\s*=(.*)", given, re.DOTALL)
        name, spec = match.groups() if match else (given, given)
        parse(spec)
        if name in named:
            raise ScheduleError(shorten(name), "is given twice", "write name=SPEC with two names")
        named[name] = spec
    return named


def read_total(total: str | None) -> str | None:
    """Return a bare number, such as 10000 or 10k, as a length in updates."""
    plain = (total or "").replace(",", "")
    return f"{plain} updates" if re.fullmatch(r"[\d_.]+[kKMBGT]?", plain) else total


def read_peaks(peaks: str | None) -> list[float] | None:
    """Return the learning rates of a list such as "1e-4,3e-4"."""
    if peaks is None:
        return None
    try:
        return [float(peak) for peak in peaks.replace(",", " ").split()]
    except ValueError:
        rule, fix = "is not a list of learning rates", "write --peaks 1e-4,3e-4"
        raise ScheduleError(f"--peaks {shorten(peaks)}", rule, fix) from None


def load_task(text: str) -> Any:
    """Return the task that MODULE:TASK names, made if it is something that makes one."""
    place, colon, name = text.rpartition(":")
    if not (place and colon and name):
        rule, fix = "does not name a task", "write MODULE:TASK, such as examples/sentiment.py:task"
        raise ScheduleError(shorten(text), rule, fix)
    sys.path.insert(0, os.getcwd())
    found: Any = load_file(Path(place)) if place.endswith(".py") else load_module(place)
    for part in name.split("."):
        if not hasattr(found, part):
            known = [known for known in vars(found) if not known.startswith("_")]
            raise ScheduleError(place, f"has no {part!r}", nearest(part, known))
        found = getattr(found, part)
    if not callable(found) or (hasattr(found, "open") and not inspect.isclass(found)):
        return found
    try:
        inspect.signature(found).bind()
    except TypeError as error:
        fix = "name a task, or something that makes one without arguments"
        raise ScheduleError(text, f"cannot be called ({error})", fix) from None
    return found()


def load_module(name: str) -> ModuleType:
    """Import a module by name, from the current folder too."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise  # the module is there, and misses one of its own
        fix = f"run where it can be imported, or give a file, {name.replace('.', '/')}.py:TASK"
        raise ScheduleError(f"Module {error.name!r}", "is not found", fix) from None


def load_file(path: Path) -> ModuleType:
    """Import a file, which finds its neighbours as a script does."""
    if not path.is_file():
        rule, fix = "is not found", "give MODULE:TASK or FILE.py:TASK"
        raise ScheduleError(f"File {str(path)!r}", rule, fix)
    sys.path.insert(0, str(path.resolve().parent))
    name = path.stem if path.stem not in sys.modules else f"task_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    assert spec.loader is not None
    spec.loader.exec_module(module)
    return module


# Running and writing ------------------------------------------------------------------------


def watched(train: Callable[..., Any]) -> tuple[Any, bool]:
    """Return a comparison made under a progress bar, and whether Ctrl-C ended it early."""
    from rich import progress as bars
    from rich.console import Console

    from ratewise.choose.comparison import Interrupted

    console = Console(stderr=True)
    title = bars.TextColumn("{task.description}", markup=False)
    columns = (title, bars.BarColumn(), bars.MofNCompleteColumn(), bars.TimeRemainingColumn())
    hidden = not console.is_terminal
    with bars.Progress(*columns, console=console, transient=True, disable=hidden) as progress:
        bar = progress.add_task("starting", total=None)

        def tell(done: int, planned: int, what: str) -> None:
            progress.update(bar, completed=done, total=planned, description=what)

        try:
            return train(progress=tell), False
        except Interrupted as stop:
            return stop.comparison, True


def check_new(out: Path) -> None:
    """Refuse a folder that holds something or cannot be, before hours are spent on its content."""
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise ScheduleError(f"--out {out}", "is there already", "give a new folder")
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
        out.rmdir()


@contextlib.contextmanager
def writing(path: Path) -> Generator[None]:
    """Say it in one line if a path cannot be written to."""
    try:
        yield
    except OSError as error:
        rule = f"cannot be written ({error.strerror})"
        raise ScheduleError(str(path), rule, "give another place") from None


def write_results(comparison: Any, out: Path) -> str:
    """Write results.json and figure.png, all or nothing; return what was written."""
    content = {"version": __version__, **comparison.to_dict()}
    text = json.dumps(content, indent=1, allow_nan=False)
    part = out.resolve().with_name(f".{out.name}-{os.getpid()}")
    part.mkdir()
    try:
        (part / "results.json").write_text(text + "\n", encoding="utf-8")
        try:
            comparison.figure().savefig(part / "figure.png", dpi=150)
            said = f"wrote {out / 'results.json'} and {out / 'figure.png'}"
        except ImportError as missing:
            said = f"wrote {out / 'results.json'}; no figure: {missing}"
        part.rename(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return said
