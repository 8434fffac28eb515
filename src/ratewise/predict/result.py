"""A fitted law: what it says of schedules nobody has trained, and how sure it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ratewise._arrays import Floats
from ratewise._printable import printable
from ratewise.logs.curve import Curve, jitter
from ratewise.predict.final_loss import exact
from ratewise.predict.held_out import FURTHER
from ratewise.predict.law import Law
from ratewise.predict.optimum import optimal
from ratewise.predict.spread import WIDTH, drawn_in, error_held, mean_error
from ratewise.runs.specs import Candidate, RunSpec, Written, read_candidates
from ratewise.schedule import Plan, Schedule, ScheduleError
from ratewise.schedule.errors import Context, number, speaking, whole
from ratewise.schedule.given import read_plan

if TYPE_CHECKING:
    from ratewise.view.prediction import MeasuredRun, PredictedRun

Candidates = Mapping[str, Candidate] | Iterable[Written]
"""Schedules by name, as `compare` takes them, or a list of them."""

PLAIN, BEFORE = 0.004, 0.5
"""Relative error of a final loss before any run was held out, and how many runs that counts for."""

UNTESTED = 0.1
"""Relative error of a run with too few points to hold any out: the median of real fine-tunes'."""

TINY, MOST = 1e-300, 100.0
"""Bounds that keep an interval a number."""

NEAR = 1.0
"""Distance in log peak at which a run that was held out says less of a prediction."""

LEAST = 5e-4
"""Smallest relative error that is ever claimed."""

ALIKE = 4
"""Runs of one length below which nothing is said of how far their ends are apart."""

SHARE = 0.6
"""Share of the longest run that is fitted when the ends of the longest are foreseen."""

LONGER = 1.05
"""Runs this many times as long as the longest, or as steep, are outside what was fitted."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a law says of one schedule at one peak.

    Args:
        name: Name of the candidate.
        peak: Peak learning rate.
        loss: Predicted loss after the last update.
        low: Lower end of its 90 % interval.
        high: Upper end.
        notes: Why it should be trusted less: rates or lengths outside what was fitted.
        rates: The rates, float64[total].
        losses: Predicted loss after every update, float64[total].
    """

    name: str
    peak: float
    loss: float
    low: float
    high: float
    notes: tuple[str, ...]
    rates: Floats = field(repr=False)
    losses: Floats = field(repr=False)

    def __str__(self) -> str:
        told = f"{self.name} at {self.peak:g}: {self.loss:.4f} ({self.low:.4f} to {self.high:.4f})"
        return printable("; ".join([told, *self.notes]))


