"""What finished runs allow to say: which candidate is best, or that they do not tell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ratewise._extras import require
from ratewise._printable import printable
from ratewise.schedule.errors import PYTHON, Context

LEVEL = 0.90
"""Probability that all margins of a comparison hold together."""

ALIKE = 1e-12
"""Relative difference that is rounding."""

AS_MANY = 10**6
"""Degrees of freedom that are as good as any number of them."""

MANY = 100
"""Seeds after which it is said that more would be needed, and not how many."""


@dataclass(frozen=True)
class Standing:
    """One candidate at its own best peak.

    Args:
        name: Name of the candidate.
        peak: The peak with the best mean metric, among those where every seed finished.
        values: Final metric per seed, float64[seeds] as a tuple; empty if no peak finished.
        peaks: All peaks tried, ascending.
        total: Updates of one run.
        failed: Runs of the candidate, over all peaks, that diverged or raised.
    """

    name: str
    peak: float
    values: tuple[float, ...]
    peaks: tuple[float, ...]
    total: int
    failed: int = 0

    @property
    def mean(self) -> float:
        """Mean over the seeds; NaN if nothing finished."""
        return float(np.mean(self.values)) if self.values else math.nan

    @property
    def spread(self) -> float:
        """Standard deviation over the seeds (n - 1); NaN with fewer than two."""
        return float(np.std(self.values, ddof=1)) if len(self.values) > 1 else math.nan


@dataclass(frozen=True)
class Verdict:
    """What can be said, and why; `str(verdict)` is all of it.

    Args:
        text: One sentence: the winner with a margin, or who is within noise.
        best: Name with the best mean, or None if nothing finished.
        within: Names that cannot be told from the best, itself first; one name if it won.
        gap: How much better the best mean is than the next, in the metric's unit, >= 0 or NaN.
        margin: Half-width of the interval around a difference, at 90 %; NaN if it has none.
        why: How it was computed, from which numbers.
        advice: What to do to be surer, each a sentence.
        more_seeds: Seeds more, of those that are within noise, that would tell the best two apart
            if they differ by what it seems; None if that is told already, or by no number.
        cost: Updates that these take.
    """

    text: str
    best: str | None = None
    within: tuple[str, ...] = ()
    gap: float = math.nan
    margin: float = math.nan
    why: str = ""
    advice: tuple[str, ...] = field(default=())
    more_seeds: int | None = None
    cost: int | None = None

    @property
    def decided(self) -> bool:
        """Whether one candidate is better than all others beyond noise."""
        return self.margin == self.margin and len(self.within) == 1

    def __str__(self) -> str:
        lines = (self.text, self.why, *self.advice)
        return "\n".join(printable(line) for line in lines if line)


def judge(
    standings: Sequence[Standing],
    metric: str,
    higher_is_better: bool,
    *,
    searched: bool = False,
    level: float = LEVEL,
    context: Context = PYTHON,
) -> Verdict:
    """Return the verdict over candidates, each at its own best peak.

    The seeds are blocks: y[i, s] = mean + candidate i + seed s + noise. The noise is estimated
    from all candidates together, and two means differ if they are further apart than

        margin = q · sqrt(residual / seeds),    q = Tukey's studentized range at the level

    for that many candidates and (candidates - 1)(seeds - 1) degrees of freedom, so that all pairs
    hold together with that probability. Candidates of which no peak finished are left out.

    More seeds would tell the best two apart as soon as the margin of so many, with the same noise,
    is below their difference.

    Args:
        standings: The candidates.
        metric: Name of the metric.
        higher_is_better: Whether more of it is better.
        searched: Whether each peak is the best of a search: then one peak each is no flaw.
        level: Probability that all pairs hold together, in (0, 1).
        context: How whoever is advised writes arguments.
    """
    finished = ranked([one for one in standings if one.values], higher_is_better)
    advice = _advice(standings, searched)
    if not finished:
        return Verdict("No candidate finished: every peak diverged or failed.", advice=advice)
    best = finished[0]
    if len(finished) == 1:
        text = f"Only {best.name} finished, so there is nothing to compare it with."
        return Verdict(text, best.name, (best.name,), advice=advice)
    gap = abs(best.mean - finished[1].mean)
    if len(best.values) == 1:
        text = (
            f"{best.name} is ahead by {gap:.3g} in {metric}, "
            "but one seed cannot tell whether that is more than noise."
        )
        if gap <= ALIKE * abs(best.mean):
            both = f"{best.name} and {finished[1].name}"
            text = f"{both} end at the same {metric}, {best.mean:.4g}, with the one seed."
        more = f"Repeat with {context.argument('seeds', '3')} or more."
        everyone = tuple(one.name for one in finished)
        return Verdict(text, best.name, everyone, gap, advice=(more, *advice))
    noise = Noise.of(finished, level)
    near = tuple(one for one in finished if abs(one.mean - best.mean) <= noise.margin)
    names, told = tuple(one.name for one in near), noise.text()
    if len(near) == 1:
        text = f"{best.name}, by {gap:.3g} ± {noise.margin:.2g} in {metric} over "
        text += f"{finished[1].name}."
        return Verdict(text, best.name, names, gap, noise.margin, told, advice)
    if max(noise.margin, gap) <= ALIKE * abs(best.mean):
        text = f"All alike: {', '.join(names)} end at the same {metric}, {best.mean:.4g}."
        return Verdict(text, best.name, names, gap, 0.0, told, advice)
    text = f"Within noise: {', '.join(names)} ({metric} differs by chance up to "
    text += f"{noise.margin:.2g})."
    more, cost, said = noise.told_apart(near, gap)
    advice = (said, *advice)
    return Verdict(text, best.name, names, gap, noise.margin, told, advice, more, cost)


@dataclass(frozen=True)
class Noise:
    """Retrain noise of candidates over seeds, and the margin that follows from it.

    Args:
        spread: Standard deviation of what candidates and seeds do not explain.
        candidates: How many there are.
        seeds: How many there are.
        level: Probability that all pairs hold together, in (0, 1).
    """

    spread: float
    candidates: int
    seeds: int
    level: float = LEVEL

    @classmethod
    def of(cls, finished: Sequence[Standing], level: float = LEVEL) -> Noise:
        """Return the noise of two candidates or more, with two seeds or more."""
        table = np.array([one.values for one in finished])
        candidates, seeds = table.shape
        freedom = (candidates - 1) * (seeds - 1)
        return cls(math.sqrt(residual(table) / freedom), candidates, seeds, level)

    @property
    def freedom(self) -> int:
        """Degrees of freedom that the noise is estimated with."""
        return (self.candidates - 1) * (self.seeds - 1)

    @property
    def margin(self) -> float:
        """How far two means are apart by chance: Tukey's margin."""
        q = _studentized_range(self.level, self.candidates, self.freedom)
        return q * self.spread / math.sqrt(self.seeds)

    def text(self) -> str:
        """Return how the margin is computed, as a sentence."""
        q = _studentized_range(self.level, self.candidates, self.freedom)
        return (
            f"Each of {self.candidates} candidates at its own best peak, {self.seeds} seeds as "
            f"blocks, noise {self.spread:.2g} with {self.freedom} degrees of freedom, Tukey's "
            f"margin at {100 * self.level:.3g}%: {q:.3g} × {self.spread:.2g} / √{self.seeds} = "
            f"{self.margin:.2g}."
        )

    def told_apart(
        self, near: Sequence[Standing], gap: float
    ) -> tuple[int | None, int | None, str]:
        """Return the seeds more that would tell the first of some from the next, and their cost.

        Args:
            near: Candidates within noise, the best first.
            gap: By how much the first is ahead.
        """
        each = sum(one.total for one in near)
        others = f"{near[0].name} from {near[1].name}"
        n = self._enough(gap)
        if n is None:
            far = f"More than {MANY} seeds would have to tell {others}: take either."
            return None, None, far
        more = n - self.seeds
        said = (
            f"{more} seed{'s' * (more > 1)} more would tell {others}, if they differ by the "
            f"{gap:.2g} that it seems: {more * each:,} updates."
        )
        return more, more * each, said

    def _enough(self, gap: float) -> int | None:
        """Return with how many seeds the margin is below a difference; None if with very many.

        The quantile for as many degrees of freedom as one likes says how many are too few.
        """
        least = _studentized_range(self.level, self.candidates, AS_MANY) * self.spread
        if gap <= 0 or least > gap * math.sqrt(MANY):
            return None
        stats = require("scipy.stats", extra="search")
        for n in range(max(self.seeds + 1, math.ceil((least / gap) ** 2)), MANY + 1):
            q = gap * math.sqrt(n) / self.spread
            freedom = (self.candidates - 1) * (n - 1)
            # The distribution is much cheaper than its quantile.
            if float(stats.studentized_range.sf(q, self.candidates, freedom)) < 1 - self.level:
                return n
        return None


