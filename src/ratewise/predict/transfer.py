"""A best peak learning rate, carried from one schedule and length to another."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ratewise._arrays import Floats
from ratewise.predict.bound import bound
from ratewise.runs.specs import Written
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import number
from ratewise.schedule.strict import strict

THEORY = 1.0, 0.5
"""Share of the log-ratio of shapes, and exponent of the length, by theory."""

TRUST = 0.3, 0.5
"""Standard deviations of both. Exponents were measured from .11 to .27 on language models, and
from -.6 to .8 on short runs of small ones."""

SCATTER = 0.2
"""Standard deviation of the logarithm of a measured best peak about the rule: what makes the
interval hold nine of ten best peaks on the recorded grids (benchmarks/transfer.py)."""

WIDTH = 1.65
"""Standard deviations on either side of a peak: nine cases of ten."""

MeasuredPeak = tuple[Written, int, float]
"""A schedule, the updates of the run, and the best peak learning rate found for both."""


@dataclass(frozen=True)
class Transfer:
    """The best peak of a schedule nobody has tuned, and how sure that is.

    Args:
        lr: The best peak expected.
        low: Lower end of its 90 % interval.
        high: Upper end.
        ratio: `lr` over the peak it was carried from.
        theory: The same ratio by theory alone.
        exponent: The exponent e that was used: the peak goes as total^-e.
        share: How much of the theory's log-ratio between shapes was used; 1 is all of it.
        measured: MeasuredPeak best peaks that exponent and share were learnt from, besides the one
            that is carried over.
    """

    lr: float
    low: float
    high: float
    ratio: float
    theory: float
    exponent: float
    share: float
    measured: int

    @property
    def how(self) -> str:
        """How it was got, in words."""
        rule = f"{self.share:.2f} of the theory's log-ratio of shapes, total^-{self.exponent:.2f}"
        if not self.measured:
            return rule
        return f"{rule}; learnt from {self.measured} more best peak" + "s" * (self.measured > 1)

    def __str__(self) -> str:
        told = f"{self.lr:.3g} ({self.low:.3g} to {self.high:.3g}), {self.ratio:.2f} times the old"
        return f"{told}; by theory {self.theory:.2f} times; {self.how}"


@strict
def transfer(
    lr: float,
    old: Written,
    old_total: int,
    new: Written,
    new_total: int,
    *,
    exponent: float | None = None,
    measured: Iterable[MeasuredPeak] = (),
) -> Transfer:
    """Return the best peak of a new schedule and length, from that of an old one.

    log lr_new = log lr + share·(s_new − s_old) − exponent·log(new_total / old_total)
    s = log γ* + ½·log total, γ* the best peak by `bound` with gradients of one constant norm

    By theory the share is 1 and the exponent ½. On language models of 124M parameters exponents of
    .11 to .27 were measured, so a longer run needs less of a cut than theory says. Best peaks
    that you have measured correct both: least squares of the formula, drawn to the theory
    (standard deviations .3 and .5) with a scatter of .2 about the rule.

    The interval holds for a change of the schedule and the length only, not of the batch, the
    model or the data.

    Args:
        lr: Best peak of the old schedule, in (0, inf); the base that its levels multiply.
        old: The old schedule, a plan or the text of one.
        old_total: Updates of its runs.
        new: The new schedule.
        new_total: Updates of its run.
        exponent: The exponent of the length, in [0, 1], where you know it.
        measured: More best peaks of the same task: (schedule, total, best peak).

    Raises:
        ScheduleError: a schedule does not fit, or an argument is outside its interval.

    Source: Schaipp et al. 2025, arXiv 2501.18965 (the ratio by theory); share, exponent and
    interval are our own, see docs/predict.md.

    >>> cosine, cooled = "Cosine(to=0)", "Hold() >> Linear(to=0, over='20%')"
    >>> print(transfer(1e-3, cosine, 1000, cooled, 1000).how)
    1.00 of the theory's log-ratio of shapes, total^-0.50
    >>> known = [(cosine, 4000, 8e-4), (cosine, 16000, 6e-4)]
    >>> round(transfer(1e-3, cosine, 1000, cosine, 64000, measured=known).exponent, 2)
    0.19
    """
    who = "transfer"
    peak = number(who, "lr", lr, above=True)
    given = [(old, old_total, peak), *_measured(measured)]
    goal, length = _place(new, new_total)
    places = np.array([_place(schedule, total) for schedule, total, _ in given])
    columns = np.column_stack([np.ones(len(given)), places[:, 0] - goal, -(places[:, 1] - length)])
    logs = np.log([best for _, _, best in given])
    centre, spread = np.array(THEORY), np.array(TRUST)
    if exponent is not None:
        centre[1], spread[1] = number(who, "exponent", exponent, high=1.0), 1e-6
    found, deviation = _fit(columns, logs, centre, spread)
    by_theory = math.exp(-float(columns[0, 1:] @ THEORY))
    best, half = math.exp(found[0]), math.exp(WIDTH * deviation)
    return Transfer(
        lr=best,
        low=best / half,
        high=best * half,
        ratio=best / peak,
        theory=by_theory,
        exponent=float(found[2]),
        share=float(found[1]),
        measured=len(given) - 1,
    )


def _place(schedule: Written, total: int) -> tuple[float, float]:
    """Return what a shape does to the log of the best peak by theory, and the log of its length."""
    told = bound(schedule, total)
    length = math.log(told.total)
    return math.log(told.best_peak) + THEORY[1] * length, length


def _measured(given: Any) -> list[MeasuredPeak]:
    who = "transfer(measured=…)"
    found: list[MeasuredPeak] = []
    for one in given:
        if not isinstance(one, tuple | list) or len(one) != 3:
            rule = "needs triples"
            raise ScheduleError(who, rule, "give (schedule, total, best peak) for each", given=one)
        schedule, total, best = one
        found.append((schedule, total, number(who, "a best peak", best, above=True)))
    return found


def _fit(columns: Floats, logs: Floats, centre: Floats, spread: Floats) -> tuple[Floats, float]:
    """Return (log peak, share, exponent), and the standard deviation of the first.

    A linear model with normal priors; its scatter is learnt from what does not fit, as if four
    peaks with the usual scatter had been seen before.
    """
    start = np.append(0.0, centre)
    off = logs - columns @ start
    prior = np.diag([0.0, *(1 / spread**2)])
    scatter, change, spread_of = SCATTER, np.zeros(3), prior
    for _ in range(20):
        spread_of = np.linalg.inv(columns.T @ columns / scatter**2 + prior)
        change = spread_of @ columns.T @ off / scatter**2
        misfit = float(np.square(off - columns @ change).sum())
        scatter = math.sqrt((4 * SCATTER**2 + misfit) / (4 + len(logs) - 1))
    return start + change, math.sqrt(spread_of[0, 0] + scatter**2)
