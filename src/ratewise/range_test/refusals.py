"""When a range test has no answer, and what to know about one that has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ratewise.range_test.ladder import FEWEST, Ladder, Sweep
from ratewise.range_test.marks import MarkedCurve
from ratewise.range_test.smoothing import WIDTH
from ratewise.view.format import format_rate

CLEAR = 8.0
"""Standard errors of the curve that a fall has to have."""
WIDEST = 2.0
"""Decades that the interval of the minimum may have, at most."""
AT_ONCE = 0.5
"""Decades within which a sweep that diverges has diverged at once."""


class Refusal(NamedTuple):
    """Why there is no answer, and what to do."""

    reason: str
    advice: str


def at_once(ladder: Ladder, sweeps: Sequence[Sweep]) -> Refusal | None:
    """Return a refusal if a sweep broke before there was anything to read."""
    broken = [one for one in sweeps if one.broke is not None]
    for one in broken:
        low = float(np.log10(ladder.rates[one.broke or 0] / ladder.lowest))
        if low < AT_ONCE or (one.broke or 0) < FEWEST:
            where = _short(one.rate)
            reason = f"the loss diverged at once, at {where} with seed {one.seed}"
            advice = f"give lowest={format_rate(ladder.lowest / 1e4, 2)}, or look at the task"
            return Refusal(reason, advice)
    return None


def refused(ladder: Ladder, sweeps: Sequence[Sweep], read: MarkedCurve) -> Refusal | None:
    """Return why the curve has no answer, or None."""
    broken = [one.rate for one in sweeps if one.rate is not None]
    span = float(np.ptp(read.losses))
    if span <= 1e-9 * float(np.abs(read.losses).max()):
        reason = f"the loss is flat, {read.losses[0]:.4g} from {format_rate(ladder.lowest)} on"
        return Refusal(reason, "look whether the optimizer has the model's parameters")
    if read.fall <= CLEAR * read.error and broken:
        reason = f"the loss never fell before it diverged at {_short(min(broken))}"
        return Refusal(reason, "give lowest= a smaller rate, or more updates")
    if read.fall <= CLEAR * read.error:
        reason = (
            f"the curve is flat: it falls by {read.fall:.2g}, "
            f"and by {CLEAR * read.error:.2g} from noise alone"
        )
        return Refusal(reason, f"give updates={4 * ladder.updates}, or a higher highest=")
    return _unclear(ladder, read)


def _unclear(ladder: Ladder, read: MarkedCurve) -> Refusal | None:
    minimum = read.minimum
    if minimum is None:
        return None
    if read.onset is None and minimum.rate * 10**WIDTH > 10 ** read.at[-1]:
        reason = f"the loss still fell at the highest rate, {format_rate(ladder.highest)}"
        return Refusal(reason, f"give highest={format_rate(ladder.highest * 100)}")
    if minimum.decades > WIDEST:
        ends = f"{_short(minimum.low)} … {_short(minimum.high)}"
        reason = f"it is too noisy: the minimum is anywhere in {ends}"
        return Refusal(reason, f"give updates={4 * ladder.updates}, or more seeds")
    return None


def notes(ladder: Ladder, read: MarkedCurve) -> tuple[str, ...]:
    """Return what else there is to know about an answer."""
    told: list[str] = []
    if read.steepest is not None and read.steepest.low < ladder.lowest * 10**WIDTH:
        told.append(
            f"The loss fell at {format_rate(ladder.lowest)} already, "
            "so where it is steepest is unsure."
        )
    if read.onset is None:
        told.append(f"It did not diverge up to {_short(10 ** read.at[-1])}.")
    return tuple(told)


def _short(value: float | None) -> str:
    """Return a rate in two figures."""
    return "nothing" if value is None else format_rate(value, 2)