@dataclass(frozen=True, eq=False)
class Fit:
    """A law fitted to some runs.

    It holds for the task, model, batch and optimizer of these runs. No law foresees divergence: a
    rate above those that were trained may break the run, whatever is predicted.

    Args:
        law: The law, a value with named parameters.
        curves: The runs it was fitted to.
        name: What kind of law it is.
        notes: What was left out, and why.
        held: Relative errors of the final losses of runs that were held out; of a single run, of
            its later points, foreseen from its earlier ones.
        peaks: The peaks of these runs.
        weights: What each of these errors counts for; left out, all the same.
        ahead: Relative error of the ends of the longest runs, foreseen from their first .6 and all
            else that was logged until then; 0 where this was not asked.
        rivals: Laws that foresee runs held out nearly as well; how far they are apart from this
            one widens the intervals.
    """

    law: Law
    curves: tuple[Curve, ...]
    name: str
    notes: tuple[str, ...] = ()
    held: tuple[float, ...] = ()
    peaks: tuple[float, ...] = ()
    weights: tuple[float, ...] = ()
    ahead: float = 0.0
    rivals: tuple[Law, ...] = ()

    def losses(self, *, steps: ArrayLike, rates: ArrayLike) -> Floats:
        """Return the predicted losses at some updates.

        Args:
            steps: Updates made, int[n], rising.
            rates: The rate of every update, or the rates at `steps`, linear in between.
        """
        at = np.asarray(steps, dtype=np.int64)
        given = np.asarray(rates, dtype=np.float64)
        if at.ndim != 1 or not len(at) or (np.diff(at) <= 0).any() or at[0] < 1:
            fix = "give the updates after which the loss is wanted, rising"
            raise ScheduleError("Fit.losses(steps=…)", "needs steps of 1 or more", fix)
        if len(given) == len(at):
            given = np.interp(np.arange(1, int(at[-1]) + 1), at, given)
        if len(given) < at[-1] or not np.isfinite(given).all() or (given < 0).any():
            rule = f"needs a rate of 0 or more for each of {int(at[-1])} updates"
            raise ScheduleError("Fit.losses(rates=…)", rule, "give one per update or per step")
        return self.law.losses(given)[at - 1]

    def predict(self, schedule: Written, *, lr: float, total: int) -> Prediction:
        """Return what a run under a schedule would come to.

        Args:
            schedule: A schedule, a plan, or the text of one.
            lr: Its peak learning rate.
            total: Updates of the run.

        Raises:
            ScheduleError: the schedule does not fit into the run.
        """
        return self.rank({str(schedule): schedule}, lr=lr, total=total)[0]

    def rank(
        self, candidates: Candidates, *, lr: float | Iterable[float], total: int | None = None
    ) -> tuple[Prediction, ...]:
        """Return the predictions of several schedules at several peaks, the best first.

        Args:
            candidates: Schedules by name, or a list of them, as `compare` takes them.
            lr: One peak or several.
            total: Updates, of those without a total of their own.
        """
        named = _named(candidates)
        peaks = [float(lr)] if isinstance(lr, int | float) else list(lr)
        with speaking(Context(called="Fit.rank")):
            asked = read_candidates(named, seeds=1, peaks=peaks, total=total)
        return tuple(sorted(map(self._predicted, asked), key=lambda one: one.loss))

    def best(
        self,
        *,
        total: int,
        lr: float,
        shapes: Candidates | None = None,
        warmup: int = 0,
        within: float = 2e-4,
        stairs: bool = True,
    ) -> Schedule:
        """Return the schedule whose predicted final loss is the lowest.

        Args:
            total: Updates of the run.
            lr: Peak learning rate, which no level exceeds.
            shapes: Schedules to choose from; without them the form is free: after the warm-up the
                rate may fall in any way, in lines or in stairs. What comes out is written down
                with as few points as keep the predicted loss.
            warmup: Updates of a linear warm-up before it. Laws do not see what it is for.
            within: How much of the predicted loss may be lost by writing it down, relative; stairs
                have to be better than lines by more.
            stairs: Whether the rate may fall in stairs.

        Raises:
            ScheduleError: the law does not see rates, or an argument is outside its interval.
        """
        peak = number("Fit.best", "lr", lr, above=True)
        length = whole("Fit.best", "total", total, low=2)
        if shapes is not None:
            named = _named(shapes)
            first = self.rank(named, lr=peak, total=length)[0]
            return _schedule(named[first.name])
        before = whole("Fit.best", "warmup", warmup, high=length - 2)
        return optimal(self.law, peak, length, before, within, stairs)

    def figure(self, predictions: Iterable[Prediction] = ()) -> Any:
        """Return a `matplotlib.figure.Figure` of the runs, and of the first six predictions.

        Raises:
            ImportError: matplotlib is not installed.
        """
        from ratewise.view.prediction import draw

        return draw(*self.drawn(predictions))

    def _repr_html_(self) -> str:
        from ratewise.view.blocks import Prose, inline
        from ratewise.view.prediction import charts

        return inline([Prose(str(self).splitlines()), *charts(*self.drawn())])

    def drawn(
        self, predictions: Iterable[Prediction] = ()
    ) -> tuple[list[MeasuredRun], list[PredictedRun]]:
        """Return what is drawn of the runs and of predictions, in numbers."""
        from ratewise.view.prediction import MeasuredRun, PredictedRun

        measured = [
            MeasuredRun(
                curve.every_rate,
                np.asarray(curve.steps),
                np.asarray(curve.losses),
                self.law.losses(curve.every_rate),
            )
            for curve in self.curves
        ]
        predicted = [
            PredictedRun(one.name, one.peak, one.rates, one.losses, one.loss, one.low, one.high)
            for one in predictions
        ]
        return measured, predicted

    @property
    def error(self) -> float:
        """The relative error that a predicted final loss is expected to have, over all peaks."""
        return self._error(np.ones(len(self.held)))

    def error_at(self, peak: float) -> float:
        """Return the relative error that a predicted final loss at a peak is expected to have.

        e = (½·.004 + Σ w_i·√(π/2)·|e_i|) / (½ + Σ w_i),  w_i = exp(-½·log(peak/peak_i)²)
        over the runs i that were held out; a peak outside theirs counts as the nearest of them.
        Single large misses count by their size, not by its square. Those of the looks ahead in a
        single run, w_i by how far they look, are drawn to what is usual: `spread.drawn_in`.

        Args:
            peak: Peak learning rate, above 0.
        """
        return self._error(self._nearness(peak))

    def _nearness(self, peak: float) -> Floats:
        """Return what each run that was held out counts for at a peak, float64[held]."""
        if not self.peaks:
            return np.ones(len(self.held))
        at = np.log(np.clip(peak, min(self.peaks), max(self.peaks)))
        return np.exp(-0.5 * ((at - np.log(self.peaks)) / NEAR) ** 2)

    def _held_at(self, rates: Floats) -> float:
        """Return the error for which ±1.8 of it holds nine of ten at the peak of a run.

        Of twenty runs held out and more it is their quantile, of fewer the error expected. Of a
        single run that goes on, it is that of the looks ahead as they were.
        """
        peak = float(rates.max())
        if self.weights:
            return self.error_at(peak) / (FURTHER if self._goes_on(rates) else 1.0)
        found = error_held(self.held, self._nearness(peak))
        return self.error_at(peak) if found is None else max(found, LEAST)

    def _goes_on(self, rates: Floats) -> bool:
        """Tell whether a run begins with all the rates of the only one that was fitted."""
        own = self.curves[0].every_rate
        return len(rates) >= len(own) and bool(np.allclose(rates[: len(own)], own, rtol=1e-3))

    def _error(self, weights: Floats) -> float:
        if not self.held:
            return UNTESTED
        weights = weights * (self.weights or np.ones(len(self.held)))
        missed = mean_error(self.held, weights)
        if self.weights:
            return FURTHER * drawn_in(max(missed / FURTHER, LEAST))
        missed *= weights.sum()
        return max(float((BEFORE * PLAIN + missed) / (BEFORE + weights.sum())), LEAST)

    def own_miss(self) -> float:
        """Return by how much the law misses the last tenth of its own runs, the largest share.

        What jitter may do to the mean of so many points, three standard errors, is taken off.
        """
        return max([0.0, *(miss for miss, _ in self._own_misses())])

    def own_share(self) -> float:
        """Return by how much the law misses the ends of its own runs, over how far they are apart.

        Σ miss / Σ |end - median end| over runs that end within a tenth of the longest, jitter
        taken off the misses; 0 for fewer than four of these.
        """
        longest = max(len(curve.every_rate) for curve in self.curves)
        alike = [len(one.every_rate) > 0.9 * longest for one in self.curves]
        own = [found for found, kept in zip(self._own_misses(), alike, strict=True) if kept]
        if len(own) < ALIKE:
            return 0.0
        misses, ends = np.array(own).T
        apart = np.abs(ends / np.median(ends) - 1).sum()
        return float(np.maximum(misses, 0.0).sum() / max(apart, TINY))

    def _own_misses(self) -> list[tuple[float, float]]:
        """Return of each run by how much its end is missed, jitter taken off, and the end."""
        found: list[tuple[float, float]] = []
        for curve in self.curves:
            losses, at = np.asarray(curve.losses), np.asarray(curve.steps, dtype=np.int64)
            last = max(len(at) // 10, 1)
            said = self.law.losses(curve.every_rate)[at[-last:] - 1].mean()
            end = float(losses[-last:].mean())
            noise = 3 * jitter(losses) / np.sqrt(last)
            found.append((float(abs(said / end - 1) - noise), end))
        return found

    def interval(self, rates: ArrayLike) -> tuple[float, float]:
        """Return the ends of the 90 % interval of the loss after the last update of a run.

        loss·exp(±1.8·√(e² + s² + a²)) with e the error expected at this peak, or with twenty runs
        held out and more that of which 1.8 holds nine of ten of them, and where the only run goes
        on, without the quarter that is added for other schedules; s the spread of the laws
        whose mean is taken or that are rivals, as a share of the loss; and a the error of looking
        ahead: for a run x times as long as the longest, `ahead`·log x / log(1/.6).

        Args:
            rates: The rate of every update, float[total], not all 0.
        """
        given = np.asarray(rates, dtype=np.float64)
        return self._interval(given, exact(self.law, given))

    def _interval(self, rates: Floats, loss: float) -> tuple[float, float]:
        laws = (*self.law.parts, *self.rivals)
        apart = float(np.std([exact(law, rates) for law in laws])) / max(loss, TINY)
        error = np.array([self._held_at(rates), apart, self._further(rates)])
        off = WIDTH * float(np.linalg.norm(error))
        return loss * float(np.exp(-off)), loss * float(np.exp(min(off, MOST)))

    def _further(self, rates: Floats) -> float:
        """Return the relative error of a run longer than all that were fitted."""
        if not self.ahead:
            return 0.0
        longest = max(len(curve.every_rate) for curve in self.curves)
        times = max(len(rates) / longest, 1.0)
        return float(self.ahead * np.log(times) / np.log(1 / SHARE))

    def _predicted(self, one: RunSpec) -> Prediction:
        losses = self.law.losses(one.rates)
        loss = float(losses[-1])
        low, high = self._interval(one.rates, loss)
        notes = self._outside(one.rates)
        return Prediction(one.name, one.peak, loss, low, high, notes, one.rates, losses)

    def _outside(self, rates: Floats) -> tuple[str, ...]:
        """Return what of a run is outside the range of those that were fitted."""
        peaks = [curve.peak for curve in self.curves]
        lowest, highest = min(peaks), max(peaks)
        longest = max(len(curve.every_rate) for curve in self.curves)
        said: list[str] = []
        if rates.max() > LONGER * highest:
            said.append(f"its peak is above {highest:g}, the highest that was fitted")
        if rates.max() < lowest / LONGER:
            said.append(f"its peak is below {lowest:g}, the lowest that was fitted")
        if len(rates) > LONGER * longest:
            said.append(f"it is longer than {longest:,} updates, the most that were fitted")
        return tuple(said)

    def __str__(self) -> str:
        runs = f"{len(self.curves)} run" + "s" * (len(self.curves) > 1)
        kind = "the mean of two laws" if self.name == "mixed" else f"the law {self.name!r}"
        told = [f"{kind} fitted to {runs}; {self._missed()}"]
        return "\n".join(map(printable, [*told, *self.notes]))

    def _missed(self) -> str:
        if not self.held:
            return "too few points to tell by how much it misses a final loss"
        what = "a final loss is missed" if len(self.curves) == 1 else "final losses are missed"
        how = "foreseen from its earlier points" if len(self.curves) == 1 else "each held out once"
        return f"{what} by about {self.error:.1%}, {how}"


def _named(candidates: Any) -> Mapping[str, Any]:
    if isinstance(candidates, Mapping):
        return candidates
    return {str(candidate): candidate for candidate in candidates}


def _schedule(candidate: Any) -> Schedule:
    """Return the schedule of a candidate that `read_candidates` took."""
    if isinstance(candidate, tuple):
        candidate = next(part for part in candidate if isinstance(part, Schedule | Plan | str))
    schedule = read_plan("Fit.best", candidate, "give schedules").lr
    assert schedule is not None
    return schedule
