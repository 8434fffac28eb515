"""Composer's time strings, and the clock that turns them into updates."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from ratewise.convert.formats import RunFacts
from ratewise.schedule import ScheduleError

_TIME = re.compile(
    r"\s*+([0-9][0-9,]*+\.?[0-9]*+(?:e[+-]?[0-9]++)?)\s*+(ep|ba|sp|tok|dur|iter|sec)\s*+"
)
_HOW = 'write a time such as "100ba", "1ep", "1e9tok" or "0.1dur"'


@dataclass(frozen=True)
class Time:
    """An amount of a unit: "ep", "ba" (an update), "sp", "tok" or "dur"."""

    value: float
    unit: str


def read_time(who: str, name: str, given: Any) -> Time:
    """Return a time string as an amount and a unit."""
    rule = f"needs {name} as a time"
    match = _TIME.fullmatch(given.lower()) if isinstance(given, str) else None
    if match is None:
        raise ScheduleError(who, rule, _HOW, given=given)
    value, unit = float(match[1].replace(",", "")), match[2]
    if math.isinf(value):
        raise ScheduleError(who, rule, "give a finite one", given=given)
    if unit in ("sec", "iter"):
        raise ScheduleError(who, f"has {name} in {unit}", _HOW)
    if unit != "dur" and not value.is_integer():
        raise ScheduleError(who, rule, "only dur may be a fraction")
    return Time(value, unit)


@dataclass(frozen=True)
class ComposerClock:
    """The length of the run, and what an update counts in each unit.

    Attributes:
        who: Who asks, for messages.
        ctx: What `read` was told.
        duration: How long the run is, `max_duration` times the scale, in its own unit.
        scale: `scale_schedule_ratio`.
    """

    who: str
    ctx: RunFacts
    duration: Time
    scale: float = 1.0

    @classmethod
    def of(cls, who: str, ctx: RunFacts, duration: Any, scale: float) -> ComposerClock:
        """Return the clock of a config; without `max_duration` the run lasts the total."""
        if duration is None:
            return cls(who, ctx, Time(ctx.need_total(who), "ba"), scale)
        if isinstance(duration, int) and not isinstance(duration, bool):
            duration = f"{duration}ep"
        given = read_time(who, "max_duration", duration)
        return cls(who, ctx, Time(int(given.value * scale), given.unit), scale)

    def convert(self, time: Time, scale: float = 1.0) -> Time:
        """Return a time in batches, samples or tokens, cut to a whole number as Composer does."""
        if time.unit == "dur":
            whole = self.duration
            if whole.unit == "ep":
                return Time(int(time.value * self._epoch() * whole.value), "ba")
            return Time(int(time.value * whole.value), whole.unit)
        if time.unit == "ep":
            time = Time(time.value * self._epoch(), "ba")
        return Time(int(time.value * scale), time.unit)

    def run(self) -> int | None:
        """Return the updates of the run, where the config states them and nobody else has."""
        needed = {"ep": "epoch", "sp": "samples", "tok": "tokens"}.get(self.duration.unit)
        known = needed is None or getattr(self.ctx.horizon, needed) is not None
        if self.ctx.total is not None or not known:
            return None
        return math.ceil(self.updates(self.convert(self.duration)))

    def updates(self, time: Time) -> Fraction:
        """Return a converted time in updates, which need not be whole."""
        if time.unit == "ba":
            return Fraction(time.value)
        unit = "samples" if time.unit == "sp" else "tokens"
        return Fraction(time.value) / self.ctx.need(self.who, unit)

    def _epoch(self) -> int:
        return int(self.ctx.need(self.who, "epoch"))
