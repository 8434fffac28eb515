"""`ratewise check`: what a config will really do, before it is trained with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ratewise.cli.arguments import Json, Word
from ratewise.cli.output import say, say_json
from ratewise.cli.parsing import is_file
from ratewise.cli.run_options import RunOptions, with_run_options

if TYPE_CHECKING:
    from ratewise.audit.check import PeakRange

TRAPPED = 4
"""Exit code where there is a trap."""

_FILES = "Configs, Python scripts, or schedules as text."
_TASK = "The task, as of `ratewise advise`: its published peaks are held against this one."
_METHOD = "full or lora."
_KIND = "language model, encoder or vision."
_OPTIMIZER = "adam, adamw, sgd, muon or other."
_STRICT = "Count minor things too, such as a first update at rate 0."


@with_run_options
def check(
    specs: Annotated[list[str], typer.Argument(metavar="CONFIG|SCRIPT", help=_FILES)],
    run: RunOptions,
    task: Annotated[Word, typer.Option(help=_TASK)] = None,
    method: Annotated[Word, typer.Option(help=_METHOD)] = None,
    kind: Annotated[Word, typer.Option(help=_KIND)] = None,
    optimizer: Annotated[Word, typer.Option(help=_OPTIMIZER)] = None,
    strict: Annotated[bool, typer.Option("--strict", help=_STRICT)] = False,
    json: Json = False,
) -> None:
    """Say which plan a config will be followed by, and the traps in it.

    Nothing is run, and nothing is trained. A trap ends with exit code 4.
    """
    from ratewise.audit.check import check as look

    known = {"task": task, "method": method, "kind": kind, "optimizer": optimizer}
    peaks = _published({name: value for name, value in known.items() if value is not None})
    found = [look(Path(spec) if is_file(spec) else spec, peaks=peaks, **run.told)
             for spec in specs]  # fmt: skip
    if json:
        say_json([one.to_dict() for one in found])
    else:
        for one in found:
            say(str(one))
    if any(one.traps if strict else not one.clean for one in found):
        raise typer.Exit(TRAPPED)


def _published(known: dict[str, Any]) -> PeakRange | None:
    """Return which peaks the rules know for a task, if they know one."""
    if not known:
        return None
    from ratewise.advise import advise
    from ratewise.audit.check import PeakRange

    rules = [one.rule for one in advise(**known).rules if one.rule.peak is not None]
    if not rules:
        return None
    rates = [float(rule.peak) for rule in rules if rule.peak is not None]
    return PeakRange(min(rates), max(rates), "; ".join(dict.fromkeys(r.source for r in rules)))