def ranked(standings: Sequence[Standing], higher_is_better: bool) -> list[Standing]:
    """Return the standings from best to worst mean; what did not finish comes last."""
    sign = -1.0 if higher_is_better else 1.0
    return sorted(standings, key=lambda one: (not one.values, sign * one.mean if one.values else 0))


@cache
def _studentized_range(level: float, candidates: int, freedom: int) -> float:
    stats = require("scipy.stats", extra="search")
    return float(stats.studentized_range.ppf(level, candidates, freedom))


def residual(table: NDArray[np.float64]) -> float:
    """Return the sum of squares left when rows and columns have had their means taken out."""
    rows = table.mean(axis=1, keepdims=True)
    columns = table.mean(axis=0, keepdims=True)
    return float(((table - rows - columns + table.mean()) ** 2).sum())


def _advice(standings: Sequence[Standing], searched: bool) -> tuple[str, ...]:
    return tuple(line for line in (*_edges(standings), *_fairness(standings, searched)) if line)


def _edges(standings: Sequence[Standing]) -> list[str]:
    """Say where the best peak is the first or last tried, so that a better one may lie outside."""
    lines: list[str] = []
    for end, step, word, where in ((0, 1, "smallest", "below"), (-1, -2, "largest", "above")):
        edge = [
            one
            for one in standings
            if one.values and len(one.peaks) > 1 and one.peak == one.peaks[end]
        ]
        for peak in sorted({one.peak for one in edge}):
            names = ", ".join(one.name for one in edge if one.peak == peak)
            peaks = next(one.peaks for one in edge if one.peak == peak)
            further = peak * peak / peaks[step]
            lines.append(
                f"The {word} peak tried, {peak:.3g}, is the best for {names}: "
                f"add peaks {where} it, such as {further:.2g}."
            )
    return lines


def _fairness(standings: Sequence[Standing], searched: bool) -> list[str]:
    lines: list[str] = []
    if len(standings) > 1 and not searched and all(len(one.peaks) == 1 for one in standings):
        lines.append(
            "One peak each: a schedule may be behind only because the peak does not suit it; "
            "give several peaks."
        )
    totals = {one.total for one in standings}
    if len(totals) > 1:
        lines.append(
            f"Budgets differ, from {min(totals):,} to {max(totals):,} updates: "
            "longer runs have an advantage that is not the schedule's."
        )
    out = [one.name for one in standings if not one.values]
    if out:
        lines.append(f"Left out, as no peak finished with every seed: {', '.join(out)}.")
    return lines
