"""`ratewise choose`: the whole way."""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from ratewise import ScheduleError
from ratewise._extras import require
from ratewise.cli import arguments as args
from ratewise.cli.errors import STOPPED, Options, tell
from ratewise.cli.output import check_failures, say, say_json, watched
from ratewise.cli.parsing import (
    check_spec,
    completed,
    read_peaks,
    read_specs,
    read_total,
    read_workers,
)
from ratewise.cli.tasks import load_task
from ratewise.schedule.errors import speaking
from ratewise.show.files import check_new

NO_ANSWER = 4
"""Exit code where there is nothing to recommend: nothing finished, or nothing was learned."""

TARGETS = ("deepspeed", "keras", "lightning", "optax", "torch", "transformers")
_CANDIDATES = "Schedules to choose from, as show takes them; the usual ones without."


def choose(
    task: args.TaskOrNot = None,
    specs: Annotated[
        list[str] | None, typer.Argument(metavar="SPEC", help=_CANDIDATES, show_default=False)
    ] = None,
    total: args.Total = None,
    budget: Annotated[
        int | None, typer.Option(metavar="UPDATES", help="What may be trained in all; 24 runs.")
    ] = None,
    peaks: Annotated[
        args.Word, typer.Option(help="Peak rates; by a range test if not given.")
    ] = None,
    seeds: Annotated[int | None, typer.Option(help="Seeds of the finalists; 3.", min=1)] = None,
    finalists: Annotated[int | None, typer.Option(help="Schedules repeated; 3.", min=1)] = None,
    own: Annotated[
        args.Word,
        typer.Option(metavar="SPEC", help="The task's own schedule, where it cannot be asked."),
    ] = None,
    epoch: args.Epoch = None,
    samples: args.Samples = None,
    tokens: args.Tokens = None,
    metric: args.Metric = None,
    journal: args.Journal = None,
    resume: args.Resume = None,
    trust: args.Trust = False,
    disk: args.Disk = "10GB",
    checkpoints: args.Checkpoints = None,
    workers: args.Workers = "0",
    engine: args.Engine = None,
    address: args.Address = None,
    stack: args.Stack = None,
    code: Annotated[
        args.Word, typer.Option(metavar="TARGET", help=f"Print it as code: {', '.join(TARGETS)}.")
    ] = None,
    as_json: args.Json = False,
    quiet: args.Quiet = False,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="New folder for report.html, choice.json, figure.png."),
    ] = None,
) -> None:
    """Find out which schedule at which peak suits a task: probe, predict, prove.

    What it finds has to be better than the task's own settings. The exit code is 4 where there is
    nothing to recommend: no run finished, or none is better than the untrained model, than a
    constant answer, or than the others, or the best peak is the last that was tried.
    """
    require("scipy", extra="search")
    from ratewise.choose import Choice, ChoiceInterrupted
    from ratewise.choose import choose as find_out
    from ratewise.choose.summary import NothingFinished
    from ratewise.runs.engines.config import EngineConfig
    from ratewise.runs.journal import remember

    if code is not None and code not in TARGETS:
        fix = f"write one of {', '.join(TARGETS)}"
        raise ScheduleError(f"--code {code}", "is no target", fix)
    if out is not None:
        check_new(f"--out {out}", out)
    hired = read_workers(workers)
    EngineConfig(engine, hired, address, stack)  # refused now, before anything is written
    given = {"task": task, "total": total, "budget": budget, "peaks": peaks, "seeds": seeds}
    given |= {"finalists": finalists, "specs": specs, "metric": metric, "own": own}
    given |= {"epoch": epoch, "samples": samples, "tokens": tokens}
    words = asked(given, resume, trust)
    options = read_options(words)
    options |= {"disk": disk, "checkpoints": checkpoints}
    options |= {"workers": hired, "engine": engine, "address": address}
    options |= {"stack": stack, "trust": trust}
    what = load_task(words["task"])
    kept = journal or resume
    if kept is not None:
        remember(kept, {"command": "choose", **words})
    try:
        with speaking(Options.of(choose)):  # also of what is caught here
            found, stopped = watched(partial(find_out, what, journal=kept, **options), quiet)
    except ChoiceInterrupted as stop:
        found, stopped = stop.choice, True
    except KeyboardInterrupt:
        found, stopped = None, True
        say("stopped before a run was finished", err=True)
    except NothingFinished as error:
        tell(str(error))
        raise typer.Exit(NO_ANSWER) from None
    if kept is not None and not stopped:
        remember(kept, {"command": "choose", **words, "ended": True})
    if isinstance(found, Choice):
        found = replace(found, proof=replace(found.proof, context=Options.of(choose)))
        found = found.asked_by(shlex.join(["ratewise", *sys.argv[1:]]))
        _print(found, as_json, code, out)
    if stopped and kept is not None:
        say(f"go on with  ratewise choose --resume {shlex.quote(str(kept))}", err=True)
    if stopped:
        raise typer.Exit(STOPPED)
    if isinstance(found, Choice):
        check_failures(found.proof)
        if found.refusal is not None:
            raise typer.Exit(NO_ANSWER)


def asked(given: dict[str, Any], resume: Path | None, trust: bool) -> dict[str, Any]:
    """Return what is asked for, completed by what a journal remembers.

    Raises:
        ScheduleError: there is nothing to resume, or a task or a length is missing.
    """
    known: dict[str, Any] = {}
    if resume is not None:
        from ratewise.runs.journal import asked_for

        known = asked_for(resume, trust=trust or given["task"] is not None)
        if known.get("command") != "choose":
            rule = "was begun by compare, not by choose"
            again = shlex.quote(str(resume))
            fix = f"write ratewise compare --resume {again}, or give the task and the total"
            if given["task"] is None or given["total"] is None:
                raise ScheduleError(f"--resume {resume}", rule, fix)
            known = {}
    words = completed(given, known)
    if not words["task"] or not words["total"]:
        fix = "write ratewise choose MODULE:TASK --total N, or --resume runs.db"
        raise ScheduleError("ratewise choose", "needs a task and the length of a run", fix)
    return words


def read_options(words: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of `choose` that words stand for."""
    units = {name: words[name] for name in ("epoch", "samples", "tokens")}
    total = read_total(words["total"])
    peaks = read_peaks(words["peaks"])
    if isinstance(peaks, str):
        peaks = None  # "auto" is what it does
    options: dict[str, Any] = {"total": total, "peaks": peaks, "metric": words["metric"], **units}
    options |= {
        name: words[name] for name in ("budget", "seeds", "finalists") if words[name] is not None
    }
    check_spec("--own", words.get("own"))
    if words.get("own") is not None:
        options["own"] = words["own"]
    if words["specs"]:
        options["candidates"] = read_specs(words["specs"], total=total, **units)[0]
    return options


def _print(found: Any, as_json: bool, code: str | None, out: Path | None) -> None:
    if as_json:
        say_json(found.to_dict())
    elif code is not None:
        if found.refusal is not None:
            say(f"No recommendation. {found.refusal.text}", err=True)
        say(found.code(code))
    else:
        say(found.report(), coloured=True)
    if out is not None:
        found.save(out)
        say(f"wrote {out / 'report.html'}", err=as_json or code is not None)
