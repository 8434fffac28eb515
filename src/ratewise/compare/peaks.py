"""Search a schedule's best peak with Optuna's sampler, on a ladder that widens at its ends."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ratewise._extras import require
from ratewise.compare.halving import Train
from ratewise.runs.records import Results, Stopped
from ratewise.runs.specs import RunSpec
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import shorten

PER_DECADE = 8
"""Rungs of the ladder per decade: neighbours are apart by a factor of 1.33."""

WIDER = 4
"""Rungs by which the ladder grows where the best peak is its last: half a decade."""

FIRST = (0.5, 0.25, 0.75)
"""Where all searches begin, as shares of the ladder, so that they can share what they train."""

SpecsAt = Callable[[Mapping[str, Sequence[float]]], Sequence[RunSpec]]
"""Returns the runs of the candidates named, each at the peaks given."""


@dataclass(frozen=True)
class Search:
    """Look for the best peak of each candidate, with the same number of tries for each.

    Peaks lie on a ladder, 8 to a decade, so that candidates tried at the same peak share their
    beginnings. The first three are the same for all; then Optuna's TPE asks, and is told the mean
    metric over the seeds. When the best peak so far is the first or last of the ladder, the ladder
    grows there by half a decade.

    Args:
        low: Smallest peak at first, in (0, high).
        high: Largest peak at first.
        tries: Peaks tried for each candidate, at least 3.
        seed: Seed of the sampler.

    Raises:
        ScheduleError: a number outside its interval.

    Source: Bergstra et al. 2011, Algorithms for Hyper-Parameter Optimization (TPE).
    """

    low: float
    high: float
    tries: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        if not (0 < self.low < self.high < math.inf):
            rule = f"needs 0 < low < high, got {shorten(self.low)} and {shorten(self.high)}"
            raise ScheduleError("Search", rule, "write Search(1e-5, 1e-2)")
        if self.tries < len(FIRST):
            rule = f"needs tries of at least {len(FIRST)}"
            raise ScheduleError(f"Search(tries={self.tries})", rule, "write tries=8")

    @classmethod
    def around(cls, peak: float, tries: int = 8) -> Search:
        """Return the search from a tenth to ten times a peak."""
        return cls(peak / 10, peak * 10, tries)


@dataclass(eq=False)
class PeakSearch:
    """The search for one candidate: ask for a peak, tell what it gave.

    Args:
        search: Where to look, and how long.
        higher_is_better: Whether more of the metric is better.

    Attributes:
        told: What was tried so far, by rung: the mean metric, NaN if a run did not finish.
        widened: The sides on which the ladder grew, "below" and "above", in order.
    """

    search: Search
    higher_is_better: bool = False
    told: dict[int, float] = field(default_factory=dict[int, float])
    widened: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        self._bottom, self._top = 0, max(2, self._rung(self.search.high))
        self._optuna = optuna = require("optuna", extra="search")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of samplers that Optuna calls experimental
            sampler = optuna.samplers.TPESampler(n_startup_trials=len(FIRST), seed=self.search.seed)
        level = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        try:
            self._study = optuna.create_study(sampler=sampler)
        finally:
            optuna.logging.set_verbosity(level)

    def peak(self, rung: int) -> float:
        """Return the peak of a rung: low · 10^(rung / 8), rounded to three digits."""
        return float(f"{self.search.low * 10 ** (rung / PER_DECADE):.3g}")

    def peaks(self, rungs: Sequence[int]) -> list[float]:
        """Return the peaks of some rungs."""
        return [self.peak(rung) for rung in rungs]

    def first(self) -> list[int]:
        """Return the rungs that all searches begin with."""
        return [round(share * self._top) for share in FIRST]

    @property
    def left(self) -> int:
        """Tries that are left."""
        return self.search.tries - len(self.told)

    def ask(self) -> int:
        """Return the next rung, one that was not tried."""
        self._widen()
        for _ in range(4):
            rung = self._study.ask({"rung": self._span(self._bottom, self._top)}).params["rung"]
            if rung not in self.told:
                return rung
            self._teach(rung, self.told[rung])
        return self._nearest_untried()

    def tell(self, rung: int, value: float) -> None:
        """Take note of the mean metric at a rung; NaN if a run there did not finish."""
        self.told[rung] = value
        self._teach(rung, value)

    def best(self) -> int | None:
        """Return the best rung so far, or None if nothing finished."""
        finished = {rung: value for rung, value in self.told.items() if math.isfinite(value)}
        return min(finished, key=lambda r: self._cost(finished[r])) if finished else None

    def _widen(self) -> None:
        best = self.best()
        if best is None:
            failed = bool(self.told) and min(self.told) <= self._bottom
            side = "below" if failed else None
        else:
            side = {self._bottom: "below", self._top: "above"}.get(best)
        if side == "below":
            self._bottom -= WIDER
        elif side == "above":
            self._top += WIDER
        if side:
            self.widened.append(side)

    def _nearest_untried(self) -> int:
        """Return the untried rung nearest to the best one, widening the ladder if none is left."""
        best = self.best()
        centre = best if best is not None else self._bottom
        free = [r for r in range(self._bottom, self._top + 1) if r not in self.told]
        if not free:
            self._top += WIDER
            self.widened.append("above")
            free = [self._top]
        return min(free, key=lambda r: abs(r - centre))

    def _rung(self, peak: float) -> int:
        return round(math.log10(peak / self.search.low) * PER_DECADE)

    def _span(self, low: int, high: int) -> Any:
        return self._optuna.distributions.IntDistribution(low, high)

    def _cost(self, value: float) -> float:
        return -value if self.higher_is_better else value

    def _teach(self, rung: int, value: float) -> None:
        """Tell the sampler; a run that did not finish is worse than the worst that did."""
        costs = [self._cost(one) for one in self.told.values() if math.isfinite(one)]
        worst = max(costs, default=0.0)
        failed = worst + (worst - min(costs, default=-1.0))
        trial = self._optuna.trial.create_trial(
            params={"rung": rung},
            distributions={"rung": self._span(min(self._bottom, rung), max(self._top, rung))},
            value=self._cost(value) if math.isfinite(value) else failed,
        )
        self._study.add_trial(trial)


def search_peaks(
    specs_at: SpecsAt, train: Train, names: Sequence[str], search: Search
) -> tuple[Results, list[str]]:
    """Train rounds of runs until every candidate has had its tries.

    The first round tries the same three peaks for all, so that what they begin with is shared;
    later ones what each candidate's own sampler asks for.

    Args:
        specs_at: Returns the runs of the candidates named, each at the peaks given.
        train: Trains runs to their ends.
        names: The candidates.
        search: Where to look, and how long.

    Returns:
        What came of the runs of all rounds, and for whom the range of peaks grew.

    Raises:
        Stopped: a round was stopped by hand; `.results` hold all rounds so far.
    """
    first = PeakSearch(search)
    results = train(specs_at(dict.fromkeys(names, first.peaks(first.first()))), 0)
    searches = {name: PeakSearch(search, results.higher_is_better) for name in names}
    asked = dict.fromkeys(names, first.first())
    new = results
    while True:
        for name, rungs in asked.items():
            for rung in rungs:
                searches[name].tell(rung, _mean(new, name, searches[name].peak(rung)))
        asked = {name: [one.ask()] for name, one in searches.items() if one.left > 0}
        if not asked:
            return replace(results, reused=0, damaged=0), _grown(searches)
        peaks = {name: searches[name].peaks(rungs) for name, rungs in asked.items()}
        try:
            new = train(specs_at(peaks), results.trained)
        except Stopped as stop:
            raise Stopped(_joined(results, stop.results)) from stop
        results = _joined(results, new)


def _mean(results: Results, name: str, peak: float) -> float:
    """Return the mean final metric over the seeds; NaN if a run did not finish."""
    runs = (run for run in results.runs if (run.name, run.peak) == (name, peak))
    values = [run.metrics[results.metric] for run in runs]
    return float(np.mean(values)) if values and np.isfinite(values).all() else math.nan


def _joined(old: Results, new: Results) -> Results:
    """Return the results of two rounds as one, candidate by candidate."""
    names = list(dict.fromkeys(run.name for run in (*old.runs, *new.runs)))
    runs = sorted((*old.runs, *new.runs), key=lambda run: names.index(run.name))
    trained, asked = old.trained + new.trained, old.asked + new.asked
    return replace(old, runs=tuple(runs), trained=trained, asked=asked)


def _grown(searches: Mapping[str, PeakSearch]) -> list[str]:
    notes: list[str] = []
    for side in ("below", "above"):
        grew = [name for name, one in searches.items() if side in one.widened]
        if grew:
            notes.append(f"The range of peaks was widened {side} for {', '.join(grew)}.")
    return notes
