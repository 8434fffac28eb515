"""How soon a candidate is as good as the best one ends."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ratewise._arrays import Floats
from ratewise._json import plain
from ratewise._printable import printable
from ratewise.compare.verdict import Standing
from ratewise.runs.records import Record
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import number, whole
from ratewise.schedule.lengths import Horizon, Length, length, nearest_update
from ratewise.view.format import format_table

Curve = tuple[Floats, NDArray[np.int64]]
"""What was measured, and after how many updates."""

LOSS = "training loss"


@dataclass(frozen=True)
class Reached:
    """When a candidate at its own best peak was at the target.

    Args:
        name: Name of the candidate.
        peak: Its best peak.
        each: Updates until a run was there, per seed; None if it never was.
    """

    name: str
    peak: float
    each: tuple[int | None, ...]

    @property
    def seeds(self) -> int:
        """How many seeds got there."""
        return sum(one is not None for one in self.each)

    @property
    def updates(self) -> int | None:
        """Median over the seeds: the updates by which half of them were there, or None.

        Never is longer than any number. Of an even number of seeds it is the lower median.
        """
        return half([math.inf if one is None else one for one in self.each])

    def __str__(self) -> str:
        count = "–" if self.updates is None else f"{self.updates:,}"
        return count if self.seeds == len(self.each) else f"{count} ({self.seeds}/{len(self.each)})"


@dataclass(frozen=True)
class TimeToTarget:
    """Updates that each candidate takes to a target; `str()` is a small table.

    Args:
        target: What is to be reached; NaN if no candidate finished that could set it.
        of: What is measured: "training loss", after every update, or the metric, at the end.
        over: Training losses in each mean; 1 for a metric.
        set_by: Name of the candidate whose ends set the target, or None if it was given.
        candidates: One for each candidate, in the order of the standings.
    """

    target: float
    of: str
    over: int
    set_by: str | None
    candidates: tuple[Reached, ...]

    @property
    def updates(self) -> dict[str, int | None]:
        """Median updates by name; None where fewer than half of the seeds got there."""
        return {one.name: one.updates for one in self.candidates}

    @property
    def text(self) -> str:
        """What was counted, in one sentence."""
        if not math.isfinite(self.target):
            return "Nothing finished that could set a target."
        what = f"the mean of {self.over:,} training losses is" if self.over > 1 else f"{self.of} is"
        by = f", the median of where {self.set_by} ended" if self.set_by is not None else ""
        return f"Updates until {what} {self.target:.4g} or better{by}."

    def table(self) -> str:
        """Return one line per candidate: its peak, the updates, and how many seeds got there."""
        head = ("schedule", "peak", f"updates to {self.target:.4g}", "seeds")
        rows = [
            (one.name, f"{one.peak:.3g}", "–" if one.updates is None else f"{one.updates:,}",
             f"{one.seeds} of {len(one.each)}")
            for one in self.candidates
        ]  # fmt: skip
        return format_table([head, *rows])

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON types; a target that is not known is None."""
        told = plain(self)
        for entry, one in zip(told["candidates"], self.candidates, strict=True):
            entry |= {"updates": one.updates, "seeds": one.seeds}
        return told

    def __str__(self) -> str:
        return f"{self.table()}\n\n{printable(self.text)}"


def time_to_target(
    standings: Sequence[Standing],
    runs: Mapping[str, Sequence[Record]],
    metric: str,
    higher_is_better: bool,
    *,
    target: float | None,
    at_end: bool,
    over: Length,
) -> TimeToTarget:
    """Return what `Comparison.time_to_target` promises.

    Args:
        standings: The candidates, the best first.
        runs: Runs of each candidate at its best peak, one per seed.
        metric: Name of the metric that decides.
        higher_is_better: Whether more of it is better.
        target: What is to be reached; None for where the best candidate ends.
        at_end: Whether that is the metric, in place of training losses.
        over: How many training losses are in a mean.
    """
    best = standings[0]
    at_end = at_end or not any(np.isfinite(run.losses).any() for run in runs[best.name])
    window = 1 if at_end else _window(over, best.total)
    curves = {
        one.name: [_measured(run, metric, at_end, window) for run in runs[one.name]]
        for one in standings
    }
    sets = best.name if target is None and best.values else None
    level = _level(target, curves[best.name] if sets else [])
    higher = at_end and higher_is_better
    each = {
        name: tuple(updates_to(level, *curve, higher=higher) for curve in measured)
        for name, measured in curves.items()
    }
    candidates = tuple(Reached(one.name, one.peak, each[one.name]) for one in standings)
    return TimeToTarget(level, metric if at_end else LOSS, window, sets, candidates)


