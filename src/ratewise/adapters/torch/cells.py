"""What a clock writes: a cell for each scheduled key of each group, and the values of an update.

Nothing here counts or listens for updates; that is `Clock`, which stands on it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ratewise.adapters.feedback import Listener
from ratewise.adapters.torch.groups import Group, Member, is_plain, separate_tensors
from ratewise.adapters.torch.hands import UNSEEN, Cell, Hands, held, is_ours, mark, on_host
from ratewise.adapters.torch.source import Source, SourceFeedback
from ratewise.adapters.torch.values import close, put
from ratewise.schedule import Schedule

BLOCK = 1024  # updates computed at a time
CELLS = 8192  # values computed at a time, where groups follow different schedules

_NO_GROUP: Group = {"lr": UNSEEN}
"""Stands for the only group where there are several: what it holds is never ours."""


class GroupCells:
    """The groups of an optimizer laid out for writing, and the values of any update.

    Attributes:
        t: Committed updates, which is the next update.
        shift: Position in the schedule minus `t`.
        used: What is followed.
        feedback: What its feedback schedules were shown.
        hands: What is done about values that somebody else has put in place.
        graphs: The clock on a device of a schedule before: graphs may go on writing to its tensors.
        members: The groups, in the optimizer's order.
        plain: Whether all groups follow one schedule, and only their rates, which are floats.
    """

    __slots__ = (
        "_announced",
        "_block",
        "_bundles",
        "_cells",
        "_groups",
        "_next",
        "_only",
        "_peaks",
        "_placed",
        "_row",
        "_rows",
        "_scale",
        "_size",
        "_start",
        "_stop",
        "feedback",
        "graphs",
        "hands",
        "members",
        "plain",
        "shift",
        "t",
        "used",
    )

    on_device = False

    def __init__(self, source: Source, by_hand: str) -> None:
        self.t = self._next = 0
        self.shift = 0
        self.used = source
        self.feedback = SourceFeedback(source)
        self.members: list[Member] = []
        self._cells: list[Cell] = []
        self._placed: list[Any] = []
        self._announced = -1  # the update whose values were put in place before it
        self.hands = Hands(by_hand)
        self.graphs: GroupCells | None = None

    def lay_out(self) -> None:
        """Rebuild everything that depends on the groups or on the schedule followed."""
        if self.feedback.source is not self.used:
            self.feedback = SourceFeedback(self.used)
        separate_tensors(self.members, self.used)
        cells: list[Cell] = [(m, key, *m.places[key]) for m in self.members for key in m.places]
        self._cells = cells
        self._placed = [member.placed.pop(key, UNSEEN) for member, key, *_ in cells]
        self._peaks = [member.peak[key] for member, key, *_ in cells]
        self._row = [member.last[key] for member, key, *_ in cells]
        bundles: dict[int, tuple[Schedule | Listener, list[int]]] = {}
        for column, (member, key, *_) in enumerate(cells):
            schedule = self.used.parts(member.entry)[key][0]
            view = self.feedback.view(schedule)
            bundles.setdefault(id(schedule), (view, []))[1].append(column)
        peaks = np.array(self._peaks)
        self._bundles = [(s, np.array(at), peaks[at]) for s, at in bundles.values()]
        self.plain = len(bundles) == 1 and all(map(is_plain, self.members))
        size = BLOCK if self.plain else max(1, min(BLOCK, CELLS // max(len(cells), 1)))
        self._size = 1 if self.used.form is None or self.feedback else size
        self._groups = [member.group for member in self.members if member.group is not None]
        self._only = self._groups[0] if self.plain and len(self._groups) == 1 else _NO_GROUP
        self._rows: list[list[float]] = []
        self._start = self._stop = -1

    def moment(self) -> int:
        """Return where the clock stands, as far as that is known without asking a device."""
        return self.t

    def inherit(self, before: GroupCells | None) -> None:
        """Keep the clock of a schedule before that may have left its tensors in graphs."""
        self.graphs = None if before is None else before.in_graphs()

    def in_graphs(self) -> GroupCells | None:
        """Return the clock whose tensors a graph may go on writing to."""
        return self.graphs

    def rest(self, keep: bool) -> None:
        """Do nothing more for an optimizer that goes on without: no graph writes its rates."""

    # Values ---------------------------------------------------------------------------------

    def row(self, t: int) -> list[float]:
        """Return the values of update `t`, one for each cell."""
        if self.plain:
            level = float(self._bundles[0][0].values(1, t + self.shift)[0])
            return [peak * level for peak in self._peaks]
        if not self._start <= t < self._start + len(self._rows):
            self._rows = self._rows_from(t)
            self._start = t
        return self._rows[t - self._start]

    def last(self) -> list[float]:
        """Return the values that were written last, one for each cell."""
        index = self._next - 1 - self._start
        if self._stop < 0 or index < 0:
            return self._row
        return (self._scale * self._block[index]).tolist()

    def coming(self) -> list[float]:
        """Return the values of the coming update, one for each cell."""
        if self._start <= self.t < self._stop:
            return (self._scale * self._block[self.t - self._start]).tolist()
        return self.row(self.t)

    def _rows_from(self, t: int) -> list[list[float]]:
        out = np.empty((self._size, len(self._cells)))
        for schedule, columns, peaks in self._bundles:
            levels = schedule.values(self._size, t + self.shift)
            out[:, columns] = np.multiply.outer(levels, peaks)
        return out.tolist()

    def fill_block(self, left: int | None) -> None:
        """Compute the values of the short way, from this update on; `left` until the end, if any.

        A single group finds its rates in the block, many find the levels of their own.
        """
        levels = self._bundles[0][0].values(self._size, self.t + self.shift)
        single = self._only is not _NO_GROUP
        self._block: list[float] = (self._peaks[0] * levels if single else levels).tolist()
        self._scale = np.array([1.0] if single else self._peaks)
        self._start = self.t
        self._stop = self.t + (min(self._size, left) if left else self._size)

    def set_last(self) -> None:
        """Take as written last what the last committed update would have used."""
        self._row = self.row(max(self.t - 1, 0))

    # Groups ---------------------------------------------------------------------------------

    def targets(self) -> list[tuple[Member, str]]:
        """Return (member, key) for each cell, in the order of `row` and `last`."""
        return [(member, key) for member, key, *_ in self._cells]

    def snapshot(self) -> list[Member]:
        """Return the members, their last values brought up to date."""
        self._remember_last()
        return self.members

    def _remember_last(self) -> None:
        if self.members:
            for (member, key, *_), value, placed in zip(
                self._cells, self.last(), self._placed, strict=True
            ):
                member.last[key], member.placed[key] = value, placed

    # In place -------------------------------------------------------------------------------

    def write(self) -> None:
        """Put the values written last in place (again)."""
        self._announced = -1
        self._put(self.last())

    def write_coming(self) -> None:
        """Put the values of the coming update in place before it, for who reads them there."""
        self._announced = self.t
        self._put(self.coming())

    def write_again(self) -> None:
        """Put in place what was there before: the values of the coming update, or the last."""
        self.write_coming() if self.announced else self.write()

    def announce(self) -> None:
        """Put the values of the coming update in place, unless they are there."""
        if not self.announced:
            self.heed()
            self.write_coming()

    def recall(self) -> None:
        """Put the values of the last update in place, if those of the coming one are there."""
        if self.announced:
            self.heed()
            self.write()

    @property
    def announced(self) -> bool:
        """Whether the values of the coming update are in place."""
        return self._announced == self.t

    def heed(self) -> None:
        """See to values that somebody else has put in place of ours, by the policy for them."""
        found = held(self._cells)
        others = [i for i, value in enumerate(found) if not is_ours(value, self._placed[i])]
        if not others:
            return
        coming = self.coming()
        there = coming if self.announced else self.last()
        for i in others:
            member, key, *_ = self._cells[i]
            value = self.seen(found[i])  # a tensor rounds, and may have taken a number's place
            if value is None or not (close(value, coming[i]) or close(value, there[i])):
                place = self.members.index(member)
                peak = self.hands.meet(self.t, member, place, key, found[i], coming[i])
                member.peak[key] = member.peak[key] if peak is None else peak
        self._remember_last()
        self.lay_out()  # also where a number has become a tensor

    def seen(self, value: Any) -> float | None:
        """Return a value that is not ours, if the host can see it."""
        return on_host(value)

    def _put(self, values: list[float]) -> None:
        for (member, _, name, index), value in zip(self._cells, values, strict=True):
            if member.group is not None:
                put(member.group, name, index, value)
        self._placed = list(values) if self.plain else list(map(mark, held(self._cells)))
