"""The result of a comparison: records, a table, a verdict."""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ratewise._json import plain
from ratewise._printable import printable
from ratewise.compare.statistics import Difference, differences
from ratewise.compare.time_to_target import TimeToTarget, time_to_target
from ratewise.compare.verdict import LEVEL, Standing, Verdict, judge, ranked
from ratewise.runs.records import Record, Results, Stopped
from ratewise.schedule.errors import PYTHON, Context
from ratewise.schedule.lengths import Length
from ratewise.view.format import format_table

SAME_START = 1e-4
"""Relative difference of first losses up to which they are the same but for rounding."""


@dataclass(frozen=True)
class Pruned:
    """A candidate that was dropped on the way.

    Args:
        name: Name of the candidate.
        peak: Its peak learning rate.
        at: Share of its total, in (0, 1), behind which it was dropped.
        metric: Mean of the metric that decides over its forks that were cooled there.
    """

    name: str
    peak: float
    at: float
    metric: float


@dataclass(frozen=True, eq=False)
class Comparison:
    """Every run of a comparison, and what it says; `print(comparison)` shows table and verdict.

    Args:
        runs: One record per candidate, peak and seed, in the order they were asked for.
        metric: Name of the metric that decides.
        higher_is_better: Whether more of it is better.
        trained: Updates that were trained.
        asked: Updates that all runs would take, each trained alone.
        notes: What else there is to know, each a sentence.
        pruned: Candidates that were dropped on the way.
        level: Probability that all margins of the verdict hold together, in (0, 1).
        searched: Whether each peak is the best of a search.
        context: How whoever is advised writes arguments.
    """

    runs: tuple[Record, ...] = field(repr=False)
    metric: str
    higher_is_better: bool
    trained: int
    asked: int
    notes: tuple[str, ...] = ()
    pruned: tuple[Pruned, ...] = ()
    level: float = LEVEL
    searched: bool = False
    context: Context = field(default=PYTHON, repr=False)

    @classmethod
    def of(
        cls, results: Results, notes: Sequence[str] = (), pruned: Sequence[Pruned] = ()
    ) -> Comparison:
        """Return what came of runs as a comparison; it also says what a journal knew of them."""
        told = *_known(results), *failed(results.runs, results.metric), *results.notes
        told = *told, *unrepeated(results.runs), *in_stacks(results.runs), *notes
        counts = results.trained, results.asked, told, tuple(pruned)
        return cls(results.runs, results.metric, results.higher_is_better, *counts)

    @property
    def failures(self) -> tuple[Record, ...]:
        """Runs whose code raised, or that got to their end and measured no number there.

        A run that diverged is none: that is what its rates have done.
        """
        return tuple(run for run in self.runs if _failed(run, self.metric))

    @property
    def sharing(self) -> float:
        """Updates asked for per update trained; above 1 thanks to shared prefixes."""
        return self.asked / self.trained if self.trained else 1.0

    @cached_property
    def standings(self) -> tuple[Standing, ...]:
        """The candidates, each at its own best peak, from best to worst."""
        names = dict.fromkeys(run.name for run in self.runs)
        return tuple(ranked([self._standing(name) for name in names], self.higher_is_better))

    @cached_property
    def verdict(self) -> Verdict:
        """The winner with its margin, or who is within noise; `str()` says why."""
        told = self.standings, self.metric, self.higher_is_better
        level, context = self.level, self.context
        return judge(*told, searched=self.searched, level=level, context=context)

    @cached_property
    def differences(self) -> tuple[Difference, ...]:
        """How much worse each candidate is than the best, paired by seed, the nearest first."""
        return differences(self.standings, self.higher_is_better)

    def best(self, name: str) -> tuple[Record, ...]:
        """Return the runs of a candidate at its best peak, one per seed."""
        peak = next(one.peak for one in self.standings if one.name == name)
        return tuple(run for run in self.runs if run.name == name and run.peak == peak)

    def time_to_target(
        self, target: float | None = None, *, metric: bool = False, over: Length = "5%"
    ) -> TimeToTarget:
        """Return after how many updates each candidate, at its best peak, is at a target.

        A run is there after t updates if the mean of its last w training losses is at the target:

            s(t) = (loss[t − w] + … + loss[t − 1]) / w,   T = min {t : s(t) ≤ target},   t ≥ w

        Without a target it is the median over the seeds of s at the end of the best candidate's
        runs, which it reaches itself with at least half of its seeds. The mean looks back only,
        over the same w for all; a run that is shorter than w never gets there, and neither does
        one that diverged, raised or was dropped.

        Args:
            target: What is to be reached, a finite number.
            metric: Whether that is the final metric, measured once, at the end of each run, so
                that T is its total or never. So it is, too, if no training losses are known.
            over: w, in updates or as a share of the best candidate's run; at least one update.
        """
        runs = {one.name: self.best(one.name) for one in self.standings}
        decides = self.metric, self.higher_is_better
        return time_to_target(
            self.standings, runs, *decides, target=target, at_end=metric, over=over
        )

    @cached_property
    def _soon(self) -> TimeToTarget:
        return self.time_to_target()

    def table(self) -> str:
        """Return one line per candidate at its best peak, the best first, as text.

        The last column are the median updates to the target, see `time_to_target`, and how many
        seeds got there if not all.
        """
        return format_table(self._rows())

    def _rows(self) -> list[list[str]]:
        head = ["schedule", "peak", self.metric, "± sd", "behind by (90 %)", "p", "seeds", "failed"]
        behind = {one.name: one for one in self.differences}
        rows = [head, *(_row(one, behind.get(one.name)) for one in self.standings)]
        if math.isfinite(self._soon.target):
            said = [str(one) for one in self._soon.candidates]
            column = [f"updates to {self._soon.target:.3g}", *said]
            rows = [[*row, cell] for row, cell in zip(rows, column, strict=True)]
        if any(run.stacked for run in self.runs):
            how = [_trained(self.best(one.name)) for one in self.standings]
            rows = [[*row, cell] for row, cell in zip(rows, ["trained", *how], strict=True)]
        return rows

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON types; numbers that are not finite become None."""
        told = {
            "metric": self.metric,
            "higher_is_better": self.higher_is_better,
            "trained": self.trained,
            "asked": self.asked,
            "verdict": self.verdict,
            "differences": self.differences,
            "time_to_target": self._soon.to_dict(),
            "notes": self.notes,
            "pruned": self.pruned,
            "runs": [run.to_dict() for run in self.runs],
        }
        return plain(told)

    def figure(self) -> Any:
        """Return a matplotlib figure: the schedules above, their metric below.

        Raises:
            ImportError: matplotlib is not installed.
        """
        from ratewise.view.comparison import paper

        return paper(self.charts(), self.verdict.text)

    def charts(self) -> list[Any]:
        """Return what is drawn of it: the schedules, and the metric of every seed."""
        from ratewise.view.comparison import Ranked, charts

        shown = [Ranked(one.name, one.peak, one.values, one.mean) for one in self.standings]
        runs = [self.best(one.name)[0] for one in self.standings]
        levels = [run.rates / run.peak for run in runs]
        margin = self.verdict.margin
        return charts(shown, levels, margin, self.metric, self.higher_is_better)

    def _repr_html_(self) -> str:
        from ratewise.view.blocks import PageTable, Prose, inline

        head, *rows = self._rows()
        verdict = Prose(str(self.verdict).splitlines())
        return inline([verdict, PageTable(head, rows, "Candidates"), *self.charts()])

    def __str__(self) -> str:
        share = f"{self.trained:,} updates trained for {self.asked:,} ({self.sharing:.2f}×)"
        soon = [self._soon.text] if math.isfinite(self._soon.target) else []
        notes = map(printable, [*soon, *self.notes, *self._dropped()])
        lines = [f"{self.table()}\n", str(self.verdict), *notes, share]
        return printable("\n".join(lines), keep="\n")

    def _dropped(self) -> list[str]:
        said: dict[float, list[str]] = {}
        for one in self.pruned:
            said.setdefault(one.at, []).append(f"{one.name} at {one.peak:g} ({one.metric:.4g})")
        return [f"Dropped at {at:.0%}, once cooled: {', '.join(who)}." for at, who in said.items()]

    def _standing(self, name: str) -> Standing:
        runs = [run for run in self.runs if run.name == name]
        by_peak: dict[float, list[float]] = {}
        for run in runs:
            by_peak.setdefault(run.peak, []).append(run.metrics[self.metric])
        finished = {peak: values for peak, values in by_peak.items() if np.isfinite(values).all()}
        sign = -1.0 if self.higher_is_better else 1.0
        best = min(finished or by_peak, key=lambda peak: sign * float(np.mean(by_peak[peak])))
        return Standing(
            name=name,
            peak=best,
            values=tuple(finished.get(best, ())),
            peaks=tuple(sorted(by_peak)),
            total=len(runs[0].rates),
            failed=sum(not math.isfinite(run.metrics[self.metric]) for run in runs),
        )


class Interrupted(KeyboardInterrupt):
    """A comparison stopped by hand; `comparison` holds the runs as far as they came."""

    def __init__(self, comparison: Comparison) -> None:
        finished = sum(math.isfinite(run.metrics[comparison.metric]) for run in comparison.runs)
        super().__init__(
            f"stopped with {finished} of {len(comparison.runs)} runs finished; "
            "they are in this exception's .comparison"
        )
        self.comparison = comparison


@contextmanager
def interruptible() -> Generator[None]:
    """Tell of training that was stopped by hand as of a comparison."""
    try:
        yield
    except Stopped as stop:
        raise Interrupted(Comparison.of(stop.results)) from stop


def _known(results: Results) -> list[str]:
    """Say what a journal knew of the runs, and what of it was lost."""
    notes: list[str] = []
    if results.reused:
        notes.append(f"{results.reused:,} updates of runs were taken from {results.journal}.")
    if results.damaged:
        notes.append(
            f"{results.damaged} rows or checkpoints were damaged or gone, "
            "and were trained again from the ones before."
        )
    return notes


def failed(runs: Sequence[Record], metric: str) -> list[str]:
    """Say how many runs failed, and of what."""
    notes: list[str] = []
    broken = [run for run in runs if run.error is not None]
    if broken:
        first = broken[0].failure
        why = "" if first is None else f", the first as {first.who} {first.broken}"
        notes.append(f"{len(broken)} of {len(runs)} runs failed{why}.")
    unmeasured = [run for run in runs if run.error is None and _failed(run, metric)]
    if unmeasured:
        value = unmeasured[0].metrics[metric]
        notes.append(
            f"{metric!r} was {value} at the end of {len(unmeasured)} of {len(runs)} runs, "
            "though their losses are numbers."
        )
    return notes


def unrepeated(runs: Sequence[Record]) -> list[str]:
    """Say whether runs of a seed begin with losses that differ: then the seed is not all there is.

    The first loss is that of the untrained model on the first batch, so no rate has acted yet.
    """
    first: dict[int, list[float]] = {}
    for run in runs:
        if not run.stacked and run.error is None and math.isfinite(run.losses[0]):
            first.setdefault(run.seed, []).append(float(run.losses[0]))
    for seed, losses in first.items():
        low, high = min(losses), max(losses)
        if high - low > SAME_START * max(abs(low), abs(high)):
            return [
                f"Runs of seed {seed} begin with losses from {low:.4g} to {high:.4g}, where no "
                "rate has acted yet: the seed does not set all that is random in the task, the "
                "order of the data perhaps, so runs are not paired, and a run again ends elsewhere."
            ]
    return []


def in_stacks(runs: Sequence[Record]) -> list[str]:
    """Say how many runs were trained in stacks, and what their figures are not."""
    count = sum(run.stacked for run in runs)
    if not count:
        return []
    return [
        f"{count} of {len(runs)} runs were trained in stacks: what they end with is that of runs "
        "alone within rounding, and not to the last bit."
    ]


def _trained(runs: Sequence[Record]) -> str:
    """Return how runs were trained, in a word."""
    stacked = [run.stacked for run in runs]
    return "stacked" if all(stacked) else "partly stacked" if any(stacked) else "alone"


def _failed(run: Record, metric: str) -> bool:
    return run.error is not None or (run.ended and not math.isfinite(run.metrics[metric]))


def _row(one: Standing, behind: Difference | None) -> list[str]:
    numbers = [f"{value:.4g}" if value == value else "–" for value in (one.mean, one.spread)]
    peak = f"{one.peak:.3g}" if one.values else "–"
    gap = p = "–"
    if behind is not None:
        gap = f"{behind.mean:.3g}"
        if behind.low == behind.low:
            gap, p = f"{gap} [{behind.low:.2g}, {behind.high:.2g}]", f"{behind.p:.2g}"
    return [one.name, peak, *numbers, gap, p, str(len(one.values)), str(one.failed or "–")]
