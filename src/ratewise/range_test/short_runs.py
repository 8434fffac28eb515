"""Short runs, cooled and measured: a range test where single losses are too noisy to be read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, ClassVar

import numpy as np

from ratewise._arrays import Floats
from ratewise.range_test.ladder import Ladder, Sweep
from ratewise.range_test.marks import MarkedCurve, read_sweeps
from ratewise.range_test.refusals import CLEAR, Refusal, unclear
from ratewise.range_test.result import RangeTestResult, told_mark
from ratewise.range_test.stacked import train_together
from ratewise.schedule import Linear, Warmup
from ratewise.schedule.errors import PYTHON, written
from ratewise.tasks.calls import measured, opened, trained
from ratewise.tasks.protocols import Losses, Run, Task
from ratewise.tasks.stack_plan import StackPlan
from ratewise.view.format import format_rate

LEAST = 6
"""Updates that a run needs at least, to be warmed up and cooled."""

SHAPE = Warmup("10%") >> Linear(to=0)
"""What each run does: a metric after a cooldown has little of the noise that a rate makes."""

BELOW, BEYOND, ABOVE = 3.0, 0.5, 2.0
"""Decades: of the ladder, beyond where training breaks, and above the task's own rate."""


@dataclass(frozen=True, eq=False)
class ShortRunsResult(RangeTestResult):
    """Where short runs end best; a `RangeTestResult` whose losses are metrics of whole runs.

    Every rate of the ladder is trained from the start, with each seed, warmed up over a tenth of
    the run and cooled to zero, and measured at its end. Where more of the metric is better, its
    curve is that of the metric with the other sign. The suggestion is the minimum.

    Args:
        metric: Name of the metric.
    """

    metric: str = ""

    towards: ClassVar[float] = 0.0  # a run is measured at its end, and longer ones want less

    @property
    def notes(self) -> tuple[str, ...]:
        """What else there is to know, each a sentence."""
        if self.refusal is not None:
            return ()
        high = f"No rate up to {format_rate(self.ladder.highest, 2)} was too high."
        return tuple(filter(None, [high if self.onset is None else "", self.how]))

    def __str__(self) -> str:
        if self.refusal is not None:
            advice = written(self.refusal.advice, PYTHON)
            return f"No answer, because {self.refusal.reason}: {advice}."
        assert self.rate is not None
        assert self.minimum is not None
        worse = "" if self.onset is None else f", and worse again from {told_mark(self.onset)} on"
        said = (
            f"Use a peak of about {format_rate(self.rate)}. In {self.ladder.rungs} x "
            f"{len(self.sweeps)} runs of {self.ladder.updates} updates, warmed up and cooled, "
            f"{self.metric} is best at {told_mark(self.minimum)}{worse}. Intervals are of 90 %. "
            "Longer runs want lower peaks."
        )
        return " ".join([said, *self.notes])


def edge_of(found: RangeTestResult) -> float:
    """Return the rate above which a range test's loss is higher than at its start, beyond noise."""
    read = found.reading
    if read is None:
        return found.ladder.highest
    fine = np.flatnonzero(read.rise <= 2 * read.doubt)
    return float(10 ** read.at[fine[-1] if fine.size else 0])


def short_ladder(found: RangeTestResult, own: float | None, runs: int, updates: int) -> Ladder:
    """Return the rates of the short runs that are tried where a range test has no answer.

    Three decades, up to half of one above where its loss is higher than at its start, as noise may
    look like that. Where noise is all that was seen, no further than two above the rate that the
    task has of its own.
    """
    highest = edge_of(found) * 10**BEYOND
    if own and (found.reading is None or found.reading.clarity <= CLEAR):
        highest = min(highest, own * 10**ABOVE)
    return Ladder(highest / 10**BELOW, highest, runs, updates)


