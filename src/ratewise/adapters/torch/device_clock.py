"""The clock on the device: the count, the levels and the rates are tensors beside the weights.

An update asks the device for nothing. The host looks at what it knows by itself (which groups
there are, which tensor each holds, how often it was written to), and reads the device when it is
asked for the count, a state or a rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import is_
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from ratewise.adapters.torch import carried
from ratewise.adapters.torch import device as _device
from ratewise.adapters.torch.carried import UPDATES
from ratewise.adapters.torch.cells import GroupCells
from ratewise.adapters.torch.device_count import DeviceCount
from ratewise.adapters.torch.hands import Cell, held, makes_state_alone
from ratewise.adapters.torch.layout import layout_of
from ratewise.adapters.torch.refusals import (
    check_capturable,
    refuse_captured,
    refuse_device,
    say_moved,
)
from ratewise.adapters.torch.short_way import Hook
from ratewise.adapters.torch.table import RateTable
from ratewise.adapters.torch.values import Group, home, settle_at
from ratewise.adapters.torch.watch import PAST
from ratewise.schedule.errors import speaking

_compiling = torch.compiler.is_compiling

NEVER = 2**62
"""More updates than there will be."""


class DeviceClock(DeviceCount):
    """Does what `Clock` does, with a `RateTable` in the place of its own count and blocks.

    Before an update the table writes the rates at its count, after it the count rises by one
    unless an overflow was found. A step that is compiled or captured does the same without the
    host, which then learns of values set by hand when it reads the count: they are looked for on
    the device.
    """

    # In the optimizer's step ----------------------------------------------------------------

    def hooks(self) -> tuple[Hook, Hook]:
        return self.before, self.after

    def before(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        """Write the rates of the coming update, on the device."""
        if _compiling() and self._table is not None and self._can_be_unseen():
            self._due = self._unseen = True
            self._table.place(self.hands.policy != "ignore")
        elif not _compiling() and self._on_card and _device.is_captured():
            self._before_captured(optimizer)
        else:
            self._eager(self, optimizer, False)  # what it calls may be no part of a graph either

    def after(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        """Count the update on the device; a step within a step is counted once."""
        if self._due and self._table is not None:
            self._due = False
            self._table.advance(getattr(optimizer, "found_inf", None))

    def _before_captured(self, optimizer: Optimizer) -> None:
        """Do as in any update, for all replays to come; what the host would do is refused."""
        table = self._table
        for question in self.questions.values():
            with speaking(self.face):
                raise question
        if table is None or not self._is_as_laid_out(optimizer):
            raise refuse_captured("whose groups have changed since", "make one step before it")
        with speaking(self.face):
            check_capturable(table.whole, table.longest(), self.hands.policy)
        table.captured = self._unseen = self._due = True
        table.place(self.hands.policy != "ignore")

    def _can_be_unseen(self) -> bool:
        """Tell whether steps may be made that the host does not hear."""
        whole = self._table is not None and self._table.whole
        return whole and not self.questions and self.hands.policy != "follow"

    def before_plainly(self, optimizer: Optimizer) -> None:
        """Look at what the host knows by itself, and write on the device."""
        counted = self._due  # a step within a step
        if self.questions or self._table is None or not self._is_as_laid_out(optimizer):
            self._see_to(optimizer)
            if not self._due:
                return
        table, self._due = self._refilled(), True
        self._heard += not counted  # behind what may have read the count
        table.place(self._unseen and self.hands.policy != "ignore")
        if self._announced != -1:
            self._announced = -1
            table.announced.fill_(-1)
        self._note_placed()

    def prepare(self) -> None:
        """Do nothing: there is no short way that is shorter."""

    def _is_as_laid_out(self, optimizer: Optimizer) -> bool:
        """Tell whether the groups are those that were laid out; asks no device."""
        groups, table = optimizer.param_groups, self._table
        return (
            table is not None
            and len(groups) == len(self._groups)
            and all(map(is_, groups, self._groups))
            and self._holds_ours(table)
            and (not self.handles or self._first.get(UPDATES) is table.count)
            and self._where(groups) == table.device
        )

    def _where(self, groups: Sequence[Group]) -> torch.device:
        """Return where the parameters are; groups that are empty for now are where they were."""
        there = _device.of_groups(groups)
        if there is None:
            there = torch.device("cpu") if self._table is None else self._table.device
        return there

    def _see_to(self, optimizer: Optimizer) -> None:
        """See to changed groups, values set by hand and what is still to be asked, on the host."""
        self.sync(optimizer)
        self._due = not makes_state_alone(optimizer, self._cells, self._placed)
        if not self._due:
            return
        self._take_restored(optimizer)
        for question in self.questions.values():
            raise question
        self.heed()
        if not self._is_as_laid_out(optimizer):
            self.lay_out()

    def _take_restored(self, optimizer: Optimizer) -> None:
        table = self._table
        if table is None or self._first.get(UPDATES) is not table.count:
            super()._take_restored(optimizer)
            self.mark()

    def _refilled(self) -> RateTable:
        """Return the table, with a new block where the last one might come to its end.

        An eager step makes one update at most, so that the host need not read the count before.
        """
        self._room -= 1
        if self._room <= 0:
            self._come_to_end()
        if self._table is None:
            raise AssertionError
        return self._table

    def _come_to_end(self) -> None:
        """Lay out the next block; or hear whether a run goes on at rate 0 past its end."""
        if self._table is None or not self._table.whole:
            self._lay_table()
            return
        t = self.t
        end = self._table.rows - 1
        self._written = self.row(t)
        looked = t >= end + PAST and not self._stands_at_zero()
        self._room = NEVER if looked else max(end + PAST - t, 1)

    # Groups and tables ----------------------------------------------------------------------

    def lay_out(self) -> None:
        """Rebuild everything that depends on the groups or on the schedule followed."""
        if self._off:
            GroupCells.lay_out(self)
            return
        self._move_in()
        GroupCells.lay_out(self)
        for (member, key, *_), tensor in zip(self._cells, held(self._cells), strict=True):
            member.homes[key] = tensor  # those that groups had shared may have parted
        self._on_card = any(map(_device.is_on_card, self._groups))
        self._row_at = self.t
        self._lay_table()
        self.mark()

    def _move_in(self) -> None:
        """Put the tensors that are written to where the groups hold something else.

        They are the ones that the groups held first, so that a step which was captured keeps them,
        unless the parameters were moved to another device.
        """
        groups = [member.group for member in self.members if member.group is not None]
        device = self._where(groups)
        if not _device.can_count(device):
            raise refuse_device(device)
        for member, key, name, index in self._places():
            group, old = member.group or {}, member.homes.get(key)
            if old is None or old.device != device:
                (there,) = held([(member, key, name, index)])
                if not isinstance(there, Tensor):
                    member.numbers.add(key)
                old = member.homes[key] = home(group, name, index, device)
                self._moved += old is not there
            settle_at(group, name, index, old)

    def _places(self) -> list[Cell]:
        return [
            (member, key, *place)
            for member in self.members
            for key, place in member.places.items()
            if member.group is not None
        ]

    def _lay_table(self) -> None:
        """Put the levels on the device: into the tensors that are there, as far as they fit."""
        if self._off:
            return
        count = self.t
        total = None if self.used.total is None else max(self.used.total - self.shift, 0)
        schedules = [(view, at.tolist()) for view, at, _ in self._bundles]
        place = count, self.shift, total
        tensors = [member.homes[key] for member, key in self.targets()]
        layout = layout_of(schedules, self._peaks, tensors, place, self._laid)
        table, self._laid = self._table, layout
        if table is not None and table.fits(layout):
            table.refill(layout)
        elif layout.tensors:
            if table is not None and table.captured:
                self._retired.append((table, count))
            self._table = RateTable(layout, count)
        rows = len(layout.levels) - 1
        self._room = rows if not layout.whole else max(rows + PAST - count, 0) + 1

    def inherit(self, before: GroupCells | None) -> None:
        """Take over the tensors of the schedule that the optimizer had before, for its graphs."""
        before = None if before is None else before.in_graphs()
        if not isinstance(before, DeviceClock):
            return
        table, self._retired = before._table, list(before._retired)
        if table is not None and table.captured:
            self._table, self._unseen = table, True
            table.set_count(0)
            table.touched.fill_(False)

    def in_graphs(self) -> GroupCells | None:
        """Return this clock, if a graph was captured with it or with one before."""
        captured = self._table is not None and self._table.captured
        return self if captured or self._retired else None

    def stop(self) -> None:
        """Take the hooks away; a count that stays in the groups is a number from now on."""
        if UPDATES in self._first:
            self._first[UPDATES] = self.t
        super().stop()

    def rest(self, keep: bool) -> None:
        """Leave what the groups held, or let graphs that go on with the tensors write that."""
        values = [m.last[key] if keep else m.plain_peak(key) for m, key in self.targets()]
        table, self._off = self._table, True
        if table is not None and table.captured:
            table.rest(values)
            return
        self._begun, self._table, self._laid = self.t, None, None  # what is off takes no room
        for (member, key, name, index), value in zip(self._cells, values, strict=True):
            if key in member.numbers and member.group is not None:
                settle_at(member.group, name, index, value)

    def start(self, optimizer: Optimizer) -> None:
        """Register the hooks; say which values are tensors on the device from now on."""
        super().start(optimizer)
        if self._moved:
            say_moved(self._moved, optimizer, self._where(self._groups))
            self._moved = 0

    # What the groups carry ------------------------------------------------------------------

    def mark(self) -> None:
        """Put the count, which is the table's, and the values at level 1 into the groups."""
        if not self.handles or self._table is None:
            return
        for member in self.members:
            member.keep_peaks()
        self._first = self._groups[0] if self._groups else {}
        self._first[UPDATES] = self._table.count
        carried.keep_shift(self._first, self.shift)
        self._carry_alone()

    def carry(self) -> None:
        """Do nothing: what the groups carry is the count itself."""
