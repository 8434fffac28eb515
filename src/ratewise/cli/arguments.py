"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_SPECS = (
    'Schedules such as "Warmup(50) >> Cosine(to=0.1)", or files with a schedule or the config of '
    "another framework; name=SPEC gives a name."
)
Word = str | None
Specs = Annotated[list[str], typer.Argument(metavar="SPEC", help=_SPECS)]
SpecsOrNot = Annotated[
    list[str] | None, typer.Argument(metavar="SPEC", help=_SPECS, show_default=False)
]
Task = Annotated[str, typer.Argument(metavar="MODULE:TASK", help="What to train.")]
TaskOrNot = Annotated[
    Word, typer.Argument(metavar="MODULE:TASK", help="What to train.", show_default=False)
]
Total = Annotated[Word, typer.Option(help='Updates in the run, or "3 epochs".', metavar="N")]
Epoch = Annotated[float | None, typer.Option(help="Updates in an epoch.", metavar="N")]
Samples = Annotated[float | None, typer.Option(help="Samples in an update.", metavar="N")]
Tokens = Annotated[float | None, typer.Option(help="Tokens in an update.", metavar="N")]
Lr = Annotated[float | None, typer.Option(help="Learning rate at level 1.", metavar="RATE")]
Epochs = Annotated[float | None, typer.Option(help="Epochs in the run.", metavar="N")]
BatchSize = Annotated[
    float | None, typer.Option(help="Samples a process takes at once.", metavar="N")
]
Accumulation = Annotated[float | None, typer.Option(help="Batches in an update.", metavar="N")]
Processes = Annotated[float | None, typer.Option(help="Processes that train.", metavar="N")]
Examples = Annotated[
    float | None,
    typer.Option(help="Samples in an epoch, from which its updates follow.", metavar="N"),
]
FormatName = Annotated[
    str | None,
    typer.Option("--format", help="Format, such as megatron.", metavar="NAME"),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", help="What a format asks for besides.", metavar="KEY=VALUE"),
]
Png = Annotated[Path | None, typer.Option(help="Write a figure (.png, .svg, .pdf).")]
Journal = Annotated[Path | None, typer.Option(help="File that keeps all that is trained.")]
Resume = Annotated[Path | None, typer.Option(help="Journal of what is to go on.")]
Trust = Annotated[
    bool, typer.Option("--trust", help="Run what a journal of somebody else names or holds.")
]
Metric = Annotated[Word, typer.Option(help="Metric that decides; else the task's first.")]
Disk = Annotated[str, typer.Option(help="What checkpoints may take that nobody needs now: 2GB.")]
Checkpoints = Annotated[Word, typer.Option(help="Folder or address of checkpoints: s3://…")]
Workers = Annotated[str, typer.Option(help="Worker processes, or auto: one per device.")]
Engine = Annotated[Word, typer.Option(help="Who trains: serial, processes, ray or stacked.")]
Stack = Annotated[
    int | None, typer.Option(help="Runs in a stack; else as many as fit, if it pays.", min=1)
]
Address = Annotated[Word, typer.Option(help="Of a cluster of Ray.")]
Out = Annotated[
    Path | None, typer.Option(help="New folder for results.json and figure.png.", metavar="DIR")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]
Json = Annotated[bool, typer.Option("--json", help="Print it as JSON.")]