def _level(target: float | None, best: Sequence[Curve]) -> float:
    """Return the target: as given, or the median of where the best ones ended."""
    if target is not None:
        return number("time_to_target", "target", target, low=-math.inf)
    return float(np.median([values[-1] for values, _ in best])) if best else math.nan


def _measured(run: Record, metric: str, at_end: bool, window: int) -> Curve:
    """Return what a run measured and after how many updates; NaN if it did not finish."""
    final = run.metrics[metric]
    if at_end or not math.isfinite(final):
        return np.array([final]), np.array([len(run.rates)])
    return trailing_mean(run.losses, window), np.arange(1, len(run.losses) + 1)


def _window(over: Length, total: int) -> int:
    """Return a length in updates, at least 1."""
    who = "time_to_target"
    given = length(who, "over", over)
    updates = max(1, nearest_update(Horizon(total).updates(who, given)))
    if updates > total:
        rule = f"has over={updates:,}, longer than the run of {total:,}"
        raise ScheduleError(who, rule, 'give a share of the run, such as over="5%"')
    return updates


def half(values: Sequence[float]) -> int | None:
    """Return the least number that half of the values do not exceed; None if that is infinite.

    >>> half([300, 100, 200]), half([300, 100]), half([100, math.inf, math.inf])
    (200, 100, None)
    """
    middle = sorted(values)[(len(values) - 1) // 2]
    return None if math.isinf(middle) else int(middle)


def trailing_mean(values: ArrayLike, over: int) -> Floats:
    """Return the mean of the last values at each, float64[n]; NaN while there are fewer.

    s[i] = (x[i − over + 1] + … + x[i]) / over,  i from over − 1

    It looks back only. No sum of earlier values is taken away again, so a mean does not depend on
    what came before its own values: not on a NaN, and not on losses a million times as large.

    Args:
        values: What was measured, float64[n].
        over: How many values are in a mean, at least 1.

    >>> trailing_mean([4.0, 2.0, 0.0, 1.0], 2).tolist()
    [nan, 3.0, 1.0, 0.5]
    """
    given = np.asarray(values, dtype=np.float64)
    over, n = whole("trailing_mean", "over", over, low=1), len(given)
    means = np.full(n, np.nan)
    if over > n:
        return means
    # A window is the end of one block and the beginning of the next, or a block.
    blocks = np.pad(given, (0, -n % over)).reshape(-1, over)
    with np.errstate(over="ignore", invalid="ignore"):
        begun = blocks.cumsum(axis=1).ravel()
        left = blocks[:, ::-1].cumsum(axis=1)[:, ::-1].ravel()
    last = np.arange(over - 1, n)
    first = last - over + 1
    before = np.where(first % over == 0, 0.0, left[first])
    means[last] = (before + begun[last]) / over
    return means


def updates_to(
    target: float, values: ArrayLike, steps: ArrayLike | None = None, *, higher: bool = False
) -> int | None:
    """Return the number of updates after which a value is at the target, or better; None if never.

    Args:
        target: What is to be reached.
        values: What was measured, float64[k]; NaN is never good enough.
        steps: Updates made at each measurement, int64[k]; left out, 1 … k.
        higher: Whether more is better.

    >>> updates_to(0.5, [0.9, 0.6, 0.4], [100, 200, 300])
    300
    """
    given = np.asarray(values, dtype=np.float64)
    at = np.arange(1, len(given) + 1) if steps is None else np.asarray(steps)
    if len(at) != len(given):
        rule = f"needs as many steps as values, got {len(at)} and {len(given)}"
        raise ScheduleError("updates_to", rule, "give one step for each value")
    with np.errstate(invalid="ignore"):
        there = given >= target if higher else given <= target
    return int(at[np.argmax(there)]) if there.any() else None