def train_short_runs(
    task: Task, ladder: Ladder, seeds: Sequence[int], metric: str | None
) -> tuple[str, list[list[tuple[list[float], float]]]]:
    """Return the metric's name and, by seed and rate, the losses and the metric of each run.

    Args:
        task: The task.
        ladder: The rates; its updates are those of a run.
        seeds: The seeds.
        metric: Name of the metric; None for the first that is measured.

    Raises:
        TaskError: the task's code raised, or measures no such metric.
    """
    rates = np.outer(ladder.rates, SHAPE.resolve(ladder.updates).values())
    table: list[list[tuple[list[float], float]]] = []
    for seed in seeds:
        run = opened(task, seed)
        start, row = run.save(), list[tuple[list[float], float]]()
        for own in rates:
            run.restore(start)
            losses = trained(run, own)
            metric, value = _measured(run, losses, metric)
            row.append((losses.tolist(), value))
        run.restore(start)  # a task may share a model between its runs
        table.append(row)
    return metric or "", table


def stack_short_runs(
    task: Task, ladder: Ladder, seeds: Sequence[int], metric: str | None, plan: StackPlan
) -> tuple[str, list[list[tuple[list[float], float]]]]:
    """Return the same, of runs that are trained in stacks and measured each by itself.

    Raises:
        Exception: something raised, which need not be so where each is trained alone.
    """
    rates = np.outer(ladder.rates, SHAPE.resolve(ladder.updates).values())
    each = [seed for seed in seeds for _ in ladder.rates]
    made = train_together(task, each, np.tile(rates, (len(seeds), 1)), plan)
    table: list[list[tuple[list[float], float]]] = []
    for seed in seeds:
        run, row = opened(task, seed), list[tuple[list[float], float]]()
        for losses, state in islice(made, len(rates)):
            run.restore(state)
            metric, value = _measured(run, losses, metric)
            row.append((losses.tolist(), value))
        table.append(row)
    return metric or "", table


def _measured(run: Run, losses: Losses, metric: str | None) -> tuple[str | None, float]:
    """Return the name of the metric and what a run ends with, NaN if it broke."""
    if not np.isfinite(losses).all():
        return metric, math.nan
    metrics = measured(run, [] if metric is None else [metric])
    name = next(iter(metrics)) if metric is None else metric
    return name, float(metrics[name])


def read_short_runs(
    ladder: Ladder, seeds: Sequence[int], metric: str, table: Any, higher_is_better: bool
) -> ShortRunsResult:
    """Return what short runs say."""
    sign = -1.0 if higher_is_better else 1.0
    values = sign * np.array([[value for _, value in row] for row in table])
    sweeps = tuple(
        Sweep(ladder, seed, [loss for losses, _ in row for loss in losses], known, _broke(known))
        for seed, row, known in zip(seeds, table, values.tolist(), strict=True)
    )
    if np.isfinite(values).all(axis=0).sum() < 4:
        why = Refusal("nearly all short runs broke", "look at the task")
        return ShortRunsResult(ladder, sweeps, None, why, metric)
    read = read_sweeps(ladder, sweeps)
    read = replace_doubt(read, noise_between(values) * math.sqrt(2 / len(values)))
    return ShortRunsResult(ladder, sweeps, read, _refused(ladder, read, metric), metric)


def _broke(values: Sequence[float]) -> int | None:
    """Return the first rate from which on no run ended with a number, or None."""
    sound = [i for i, value in enumerate(values) if math.isfinite(value)]
    first = sound[-1] + 1 if sound else 0
    return first if first < len(values) else None


def noise_between(values: Floats) -> float:
    """Return the standard deviation of one value, from how seeds differ at each rate.

    By medians: at rates near the edge seeds differ by much more.

    Args:
        values: Metrics, float64[seeds, rates], of two seeds at least.
    """
    known = values[:, np.isfinite(values).all(axis=0)]
    same = known - known.mean(axis=0)  # first what the seeds have in common, which is larger
    off = same - np.median(same, axis=1, keepdims=True)
    middle = float(np.median(off.std(axis=0, ddof=1)))
    return middle / 0.6745 if len(values) == 2 else middle


def replace_doubt(read: MarkedCurve, doubt: float) -> MarkedCurve:
    """Return a curve with another standard error, the same everywhere."""
    return read._replace(doubt=np.full(len(read.at), doubt))


def _refused(ladder: Ladder, read: MarkedCurve, metric: str) -> Refusal | None:
    if read.clarity <= CLEAR:
        reason = (
            f"short runs end alike: {metric} differs by {max(-float(read.rise.min()), 0.0):.2g}, "
            f"and by {CLEAR * read.doubt[0]:.2g} from noise alone"
        )
        return Refusal(reason, "give peaks")
    return unclear(ladder, read)
