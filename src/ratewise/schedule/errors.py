"""The one error of the package, and the checks that raise it."""

from __future__ import annotations

import difflib
import math
import operator
import re
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Any


class ScheduleError(ValueError):
    """A schedule that cannot mean what it says, or a use that cannot work.

    Every message has one grammar: who, rule, what you gave, what to write.

    Args:
        who: The thing at fault, as the user wrote it, `Warmup(over=1200)`.
        rule: What it breaks, with the numbers given, `does not fit in total=1000`.
        fix: What to write in its place, `use over < 1000, or a longer run`.

    >>> print(ScheduleError("Hold(level=-1)", "needs level in [0, inf)", "give 0 or more"))
    Hold(level=-1) needs level in [0, inf): give 0 or more.
    """

    def __init__(self, who: str, rule: str, fix: str) -> None:
        super().__init__(f"{who} {rule}: {fix}.")
        self.who = who
        self.rule = rule
        self.fix = fix

    def __reduce__(self) -> tuple[type[ScheduleError], tuple[str, str, str]]:
        return type(self), (self.who, self.rule, self.fix)


@contextmanager
def speaking_for(called: str, helper: str = "compare") -> Generator[None]:
    """Let errors of a function name the one that the user has called.

    >>> with speaking_for("choose"):
    ...     raise ScheduleError("compare(seeds=0)", "needs a seed", "give compare(…, seeds=1)")
    Traceback (most recent call last):
    ratewise.schedule.errors.ScheduleError: choose(seeds=0) needs a seed: give choose(…, seeds=1).
    """
    try:
        yield
    except ScheduleError as error:
        if not re.match(rf"{helper}\b", error.who):
            raise
        fix = error.fix.replace(f"{helper}(", f"{called}(")
        raise ScheduleError(called + error.who[len(helper) :], error.rule, fix) from None


def shorten(value: object, limit: int = 60) -> str:
    """Return the repr of a user's value, cut so that a message stays readable."""
    try:
        text = repr(value)
    except Exception:
        text = f"<{type(value).__name__}>"
    return text if len(text) <= limit else text[: limit - 1] + "…"


def number(
    who: str,
    name: str,
    value: Any,
    *,
    low: float = 0.0,
    high: float = math.inf,
    above: bool = False,
) -> float:
    """Return `value` as a finite float in [low, high), or in (low, high) if `above`.

    `high` itself belongs to the interval when it is finite.
    """
    bracket = "(" if above else "["
    closing = ")" if math.isinf(high) else "]"
    interval = f"{bracket}{low:g}, {high:g}{closing}"
    rule = f"needs {name} in {interval}, got {shorten(value)}"
    fix = f"give a finite number in {interval}"
    if isinstance(value, bool | str | bytes) or value is None:
        raise ScheduleError(who, rule, fix)
    try:
        result = float(value)
    except (TypeError, ValueError, OverflowError):
        raise ScheduleError(who, rule, fix) from None
    inside = low < result if above else low <= result
    if not (math.isfinite(result) and inside and result <= high):
        raise ScheduleError(who, rule, fix)
    return result + 0.0  # turns -0.0 into 0.0


def whole(who: str, name: str, value: Any, *, low: int = 0, high: int = 2**62) -> int:
    """Return `value` as an int in [low, high]; bools and floats are refused."""
    rule = f"needs {name} as a whole number in [{low}, 2**62], got {shorten(value)}"
    fix = f"give an int of {low} or more"
    if isinstance(value, bool):
        raise ScheduleError(who, rule, fix)
    try:
        result = operator.index(value)
    except TypeError:
        raise ScheduleError(who, rule, fix) from None
    if not low <= result <= high:
        raise ScheduleError(who, rule, fix)
    return result


def nearest(word: str, known: Iterable[str]) -> str:
    """Return advice for a misspelt word: the near match, or the whole list."""
    names = sorted(known)
    lowered = {name.lower(): name for name in names}
    match = difflib.get_close_matches(str(word).lower(), lowered, n=1, cutoff=0.5)
    if match:
        return f"did you mean {lowered[match[0]]}"
    return f"known are {', '.join(names)}" if names else "nothing is known here"
