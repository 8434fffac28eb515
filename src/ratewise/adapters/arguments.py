"""What every face is given: a horizon, a rate at level 1, keywords that may be misspelt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ratewise.schedule import Plan, Schedule
from ratewise.schedule.errors import Context, ScheduleError, nearest, number, shorten
from ratewise.schedule.familiar import read_named
from ratewise.schedule.foreign import run_argument

HORIZON = ("total", "epoch", "samples", "tokens")

RESUME = ("checkpoint", "code", "rescale", "continue")
"""What may be done if a checkpoint has another schedule than the code."""

OPTIONS = ("resume", "by_hand", "updates", "on_device")
"""What a face passes on to the scheduler that it makes."""

BY_HAND = ("warn", "ignore", "follow", "refuse")
"""What may be done about a value that somebody else has put into a group."""


@dataclass(frozen=True)
class HorizonOf(Context):
    """Advice about lengths for who gives them to an adapter, `attach(total=…)`.

    >>> from ratewise.schedule import Linear
    >>> from ratewise.schedule.errors import speaking
    >>> with speaking(HorizonOf(adapter="attach")):
    ...     Linear(to=0, over="5%").resolve()
    Traceback (most recent call last):
    ratewise.schedule.errors.ScheduleError: ...: give attach(total=…) with the updates of the run...
    """

    adapter: str = ""

    def argument(self, name: str, example: str) -> str:
        """Return how an argument is given; those of a run go to the adapter."""
        written = super().argument(name, example)
        if name in OPTIONS:
            return f"{self.adapter}(…, {written})"
        return f"{self.adapter}({written})" if name in HORIZON else written

    def call(self, function: str, given: str) -> str:
        """Return how what was called is shown; `resolve` is called by the adapter alone.

        A face makes a `Scheduler`, of which its user knows nothing.
        """
        if function == "Scheduler":
            return super().call(self.adapter, given)
        return given if function == "resolve" and given else super().call(function, given)


def given(**horizon: Any) -> dict[str, Any]:
    """Return the part of a horizon that was given."""
    return {key: value for key, value in horizon.items() if value is not None}


def refuse_unknown(
    who: str,
    unknown: Mapping[str, Any],
    known: Iterable[str] = (),
    advice: Mapping[str, str] | None = None,
) -> None:
    """Refuse keywords that do not exist.

    Args:
        who: What was called.
        unknown: What was given and is not known.
        known: Keywords beside those of the horizon, of which the nearest is named.
        advice: What to write in place of those that frameworks have.

    Raises:
        ScheduleError: there is one.
    """
    names = [*HORIZON, *known]
    for key, value in unknown.items():
        fix = run_argument(key, value, names) or nearest(key, names)
        fix = (advice or {}).get(key, fix)
        raise ScheduleError(f"{who}({key}={shorten(value)})", "is not an argument", fix)


def read_each(
    who: str, given: Any, fix: str, options: Mapping[str, Any]
) -> tuple[Any, dict[str, Any]]:
    """Return what `read_named` makes of a schedule, or of each in a list, and what is left."""
    if not isinstance(given, list | tuple):
        return read_named(who, given, fix, options)
    several: Any = given
    rest = {key: value for key, value in options.items() if value is not None}
    read: list[Schedule | Plan | None] = []
    for one in several:
        value, left = (None, rest) if one is None else read_named(who, one, fix, options)
        rest = {key: rest[key] for key in left if key in rest}
        read.append(value)
    return read, rest


def only_rate(who: str, plan: Plan, fix: str) -> Schedule:
    """Return the schedule of the rate; refuse a plan of anything else."""
    others = [key for key in plan.schedules() if key != "lr"]
    if others or plan.groups or plan.lr is None:
        what = ", ".join(others) or ("groups" if plan.groups else "nothing")
        rule = f"gives the learning rate alone, this plan schedules {what}"
        raise ScheduleError(who, rule, fix)
    return plan.lr


def read_rate(who: str, plan: Plan, lr: Any) -> float | None:
    """Return the rate at level 1, from `lr` or the plan's peak; None if neither names it."""
    peak = plan.peak.get("lr")
    if lr is None:
        return peak
    rate = number(f"{who}(lr={shorten(lr)})", "lr", lr, above=True)
    if peak is not None and peak != rate:
        rule = f"has lr={rate:g} and a plan with peak {peak:g}"
        raise ScheduleError(who, rule, "give one of them")
    return rate
