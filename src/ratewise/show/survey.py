"""One pass over every level of a schedule: its outline for drawing, and what it adds up to."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ratewise._arrays import Floats
from ratewise.schedule import Schedule

COLUMNS = 1200
"""Stretches into which a run is cut for drawing: more than a screen has columns."""
EVERY = 1 << 26
"""Updates up to which every level is looked at; longer runs are sampled."""
SAMPLES = 1 << 12
"""Updates looked at in each stretch of a run longer than that."""

Updates = NDArray[np.int64]


class Jump(NamedTuple):
    """The largest change of level from one update to the next.

    Attributes:
        update: The update that has the new level.
        change: Its level minus the level of the update before.
    """

    update: int
    change: float


@dataclass(frozen=True, eq=False)
class Survey:
    """What all levels of a run come to.

    Attributes:
        length: Updates in the run.
        mean: Mean level: the area under the curve per update.
        zeros: Updates at a level of exactly 0.
        top: First update at the highest level.
        jump: The largest change between neighbours, or None in a run of one update.
        exact: Whether every update was looked at; otherwise `mean`, `zeros`, `top` and `jump`
            come from a sample.
        updates: Updates of the outline, int64[k], rising.
        levels: Their levels, float64[k]: first, lowest, highest and last of each stretch.
    """

    length: int
    mean: float
    zeros: int
    top: int
    jump: Jump | None
    exact: bool
    updates: Updates = field(repr=False)
    levels: Floats = field(repr=False)


@dataclass(frozen=True, eq=False)
class _Part:
    """What one stretch comes to; `updates` and `levels` are its outline."""

    updates: Updates
    levels: Floats
    sum: float
    zeros: float
    jump: Jump | None


def survey(schedule: Schedule, length: int, marks: tuple[int, ...] = ()) -> Survey:
    """Look at the levels of updates 0 … length-1, which come from the schedule itself.

    Args:
        schedule: A resolved schedule.
        length: Updates in the run, at least 1.
        marks: Updates to look at even if the run is so long that it is sampled.

    >>> import ratewise as rw
    >>> survey(rw.Linear(to=0, over=4), 4).mean
    0.625
    """
    exact = length <= EVERY
    cuts = COLUMNS if length > 4 * COLUMNS else 1
    edges = [length * i // cuts for i in range(cuts + 1)]
    parts = [
        _part(b - a, cuts == 1, *(_all(schedule, a, b) if exact else _some(schedule, a, b, marks)))
        for a, b in itertools.pairwise(edges)
    ]
    updates = np.concatenate([part.updates for part in parts])
    levels = np.concatenate([part.levels for part in parts])
    jumps = [*(part.jump for part in parts), _jump(updates, levels)]  # the last: between stretches
    return Survey(
        length=length,
        mean=math.fsum(part.sum for part in parts) / length,
        zeros=round(math.fsum(part.zeros for part in parts)),
        top=int(updates[levels.argmax()]),
        jump=_largest([jump for jump in jumps if jump]),
        exact=exact,
        updates=updates,
        levels=levels,
    )


def _all(schedule: Schedule, start: int, stop: int) -> tuple[Updates, Floats]:
    return np.arange(start, stop, dtype=np.int64), schedule.values(stop - start, start)


def _some(
    schedule: Schedule, start: int, stop: int, marks: tuple[int, ...]
) -> tuple[Updates, Floats]:
    """Return a sample of the updates of a stretch, what is next to a mark included."""
    grid = np.arange(start, stop, max((stop - start) // SAMPLES, 1), dtype=np.int64)
    near = [at for mark in marks for at in (mark - 1, mark) if start <= at < stop]
    updates = np.unique(np.concatenate([grid, np.array([*near, stop - 1], dtype=np.int64)]))
    return updates, schedule(updates)


def _part(count: int, whole: bool, updates: Updates, levels: Floats) -> _Part:
    """Sum up a stretch of `count` updates, drawn `whole` or by its corners."""
    drawn = np.unique([0, int(levels.argmin()), int(levels.argmax()), len(levels) - 1])
    if whole:
        drawn = np.arange(len(levels))
    each = count / len(levels)
    return _Part(
        updates=updates[drawn],
        levels=levels[drawn],
        sum=float(levels.sum()) * each,
        zeros=float(np.count_nonzero(levels == 0.0)) * each,
        jump=_jump(updates, levels),
    )


def _jump(updates: Updates, levels: Floats) -> Jump | None:
    change = np.where(np.diff(updates) == 1, np.diff(levels), 0.0)
    if not change.size:
        return None
    at = _first_largest(np.abs(change))
    return Jump(int(updates[at + 1]), float(change[at]))


def _largest(jumps: list[Jump]) -> Jump | None:
    jumps = sorted(jumps, key=lambda jump: jump.update)
    sizes = np.array([abs(jump.change) for jump in jumps])
    return jumps[_first_largest(sizes)] if jumps else None


def _first_largest(sizes: Floats) -> int:
    """Return the first of the largest; what rounding tells apart counts as equal."""
    return int((sizes >= sizes.max() * (1 - 1e-9)).argmax())
