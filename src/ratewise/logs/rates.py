"""The rate of every update: from a log, or from a schedule that the user knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ratewise._arrays import Floats
from ratewise.logs.columns import rate_of
from ratewise.logs.table import LogTable
from ratewise.runs.specs import Written, read_candidates
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import Call, Fix, whole

LOWEST, CLIMB = -1.01, 0.25
"""Where the line through the first two rates is at update 0 if they are of a warm-up, as shares of
the first. Below 0 it is where the warm-up's own first update had a rate of 0."""


LONGEST = 5_000_000
"""Updates of a run up to which the rate of each of them is taken from the log at once."""


@dataclass(frozen=True)
class RateSource:
    """Where the rates of logs are from.

    Args:
        column: A column that the user named.
        schedule: What the runs were trained with, in place of a column.
        lr: Its peak learning rate.
        warmup: Updates of a linear warm-up from 0 that ended before a rate was logged.
    """

    column: str | None = None
    schedule: Written | None = None
    lr: float | None = None
    warmup: int = 0

    def __post_init__(self) -> None:
        whole(Call("read_curves", "warmup", self.warmup), "warmup", self.warmup)

    def of(self, table: LogTable, steps: Floats) -> tuple[Floats, str | None]:
        """Return the rates of a run, and the column they are of.

        They are those of all updates up to the last of `steps`, or of more; of a run so long that
        these would fill the memory, those of the updates in `steps` alone.
        """
        last = int(steps[-1])
        if self.schedule is not None:
            return _scheduled(self.schedule, self.lr, last), None
        if table.rates is not None:
            return table.rates, None
        column = rate_of(table, self.column)
        at = np.arange(1, last + 1, dtype=np.float64) if last <= LONGEST else steps
        return _logged(table, column, at, self.warmup), column


def _logged(table: LogTable, column: str, at: Floats, warmup: int) -> Floats:
    """Return the rates of some updates, linear between those that were logged."""
    steps, rates, _ = table.series(column)
    good = np.isfinite(rates)
    steps, rates = steps[good] + table.ahead, rates[good]
    if not len(steps) or rates.min() < 0:
        what = f"a learning rate of {rates.min():g}" if len(steps) else "no number"
        fix = Fix("name it with {rate}", rate="…")
        raise ScheduleError(f"Log {table.where!r}", f"has {what} in {column}", fix)
    found = np.interp(at, steps, rates)
    before = at < steps[0]
    if warmup:
        climb = at < min(warmup, steps[0])
        found[climb] = rates[0] * at[climb] / min(warmup, steps[0])
    elif before.any() and len(steps) > 1 and rates[1] > rates[0]:
        slope = (rates[1] - rates[0]) / (steps[1] - steps[0])
        if LOWEST * rates[0] <= rates[0] - slope * steps[0] <= CLIMB * rates[0]:
            found[before] = np.maximum(rates[0] + slope * (at[before] - steps[0]), 0.0)
    return found


def _scheduled(schedule: Written, lr: float | None, total: int) -> Floats:
    who = Call("read_curves", "schedule", str(schedule))

    def needed(_: Any) -> float:
        fix = Fix("give its peak with {lr}", lr="…")
        raise ScheduleError(who, "has no peak learning rate above 0", fix)

    peaks = None if lr is None else [lr]
    try:
        (asked,) = read_candidates(
            {"schedule": schedule}, seeds=1, peaks=peaks, default_peak=needed, total=total
        )
    except ScheduleError as error:
        raise error.about(who) from None
    if len(asked.rates) < total:
        rule = f"ends after {len(asked.rates):,} updates, and the log after {total:,}"
        raise ScheduleError(who, rule, "give the one it was trained with")
    return asked.rates
