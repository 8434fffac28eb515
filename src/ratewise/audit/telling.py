"""What a log can tell: which conventions are right, and how much of it is worth anything."""

from __future__ import annotations

from typing import Any

import numpy as np

from ratewise.audit.evidence import Explanation, LogEvidence
from ratewise.audit.intended import Intended
from ratewise.audit.recorded import Recorded

FEWEST = 3
"""Rates on a slope below which a log tells nothing of the clock."""
USUAL_ROWS = 50
"""Rows that are asked for of a run."""


def conventions(recorded: Recorded, intended: Intended, logged: str | None) -> tuple[int, ...]:
    """Return what may be added to the updates made for the update whose rate is shown.

    After k updates the last was update k - 1 and the next is update k: loggers show the rate of
    either. A counter that began at 0 and was written behind the scheduler's step shows that of
    k + 1; where the log does not tell how it counts, that is right as well.
    """
    if logged is not None:
        return (-1,) if logged == "this" else (0,)
    if recorded.convention == "this":
        return (-1,)
    last = int(recorded.steps[-1])
    if recorded.facts.get("kind") in ("transformers", "keras", "lightning", "ratewise"):
        return (-1, 0)
    known = recorded.facts.get("from_zero") or last in (intended.total, recorded.total)
    return (-1, 0) if known else (-1, 0, 1)


def informative(e: LogEvidence, base: Explanation) -> int:
    """Return how many recorded rates would not be there if the clock were another."""
    plan = base.intended or e.intended
    t = e.counts + base.shift
    before, behind = plan.at(t - 2), plan.at(t + 2)
    scale = base.scale if np.isfinite(base.scale) else 1.0
    return int(((np.abs(behind - before) * scale > 2 * e.tolerance) & e.there).any(axis=1).sum())


def what_to_log(e: LogEvidence, telling: int, share: float) -> str:
    """Return why a log that fits a plan cannot be said to follow it, and what to log; or ""."""
    levels = e.intended.at(np.linspace(0, e.intended.total, 513).astype(np.int64))
    every = max(e.intended.total // USUAL_ROWS, 1)
    ask = f"log the rate every {every:,} updates."
    if np.ptp(levels, axis=0).max() <= 1e-9 * np.abs(levels).max():
        return "" if len(e.counts) >= FEWEST else f"the log has {_rows(len(e.counts))}: {ask}"
    if telling >= FEWEST:
        return ""
    if len(e.counts) < FEWEST:
        return f"the log has {_rows(len(e.counts))} only: {ask}"
    return (
        f"of {_rows(len(e.counts))} only {telling} stand where the plan moves, so that the "
        f"log would look the same with another clock: {ask}"
    )


def _rows(count: int) -> str:
    return f"{count:,} rate" + ("s" if count != 1 else "")


def digits_of(recorded: Recorded) -> Any:
    """Return the significant digits that a logger kept, for a sentence."""
    return "all" if recorded.digits is None else recorded.digits
