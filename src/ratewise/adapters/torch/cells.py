"""What a clock writes: a cell for each scheduled key of each group, and the values of an update.

Nothing here counts or listens for updates; that is `Clock`, which stands on it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ratewise.adapters.arguments import HorizonOf
from ratewise.adapters.feedback import Listener
from ratewise.adapters.torch.groups import Member, is_plain, separate_tensors
from ratewise.adapters.torch.hands import UNSEEN, Cell, Hands, held, is_ours, mark, on_host
from ratewise.adapters.torch.many import ManyRates
from ratewise.adapters.torch.short_way import short_way
from ratewise.adapters.torch.source import Source, SourceFeedback
from ratewise.adapters.torch.values import close, put
from ratewise.schedule import Schedule
from ratewise.schedule.errors import speaking

FIRST, BLOCK = 64, 4096  # updates computed at a time, twice as many each time
CELLS = 8192  # values computed at a time, where groups follow different schedules


class GroupCells:
    """The groups of an optimizer laid out for writing, and the values of any update.

    Attributes:
        shift: Position in the schedule minus `t`.
        used: What is followed.
        feedback: What its feedback schedules were shown.
        hands: What is done about values that somebody else has put in place.
        face: How its errors are told: in the words of what the user has called.
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
        "_peaks",
        "_placed",
        "_row",
        "_rows",
        "_size",
        "_start",
        "_way",
        "face",
        "feedback",
        "graphs",
        "hands",
        "members",
        "plain",
        "shift",
        "used",
    )

    on_device = False

    def __init__(self, source: Source, by_hand: str) -> None:
        self._way = short_way()
        self.shift = 0
        self.used = source
        self.feedback = SourceFeedback(source)
        self.members: list[Member] = []
        self._cells: list[Cell] = []
        self._placed: list[Any] = []
        self._block: list[float] = []
        self._announced = -1  # the update whose values were put in place before it
        self.hands = Hands(by_hand)
        self.graphs: GroupCells | None = None
        self.face = HorizonOf(adapter="Scheduler")

    @property
    def t(self) -> int:
        """Committed updates, which is the next update."""
        return self._way.committed()

    @t.setter
    def t(self, value: int) -> None:
        self._way.go(value)

    @property
    def _next(self) -> int:
        return self._way.following()

    @_next.setter
    def _next(self, value: int) -> None:
        self._way.expect(value)

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
        size = FIRST if self.plain else max(1, min(BLOCK, CELLS // max(len(cells), 1)))
        self._size = 1 if self.used.form is None or self.feedback else size
        self._groups = [member.group for member in self.members if member.group is not None]
        self._rows: list[list[float]] = []
        self._block, self._start = [], -1
        self._way.close()

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
        """Return the values of the last update, one for each cell."""
        index = self.t - 1 - self._start
        return self._in_block(index) if self._block and index >= 0 else self._row

    def coming(self) -> list[float]:
        """Return the values of the coming update, one for each cell."""
        index = self.t - self._start
        return self._in_block(index) if 0 <= index < len(self._block) else self.row(self.t)

    def _in_block(self, index: int) -> list[float]:
        """Return the values of one update of the short way; of one group, the very object."""
        at = self._block[index]
        return [at] if len(self._peaks) == 1 else [peak * at for peak in self._peaks]

    def _rows_from(self, t: int) -> list[list[float]]:
        out = np.empty((self._size, len(self._cells)))
        for schedule, columns, peaks in self._bundles:
            levels = schedule.values(self._size, t + self.shift)
            out[:, columns] = np.multiply.outer(levels, peaks)
        return out.tolist()

    def open_way(self, left: int | None) -> None:
        """Compute the values of the short way, from this update on; `left` until the end, if any.

        A single group finds its rates in the block, many find the levels of their own. It stays
        closed unless the groups hold the values of this update, which are then what is looked for.
        """
        n = min(self._size, left) if left else self._size
        self._size = min(2 * self._size, BLOCK)
        levels = self._bundles[0][0].values(n, self.t + self.shift)
        if self._placed != (np.array(self._peaks) * levels[0]).tolist():
            return
        many, self._start = None, self.t
        if len(self._groups) == 1:
            self._block = [self._placed[0], *(self._peaks[0] * levels[1:]).tolist()]
        else:
            self._block = levels.tolist()
            many = ManyRates(self._groups, self._peaks, self._block[0], self._placed)
        self._way.open(self._groups, self._block, self.t, many)

    def close_way(self) -> None:
        """Close the short way, and keep what was written on it."""
        if self._block:
            self._row, self._placed = self.last(), self._way.held()
            self._block = []
            self._way.close()

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
                self._cells, self.last(), self.placed(), strict=True
            ):
                member.last[key], member.placed[key] = value, placed

    # In place -------------------------------------------------------------------------------

    def placed(self) -> list[Any]:
        """Return by what the values that were put in place last are known, one for each cell."""
        return self._way.held() if self._block else self._placed

    def write(self) -> None:
        """Put the values of the last update in place (again)."""
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
        placed = self.placed()
        others = [i for i, value in enumerate(found) if not is_ours(value, placed[i])]
        if not others:
            return
        coming = self.coming()
        there = coming if self.announced else self.last()
        for i in others:
            member, key, *_ = self._cells[i]
            value = self.seen(found[i])  # a tensor rounds, and may have taken a number's place
            if value is None or not (close(value, coming[i]) or close(value, there[i])):
                place = self.members.index(member)
                with speaking(self.face):
                    peak = self.hands.meet(self.t, member, place, key, found[i], coming[i])
                member.peak[key] = member.peak[key] if peak is None else peak
        self._remember_last()
        self.lay_out()  # also where a number has become a tensor

    def seen(self, value: Any) -> float | None:
        """Return a value that is not ours, if the host can see it."""
        return on_host(value)

    def _put(self, values: list[float]) -> None:
        self.close_way()
        for (member, _, name, index), value in zip(self._cells, values, strict=True):
            if member.group is not None:
                put(member.group, name, index, value)
        self._placed = list(values) if self.plain else list(map(mark, held(self._cells)))
