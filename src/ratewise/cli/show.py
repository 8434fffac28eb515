"""`ratewise show`: schedules as they look."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ratewise.cli.arguments import (
    Accumulation,
    BatchSize,
    Epoch,
    Epochs,
    FormatName,
    Lr,
    Png,
    Processes,
    Samples,
    Settings,
    Specs,
    Tokens,
    Total,
)
from ratewise.cli.output import say
from ratewise.cli.parsing import read_readings, read_settings, read_total
from ratewise.show.files import writing


def show(
    specs: Specs,
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
    png: Png = None,
    log: Annotated[bool, typer.Option("--log", help="Draw levels on a logarithmic scale.")] = False,
    metrics: Annotated[
        Path | None, typer.Option(help="CSV or JSON of metrics, for schedules that listen to some.")
    ] = None,
) -> None:
    """Draw schedules, and say where they change and what they add up to."""
    from ratewise.show import show as draw

    units: Any = {"epoch": epoch, "samples": samples, "tokens": tokens}
    length = read_total(total)
    run: Any = {"lr": lr, "epochs": epochs, "batch_size": batch_size,
                "accumulation": accumulation, "processes": processes}  # fmt: skip
    run.update(read_settings(settings), format=format)
    if samples is None and batch_size is not None:
        units["samples"] = batch_size * (accumulation or 1) * (processes or 1)
    readings, guessed = read_readings(specs, total=length, **units, **run)
    named: Any = {n: each if isinstance(each, str) else each.plan for n, each in readings.items()}
    if length is None:
        stated = {each.total for each in readings.values() if not isinstance(each, str)} - {None}
        told = None if epochs is None else f"{epochs:g} epochs"
        length = f"{stated.pop()} updates" if len(stated) == 1 else told
    unnamed = list(named) == list(named.values())
    picture = draw(list(named) if unnamed else named, length, lr=lr, log=log, metrics=metrics,
                   **units)  # fmt: skip
    for line in guessed:
        say(line, err=True)
    if png is not None:
        with writing(str(png)):
            picture.save(png)
    say(picture.text(), coloured=True)
