"""The command line: commands that parse, call and print."""

from __future__ import annotations

import io
import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from ratewise import __version__
from ratewise._extras import require
from ratewise.cli.advise import advise, recipes
from ratewise.cli.choose import choose
from ratewise.cli.errors import spoken_errors
from ratewise.cli.output import check_new, watched, write_results, writing
from ratewise.cli.parsing import read_peaks, read_specs, read_total
from ratewise.cli.predict import predict
from ratewise.cli.tasks import load_task

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

_SPECS = (
    'Schedules such as "Warmup(50) >> Cosine(to=0.1)", or files with a schedule or the config of '
    "another framework; name=SPEC gives a name."
)
_OUT = "New folder for results.json and figure.png."
Specs = Annotated[list[str], typer.Argument(metavar="SPEC", help=_SPECS)]
SpecsOrNot = Annotated[
    list[str] | None, typer.Argument(metavar="SPEC", help=_SPECS, show_default=False)
]
Total = Annotated[str | None, typer.Option(help='Updates in the run, or "3 epochs".', metavar="N")]
Epoch = Annotated[float | None, typer.Option(help="Updates in an epoch.", metavar="N")]
Samples = Annotated[float | None, typer.Option(help="Samples in an update.", metavar="N")]
Tokens = Annotated[float | None, typer.Option(help="Tokens in an update.", metavar="N")]
Rate = Annotated[float | None, typer.Option(help="Learning rate at level 1.", metavar="RATE")]
Png = Annotated[Path | None, typer.Option(help="Write a figure (.png, .svg, .pdf).")]
Measured = Annotated[
    Path | None, typer.Option(help="CSV or JSON of metrics, for schedules that listen to some.")
]
Target = Annotated[
    str,
    typer.Option(
        "--to", metavar="TARGET", help="torch, keras, optax, transformers, deepspeed or lightning."
    ),
]
Nearly = Annotated[
    bool, typer.Option("--approximate", help="Take the nearest that the target can express.")
]
Log = Annotated[bool, typer.Option("--log", help="Draw levels on a logarithmic scale.")]
TaskOrNot = Annotated[
    str | None, typer.Argument(metavar="MODULE:TASK", help="What to train.", show_default=False)
]
Peaks = Annotated[str | None, typer.Option(help="Peak learning rates, such as 1e-4,3e-4, or auto.")]
Seeds = Annotated[
    int | None,
    typer.Option(help="Seeds that each schedule is trained with; 3 if not given.", min=1),
]
Journal = Annotated[Path | None, typer.Option(help="File that keeps all that is trained.")]
Disk = Annotated[str, typer.Option(help="What checkpoints may take that nobody needs now: 2GB.")]
Place = Annotated[str | None, typer.Option(help="Folder or address of checkpoints: s3://…")]
Prune = Annotated[str | None, typer.Option(help="halving: drop the worse ones, once cooled.")]
Workers = Annotated[str, typer.Option(help="Worker processes, or auto: one per device.")]
Engine = Annotated[str | None, typer.Option(help="Who trains: serial, processes or ray.")]
Address = Annotated[str | None, typer.Option(help="Of a cluster of Ray.")]
Resume = Annotated[Path | None, typer.Option(help="Journal of a comparison to go on with.")]
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
    metrics: Measured = None,
) -> None:
    """Draw schedules, and say where they change and what they add up to."""
    with spoken_errors():
        from ratewise.show import show as look

        units: Any = {"epoch": epoch, "samples": samples, "tokens": tokens}
        named, guessed = read_specs(specs, total=read_total(total), **units)
        several = list(named) if list(named) == list(named.values()) else named
        picture = look(several, read_total(total), lr=lr, log=log, metrics=metrics, **units)
        for line in guessed:
            typer.echo(line, err=True)
        if png is not None:
            with writing(png):
                picture.save(png)
        typer.echo(picture.text(), color=True)


