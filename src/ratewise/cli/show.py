"""`ratewise show`: schedules as they look."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ratewise.cli.arguments import Epoch, Png, Samples, Specs, Tokens, Total
from ratewise.cli.parsing import read_specs, read_total
from ratewise.show.files import writing


def show(
    specs: Specs,
    total: Total = None,
    epoch: Epoch = None,
    samples: Samples = None,
    tokens: Tokens = None,
    lr: Annotated[float | None, typer.Option(metavar="RATE", help="Rate at level 1.")] = None,
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
    named, guessed = read_specs(specs, total=length, **units)
    unnamed = list(named) == list(named.values())
    picture = draw(list(named) if unnamed else named, length, lr=lr, log=log, metrics=metrics,
                   **units)  # fmt: skip
    for line in guessed:
        typer.echo(line, err=True)
    if png is not None:
        with writing(str(png)):
            picture.save(png)
    typer.echo(picture.text(), color=True)
