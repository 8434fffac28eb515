"""Every candidate at its own best peak: rounds of a comparison, each at the peaks asked for."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ratewise.compare.comparison import Comparison, Interrupted
from ratewise.compare.peaks import PeakSearch, Search

Round = Callable[[Mapping[str, Sequence[float]]], Comparison]
"""Compares the candidates named, each at the peaks given."""


def search_peaks(once: Round, names: Sequence[str], search: Search) -> Comparison:
    """Run rounds until every candidate has had its tries; return all their runs as one comparison.

    The first round tries the same three peaks for all, so that what they begin with is shared;
    later ones what each candidate's own sampler asks for.

    Raises:
        Interrupted: a round was stopped by hand; `.comparison` holds all rounds so far.
    """
    found: Comparison | None = None
    searches: dict[str, PeakSearch] = {}
    asked: dict[str, list[int]] = {}
    try:
        while found is None or asked:
            if found is None:
                first = PeakSearch(search)
                asked = {name: first.first() for name in names}
                ladder = dict.fromkeys(names, first)
            else:
                ladder = searches
            peaks = {name: [ladder[name].peak(r) for r in rungs] for name, rungs in asked.items()}
            new = once(peaks)
            if not searches:
                searches = {name: PeakSearch(search, new.higher_is_better) for name in names}
            for name, rungs in asked.items():
                for rung in rungs:
                    searches[name].tell(rung, _mean(new, name, searches[name].peak(rung)))
            found = new if found is None else _joined(found, new)
            asked = {name: [one.ask()] for name, one in searches.items() if one.left > 0}
    except Interrupted as stop:
        both = stop.comparison if found is None else _joined(found, stop.comparison)
        raise Interrupted(both) from stop
    return replace(found, notes=tuple(_notes(searches)))


def _mean(comparison: Comparison, name: str, peak: float) -> float:
    """Return the mean final metric over the seeds; NaN if a run did not finish."""
    metric = comparison.metric
    values = [r.metrics[metric] for r in comparison.runs if (r.name, r.peak) == (name, peak)]
    return float(np.mean(values)) if values and np.isfinite(values).all() else math.nan


def _joined(old: Comparison, new: Comparison) -> Comparison:
    """Return one comparison of the runs of two, candidate by candidate."""
    names = list(dict.fromkeys(run.name for run in (*old.runs, *new.runs)))
    runs = sorted((*old.runs, *new.runs), key=lambda run: names.index(run.name))
    counts: Any = {"trained": old.trained + new.trained, "asked": old.asked + new.asked}
    return replace(old, runs=tuple(runs), **counts)


def _notes(searches: Mapping[str, PeakSearch]) -> list[str]:
    """Say for whom the range grew, and for whom a better peak may still lie outside."""
    notes: list[str] = []
    for side in ("below", "above"):
        grew = [name for name, one in searches.items() if side in one.widened]
        if grew:
            notes.append(f"The range of peaks was widened {side} for {', '.join(grew)}.")
    return notes