@app.command()
def compare(
    task: TaskOrNot = None,
    specs: SpecsOrNot = None,
    total: Total = None,
    peaks: Peaks = None,
    prune: Prune = None,
    seeds: Seeds = None,
    epoch: Epoch = None,
    samples: Samples = None,
    tokens: Tokens = None,
    metric: Metric = None,
    journal: Journal = None,
    disk: Disk = "0",
    checkpoints: Place = None,
    workers: Workers = "0",
    engine: Engine = None,
    address: Address = None,
    resume: Resume = None,
    out: Out = None,
) -> None:
    """Train schedules on a task, each beginning they share once, and say which is best."""
    with spoken_errors():
        from ratewise.choose import compare as train
        from ratewise.cli.journal import asked
        from ratewise.runs.engines.config import EngineConfig
        from ratewise.runs.journal import read_size
        from ratewise.show import show as look

        units: Any = {"epoch": epoch, "samples": samples, "tokens": tokens}
        given = {"task": task, "specs": specs, "total": total, "peaks": peaks, "seeds": seeds}
        given["prune"] = prune
        size, hired = read_size(disk), int(workers) if workers.isdecimal() else workers
        EngineConfig(engine, hired, address)  # refused now, before anything is written
        if resume is None and task and specs:  # refused now, before anything is written
            rates, length = read_peaks(peaks), read_total(total)
            look(read_specs(specs, total=length, **units)[0], length, **units)
        if out is not None:
            check_new(out)
        words = asked({**given, "metric": metric, **units}, resume, journal)
        rates, length = read_peaks(words["peaks"]), read_total(words["total"])
        units = {name: words[name] for name in units}
        candidates, _ = read_specs(words["specs"], total=length, **units)
        look(candidates, length, **units)
        if words["seeds"] > 1:
            require("scipy", extra="search")  # it judges at the end: missed now, not then
        options: Any = {"total": length, "peaks": rates, "seeds": words["seeds"]}
        options |= {"metric": words["metric"], "journal": words["journal"], "disk": size}
        options |= {"workers": hired, "engine": engine, "address": address}
        options |= {"checkpoints": checkpoints, "prune": words["prune"]}
        what = load_task(words["task"])
        training = partial(train, what, candidates, **options, **units)
        comparison, stopped = watched(training)
        typer.echo(str(comparison))
        if out is not None:
            typer.echo(write_results(comparison, out))
    if stopped:
        raise typer.Exit(130)


@app.command()
def find(
    task: Annotated[str, typer.Argument(metavar="MODULE:TASK", help="What to train.")],
    lowest: Annotated[float | None, typer.Option(help="First rate; 1e-7 if not given.")] = None,
    highest: Annotated[float | None, typer.Option(help="Last rate; 10 if not given.")] = None,
    rungs: Annotated[int | None, typer.Option(help="Number of rates; 100 if not given.")] = None,
    updates: Annotated[int | None, typer.Option(help="Updates at each; 2 if not given.")] = None,
    seeds: Annotated[int | None, typer.Option(help="Sweeps; 3 if not given.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
    figure: Png = None,
) -> None:
    """Raise the learning rate until training breaks, and say where to train."""
    with spoken_errors():
        from ratewise.cli.find import found_as_text

        ladder: Any = {"lowest": lowest, "highest": highest, "rungs": rungs}
        text = found_as_text(task, as_json, figure, **ladder, updates=updates, seeds=seeds)
        typer.echo(text, color=True)


@app.command()
def status(
    journal: Annotated[Path, typer.Argument(help="The journal of a comparison.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Say how far a comparison is that keeps a journal, from any terminal."""
    with spoken_errors():
        from ratewise.cli.journal import described

        typer.echo(described(journal, as_json))


@app.command()
def convert(
    spec: Annotated[str, typer.Argument(metavar="FILE", help="A config or schedule, or its file.")],
    to: Target,
    total: Total = None,
    epoch: Epoch = None,
    samples: Samples = None,
    tokens: Tokens = None,
    approximate: Nearly = False,
) -> None:
    """Write a schedule, or what a config of another framework says, as code or config of one."""
    with spoken_errors():
        from ratewise.convert import read, write

        units: Any = {
            "total": read_total(total),
            "epoch": epoch,
            "samples": samples,
            "tokens": tokens,
        }
        named, guessed = read_specs([spec], **units)
        plan = read(next(iter(named.values())), **units)
        for line in [*guessed, *(f"note: {note}" for note in plan.notes)]:
            typer.echo(line, err=True)
        typer.echo(write(plan, to, approximate=approximate, **units))


app.command()(advise)
app.command()(choose)
app.command()(predict)
app.command()(recipes)


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # where ⠤ cannot be written, a question mark is
    app()
