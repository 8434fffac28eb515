"""Which run to train next: the one that promises most for the updates it still costs."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from ratewise._arrays import Floats
from ratewise.choose.experience import Experience
from ratewise.choose.hypotheses import Hypotheses
from ratewise.choose.surrogate import Surrogate, fit_surrogate
from ratewise.runs.tree import common_prefix
from ratewise.tasks.protocols import Rates

CHEAPEST = 0.02
"""Share of a run that even a run that shares nearly everything is taken to cost."""


WORTH_SAVING, MOST_CUTS = 0.2, 3
"""Least share of a run that a state saves whoever branches from it, and most states of a run."""


@dataclass(frozen=True)
class Proposal:
    """A run that might be trained next.

    Args:
        run: Its index in the space.
        updates: Updates that it still costs.
        mean: Expected final metric, less is better.
        spread: Standard deviation of that, retrain noise included.
        gain: Expected improvement over the best so far.
        worth: The same without retrain noise, in units of retrain noise.
    """

    run: int
    updates: int
    mean: float
    spread: float
    gain: float
    worth: float


@dataclass(eq=False)
class Searcher:
    """Asks for runs of a space, one after another, and is told how they ended.

    A run costs what it cannot branch from: everything behind the last saved state that it has in
    common with one that was trained. States are saved at the cuts of a run.

    Args:
        runs: The rates of every run of the space, float64[total] each.
        experience: What other tasks were like; what the package knows if not given.
        known: Final metric of the runs that were trained, less is better; NaN if one broke.

    >>> import ratewise as rw
    >>> shapes = [rw.Hold(), rw.Linear(to=0)]
    >>> rates = [lr * one.resolve(50).values() for one in shapes for lr in (0.1, 0.2, 0.4)]
    >>> searcher = Searcher(rates)
    >>> first = searcher.begin(0.2)
    >>> searcher.tell(first, 3.0); searcher.ask().run != first
    True
    """

    runs: Sequence[Rates]
    experience: Experience = field(default_factory=Experience.known)
    known: dict[int, float] = field(default_factory=dict[int, float])

    def __post_init__(self) -> None:
        self._hypotheses = Hypotheses.of(self.runs, self.experience)
        self._surrogate: Surrogate | None = None
        self._shared = np.zeros(len(self.runs), dtype=np.int64)
        self._keeps = True

    def tell(self, run: int, value: float) -> None:
        """Take the final metric of a run that was trained to its end; NaN if it broke."""
        self.known[run] = value if math.isfinite(value) else math.nan
        self.note_trained([self.runs[run]])
        self._surrogate = None

    def begin(self, peak: float) -> int:
        """Return the run to begin with, where the best peak is supposed to be about `peak`."""
        return self._hypotheses.first(peak)

    def note_trained(self, others: Iterable[Rates]) -> None:
        """Take note of runs that others can branch from, of the space or not, at their cuts."""
        for rates in others if self._keeps else ():
            together = [common_prefix(mine, rates) for mine in self.runs]
            cuts = np.array([0, *self._cuts(rates, together)])
            for i, common in enumerate(together):
                self._shared[i] = max(self._shared[i], cuts[cuts <= common].max())
                if common == len(self.runs[i]) == len(rates):
                    self._shared[i] = common

    def lose_states(self) -> None:
        """Take note that states are not kept as supposed: from now on every run costs all of it."""
        self._shared[:] = 0
        self._keeps = False

    def cuts(self, rates: Rates) -> list[int]:
        """Return the updates of a run behind which its state is worth saving, ascending.

        That is where other runs of the space branch off, late enough that it pays.
        """
        return self._cuts(rates, [common_prefix(mine, rates) for mine in self.runs])

    def _cuts(self, rates: Rates, together: Sequence[int]) -> list[int]:
        least = WORTH_SAVING * len(rates)
        return sorted({n for n in together if least <= n < len(rates)})[-MOST_CUTS:]

    @property
    def best(self) -> int | None:
        """The best run so far, or None if none has got to its end."""
        finished = {i: value for i, value in self.known.items() if math.isfinite(value)}
        return min(finished, key=lambda i: finished[i]) if finished else None

    @property
    def costs(self) -> Floats:
        """Updates that each run still costs, float64[runs]."""
        return np.array([len(one) for one in self.runs]) - self._shared.astype(np.float64)

    @property
    def surrogate(self) -> Surrogate:
        """What those that are finished, one at least, say of all runs."""
        if self._surrogate is None:
            self._surrogate = fit_surrogate(self._hypotheses, self.known)
        return self._surrogate

    def ask_several(self, count: int, budget: float = math.inf) -> list[Proposal]:
        """Return runs to train at the same time, the best first; none if none is left.

        Each is the best if those before it end as expected.

        Args:
            count: How many, at least 1.
            budget: Updates that they may cost together.
        """
        first = self.ask(budget)
        if first is None:
            return []
        proposals, guess = [first], self._copy()
        while len(proposals) < count:
            budget -= proposals[-1].updates
            guess.tell(proposals[-1].run, proposals[-1].mean)
            more = guess.ask(budget)
            if more is None:
                break
            proposals.append(more)
        return proposals

    def _copy(self) -> Searcher:
        other = copy.copy(self)
        other.known, other._shared = dict(self.known), self._shared.copy()
        return other

    def ask(self, budget: float = math.inf) -> Proposal | None:
        """Return the run with the highest expected improvement per update, or None if none is left.

        Args:
            budget: Updates that it may cost at most.
        """
        costs = self.costs
        open_ones = [i for i in range(len(self.runs)) if i not in self.known and costs[i] <= budget]
        if not open_ones:
            return None
        surrogate, lead = self.surrogate, self._lead()
        gain = surrogate.improvement(lead, lucky=True)
        sure = surrogate.improvement(lead, lucky=False)
        least = np.array([CHEAPEST * len(one) for one in self.runs])
        per_update = gain / np.maximum(costs, least)
        i = max(open_ones, key=lambda one: per_update[one])
        noise = max(surrogate.noise, 1e-300)
        spread = float(np.hypot(surrogate.spread[i], surrogate.noise))
        worth = max(float(sure[one]) for one in open_ones) / noise
        return Proposal(i, int(costs[i]), float(surrogate.mean[i]), spread, float(gain[i]), worth)

    def _lead(self) -> float:
        best = self.best
        return float(self.surrogate.mean.max()) if best is None else self.known[best]
