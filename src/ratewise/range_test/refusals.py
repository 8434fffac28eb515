"""When a range test has no answer, and what to know about one that has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ratewise.range_test.ladder import FEWEST, Ladder, Sweep
from ratewise.range_test.marks import MarkedCurve
from ratewise.range_test.smoothing import WIDTH
from ratewise.schedule.errors import Context, Fix, written
from ratewise.view.format import format_rate

CLEAR = 4.0
"""Standard errors that the fall of a curve has to have; of noise alone one in 300 has."""
WIDEST = 2.0
"""Decades that the interval of the minimum may have, at most."""
AT_ONCE = 0.5
"""Decades within which a sweep that diverges has diverged at once."""


class Refusal(NamedTuple):
    """Why there is no answer, and what to do.

    Args:
        reason: Why, in words that follow "because".
        advice: What to do.
        end: The end of the ladder at which or beyond which the answer lies, where that is known
            beyond noise.
    """

    reason: str
    advice: str | Fix
    end: float | None = None

    def told(self, context: Context) -> Refusal:
        """Return it with the advice in the language of whoever is spoken to."""
        return self._replace(advice=written(self.advice, context))


def at_once(ladder: Ladder, sweeps: Sequence[Sweep]) -> Refusal | None:
    """Return a refusal if a sweep broke before there was anything to read."""
    for sweep in sweeps:
        if sweep.broke is None:
            continue
        rate = float(ladder.rates[sweep.broke])
        if np.log10(rate / ladder.lowest) < AT_ONCE or sweep.broke < FEWEST:
            where = format_rate(rate, 2)
            reason = f"the loss diverged at once, at {where} with seed {sweep.seed}"
            lower = format_rate(ladder.lowest / 1e4, 2)
            fix = Fix("give {lowest}, or look at the task", lowest=lower)
            return Refusal(reason, fix, ladder.lowest)
    return None


def refused(ladder: Ladder, sweeps: Sequence[Sweep], read: MarkedCurve) -> Refusal | None:
    """Return why the curve has no answer, or None."""
    broken = [one.rate for one in sweeps if one.rate is not None]
    span, more = float(np.ptp(read.losses)), _more(ladder)
    if span <= 1e-9 * float(np.abs(read.losses).max()):
        reason = f"the loss is flat, {read.losses[0]:.4g} from {format_rate(ladder.lowest)} on"
        return Refusal(reason, "look whether the optimizer has the model's parameters")
    if read.clarity <= CLEAR and broken:
        reason = f"the loss never fell before it diverged at {format_rate(min(broken), 2)}"
        return Refusal(
            reason, Fix("give a smaller {lowest}, or more {updates}", lowest="…", updates="…")
        )
    if read.clarity <= CLEAR:
        low = read.lowest
        reason = (
            f"the curve is flat: it falls by {max(-read.rise[low], 0.0):.2g}, "
            f"and by {CLEAR * read.doubt[low]:.2g} from noise alone"
        )
        fix = Fix("give {updates}, or a higher {highest}", updates=more, highest="…")
        return Refusal(reason, fix)
    return unclear(ladder, read)


def _more(ladder: Ladder) -> str:
    """Return the updates at each rate that halve what noise adds."""
    return str(4 * ladder.updates)


def unclear(ladder: Ladder, read: MarkedCurve) -> Refusal | None:
    """Return why the minimum of a curve that falls is unsure, or None."""
    minimum = read.minimum
    if minimum is None:
        return None
    if read.onset is None and minimum.rate * 10**WIDTH > 10 ** read.at[-1]:
        reason = f"the loss still fell at the highest rate, {format_rate(ladder.highest)}"
        higher = format_rate(ladder.highest * 100)
        return Refusal(reason, Fix("give {highest}", highest=higher), ladder.highest)
    if minimum.decades > WIDEST:
        ends = f"{format_rate(minimum.low, 2)} … {format_rate(minimum.high, 2)}"
        reason = f"it is too noisy: the minimum is anywhere in {ends}"
        fix = Fix("give {updates}, or more {seeds}", updates=_more(ladder), seeds="…")
        return Refusal(reason, fix)
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
        told.append(f"It did not diverge up to {format_rate(10 ** read.at[-1], 2)}.")
    return tuple(told)
