"""The story of a choice in words, chapter by chapter."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ratewise.choose.orders import Expected
from ratewise.choose.search import Trial
from ratewise.compare.comparison import Comparison
from ratewise.compare.verdict import Verdict
from ratewise.range_test import RangeTestResult
from ratewise.runs.records import Record
from ratewise.schedule import Schedule
from ratewise.view.format import format_rate, format_table

UNTRIED = 5
"""Runs that nobody has trained and that are told of, the best expected."""

STAGES = {
    "find": "range test",
    "own": "your own settings",
    "probe": "probes",
    "search": "search",
    "prove": "repeats",
}

STACKED = "~"
"""What stands before a metric of a run that was trained in a stack."""

PICK, WHERE, SEARCH = "What to use", "Where the task learns", "What was tried"
PROOF, REST, USE = "How sure it is", "What was not tried", "How to use it"


def headline(name: str, peak: float, total: int, *, own: bool, sure: bool, refused: bool) -> str:
    """Return what to use, in one line.

    Args:
        name: Name of the best.
        peak: Its peak.
        total: Updates in a run.
        own: Whether it is what the task does of its own accord.
        sure: Whether it is better than that beyond noise, as far as anybody can tell.
        refused: Whether nothing is recommended.
    """
    run = f"a peak of {format_rate(peak)}, over {total:,} updates:"
    if refused:
        return f"Of what was tried “{name}” was ahead, at {run}"
    if own:
        return f"Keep {name}, with {run}"
    if not sure:
        return f"Keep your own settings, or use “{name}”, which is as good, at {run}"
    return f"Use “{name}” at {run}"


def so_far(line: str) -> str:
    """Return a headline as of a choice that was stopped before it was made."""
    return f"Stopped by hand, before the choice was made. So far: {line[0].lower()}{line[1:]}"


def refused(text: str, advice: Sequence[str]) -> list[str]:
    """Return why nothing is recommended, and what to try."""
    return [f"No recommendation. {text}", *advice]


def ending(stopped: str) -> list[str]:
    """Return why the search ended, if it did."""
    return [f"The search ended as {stopped}."] if stopped else []


def cost(spent: Mapping[str, int], budget: int, exhaustive: int) -> str:
    """Return what it cost, as a sentence."""
    parts = [f"{STAGES[name]} {n:,}" for name, n in spent.items() if n]
    trained = sum(spent.values())
    return (
        f"{trained:,} updates of {budget:,} were used ({', '.join(parts)}): "
        f"{trained / exhaustive:.1%} of the {exhaustive:,} that everything with every seed would "
        "take."
    )


def pick(first: str, schedule: Schedule, proof: Comparison, metric: float, text: str) -> list[str]:
    """Return what to use and how it ends: a headline, the schedule, the metric and the verdict."""
    seeds = len(proof.standings[0].values) if proof.standings else 0
    over = f"mean over {seeds} seeds" if seeds > 1 else "with one seed"
    return [first, f"    {schedule}", f"It ends at {proof.metric} {metric:.4g}, {over}. {text}"]


def where(
    expected: Sequence[Expected], found: RangeTestResult | None, notes: Sequence[str]
) -> list[str]:
    """Return what was to choose from, and where the peaks come from."""
    peaks = sorted({one.peak for one in expected})
    names = len({one.name for one in expected})
    first = (
        f"{names} schedules at {len(peaks)} peaks, {format_rate(peaks[0])} to "
        f"{format_rate(peaks[-1])}, were to choose from."
    )
    if found is None:
        first += " The peaks were given."
    elif found.rate is not None:
        first += f" The ladder of peaks is about {format_rate(found.rate)}, by a range test."
    return [first, *notes]


def searched(
    trials: Sequence[Trial], metric: str, higher_is_better: bool, own: Record | None
) -> list[str]:
    """Return the runs of the search, a line each, and how they were picked."""
    rows: list[tuple[str, ...]] = [("", "schedule", "peak", metric, "expected", "updates")]
    if own is not None:
        cells = own.name, format_rate(own.peak), _ended(own.metrics[metric])
        rows.append(("", *cells, "own", f"{len(own.rates):,}"))
    sign = -1.0 if higher_is_better else 1.0
    best = math.inf
    for trial in trials:
        better = math.isfinite(trial.metric) and sign * trial.metric < best
        best = sign * trial.metric if better else best
        known = trial.expected == trial.expected
        expected = f"{trial.expected:.4g} ± {trial.spread:.2g}" if known else trial.stage
        ended = f"{STACKED if trial.stacked else ''}{_ended(trial.metric)}"
        cells = trial.name, format_rate(trial.peak), ended
        rows.append(("*" if better else "", *cells, expected, f"{trial.updates:,}"))
    why = (
        "One seed each; * is the best so far. After the probes came, each time, the run with the "
        "highest expected improvement per update that it still cost."
    )
    return [*_indented(format_table(rows, left=(0, 1))), why, *stacks(trials)]


def stacks(trials: Sequence[Trial], which: str = f"What begins with {STACKED} was") -> list[str]:
    """Return which figures are of runs that were trained in stacks, or nothing."""
    if not any(trial.stacked for trial in trials):
        return []
    return [
        f"{which} trained in a stack, many runs in one call of the model: alone they would end the "
        "same within rounding. What proves the pick was trained alone."
    ]


def stack_of(run: Record) -> str:
    """Return that a run was trained in a stack, to stand behind how it ended."""
    return ", in a stack" if run.stacked else ""


def _ended(metric: float) -> str:
    return f"{metric:.4g}" if math.isfinite(metric) else "broke"


def proved(proof: Comparison, verdict: Verdict) -> list[str]:
    """Return the repeats of the finalists, and what they allow to say."""
    return [*_indented(proof.table()), *str(verdict).splitlines()]


def rest(expected: Sequence[Expected], next_steps: Sequence[str]) -> list[str]:
    """Return what nobody has trained, the best expected first."""
    untried = [one for one in expected if not one.trained]
    if not untried:
        return ["Everything was tried."]
    lines = [
        f"  {one.name} at {format_rate(one.peak)}: expected {one.metric:.4g} ± {one.spread:.2g}"
        for one in untried[:UNTRIED]
    ]
    head = f"{len(untried)} runs; the best expected of them, with one standard deviation:"
    return [head, *lines, *(f"Worth trying: {step}" for step in next_steps)]


def state(run: Record) -> str:
    """Return how a run ended, in a word or two."""
    if run.error is not None:
        return "failed"
    if run.diverged is not None:
        return f"broke at update {run.diverged:,}"
    return "ended" if run.ended else "stopped"


def _indented(text: str) -> list[str]:
    return [f"  {line}" for line in text.splitlines()]
