"""Probe, search, prove: which runs are trained, within a budget."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ratewise.choose.orders import Ending, Expected, Order
from ratewise.choose.searcher import Proposal, Searcher
from ratewise.choose.space import Space, widened
from ratewise.compare.comparison import Comparison, Interrupted
from ratewise.compare.looks import Looks
from ratewise.runs.records import Record
from ratewise.runs.specs import RunSpec
from ratewise.runs.tree import PrefixTree
from ratewise.tasks.protocols import Rates

LEAST = 12
"""Runs that are finished before the search may stop of itself."""

WORTH = 0.02
"""Expected improvement, in units of retrain noise, below which no run is worth its updates."""

HOPELESS = 3
"""Runs that fail, and not as their rates made the loss break, until the task is given up."""

WIDENINGS = 3
"""How often the ladder of peaks grows where the best is its last."""

PROVING = 0.5
"""Share of the budget that repeats of the finalists may take."""

SURE = 0.95
"""Probability that what a proof says holds, over all finalists and all looks at it."""


Train = Callable[[Order], tuple[Comparison, int]]
"""Trains runs; the number is the updates that this has really taken, or did the first time."""


@dataclass(frozen=True)
class Trial:
    """A run that was trained to find the best one, and what was expected of it.

    Args:
        stage: "probe" or "search".
        name: Name of the schedule.
        peak: Peak learning rate.
        metric: Final metric; NaN if it broke.
        expected: What was expected before it was trained; NaN for a probe.
        spread: Standard deviation of that.
        updates: Updates that it cost.
        stacked: Whether it was trained in a stack, and so not to the last bit as alone.
    """

    stage: str
    name: str
    peak: float
    metric: float
    expected: float = math.nan
    spread: float = math.nan
    updates: int = 0
    stacked: bool = False


@dataclass(eq=False)
class ScheduleSearch:
    """Trains what promises most, until nothing is worth it or the budget is spent.

    The task's own settings are trained first, and take part in the proof whatever becomes of them.

    Args:
        space: What is chosen from.
        train: What trains.
        budget: Updates that may be trained.
        seeds: Seeds; the first is that of the search.
        finalists: How many are repeated with the others.
        grows: Makes the same space at other peaks, or None if the peaks are the user's.
        at_once: How many runs are trained at the same time.
        spent: Updates by stage.
        own: The task's own settings, with the seed of the search, or None if it has none.
        stage: What is on: "own", "probe", "search" or "prove".
        start: Where the best peak may be, or None: in the middle of the ladder.
        proof_alone: Whether the proof trains the first seed, too, as the search trains in stacks.
    """

    space: Space
    train: Train
    budget: int
    seeds: Sequence[int]
    finalists: int
    grows: Callable[[Sequence[float]], Space] | None = None
    at_once: int = 1
    spent: dict[str, int] = field(default_factory=dict[str, int])
    trials: list[Trial] = field(default_factory=list[Trial])
    records: dict[int, Record] = field(default_factory=dict[int, Record])
    proof: Comparison | None = None
    notes: list[str] = field(default_factory=list[str])
    ending: Ending | None = None
    own: RunSpec | None = None
    own_record: Record | None = None
    stage: str = "own"
    start: float | None = None
    proof_alone: bool = False

    def __post_init__(self) -> None:
        self.searcher = Searcher([run.rates for run in self.space.runs])
        self.sign = 1.0
        self.metric = ""
        self.looks = Looks(1, SURE)

    def run(self) -> None:
        """Begin with what the task does of itself, then probe, search and prove.

        Raises:
            Interrupted: it was stopped by hand; what was finished is kept here.
        """
        if self.own is not None:
            self._train_own(self.own)
        probes = self._affordable(self._probes(), self.budget - self._spent)
        self._train("probe", [Proposal(i, 0, math.nan, math.nan, 0.0, 0.0) for i in probes])
        widenings = 0
        while True:
            while asked := self._next():
                self._train("search", asked)
            if self._hopeless():
                return
            best = self.searcher.best
            side = "below" if best is None else self.space.edge(best)
            if side is None or self.grows is None or widenings >= WIDENINGS or self._room() <= 0:
                break
            widenings += 1
            self._widen(side, self.grows)
        self._prove()

    def _train_own(self, own: RunSpec) -> None:
        """Train the task's own settings with the seed of the search."""
        result, updates = self.train(self._order([own], len(own.rates)))
        self.metric = result.metric
        self.sign = -1.0 if result.higher_is_better else 1.0
        (self.own_record,) = result.runs
        self.spent["own"] = updates
        self.searcher.note_trained([own.rates])

    def _order(self, runs: Sequence[RunSpec], expected: int) -> Order:
        cuts = [self.searcher.cuts(run.rates) for run in runs]
        return Order(runs, self._spent, expected, cuts)

    def _probes(self) -> list[int]:
        """Return the runs to begin with: one, or as many as are trained at the same time.

        The same schedule at other peaks, by turns below and above.
        """
        peaks = sorted({run.peak for run in self.space.runs})
        start = peaks[len(peaks) // 2] if self.start is None else self.start
        first = self.searcher.begin(start)
        mine = [i for i, run in enumerate(self.space.runs)
                if run.name == self.space.runs[first].name]  # fmt: skip
        at = mine.index(first)
        around = sorted(range(len(mine)), key=lambda i: (abs(i - at), i > at))
        apart = [i for i in around if (i - at) % 2 == 0]  # not the next peak, which says little
        return [mine[i] for i in apart[: self.at_once]]

    def _hopeless(self) -> bool:
        """Whether the task fails whatever the rate: more runs would do the same."""
        runs = self.records.values()
        # The first loss is from before any update, so no rate has broken it.
        failed = self.searcher.best is None and all(run.diverged in (None, 0) for run in runs)
        return failed and len(runs) >= min(HOPELESS, len(self.space.runs))

    # Search -----------------------------------------------------------------------------------

    def _next(self) -> list[Proposal]:
        """Return the runs to train next, or none: nothing is worth it, or the budget is spent."""
        if self._hopeless():
            return []
        room = self._room()
        proposals = self.searcher.ask_several(self.at_once, room)
        if not proposals:
            everything = len(self.records) == len(self.space.runs)
            self.ending = Ending.EVERYTHING if everything else Ending.BUDGET
            return []
        if len(self.records) >= LEAST and proposals[0].worth < WORTH:
            self.ending = Ending.NOISE
            return []
        return proposals

    def _room(self) -> int:
        return self.budget - self._spent - self._reserve()

    def _reserve(self) -> int:
        rivals = self.finalists + (self.own is not None)
        wanted = rivals * (len(self.seeds) - 1 + self._again) * self._longest()
        return min(wanted, int(PROVING * self.budget))

    @property
    def _again(self) -> bool:
        """Whether the proof has to train the finalists with the seed of the search, too."""
        return self.proof_alone and any(trial.stacked for trial in self.trials)

    def _longest(self) -> int:
        return max(len(run.rates) for run in self.space.runs)

    @property
    def _spent(self) -> int:
        return sum(self.spent.values())

    def _affordable(self, runs: Sequence[int], budget: int) -> list[int]:
        """Return the first of some runs that can be paid for, at least two with the own one."""
        kept: list[int] = []
        least = 2 if self.own is None else 1
        for run in runs:
            tried = [*kept, run]
            tree = PrefixTree.of((0, self.space.runs[i].rates) for i in tried)
            if tree.planned > budget and len(kept) >= least:
                break
            kept = tried
        return kept

    def _train(self, stage: str, asked: Sequence[Proposal]) -> None:
        runs = [self.space.runs[one.run] for one in asked]
        self.stage = stage
        expected = sum(int(self.searcher.costs[one.run]) for one in asked)
        try:
            result, updates = self.train(self._order(runs, expected))
        except Interrupted as stop:
            self._learn(stage, asked, stop.comparison, stop.comparison.trained)
            raise
        self._learn(stage, asked, result, updates)

    def _learn(
        self, stage: str, asked: Sequence[Proposal], result: Comparison, updates: int
    ) -> None:
        self.metric = result.metric
        self.sign = -1.0 if result.higher_is_better else 1.0
        self.spent[stage] = self.spent.get(stage, 0) + updates
        ended = [
            (one, record)
            for one, record in zip(asked, result.runs, strict=True)
            if record.diverged is not None or record.error is not None or record.ended
        ]  # others were stopped by hand on their way
        costs = [int(self.searcher.costs[one.run]) for one, _ in ended]
        if len(ended) == len(asked) and updates > sum(costs):
            self.searcher.lose_states()  # as there is no room for them
        for (one, record), share in zip(ended, _shared(updates, costs), strict=True):
            value = record.metrics[result.metric]
            expected = self.sign * one.mean, one.spread
            self.records[one.run] = record
            told = record.name, record.peak, value, *expected, share, record.stacked
            self.trials.append(Trial(stage, *told))
            self.searcher.tell(one.run, self.sign * value)

    def _widen(self, side: str, grows: Callable[[Sequence[float]], Space]) -> None:
        """Go on with more peaks where the best is the last of the ladder."""
        new = grows(widened(self.space.peaks, side))
        self.notes.append(f"The range of peaks was widened {side}, to {new.peaks[0]:g} … "
                          f"{new.peaks[-1]:g}.")  # fmt: skip
        moved = {new.place(self.space.runs[i]): i for i in self.records}
        records = {place: self.records[i] for place, i in moved.items()}
        known = {place: self.searcher.known[i] for place, i in moved.items()}
        self.space, self.records = new, records
        self.searcher = Searcher([run.rates for run in new.runs])
        if self.own is not None:
            self.searcher.note_trained([self.own.rates])
        for run, value in known.items():
            self.searcher.tell(run, value)

    # Proof ------------------------------------------------------------------------------------

    def leaders(self, count: int) -> list[int]:
        """Return the best finished runs, one of each schedule at its own best peak."""
        known = {i: v for i, v in self.searcher.known.items() if math.isfinite(v)}
        best: dict[str, int] = {}
        for i in sorted(known, key=lambda run: known[run]):
            best.setdefault(self.space.runs[i].name, i)
        return list(best.values())[:count]

    def finals(self) -> list[RunSpec]:
        """Return what is proved: the task's own settings, and the leaders that are others."""
        picked = [self.space.runs[i] for i in self.leaders(self.finalists + 1)]
        if self.own is None:
            return picked[: self.finalists]
        mine = self.own.rates
        others = [run for run in picked if not np.array_equal(run.rates, mine)]
        return [self.own, *others[: self.finalists]]

    def _prove(self) -> None:
        """Repeat the finalists with the other seeds, as many as the budget allows.

        After every seed from the second on it is looked at who is ahead; it ends where that is
        told, at the level of that look.
        """
        left = self.budget - self._spent
        longest = self._longest()
        finals = self.finals()
        while len(finals) > 2 and left < self._first_again(finals) + len(finals) * longest:
            finals.pop()
        left -= self._first_again(finals)
        if left < 0:
            self.notes.append("The budget has no room to train the best alone: they are of stacks.")
            return
        extra = 0 if len(finals) < 2 else min(left // (len(finals) * longest), len(self.seeds) - 1)
        self.looks = Looks(extra + 1, SURE)
        self.proof = self._repeated(finals, list(self.seeds[:1]))
        for count in range(2, extra + 2):
            self.proof = self._repeated(finals, list(self.seeds[:count]))
            if self.proof.verdict.decided:
                break

    def _first_again(self, finals: Sequence[RunSpec]) -> int:
        """Return the updates that finalists cost with the seed of the search, trained alone."""
        own = [] if self.own is None else [self.own.rates]
        if not self._again:
            return 0
        return _planned(0, [*own, *(run.rates for run in finals)]) - _planned(0, own)

    def _repeated(self, finals: Sequence[RunSpec], seeds: Sequence[int]) -> Comparison:
        asked = [replace(run, seed=seed) for run in finals for seed in seeds]
        self.stage = "prove"
        first = self._first_again(finals)
        new = PrefixTree.of((seeds[-1], run.rates) for run in finals).planned
        order = Order(asked, self._spent, new if len(seeds) > 1 else first, [()] * len(asked))
        result, updates = self.train(order)
        self.spent["prove"] = self.spent.get("prove", 0) + updates
        return replace(result, level=self.looks.level_at(len(seeds)), searched=True)

    @property
    def best(self) -> float | None:
        """The best final metric so far, of all that was trained with the seed of the search."""
        mine = [] if self.own_record is None else [self.sign * self.own_record.metrics[self.metric]]
        values = [one for one in (*mine, *self.searcher.known.values()) if math.isfinite(one)]
        return self.sign * min(values) if values else None

    @property
    def exhaustive(self) -> int:
        """Updates of all runs of the space with every seed, each trained alone."""
        return len(self.seeds) * sum(len(run.rates) for run in self.space.runs)

    def expectations(self) -> list[Expected]:
        """Return what is expected of every run of the space, trained or not, the best first."""
        surrogate = self.searcher.surrogate
        spread = np.hypot(surrogate.spread, surrogate.noise)
        trained = {(trial.name, trial.peak) for trial in self.trials}
        expected: list[Expected] = []
        for run, mean, doubt in zip(self.space.runs, surrogate.mean, spread, strict=True):
            known = (run.name, run.peak) in trained
            told = self.sign * float(mean), 0.0 if known else float(doubt)
            expected.append(Expected(run.name, run.peak, *told, known))
        return sorted(expected, key=lambda one: self.sign * one.metric)


def _shared(trained: int, costs: Sequence[int]) -> list[int]:
    """Return what each run of a list has taken, as its costs go, whole numbers that sum up."""
    total = sum(costs)
    ends = np.cumsum([0, *costs]) * (trained / total) if total else np.zeros(len(costs) + 1)
    if not total and costs:
        ends[-1] = trained
    return [int(one) for one in np.diff(np.round(ends))]


def _planned(seed: int, rates: Sequence[Rates]) -> int:
    """Return the updates of runs of a seed, where what they share is trained once."""
    return PrefixTree.of((seed, one) for one in rates).planned
