"""What a search comes to: the choice, its evidence, and what to try next."""

from __future__ import annotations

from collections.abc import Iterator

from ratewise.advise import Advice
from ratewise.choose.handover import TaskOptimizer
from ratewise.choose.orders import Ending
from ratewise.choose.own import OwnSettings
from ratewise.choose.provenance import Provenance
from ratewise.choose.refusal import ChoiceRefusal, SearchEvidence, at_edge, refuse
from ratewise.choose.result import Choice
from ratewise.choose.search import SURE, ScheduleSearch
from ratewise.choose.untrained import Untrained
from ratewise.compare.comparison import Comparison, failed, unrepeated
from ratewise.compare.verdict import Noise
from ratewise.range_test import RangeTestResult
from ratewise.runs.records import Record
from ratewise.runs.specs import RunSpec
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import Call, Fix
from ratewise.tasks.failures import TaskError
from ratewise.view.format import format_rate


class NothingFinished(TaskError):
    """No run got to its end with a number: the rates, or the task, are to be looked at."""


def conclude(
    search: ScheduleSearch,
    advice: Advice,
    range_test: RangeTestResult | None,
    optimizer: TaskOptimizer,
    own: OwnSettings | None,
    untrained: Untrained,
    made: Provenance,
    interrupted: bool = False,
) -> Choice:
    """Return what a search comes to, or has come to when it was interrupted.

    Raises:
        NothingFinished: nothing has got to its end: every rate was too high, or the metric is none.
        TaskError: the same, as the task's code raised.
        KeyboardInterrupt: the same, as it was interrupted.
    """
    proof = search.proof or _unproven(search)
    run = _picked(search, proof)
    if run is None:
        if interrupted:
            raise KeyboardInterrupt("stopped before a run was finished")
        raise _none_finished(search)
    mine, runs = own is not None and run.name == own.name, _every(search, proof)
    ending = Ending.BY_HAND if interrupted else search.ending
    return Choice(
        name=run.name,
        schedule=own.schedule if mine and own is not None else search.space.schedules[run.name],
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
        notes=(*search.notes, *failed(_records(search), search.metric), *unrepeated(runs)),
        next_steps=tuple(_next_steps(search, proof)),
        optimizer=optimizer,
        own=own,
        refusal=None if interrupted else _refusal(search, proof, run, untrained),
        runs=tuple(runs),
        made=made.ended(),
    )


def _every(search: ScheduleSearch, proof: Comparison) -> list[Record]:
    """Return every run, each once: those of the search first, then those of other seeds."""
    each = {(one.name, one.peak, one.seed): one for one in [*_records(search), *proof.runs]}
    return list(each.values())


def _records(search: ScheduleSearch) -> list[Record]:
    """Return every run that was trained to find something, the task's own settings first."""
    own = [] if search.own_record is None else [search.own_record]
    return [*own, *search.records.values()]


def _picked(search: ScheduleSearch, proof: Comparison) -> RunSpec | None:
    """Return the best finalist, or None if none got to its end."""
    best = proof.verdict.best
    if best is None:
        return next((search.space.runs[i] for i in search.leaders(1)), None)
    if search.own is not None and best == search.own.name:
        return search.own
    peak = next(one.peak for one in proof.standings if one.name == best)
    return next(r for r in search.space.runs if (r.name, r.peak) == (best, peak))


def _refusal(
    search: ScheduleSearch, proof: Comparison, run: RunSpec, untrained: Untrained
) -> ChoiceRefusal | None:
    """Return why nothing is recommended, or None."""
    others = [one for one in _records(search) if one.seed == search.seeds[0]]
    later = [one for one in proof.runs if one.seed != search.seeds[0]]
    seeds = [*dict.fromkeys(one.seed for one in proof.runs)]
    told = proof.metric, proof.higher_is_better, proof.standings, seeds, [*others, *later]
    evidence = SearchEvidence(*told, untrained, SURE)
    return refuse(evidence) or _edge(search, proof, run, evidence)


def _edge(
    search: ScheduleSearch, proof: Comparison, run: RunSpec, evidence: SearchEvidence
) -> ChoiceRefusal | None:
    """Return that the best peak is the last of the ladder, if it is that beyond noise."""
    places = [i for i, one in enumerate(search.space.runs) if one is run]
    side = search.space.edge(places[0]) if places else None
    if side is None:
        return None
    known = {i: value for i, value in search.searcher.known.items() if value == value}
    inner = [value for i, value in known.items() if search.space.runs[i].peak != run.peak]
    finished = evidence.finished
    several = len(finished) > 1 and len(finished[0].values) > 1
    noise = Noise.of(finished).spread if several else search.searcher.surrogate.noise
    if not inner or places[0] not in known:
        return None
    return at_edge(side, search.space.peaks, known[places[0]], min(inner), noise)


def _none_finished(search: ScheduleSearch) -> ScheduleError:
    """Return why there is nothing to choose from: exceptions, the metric, or the rates."""
    runs, who = _records(search), Call("choose")
    told = [note.rstrip(".") for note in failed(runs, search.metric)]
    broken = [run for run in runs if run.error is not None]
    if broken:
        return broken[0].as_error(who, f"found no run that finishes: {told[0]}")
    if told:
        rule = f"found no run that finishes: {told[0]}"
        fix = Fix("look at the metric, or name another with {metric}", metric="…")
        return NothingFinished(who, rule, fix)
    if all(run.diverged == 0 for run in runs):
        rule = (
            "found no run that finishes: the loss is no number before the first update, in all of "
            f"{len(runs)} runs"
        )
        fix = "look at the loss, the data and their labels: no rate has acted yet"
        return NothingFinished(who, rule, fix)
    rule = f"found no run that finishes: {len(runs)} were tried, and the loss of all broke"
    fix = Fix("give lower {peaks}, or look at the loss and the data for NaN", peaks="…")
    return NothingFinished(who, rule, fix)


def _unproven(search: ScheduleSearch) -> Comparison:
    """Return the finalists as a comparison of the one seed that they were trained with."""
    own = [] if search.own_record is None else [search.own_record]
    finals = (*own, *(search.records[i] for i in search.leaders(search.finalists)))
    asked = sum(len(one.rates) for one in finals)
    return Comparison(finals, search.metric, search.sign < 0, asked, asked, searched=True)


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
    more, cost = proof.verdict.more_seeds, proof.verdict.cost
    if more is not None:
        yield f"{more} seed{'s' * (more > 1)} more, {cost:,} updates, to tell the best two apart."
