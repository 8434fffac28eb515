"""Runs of millions of updates, told in blocks of updates, so that they fit into memory.

A law is computed for every update of a run, once for each candidate. Beyond `FINEST` updates a
block stands for several: it has the mean rate of a logged run, or the middle one of a schedule.
Laws do not mind what an update is: their lags and lengths are then counted in blocks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ratewise.logs.curve import Curve
from ratewise.runs.specs import Candidate
from ratewise.schedule import Function, Plan, Schedule, ScheduleError
from ratewise.schedule.given import read_plan

FINEST = 500_000
"""Updates up to which every update counts by itself."""
BLOCKS = 250_000
"""Blocks that a longer run is cut into, about."""


def block_of(curves: Sequence[Curve], total: int | None) -> int:
    """Return how many updates a block has, for all runs and candidates.

    >>> steps = np.arange(1, 11) * 100_000
    >>> block_of([Curve(steps, np.ones(10), 1 + 1 / steps)], None)
    4
    """
    longest = max([total or 0, *(int(np.asarray(one.steps)[-1]) for one in curves)])
    return 1 if longest <= FINEST else -(-longest // BLOCKS)


def curve_in_blocks(curve: Curve, block: int) -> Curve:
    """Return a run counted in blocks; of several points in a block the last counts."""
    steps, losses = np.asarray(curve.steps), np.asarray(curve.losses)
    at = (steps // block).astype(np.int64)
    kept = np.append(at[1:] > at[:-1], True) & (at >= 1)
    made = "every_rate" in curve.__dict__
    if made:
        every = curve.every_rate
        rates = every[: len(every) // block * block].reshape(-1, block).mean(1)
        return Curve.trained(rates, at[kept], losses[kept], curve.name)
    rates = np.asarray(curve.rates)
    return Curve(at[kept], rates[kept], losses[kept], curve.name, curve.warmup // block)


def candidates_in_blocks(
    candidates: Mapping[str, Candidate], total: int, block: int
) -> dict[str, Candidate]:
    """Return schedules as they are in a run of so many updates, counted in blocks.

    Raises:
        ScheduleError: a schedule does not fit into the run, or brings a run of its own.
    """
    return {name: _in_blocks(name, one, total, block) for name, one in candidates.items()}


def _in_blocks(name: str, candidate: Any, total: int, block: int) -> Schedule:
    if isinstance(candidate, tuple):
        rule = f"has a length or an optimizer of its own, in runs of more than {FINEST:,} updates"
        raise ScheduleError(f"Candidate {name!r}", rule, "give one total to all")
    plan: Plan = read_plan(f"Candidate {name!r}", candidate, "give a schedule")
    if plan.lr is None:
        raise ScheduleError(f"Candidate {name!r}", "has no learning rate", "give it one")
    count = total // block
    middles = np.arange(count, dtype=np.int64) * block + block // 2
    levels = plan.lr.resolve(total)(middles)
    return Function(levels.item, over=count)
