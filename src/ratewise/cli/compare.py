"""`ratewise compare`: candidates trained on a task, and the verdict."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from ratewise import ScheduleError
from ratewise._extras import require
from ratewise.cli import arguments as args
from ratewise.cli.errors import STOPPED, Options
from ratewise.cli.output import check_failures, say, watched, write_results
from ratewise.cli.parsing import completed, read_peaks, read_specs, read_total, read_workers
from ratewise.cli.tasks import load_task
from ratewise.show.files import check_new

_PEAKS = "Peak learning rates, such as 1e-4,3e-4, or auto."
_SEEDS = "Seeds that each schedule is trained with; 3 if not given."


def compare(
    task: args.TaskOrNot = None,
    specs: args.SpecsOrNot = None,
    total: args.Total = None,
    peaks: Annotated[args.Word, typer.Option(help=_PEAKS)] = None,
    prune: Annotated[
        args.Word, typer.Option(help="halving: drop the worse ones, once cooled.")
    ] = None,
    seeds: Annotated[int | None, typer.Option(help=_SEEDS, min=1)] = None,
    epoch: args.Epoch = None,
    samples: args.Samples = None,
    tokens: args.Tokens = None,
    metric: args.Metric = None,
    journal: args.Journal = None,
    disk: args.Disk = "0",
    checkpoints: args.Checkpoints = None,
    workers: args.Workers = "0",
    engine: args.Engine = None,
    address: args.Address = None,
    stack: args.Stack = None,
    resume: args.Resume = None,
    trust: args.Trust = False,
    quiet: args.Quiet = False,
    out: args.Out = None,
) -> None:
    """Train schedules on a task, each beginning they share once, and say which is best."""
    from ratewise.compare import compare as train
    from ratewise.runs.engines.config import EngineConfig
    from ratewise.runs.journal import read_size, remember

    given = {"task": task, "specs": specs, "total": total, "peaks": peaks, "seeds": seeds}
    given |= {"prune": prune, "metric": metric}
    given |= {"epoch": epoch, "samples": samples, "tokens": tokens}
    options: Any = {"disk": read_size(disk), "checkpoints": checkpoints}
    options |= {"workers": read_workers(workers), "engine": engine, "address": address}
    options |= {"stack": stack, "trust": trust}
    EngineConfig(
        engine, options["workers"], address, stack
    )  # refused now, before anything is written
    if resume is None and task and specs:
        read_candidates(given)  # refused now, before anything is written
    if out is not None:
        check_new(f"--out {out}", out)
    words = asked(given, resume, trust)
    candidates, lengths = read_candidates(words)
    if words["seeds"] > 1:
        require("scipy", extra="search")  # it judges at the end: missed now, not then
    options |= {"peaks": read_peaks(words["peaks"]), "journal": journal or resume, **lengths}
    options |= {name: words[name] for name in ("seeds", "metric", "prune")}
    task_asked_for = load_task(words["task"])
    if options["journal"] is not None:
        remember(options["journal"], words)
    comparison, stopped = watched(partial(train, task_asked_for, candidates, **options), quiet)
    if not stopped:
        check_failures(comparison, only=True)
    comparison = replace(comparison, context=Options.of(compare))
    say(str(comparison))
    if out is not None:
        say(write_results(comparison, out))
    if stopped:
        raise typer.Exit(STOPPED)
    check_failures(comparison)


def read_candidates(words: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return candidates by name, and what says how long they are.

    Raises:
        ScheduleError: a schedule, a peak or a length cannot be as it is written.
    """
    from ratewise.show import show

    read_peaks(words["peaks"])
    total = read_total(words["total"])
    units = {name: words[name] for name in ("epoch", "samples", "tokens")}
    candidates, _ = read_specs(words["specs"], total=total, **units)
    show(candidates, total, **units)
    return candidates, {"total": total, **units}


def asked(given: Mapping[str, Any], resume: Path | None, trust: bool) -> dict[str, Any]:
    """Return what a comparison is asked for, completed by what a journal remembers of the last.

    Raises:
        ScheduleError: there is nothing to resume, or a task and schedules are missing.
    """
    from ratewise.runs.journal import asked_for

    believed = trust or given["task"] is not None
    known = {} if resume is None else asked_for(resume, trust=believed)
    if known.get("command") == "choose" and not given["specs"]:
        again = shlex.quote(str(resume))
        fix = f"write ratewise choose --resume {again}, or give a task and schedules"
        raise ScheduleError(f"--resume {resume}", "was begun by choose, not by compare", fix)
    words = completed(given, known)
    if not words["task"] or not words["specs"]:
        fix = "write ratewise compare MODULE:TASK SPEC…, or --resume runs.db"
        raise ScheduleError("ratewise compare", "needs a task and schedules", fix)
    words["seeds"] = 3 if words["seeds"] is None else words["seeds"]
    return words
