"""`ratewise audit`: what a run did with its learning rate, and whether that was meant."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ratewise import ScheduleError
from ratewise.cli.arguments import Json
from ratewise.cli.output import check_figure, save_figure, say, say_json
from ratewise.cli.parsing import check_spec
from ratewise.cli.reading import reading
from ratewise.cli.run_options import RunOptions, with_run_options
from ratewise.schedule.errors import Fix

DEPARTS, UNDECIDED = 4, 5
"""Exit codes of a run that departs from its plan, and of a log that cannot tell."""

_LOG = "trainer_state.json, event files, CSV, JSON lines, W&B, Trackio, a journal, or a folder."
_RUN = "The run, of a log with several."
_PLAN = "What was meant: a schedule, or the file of one or of a config."
_LOGGED = "Which rate stands beside step k: that of this update, or of the next."
_SKIPS = "Whether a loss scale may have skipped updates."


@with_run_options
def audit(
    log: Annotated[Path, typer.Argument(metavar="LOG", help=_LOG)],
    run: RunOptions,
    plan: Annotated[str | None, typer.Option(metavar="SPEC|FILE", help=_PLAN)] = None,
    step: Annotated[str | None, typer.Option(help="Column of updates.", metavar="COLUMN")] = None,
    rate: Annotated[str | None, typer.Option(help="Column of rates.", metavar="COLUMN")] = None,
    logged: Annotated[str | None, typer.Option(help=_LOGGED, metavar="this|next")] = None,
    skips: Annotated[bool | None, typer.Option("--skips/--no-skips", help=_SKIPS)] = None,
    framework: Annotated[str | None, typer.Option(help="Whose words advice is in.")] = None,
    named: Annotated[str | None, typer.Option(metavar="NAME", help=_RUN)] = None,
    save: Annotated[Path | None, typer.Option(help="Write a figure (.png, .svg, .pdf).")] = None,
    as_json: Json = False,
) -> None:
    """Hold the log of a run against its plan; without one, name what it did.

    Exit codes: 0 if it did what was meant or no plan was given, 4 if it departs, 5 if the log
    cannot tell.
    """
    from ratewise.audit import audit as held

    if save is not None:
        check_figure(save)
    check_spec("--plan", plan)
    if run.settings:
        fix = Fix("give {plan} a config that says it", plan="FILE")
        raise ScheduleError("--set", "is not for audits", fix)
    numbers = {name: getattr(run, name) for name in ("epochs", "batch_size", "accumulation",
               "processes", "format", "lr")}  # fmt: skip
    columns = {"step": step, "rate": rate, "logged": logged}
    units = {name: value for name, value in run.units.items() if name != "samples"}
    told: dict[str, Any] = {**numbers, **columns, **units, "samples": run.samples}
    told |= {"skips": skips, "framework": framework, "named": named}
    with reading() as progress:
        found = held(log, plan, total=run.length, progress=progress, **told)
    if save is not None:
        save_figure(found, save)
    if as_json:
        say_json(found.to_dict())
    else:
        say(found.text(), coloured=True)
    if found.agrees is False:
        raise typer.Exit(DEPARTS)
    if found.agrees is None and plan is not None:
        raise typer.Exit(UNDECIDED)
