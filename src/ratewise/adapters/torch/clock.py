"""The clock: it lives in the optimizer's step hooks and counts committed updates.

It knows the optimizer's groups but not the optimizer, so that no cycle keeps one alive.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import itemgetter
from typing import Any

import numpy as np
import torch
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from ratewise.adapters.feedback import Listener
from ratewise.adapters.torch.device import outside_graphs, overflow
from ratewise.adapters.torch.groups import (
    Member,
    adopt,
    close,
    entry_of,
    is_plain,
    join_member,
    kept_as,
    name_of,
    put,
    recognise,
    separate_tensors,
)
from ratewise.adapters.torch.hands import (
    UNSEEN,
    Cell,
    Hands,
    held,
    is_ours,
    makes_state_alone,
    mark,
    on_host,
)
from ratewise.adapters.torch.source import Source, SourceFeedback
from ratewise.adapters.torch.watch import Watch
from ratewise.schedule import Schedule

BLOCK = 1024  # updates computed at a time
CELLS = 8192  # values computed at a time, where groups follow different schedules

_compiling = torch.compiler.is_compiling
_rate = itemgetter("lr")


class Clock:
    """Writes base × f(t) before update t, and moves on to t+1 after it.

    Two ways lead to the same bits. Where all groups follow one schedule and only their rate, as a
    float, `before` writes it in a few instructions. Everything else goes through `write`.

    Attributes:
        t: Committed updates, which is the next update.
        shift: Position in the schedule minus `t`.
        code: What the code asked for.
        used: What is followed: the code's, or a checkpoint's.
        policy: What decides if the two differ.
        members: The groups, in the optimizer's order.
    """

    __slots__ = (
        "_announced",
        "_block",
        "_bundles",
        "_cells",
        "_eager",
        "_groups",
        "_next",
        "_only",
        "_peaks",
        "_placed",
        "_removed",
        "_row",
        "_rows",
        "_scale",
        "_size",
        "_start",
        "_stop",
        "code",
        "feedback",
        "handles",
        "hands",
        "members",
        "plain",
        "policy",
        "shift",
        "t",
        "used",
        "watch",
    )

    def __init__(self, source: Source, policy: str | None, by_hand: str = "warn") -> None:
        self.t = self._next = 0
        self.shift = 0
        self._announced = -1  # the update whose values were put in place before it
        self.code = self.used = source
        self.feedback = SourceFeedback(source)
        self.policy = policy
        self.members: list[Member] = []
        self.handles: list[RemovableHandle] = []
        self.watch = Watch()
        self.hands = Hands(by_hand)
        self._cells: list[Cell] = []
        self._placed: list[Any] = []
        self._removed: list[Member] = []
        self._eager = outside_graphs()

    # In the optimizer's step ----------------------------------------------------------------

    def before(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        """Write the rates of the coming update; the hook before `optimizer.step`.

        The groups are compared after writing: another dict that is equal needs nothing. What
        somebody else has put there is another object, and is seen to the long way.
        """
        if (stop := self._stop) > 0 and (t := self.t) < stop:  # t last: a compiler would guard it
            if (only := self._only) is None:
                ours = self._write_many(self._block[t - self._start])
            elif ours := only["lr"] is (placed := self._placed)[0]:
                only["lr"] = placed[0] = self._block[t - self._start]
            if ours:
                skip = hasattr(optimizer, "found_inf") and overflow(optimizer)
                self._next = t if skip else t + 1
                try:
                    if optimizer.param_groups == self._groups:
                        return
                except Exception:  # other parameters, which tensors cannot compare
                    pass
        self._eager(self, optimizer, not _compiling())

    def _write_many(self, level: float) -> bool:
        """Write the rates of many groups, unless one of them holds what is not ours."""
        groups = self._groups
        if ours := [*map(_rate, groups)] == self._placed:
            self._placed = (self._scale * level).tolist()
            for group, value in zip(groups, self._placed, strict=True):
                group["lr"] = value
        return ours

    def before_plainly(self, optimizer: Optimizer) -> None:
        """Do what `before` does, for any groups and keys."""
        self.sync(optimizer)
        if makes_state_alone(optimizer, self._cells, self._placed):
            self._next = self.t
            return
        self.heed()
        self._stop = -1
        self._row = self.row(self.t)
        self.write()
        skipped = hasattr(optimizer, "found_inf") and overflow(optimizer)
        self._next = self.t if skipped else self.t + 1

    def after(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        """Count the update; the hook after `optimizer.step`, which is skipped if that raises.

        A step that calls the hooked step of its base class is counted once.
        """
        if self._stop < 0 and _compiling():
            self._eager(self, None, False)
        else:
            self.t = self._next

    # Values ---------------------------------------------------------------------------------

    def row(self, t: int) -> list[float]:
        """Return the values of update `t`, one for each cell."""
        if self.plain:
            level = float(self._bundles[0][0].values(1, t + self.shift)[0])
            return [peak * level for peak in self._peaks]
        if not self._start <= t < self._start + len(self._rows):
            self._rows = self._table(t)
            self._start = t
        return self._rows[t - self._start]

    def last(self) -> list[float]:
        """Return the values that were written last, one for each cell."""
        index = self._next - 1 - self._start
        if self._stop < 0 or index < 0:
            return self._row
        return (self._scale * self._block[index]).tolist()

    def _table(self, t: int) -> list[list[float]]:
        out = np.empty((self._size, len(self._cells)))
        for schedule, columns, peaks in self._bundles:
            levels = schedule.values(self._size, t + self.shift)
            out[:, columns] = np.multiply.outer(levels, peaks)
        return out.tolist()

    def prepare(self) -> None:
        """Prepare the short way, from this update on; a function is asked when it is due.

        A single group finds its rates in the block, many find the levels of their own. A block
        stops where the schedule does: what is past its end at rate 0 is looked at.
        """
        left = self._left()
        if left is not None and left <= 0 and self._stands_at_zero():
            return
        if self.plain and self.used.form is not None and not self.feedback:
            levels = self._bundles[0][0].values(self._size, self.t + self.shift)
            single = self._only is not None
            self._block: list[float] = (self._peaks[0] * levels if single else levels).tolist()
            self._scale = np.array([1.0] if single else self._peaks)
            self._start = self.t
            self._stop = self.t + (min(self._size, left) if left else self._size)

    def _left(self) -> int | None:
        """Return the updates up to the schedule's end, if it has one."""
        total = self.used.total
        return None if total is None else max(total - self.shift - self.t, 0)

    def _stands_at_zero(self) -> bool:
        """Tell whether every rate is 0, past the end, and the next update is to be looked at."""
        rates = [
            value for (_, key), value in zip(self.targets(), self._row, strict=True) if key == "lr"
        ]
        end = (self.used.total or 0) - self.shift
        return self.watch.past_end(self.t, end, bool(rates) and not any(rates))

    def coming(self) -> list[float]:
        """Return the values of the coming update, one for each cell."""
        if self._start <= self.t < self._stop:
            return (self._scale * self._block[self.t - self._start]).tolist()
        return self.row(self.t)

    def observe(self, metrics: Mapping[str, Any]) -> None:
        """Show the feedback schedules what was measured after `t` updates."""
        self.feedback.observe(self.t + self.shift, metrics)
        self._rows = []
        if self.announced:
            self.heed()
            self.write_coming()

    # Groups ---------------------------------------------------------------------------------

    def sync(self, optimizer: Optimizer) -> None:
        """Match the members to the optimizer's groups; a group that is new is read and joins."""
        groups = optimizer.param_groups
        if len(groups) == len(self.members) and all(
            member.group is group for member, group in zip(self.members, groups, strict=True)
        ):
            return
        self._remember_last()
        known = [*self.members, *filter(Member.alive, self._removed)]
        found = recognise(groups, known)
        lost = [member for member in known if member not in set(found)]
        for index, group in enumerate(groups):
            member = found[index] or adopt(group, lost)
            if member is None:
                name = name_of(group)
                entry = entry_of(self.used.plan, name)
                member = join_member(self.used, group, index, entry, True, optimizer.defaults)
                member.asked = entry_of(self.code.plan, name)
            elif member.group is not group:
                member.attach(group)
            found[index] = member
        self.members = [member for member in found if member is not None]
        self._removed = [member for member in known if member not in set(self.members)]
        for member in self._removed:
            member.group = None
        self.lay_out()

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
        self._only = self._groups[0] if len(self._groups) == 1 else None
        self._rows: list[list[float]] = []
        self._start = self._stop = -1

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
        coming = self.coming() if others else []
        there = coming if self.announced else self.last()
        for i in others:
            member, key, *_ = self._cells[i]
            value = on_host(found[i])  # a tensor rounds, and may have taken a number's place
            if value is None or not (close(value, coming[i]) or close(value, there[i])):
                place = self.members.index(member)
                peak = self.hands.meet(self.t, member, place, key, found[i], coming[i])
                member.peak[key] = member.peak[key] if peak is None else peak
        if others:
            self._remember_last()
            self.lay_out()  # also where a number has become a tensor

    def _put(self, values: list[float]) -> None:
        for (member, _, name, index), value in zip(self._cells, values, strict=True):
            if member.group is not None:
                put(member.group, name, index, value)
        self._placed = list(values) if self.plain else list(map(mark, held(self._cells)))

    def targets(self) -> list[tuple[Member, str]]:
        """Return (member, key) for each cell, in the order of `row` and `last`."""
        return [(member, key) for member, key, *_ in self._cells]

    def following(self) -> int:
        """Return the update after the one under way; the same one, if it is to be skipped."""
        return self._next

    # Moving ---------------------------------------------------------------------------------

    def set(self, t: int) -> None:
        """Set the clock to `t` committed updates; `lay_out` or `set_last` comes next."""
        self.t = self._next = t
        self._stop = self._announced = -1

    def set_last(self) -> None:
        """Take as written last what the last committed update would have used."""
        self._row = self.row(max(self.t - 1, 0))

    def snapshot(self) -> list[Member]:
        """Return the members, their last values brought up to date."""
        self._remember_last()
        return self.members

    def relink(self, optimizer: Optimizer) -> None:
        """Find the groups again after `optimizer.load_state_dict` replaced them."""
        self.sync(optimizer)
        self.write_again()

    def keep_peaks(self, optimizer: Optimizer, state: dict[str, Any]) -> None:
        """Write the peaks into a state of the optimizer, where PyTorch's schedulers keep theirs."""
        self.sync(optimizer)
        for member, group in zip(self.members, state.get("param_groups", ()), strict=False):
            group.update({kept_as(key): peak for key, peak in member.peak.items()})

    def start(self, optimizer: Optimizer) -> None:
        """Register the hooks."""
        self.handles = [
            optimizer.register_step_pre_hook(self.before),
            optimizer.register_step_post_hook(self.after),
            optimizer.register_load_state_dict_post_hook(self.relink),
            optimizer.register_state_dict_post_hook(self.keep_peaks),
        ]
