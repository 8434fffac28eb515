"""`ratewise show`: schedules as they look."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ratewise.cli.arguments import Png, Specs
from ratewise.cli.output import say
from ratewise.cli.run_options import RunOptions, with_run_options
from ratewise.show.files import writing

_METRICS = "CSV or JSON of metrics, for schedules that listen to some."


@with_run_options
def show(
    specs: Specs,
    run: RunOptions,
    png: Png = None,
    log: Annotated[bool, typer.Option("--log", help="Draw levels on a logarithmic scale.")] = False,
    metrics: Annotated[Path | None, typer.Option(help=_METRICS)] = None,
) -> None:
    """Draw schedules, and say where they change and what they add up to."""
    from ratewise.show import show as draw

    readings, guessed = run.readings(specs)
    named: Any = {n: each if isinstance(each, str) else each.plan for n, each in readings.items()}
    length = run.length
    if length is None:
        stated = {each.total for each in readings.values() if not isinstance(each, str)} - {None}
        length = f"{stated.pop()} updates" if len(stated) == 1 else run.in_epochs
    unnamed = list(named) == list(named.values())
    curves = list(named) if unnamed else named
    picture = draw(curves, length, lr=run.lr, log=log, metrics=metrics, **run.units)
    for line in guessed:
        say(line, err=True)
    if png is not None:
        with writing(str(png)):
            picture.save(png)
    say(picture.text(), coloured=True)
