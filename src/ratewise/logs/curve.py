"""A measured loss curve, and the rates it was trained with."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ratewise._arrays import Floats, running_medians
from ratewise.schedule import Schedule, ScheduleError
from ratewise.schedule.errors import whole
from ratewise.schedule.strict import strict

FEWEST = 8
"""Points below which a curve says nothing of its form."""

BLOWN_UP = 1.5
"""A loss that ends above this multiple of its first value has diverged."""

LOST = 0.25
"""Share of its fall that a run must have lost to have diverged without that."""

SUDDEN = 0.1
"""A loss that is 0 to the end behind more than this share of its first did not fall there."""

AROUND = 0.1
"""Share of losses of 0 or less from which on a curve is of another kind."""


class AnotherKind(ScheduleError):
    """Losses that no law here is of, such as those of reinforcement learning around 0."""


@strict
@dataclass(frozen=True, eq=False)
class Curve:
    """One training run as its log tells it: after how many updates which rate gave which loss.

    Between two logged points the rate is taken to be linear. Before the first it is the first
    rate, to which it climbed in a straight line from 0 if the run began with a warm-up.
    `Curve.of` takes the exact rates from a schedule instead.

    Points whose loss is NaN are left out, and so is everything from the first infinite loss on.

    Args:
        steps: Updates made, int[n], strictly increasing from 0 or more.
        rates: Learning rates at these updates, float[n], 0 or more.
        losses: Losses there, float[n], all of one kind: training or validation.
        name: What the run is called.
        warmup: Updates of linear warm-up from 0; it ends before the first point or at it.
        validation: Whether the losses are of data that are not trained on.
        evaluations: Beside losses of training, (updates made, validation loss) as far as logged.
        planned: Updates that the run was to make, if its log says so.
        epoch: Updates of one pass through the data, if its log says so.

    Attributes:
        excluded: What was left out, in words.
        diverged: Why no law may be fitted to it, or "".

    Raises:
        ScheduleError: fewer than 8 points are left, or they are out of order, of different
            length, constant, or a rate is missing or negative.
    """

    steps: ArrayLike
    rates: ArrayLike
    losses: ArrayLike
    name: str = ""
    warmup: int = 0
    validation: bool = False
    evaluations: tuple[tuple[float, float], ...] = ()
    planned: int | None = None
    epoch: float | None = None
    excluded: tuple[str, ...] = field(default=(), init=False)
    diverged: str = field(default="", init=False)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise ScheduleError("Curve", "needs name as a text", "give a str", given=self.name)
        who = f"Curve({self.name!r})" if self.name else "Curve"
        steps, rates, losses = (
            one_row(who, name, getattr(self, name), "give one number per logged point")
            for name in ("steps", "rates", "losses")
        )
        if not len(steps) == len(rates) == len(losses):
            rule = f"got {len(steps)} steps, {len(rates)} rates and {len(losses)} losses"
            raise ScheduleError(who, rule, "give one of each per logged point")
        whole(who, "warmup", self.warmup)
        said: list[str] = []
        blown = np.flatnonzero(np.isinf(losses))
        if len(blown):
            said.append(f"{len(losses) - blown[0]} points from the first infinite loss on")
            steps, rates, losses = steps[: blown[0]], rates[: blown[0]], losses[: blown[0]]
        kept = np.isfinite(losses)
        if not kept.all():
            said.append(f"{int((~kept).sum())} points without a loss")
        steps, rates, losses = steps[kept], rates[kept], losses[kept]
        _check(who, steps, rates, losses)
        for name, value in (("steps", steps), ("rates", rates), ("losses", losses)):
            value.setflags(write=False)
            object.__setattr__(self, name, value)
        object.__setattr__(self, "excluded", tuple(said))
        object.__setattr__(self, "diverged", _diverged(losses, bool(len(blown))))

    @classmethod
    def of(
        cls,
        schedule: Schedule,
        lr: float,
        total: int,
        steps: ArrayLike,
        losses: ArrayLike,
        name: str = "",
    ) -> Curve:
        """Return the curve of a run whose schedule is known to the update.

        Args:
            schedule: The schedule the run was trained with.
            lr: Its peak learning rate.
            total: Updates of the whole run.
            steps: Updates made, int[n].
            losses: Losses there, float[n].
            name: What the run is called.
        """
        return cls.trained(schedule.resolve(total=total).values(total) * lr, steps, losses, name)

    @classmethod
    def trained(
        cls, rates: ArrayLike, steps: ArrayLike, losses: ArrayLike, name: str = ""
    ) -> Curve:
        """Return the curve of a run of which every single rate is known, float[updates]."""
        every = np.array(rates, dtype=np.float64)
        at = np.asarray(steps, dtype=np.int64)
        if len(at) and len(every) < int(at.max()):
            rule = f"has {len(every)} rates, and a loss after {int(at.max())} updates"
            raise ScheduleError(f"Curve({name!r})", rule, "give a rate for every update")
        curve = cls(at, every[np.maximum(at - 1, 0)], losses, name)
        curve.__dict__["every_rate"] = every[: int(np.asarray(curve.steps)[-1])]
        return curve

    def beside(self, **facts: Any) -> Curve:
        """Return the same curve with other facts: validation, evaluations, planned, epoch."""
        found = copy.copy(self)
        for name, value in facts.items():
            if name not in ("validation", "evaluations", "planned", "epoch"):
                raise ScheduleError("Curve.beside", f"knows no {name}", "give planned=, epoch=, …")
            object.__setattr__(found, name, value)
        return found

    @cached_property
    def every_rate(self) -> Floats:
        """The rate of every update until the last point, float64[steps[-1]]."""
        steps, rates = np.asarray(self.steps), np.asarray(self.rates)
        at = np.arange(int(steps[-1])) + 1.0
        found = np.interp(at, steps, rates)
        before = min(self.warmup, int(steps[0]))
        if before:
            found[:before] = rates[0] * np.arange(1, before + 1) / before
        return found

    @property
    def peak(self) -> float:
        """The highest rate."""
        return float(self.every_rate.max())

    def __repr__(self) -> str:
        steps, losses = np.asarray(self.steps), np.asarray(self.losses)
        return (
            f"Curve({self.name!r}: {len(steps)} points, updates {int(steps[0]):,} to "
            f"{int(steps[-1]):,}, loss {losses[0]:.4g} to {losses[-1]:.4g})"
        )


def one_row(who: str, name: str, value: Any, fix: str, *, least: int = 0) -> Floats:
    """Return a copy of numbers in one row, float64[n], n at `least`; refuse anything else."""
    try:
        found = np.array(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        found = np.empty((0, 0))
    if found.ndim != 1 or len(found) < least:
        raise ScheduleError(who, f"needs {name} as numbers in one row", fix, given=value)
    return found


def check_steps(who: str, steps: Floats) -> None:
    """Refuse steps that are no whole numbers from 0 on, or do not rise."""
    if not np.isfinite(steps).all() or (steps != np.floor(steps)).any() or (steps < 0).any():
        rule = "has steps that are no whole numbers from 0 on"
        raise ScheduleError(who, rule, "count updates from 0")
    back = np.flatnonzero(np.diff(steps) <= 0)
    if len(back):
        before, after = steps[back[0] : back[0] + 2]
        rule = f"has steps out of order, {before:.0f} before {after:.0f}"
        raise ScheduleError(who, rule, "sort the points, one for each step")


def _check(who: str, steps: Floats, rates: Floats, losses: Floats) -> None:
    if len(steps) < FEWEST:
        rule = f"has {len(steps)} points with a loss, too few to say anything"
        raise ScheduleError(who, rule, f"give {FEWEST} or more")
    check_steps(who, steps)
    wrong = np.flatnonzero(~np.isfinite(rates) | (rates < 0))
    if len(wrong):
        rule = f"has no rate at step {steps[wrong[0]]:.0f}"
        raise ScheduleError(who, rule, "log the learning rate, or use Curve.of(schedule, …)")
    if not (rates > 0).any():
        raise ScheduleError(who, "has no rate above 0", "give the rates that were used")
    _check_zeros(who, losses)
    if (losses <= 0).mean() > AROUND:
        rule = f"has losses around 0, from {losses.min():g} to {losses.max():g}, as of rewards"
        fix = "no law here is of such curves: give a loss that falls towards a floor above 0"
        raise AnotherKind(who, rule, fix)
    if (losses <= 0).any():
        rule = f"has a loss of {losses.min():g}; laws are of losses above 0"
        raise ScheduleError(who, rule, "give the loss itself, not its logarithm or a score")
    if np.ptp(losses) <= 1e-9 * abs(float(losses[0])):
        raise ScheduleError(who, "has a constant loss", "give the curve of a run that learns")


def _check_zeros(who: str, losses: Floats) -> None:
    """Refuse losses that fall to exactly 0: no law is of these, and most mean something else."""
    zeros, third = losses == 0, len(losses) // 3
    if not zeros.any() or losses.min() < 0:
        return
    if zeros.all():
        fix = "look at the labels, all of them masked, or at a NaN: Trainers log it as 0"
        raise AnotherKind(who, "has a loss of 0 at every point", fix)
    first = int(np.argmax(zeros))
    if zeros[first:].all() and first and losses[first - 1] > SUDDEN * losses[0]:
        rule = f"has a loss of exactly 0 from one point to the end, behind {losses[first - 1]:.4g}"
        raise AnotherKind(
            who, rule, "it became NaN, which Trainers log as 0: a lower rate, or bf16"
        )
    if losses[:third].mean() > losses[-third:].mean():
        points = f"{int(zeros.sum()):,} of {len(losses):,} points"
        rule = f"has a loss of 0 at {points}: learned by heart, or rounded"
        fix = "laws are of losses above 0: give a validation loss, or log more digits"
        raise AnotherKind(who, rule, fix)


def _diverged(losses: Floats, blown: bool) -> str:
    """Return why a run diverged: it ends high above where it was, and much of the fall is lost.

    Where it was is the lowest running median of five, which one low point does not move.
    """
    if blown:
        return "its loss became infinite"
    last = float(np.median(losses[-max(3, len(losses) // 10) :]))
    first, lowest = float(losses[0]), float(running_medians(losses, 5).min())
    lost = last > math.e * lowest and last - lowest > LOST * (first - lowest)
    if last > BLOWN_UP * first or lost:
        return f"its loss went up from {lowest:.4g} to {last:.4g}"
    return ""


def jitter(losses: Floats) -> float:
    """Return the size of the jitter from point to point, as a share of the loss.

    The median size of second differences of log(loss), for a normal jitter: .6745·√6·σ.
    """
    bends = np.diff(np.log(losses), 2)
    return float(np.median(np.abs(bends)) / 0.6745 / np.sqrt(6.0))
