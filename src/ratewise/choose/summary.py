"""What a campaign comes to, in numbers and in words."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ratewise.choose.search import ScheduleSearch
from ratewise.compare.comparison import Comparison
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import Call, Fix
from ratewise.view.ticks import rate as spell

if TYPE_CHECKING:
    from ratewise.choose.result import Choice

STAGES = {
    "find": "range test",
    "probe": "probes",
    "search": "search",
    "prove": "repeats",
}


def conclude(campaign: ScheduleSearch, interrupted: bool) -> dict[str, Any]:
    """Return the fields of a `Choice`.

    Raises:
        ScheduleError: nothing has got to its end.
    """
    from ratewise.choose.result import Expected

    leaders = campaign.leaders(1)
    if not leaders:
        if interrupted:
            raise KeyboardInterrupt("stopped before a run was finished")
        rule = f"found no run that finishes: {len(campaign.trials)} were tried, and all broke"
        fix = Fix("give lower {peaks}, or look at the task", peaks="…")
        raise ScheduleError(Call("choose"), rule, fix)
    proof = campaign.proof or _unproven(campaign)
    run = campaign.space.runs[leaders[0]]
    best = proof.verdict.best
    if best is not None:
        peak = next(one.peak for one in proof.standings if one.name == best)
        run = next(r for r in campaign.space.runs if (r.name, r.peak) == (best, peak))
    trained = {(trial.name, trial.peak) for trial in campaign.trials}
    expected = [
        Expected(one.name, one.peak, metric, 0.0 if known else spread, known)
        for one, metric, spread in campaign.believed()
        for known in [(one.name, one.peak) in trained]
    ]
    sign = campaign.sign
    return {
        "name": run.name,
        "schedule": campaign.space.schedules[run.name],
        "peak": run.peak,
        "total": len(run.rates),
        "proof": proof,
        "trials": tuple(campaign.trials),
        "expected": tuple(sorted(expected, key=lambda one: sign * one.metric)),
        "spent": dict(campaign.spent),
        "budget": campaign.budget,
        "exhaustive": campaign.exhaustive,
        "stopped": "it was stopped by hand" if interrupted else campaign.stopped,
        "notes": tuple(campaign.notes),
        "next_steps": tuple(_next_steps(campaign, proof)),
    }


def _unproven(campaign: ScheduleSearch) -> Comparison:
    """Return the finalists as a comparison of the one seed that they were trained with."""
    finals = tuple(campaign.records[i] for i in campaign.leaders(campaign.finalists))
    asked = sum(len(one.rates) for one in finals)
    return Comparison(finals, campaign.metric, campaign.sign < 0, asked, asked)


def _next_steps(campaign: ScheduleSearch, proof: Comparison) -> Iterator[str]:
    """Say what would be worth trying next."""
    if campaign.stopped == "the budget is spent":
        found = campaign.pursuit.ask()
        if found is not None and found.worth > 0:
            run = campaign.space.runs[found.run]
            yield (
                f"A larger budget: next comes {run.name} at {spell(run.peak)}, "
                f"{found.updates:,} updates more, expected at {campaign.sign * found.mean:.4g} "
                f"± {found.spread:.2g}."
            )
    side = None if campaign.pursuit.best is None else campaign.space.edge(campaign.pursuit.best)
    if side is not None:
        end = campaign.space.peaks[0 if side == "below" else -1]
        yield f"Peaks {side} {spell(end)}, the last that was tried and the best."
    seeds = len(proof.standings[0].values) if proof.standings else 0
    within = proof.verdict.within
    if len(within) > 1 and seeds:
        yield f"More than {seeds} seed{'s' * (seeds > 1)}, if the finalists have to be told apart."


def cost(choice: Choice) -> str:
    """Return what it cost, as a sentence."""
    parts = [f"{STAGES[name]} {n:,}" for name, n in choice.spent.items() if n]
    share = choice.trained / choice.exhaustive
    return (
        f"{choice.trained:,} updates of {choice.budget:,} were used ({', '.join(parts)}): "
        f"{share:.1%} of the {choice.exhaustive:,} that everything with every seed would take."
    )


def summary(choice: Choice) -> str:
    """Return the choice in a few lines."""
    lines = [
        f"Use “{choice.name}” at a peak of {spell(choice.peak)}, over {choice.total:,} updates:",
        f"  {choice.schedule}",
        "",
        choice.proof.table(),
        "",
        str(choice.verdict),
        *choice.notes,
        f"The search ended as {choice.stopped}." if choice.stopped else "",
        cost(choice),
    ]
    if choice.next_steps:
        lines += ["Worth trying next:", *(f"  {one}" for one in choice.next_steps)]
    return "\n".join(lines)


def as_dict(choice: Choice) -> dict[str, Any]:
    """Return everything as JSON types."""
    return {
        "name": choice.name,
        "schedule": str(choice.schedule),
        "peak": choice.peak,
        "total": choice.total,
        "plan": choice.plan.to_dict(),
        "metric": choice.proof.metric,
        "value": _plain(choice.metric),
        "verdict": choice.verdict.text,
        "within": list(choice.verdict.within),
        "trials": [_plains(asdict(one)) for one in choice.trials],
        "expected": [_plains(asdict(one)) for one in choice.expected],
        "spent": choice.spent,
        "budget": choice.budget,
        "exhaustive": choice.exhaustive,
        "stopped": choice.stopped,
        "notes": list(choice.notes),
        "next_steps": list(choice.next_steps),
        "find": None if choice.found is None else choice.found.to_dict(),
        "proof": choice.proof.to_dict(),
    }


def _plains(row: dict[str, Any]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in row.items()}


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
