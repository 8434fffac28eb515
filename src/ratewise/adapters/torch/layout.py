"""What a clock on a device is laid out from: levels, peaks and tensors, as the host knows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import is_
from typing import Any

import numpy as np
from torch import Tensor

from ratewise._arrays import Floats
from ratewise.adapters.feedback import Listener
from ratewise.schedule import Schedule

BYTES = 2**26
"""What the levels of a whole run may take on the device; one schedule has 8 million updates."""

BLOCK = 2**16
"""Updates laid out at a time, where a run is longer than that or has no end."""


@dataclass(frozen=True)
class TableLayout:
    """What a table is made of, as it is known on the host.

    Attributes:
        levels: float64[updates, schedules], from update `start` on.
        start: The first of these updates.
        whole: Whether the last of them is where the schedules end, and hold from then on.
        columns: The schedule that each value follows.
        peaks: Each value at level 1.
        tensors: What the values are written to, a tensor of one element for each.
        views: What gave the levels of each schedule.
        shift: Position in the schedule minus the count.
    """

    levels: Floats
    start: int
    whole: bool
    columns: Sequence[int]
    peaks: Sequence[float]
    tensors: Sequence[Tensor]
    views: Sequence[Schedule | Listener]
    shift: int

    def holds(self, views: Sequence[Any], shift: int, rows: int | None) -> bool:
        """Tell whether these are the levels of a whole run of the same schedules."""
        listens = any(isinstance(view, Listener) for view in views)
        same = len(views) == len(self.views) and all(map(is_, views, self.views))
        here = len(self.levels), self.shift
        return same and not listens and self.whole and here == (rows, shift)


def layout_of(
    schedules: Sequence[tuple[Schedule | Listener, Sequence[int]]],
    peaks: Sequence[float],
    tensors: Sequence[Tensor],
    place: tuple[int, int, int | None],
    before: TableLayout | None,
) -> TableLayout:
    """Return the layout for an optimizer.

    Args:
        schedules: Each schedule, with the places of the values that follow it.
        peaks: Each value at level 1.
        tensors: What the values are written to.
        place: Committed updates, the position in the schedule minus that, and the updates until
            all schedules hold, if they do.
        before: The layout of before; the levels of a whole run are computed once.
    """
    count, shift, total = place
    rows = rows_for(total, len(schedules))
    start, n = (0, rows) if rows is not None else (count, BLOCK)
    columns = [0] * len(peaks)
    for i, (_, places) in enumerate(schedules):
        for column in places:
            columns[column] = i
    views = [view for view, _ in schedules]
    if before is not None and before.holds(views, shift, rows):
        levels = before.levels
    else:
        each = [_levels(view, start, n, count, shift) for view in views]
        levels = np.stack(each, axis=1) if each else np.empty((n, 0))
    return TableLayout(levels, start, rows is not None, columns, peaks, tensors, views, shift)


def _levels(view: Schedule | Listener, start: int, n: int, count: int, shift: int) -> Floats:
    """Return the levels of updates start … start+n-1.

    What listens is asked from the count on, as far as is known now. A clock that goes on at an
    earlier place of its schedule has no update before that schedule's first.
    """
    listens = isinstance(view, Listener)
    first = min(max(start, count if listens else -shift), start + n - 1)
    ask = view.ahead if listens else view.values
    known = ask(start + n - first, first + shift)
    return np.concatenate([np.full(first - start, known[0]), known])


def rows_for(total: int | None, schedules: int) -> int | None:
    """Return the rows with which a table has a whole run, or None if it is laid out in blocks.

    Update `total` is the first past the end; the ones behind it are like it.
    """
    if total is None or 8 * schedules * (total + 1) > BYTES:
        return None
    return total + 1
