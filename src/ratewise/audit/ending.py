"""A log that goes on behind the end of its plan, though every rate in it is one of the plan's."""

from __future__ import annotations

import numpy as np

from ratewise.audit.evidence import Explanation, LogEvidence
from ratewise.audit.restarts import MOST_SKIPPED
from ratewise.audit.result import Cause, Departure
from ratewise.audit.telling import FEWEST


def past_end(e: LogEvidence, base: Explanation) -> tuple[Cause, ...]:
    """Return the cause of a run that went on at the end of its plan, if it did."""
    total, last = e.intended.total, int(e.counts[-1])
    after = e.counts + base.shift >= total
    if last <= total + 1 or not after.any() or not e.intended.own:
        return ()
    told = {"end": total, "updates": last - total, "rate": float(e.rates[-1, 0])}
    return (Cause("held_past_end", told, base.share, 0.5),)


def is_late(e: LogEvidence, base: Explanation) -> bool:
    """Whether what is behind the end may be of updates before it: a counter counts skipped ones."""
    total, last = e.intended.total, int(e.counts[-1])
    rows = e.counts > total
    if last - total > max(FEWEST, MOST_SKIPPED * total):
        return False
    late = e.intended.at(e.counts[rows] + base.shift - (last - total)) * base.scale
    with np.errstate(invalid="ignore"):
        return not bool((np.abs(e.rates[rows] - late) > e.tolerance[rows]).any())


def first_past(e: LogEvidence, base: Explanation) -> Departure | None:
    """Return the first recorded rate behind the end, as what departs from the plan."""
    rows = np.flatnonzero(e.counts > e.intended.total)
    if not len(rows):
        return None
    row = int(rows[0])
    return Departure(int(e.counts[row]) + base.shift, int(e.counts[row]),
                     float(e.rates[row, 0]), float(base.expected[row, 0]))  # fmt: skip
