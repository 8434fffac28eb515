"""`ratewise convert`: from one framework's way of writing to another's."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ratewise.cli.arguments import Epoch, Samples, Tokens, Total
from ratewise.cli.parsing import read_specs, read_total

_TARGETS = "torch, keras, optax, transformers, deepspeed or lightning."
_APPROXIMATE = "Take the nearest that the target can express."


def convert(
    spec: Annotated[str, typer.Argument(metavar="FILE", help="A config or schedule, or its file.")],
    target: Annotated[str, typer.Option("--to", metavar="TARGET", help=_TARGETS)],
    total: Total = None,
    epoch: Epoch = None,
    samples: Samples = None,
    tokens: Tokens = None,
    approximate: Annotated[bool, typer.Option("--approximate", help=_APPROXIMATE)] = False,
) -> None:
    """Write a schedule, or what a config of another framework says, as code or config of one."""
    from ratewise.convert import read, write

    units: Any = {"epoch": epoch, "samples": samples, "tokens": tokens}
    units["total"] = read_total(total)
    named, guessed = read_specs([spec], **units)
    plan = read(next(iter(named.values())), **units)
    for line in [*guessed, *(f"note: {note}" for note in plan.notes)]:
        typer.echo(line, err=True)
    typer.echo(write(plan, target, approximate=approximate, **units))
