"""`ratewise convert`: from one framework's way of writing to another's."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ratewise.cli.arguments import (
    Accumulation,
    BatchSize,
    Epoch,
    Epochs,
    FormatName,
    Lr,
    Processes,
    Samples,
    Settings,
    Tokens,
    Total,
)
from ratewise.cli.output import say
from ratewise.cli.parsing import read_readings, read_settings, read_total

_TARGETS = "torch, keras, optax, transformers, deepspeed or lightning."
_APPROXIMATE = "Take the nearest that the target can express."


def convert(
    spec: Annotated[str, typer.Argument(metavar="FILE", help="A config or schedule, or its file.")],
    target: Annotated[str, typer.Option("--to", metavar="TARGET", help=_TARGETS)],
    total: Total = None,
    epoch: Epoch = None,
    samples: Samples = None,
    tokens: Tokens = None,
    lr: Lr = None,
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    accumulation: Accumulation = None,
    processes: Processes = None,
    format: FormatName = None,
    settings: Settings = None,
    approximate: Annotated[bool, typer.Option("--approximate", help=_APPROXIMATE)] = False,
) -> None:
    """Write a schedule, or what a config of another framework says, as code or config of one."""
    from ratewise.convert import write
    from ratewise.convert.reading import read_source

    units: Any = {"epoch": epoch, "samples": samples, "tokens": tokens}
    length = read_total(total)
    run: Any = {"lr": lr, "epochs": epochs, "batch_size": batch_size,
                "accumulation": accumulation, "processes": processes}  # fmt: skip
    run.update(read_settings(settings), format=format)
    if samples is None and batch_size is not None:
        units["samples"] = batch_size * (accumulation or 1) * (processes or 1)
    readings, guessed = read_readings([spec], total=length, **units, **run)
    (found,) = readings.values()
    if isinstance(found, str):
        found = read_source(found, total=length, **units, **run)
    for line in [*guessed, *(f"note: {note}" for note in found.plan.notes)]:
        say(line, err=True)
    total_or_own = found.total if length is None else length
    say(write(found.plan, target, approximate=approximate, total=total_or_own, **units))
