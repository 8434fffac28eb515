"""What a search comes to: the choice, its evidence, and what to try next."""

from __future__ import annotations

from collections.abc import Iterator

from ratewise.advise import Advice
from ratewise.choose.handover import TaskOptimizer
from ratewise.choose.result import Choice
from ratewise.choose.search import Ending, ScheduleSearch
from ratewise.compare.comparison import Comparison, failed
from ratewise.range_test import RangeTestResult
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import Call, Fix
from ratewise.tasks.failures import TaskError
from ratewise.view.format import format_rate


def conclude(
    search: ScheduleSearch,
    advice: Advice,
    range_test: RangeTestResult | None,
    optimizer: TaskOptimizer,
    interrupted: bool = False,
) -> Choice:
    """Return what a search comes to, or has come to when it was interrupted.

    Raises:
        ScheduleError: nothing has got to its end.
        KeyboardInterrupt: the same, as it was interrupted.
    """
    leaders = search.leaders(1)
    if not leaders:
        if interrupted:
            raise KeyboardInterrupt("stopped before a run was finished")
        raise _none_finished(search)
    proof = search.proof or _unproven(search)
    run = search.space.runs[leaders[0]]
    best = proof.verdict.best
    if best is not None:
        peak = next(one.peak for one in proof.standings if one.name == best)
        run = next(r for r in search.space.runs if (r.name, r.peak) == (best, peak))
    ending = Ending.BY_HAND if interrupted else search.ending
    return Choice(
        name=run.name,
        schedule=search.space.schedules[run.name],
        peak=run.peak,
        total=len(run.rates),
        proof=proof,
        trials=tuple(search.trials),
        expected=tuple(search.expectations()),
        spent=dict(search.spent),
        budget=search.budget,
        exhaustive=search.exhaustive,
        advice=advice,
        found=range_test,
        stopped=ending.value if ending else "",
        notes=(*search.notes, *failed(list(search.records.values()), search.metric)),
        next_steps=tuple(_next_steps(search, proof)),
        optimizer=optimizer,
    )


def _none_finished(search: ScheduleSearch) -> ScheduleError:
    """Return why there is nothing to choose from: exceptions, the metric, or the rates."""
    runs, who = list(search.records.values()), Call("choose")
    told = [note.rstrip(".") for note in failed(runs, search.metric)]
    broken = [run for run in runs if run.error is not None]
    if broken:
        return broken[0].as_error(who, f"found no run that finishes: {told[0]}")
    if told:
        rule = f"found no run that finishes: {told[0]}"
        fix = Fix("look at the metric, or name another with {metric}", metric="…")
        return TaskError(who, rule, fix)
    rule = f"found no run that finishes: {len(runs)} were tried, and all broke"
    fix = Fix("give lower {peaks}, or look at the task", peaks="…")
    return ScheduleError(who, rule, fix)


def _unproven(search: ScheduleSearch) -> Comparison:
    """Return the finalists as a comparison of the one seed that they were trained with."""
    finals = tuple(search.records[i] for i in search.leaders(search.finalists))
    asked = sum(len(one.rates) for one in finals)
    return Comparison(finals, search.metric, search.sign < 0, asked, asked)


def _next_steps(search: ScheduleSearch, proof: Comparison) -> Iterator[str]:
    if search.ending is Ending.BUDGET:
        proposal = search.searcher.ask()
        if proposal is not None and proposal.worth > 0:
            run = search.space.runs[proposal.run]
            yield (
                f"A larger budget: next comes {run.name} at {format_rate(run.peak)}, "
                f"{proposal.updates:,} updates more, expected at "
                f"{search.sign * proposal.mean:.4g} ± {proposal.spread:.2g}."
            )
    best = search.searcher.best
    side = None if best is None else search.space.edge(best)
    if side is not None:
        end = search.space.peaks[0 if side == "below" else -1]
        yield f"Peaks {side} {format_rate(end)}, the last that was tried and the best."
    seeds = len(proof.standings[0].values) if proof.standings else 0
    if len(proof.verdict.within) > 1 and seeds:
        yield f"More than {seeds} seed{'s' * (seeds > 1)}, if the finalists have to be told apart."
