"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ratewise import ScheduleError
from ratewise.cli.parsing import read_number

_SPECS = (
    'Schedules such as "Warmup(50) >> Cosine(to=0.1)", or files with a schedule or the config of '
    "another framework; name=SPEC gives a name."
)


class Misread(typer.BadParameter):
    """A value that an option cannot have, with the error that says so."""

    def __init__(self, told: ScheduleError) -> None:
        super().__init__(str(told))
        self.told = told


def _number(option: str, example: str, what: str, metavar: str = "N") -> Any:
    """Return an option that takes a number as people write it."""
    counts = metavar == "N"

    def parse(text: str) -> float:
        try:
            return read_number(option, str(text), counts=counts, example=example)
        except ScheduleError as error:
            raise Misread(error) from None

    return typer.Option(help=what, metavar=metavar, parser=parse)


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
Epoch = Annotated[float | None, _number("--epoch", "100", "Updates in an epoch.")]
Samples = Annotated[float | None, _number("--samples", "64", "Samples in an update.")]
Tokens = Annotated[float | None, _number("--tokens", "65536", "Tokens in an update.")]
Lr = Annotated[float | None, _number("--lr", "3e-4", "Learning rate at level 1.", "RATE")]
Epochs = Annotated[float | None, _number("--epochs", "3", "Epochs in the run.")]
BatchSize = Annotated[
    float | None, _number("--batch-size", "8", "Samples a process takes at once.")
]
Accumulation = Annotated[float | None, _number("--accumulation", "4", "Batches in an update.")]
Processes = Annotated[float | None, _number("--processes", "2", "Processes that train.")]
Examples = Annotated[
    float | None,
    _number("--examples", "10000", "Samples in an epoch, from which its updates follow."),
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
