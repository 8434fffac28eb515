"""`ratewise convert`: from one framework's way of writing to another's."""

from __future__ import annotations

from typing import Annotated

import typer

from ratewise.cli.output import say
from ratewise.cli.run_options import RunOptions, with_run_options

_TARGETS = "torch, keras, optax, transformers, deepspeed or lightning."
_APPROXIMATE = "Take the nearest that the target can express."


@with_run_options
def convert(
    spec: Annotated[str, typer.Argument(metavar="FILE", help="A config or schedule, or its file.")],
    target: Annotated[str, typer.Option("--to", metavar="TARGET", help=_TARGETS)],
    run: RunOptions,
    approximate: Annotated[bool, typer.Option("--approximate", help=_APPROXIMATE)] = False,
) -> None:
    """Write a schedule, or what a config of another framework says, as code or config of one."""
    from ratewise.convert import write
    from ratewise.convert.reading import read_source

    readings, guessed = run.readings([spec])
    (found,) = readings.values()
    if isinstance(found, str):
        found = read_source(found, **run.told)
    for line in [*guessed, *(f"note: {note}" for note in found.plan.notes)]:
        say(line, err=True)
    length = found.total if run.length is None else run.length
    say(write(found.plan, target, approximate=approximate, total=length, **run.units))
