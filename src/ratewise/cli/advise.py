"""`ratewise advise`: rules and schedules for what is known."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from ratewise.cli.arguments import Word
from ratewise.cli.output import say
from ratewise.tasks.failures import name_of, users_code

_TASK = (
    "pretraining, continued pretraining, fine-tuning, preference tuning, vision transfer, "
    "image classification or other."
)
_OPTIMIZER = "adam, adamw, sgd, muon, schedule-free, prodigy, d-adaptation or other."
_SEEN = "spikes, plateau, divergence, jitter, edge peak, early best, late best; more than once."
_STATE = "What to read facts from: trainer_state.json of a Trainer, or MODULE:TASK."
ASKED = ("task", "kind", "method", "optimizer", "horizon", "total")

Count = int | None
Number = float | None


def advise(
    task: Annotated[Word, typer.Option(help=_TASK)] = None,
    method: Annotated[Word, typer.Option(help="full or lora.")] = None,
    optimizer: Annotated[Word, typer.Option(help=_OPTIMIZER)] = None,
    kind: Annotated[Word, typer.Option(help="language model, encoder or vision.")] = None,
    batch: Annotated[Count, typer.Option(help="Samples in an update.")] = None,
    batch_before: Annotated[Count, typer.Option(help="The same, when the peak was tuned.")] = None,
    examples: Annotated[Count, typer.Option(help="Samples to train on.")] = None,
    total: Annotated[Count, typer.Option(help="Updates in the run.")] = None,
    horizon: Annotated[Word, typer.Option(help="known or open.")] = None,
    trials: Annotated[Count, typer.Option(help="Runs that can be paid for.")] = None,
    beta2: Annotated[Number, typer.Option(help="Second beta of the optimizer.")] = None,
    peak: Annotated[Number, typer.Option(help="Peak rate in use, of the batch before.")] = None,
    seen: Annotated[list[str] | None, typer.Option(help=_SEEN, show_default=False)] = None,
    state: Annotated[Word, typer.Option("--from", help=_STATE, metavar="FILE|TASK")] = None,
) -> None:
    """Say which rules fit what is known, with their sources, and which schedules to try."""
    from ratewise.advise import advise as ask_the_rules

    given: dict[str, Any] = {"task": task, "method": method, "optimizer": optimizer}
    given |= {"kind": kind, "batch": batch, "batch_before": batch_before}
    given |= {"examples": examples, "total": total, "horizon": horizon, "trials": trials}
    given |= {"beta2": beta2, "peak": peak, "seen": _signs(seen)}
    known = {name: value for name, value in given.items() if value is not None}
    if state is not None:
        known = _completed(known, state)
    if is_terminal():
        known |= {name: value for name in ASKED if (value := _ask(name, known)) is not None}
    say(str(ask_the_rules(**known)))


def is_terminal() -> bool:
    """Whether there is somebody to ask."""
    return sys.stdin.isatty()


def _signs(seen: list[str] | None) -> list[str] | None:
    """Return what `--seen` names, given again and again or with commas between."""
    if not seen:
        return None
    return [sign.strip() for given in seen for sign in given.split(",") if sign.strip()]


def _completed(known: dict[str, Any], source: str) -> dict[str, Any]:
    """Return what was given, completed by what a record or a task shows; what it shows is said."""
    if ":" in source and not Path(source).exists():
        from ratewise.advise.from_task import infer
        from ratewise.cli.tasks import load_task

        task = load_task(source)
        with users_code(name_of(task)):
            found, told = infer(task)
    else:
        from ratewise.advise.from_log import read_facts
        from ratewise.logs.signs import signs_in
        from ratewise.logs.trainer_state import read_state

        state = read_state(source)
        signs = signs_in(source)
        found, told = read_facts(state.rows, state.made, state.planned)
        if any(sign.stops for sign in signs):  # no rule speaks of such a run's course
            found, told = {k: v for k, v in found.items() if k != "seen"}, told[:2]
        told = [*map(str, signs), *told]
    for line in told:
        say(f"{source}: {line}", err=True)
    signs = {*known.get("seen", ()), *found.get("seen", ())}
    return found | known | ({"seen": signs} if signs else {})


def _ask(name: str, known: dict[str, Any]) -> str | int | None:
    """Return what the user at the terminal says of a fact, or None."""
    from ratewise.advise.facts import CHOICES

    if name in known:
        return None
    choices = f" ({', '.join(CHOICES[name])})" if name in CHOICES else " (updates in the run)"
    answer = typer.prompt(f"{name}{choices}, Enter if not known", "", show_default=False, err=True)
    return int(answer) if answer.isdecimal() else answer.strip() or None
