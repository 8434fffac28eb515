"""The rates of a range test, rung by rung, and when it is over."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ratewise._arrays import Floats
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import Call, Fix, number, whole
from ratewise.tasks.calls import trained
from ratewise.tasks.protocols import LiveRun, Run

FEWEST = 8
"""Rungs that a curve needs at least."""
PATIENCE = 2
"""Rungs in a row that have to be above the ceiling before a sweep is over."""
LOUD = 10.0
"""Standard deviations of the noise that the ceiling is above the start, at least."""


@dataclass(frozen=True)
class Ladder:
    """Rates in equal steps of log10, each held for some updates.

    rate(i) = lowest · (highest / lowest)^(i / (rungs − 1)),  i in [0, rungs)

    Args:
        lowest: First rate, in (0, highest).
        highest: Last rate, in (lowest, inf).
        rungs: Number of rates, at least 8.
        updates: Updates at each rate, at least 1.

    Raises:
        ScheduleError: an argument is out of its interval.

    >>> Ladder(1e-3, 10.0, 9, 1).rates[[0, 4, 8]].round(6).tolist()
    [0.001, 0.1, 10.0]
    """

    lowest: float = 1e-7
    highest: float = 10.0
    rungs: int = 100
    updates: int = 2

    def __post_init__(self) -> None:
        low = number(Call("find", "lowest", self.lowest), "lowest", self.lowest, above=True)
        who = Call("find", "highest", self.highest)
        high = number(who, "highest", self.highest, above=True)
        whole(Call("find", "rungs", self.rungs), "rungs", self.rungs, low=FEWEST)
        whole(Call("find", "updates", self.updates), "updates", self.updates, low=1)
        if high < 10 * low:
            rule = f"spans less than a decade from lowest={self.lowest!r}"
            fix = Fix("give {highest} or more", highest=f"{10 * low:g}")
            raise ScheduleError(who, rule, fix)

    @property
    def rates(self) -> Floats:
        """The rate of each rung, float64[rungs]."""
        return np.geomspace(self.lowest, self.highest, self.rungs)

    @property
    def places(self) -> Floats:
        """The decimal logarithm of each rate, float64[rungs]."""
        return np.log10(self.rates)

    @property
    def all_rates(self) -> Floats:
        """The rate of each update, float64[rungs · updates + 1].

        A loss is seen before the update that descends it, so it tells of the rates before. One
        more update shows what the last one did.
        """
        return np.append(np.repeat(self.rates, self.updates), self.highest)


@dataclass(eq=False)
class Sweep:
    """One climb of the ladder: it is told the loss of every update, and says when to stop.

    A sweep is over when a loss is not finite, or when two rungs in a row are above a ceiling: as
    far above the start as the best is below it, and ten standard deviations of the noise at
    least. Nothing of it changes when losses are multiplied, or a number is added to all.

    Args:
        ladder: The ladder.
        seed: Seed of the data and the random numbers.
    """

    ladder: Ladder
    seed: int
    losses: list[float] = field(default_factory=list[float])
    """Loss of every update made, as it was told."""
    rungs: list[float] = field(default_factory=list[float])
    """Mean loss of each rung, of the updates that came after its rate was used."""
    broke: int | None = None
    """The rung at which it diverged, or None."""
    heard: Callable[[Sweep], Any] | None = field(default=None, repr=False)
    """Who is told after every loss, or None."""

    def tell(self, loss: float) -> bool:
        """Take the loss of one more update; return whether to stop."""
        self.losses.append(loss)
        if self.heard is not None:
            self.heard(self)
        if not math.isfinite(loss):
            self.broke = max(len(self.losses) - 2, 0) // self.ladder.updates
            return True
        seen, k = len(self.losses) - 1, self.ladder.updates
        if seen and seen % k == 0:
            self.rungs.append(float(np.mean(self.losses[-k:])))
            self._judge()
        return self.broke is not None or len(self.losses) >= self.ladder.rungs * k + 1

    def forget(self) -> None:
        """Begin anew."""
        self.losses, self.rungs, self.broke = [], [], None

    @property
    def rate(self) -> float | None:
        """The rate that it diverged at, or None."""
        return None if self.broke is None else float(self.ladder.rates[self.broke])

    def _judge(self) -> None:
        done = len(self.rungs)
        if done < FEWEST:  # only what is beyond doubt
            high = self.losses[0] + 1e3 * (abs(self.losses[0]) + 1e-12)
        else:
            high = ceiling(np.array(self.rungs[: done - PATIENCE]))
        if min(self.rungs[-PATIENCE:]) > high and done >= PATIENCE:
            self.broke = done - PATIENCE


def climb(run: Run | LiveRun, sweep: Sweep) -> None:
    """Train a run at the ladder's rates until the sweep is over."""
    rates, k = sweep.ladder.all_rates, sweep.ladder.updates
    if isinstance(run, LiveRun):
        run.train_until(rates, sweep.tell)
        return
    start = run.save()  # a task may share a model between its runs
    try:
        for first in range(0, len(rates), k):
            # A loss is seen one update late, so there is one rate more than the rungs have.
            losses = trained(run, rates[first : first + k])
            if any(map(sweep.tell, losses.tolist())):
                return
    finally:
        run.restore(start)


def noise_of(losses: Floats) -> float:
    """Return the standard deviation of what is between neighbours, whatever the curve does."""
    if len(losses) < 4:
        return 0.0
    bends = np.abs(losses[2:] - 2 * losses[1:-1] + losses[:-2])
    return float(np.median(bends)) / (0.6745 * math.sqrt(6))


def ceiling(losses: Floats) -> float:
    """Return the loss above which a sweep with these rungs has diverged."""
    first = losses[: max(len(losses) // 10, 5)]
    padded = np.convolve(losses, np.ones(3) / 3, mode="valid") if len(losses) > 2 else losses
    start = float(np.median(first))
    return start + max(start - float(padded.min()), LOUD * noise_of(losses))
