"""`ratewise find`: the range test."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ratewise.cli.arguments import Json, Png, Quiet, Stack, Task, Word
from ratewise.cli.errors import Options
from ratewise.cli.output import check_figure, save_figure, say, say_json, shown_progress
from ratewise.cli.tasks import load_task


def find(
    task: Task,
    lowest: Annotated[float | None, typer.Option(help="First rate; 1e-7 if not given.")] = None,
    highest: Annotated[float | None, typer.Option(help="Last rate; 10 if not given.")] = None,
    rungs: Annotated[int | None, typer.Option(help="Number of rates; 100 if not given.")] = None,
    updates: Annotated[int | None, typer.Option(help="Updates at each; 2 if not given.")] = None,
    seeds: Annotated[int | None, typer.Option(help="Sweeps; 3 if not given.")] = None,
    engine: Annotated[
        Word, typer.Option(help="serial, or stacked: all sweeps in one call of the model.")
    ] = None,
    stack: Stack = None,
    as_json: Json = False,
    quiet: Quiet = False,
    figure: Png = None,
) -> None:
    """Raise the learning rate until training breaks, and say where to train."""
    from ratewise.range_test import find as test

    options: dict[str, Any] = {"lowest": lowest, "highest": highest, "rungs": rungs}
    options |= {"updates": updates, "seeds": seeds, "engine": engine, "stack": stack}
    if figure is not None:
        check_figure(figure)
    given = {name: value for name, value in options.items() if value is not None}
    asked = load_task(task)
    with shown_progress(quiet) as view:
        found = test(asked, **given, progress=view).told(Options.of(find))
    if figure is not None:
        save_figure(found, figure)
    if as_json:
        say_json(found.to_dict())
    else:
        say(found.text(), coloured=True)
