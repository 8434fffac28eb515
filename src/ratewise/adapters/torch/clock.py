"""The clock: it lives in the optimizer's step hooks and counts committed updates.

It knows the optimizer's groups but not the optimizer, so that no cycle keeps one alive.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from ratewise.adapters.torch import carried
from ratewise.adapters.torch.carried import UPDATES
from ratewise.adapters.torch.cells import GroupCells
from ratewise.adapters.torch.device import is_captured, is_on_card, may_capture, overflow
from ratewise.adapters.torch.groups import KEPT, Member, adopt, join_member, kept_in, recognise
from ratewise.adapters.torch.hands import makes_state_alone
from ratewise.adapters.torch.meant import entry_of, name_of
from ratewise.adapters.torch.refusals import one_group_at_a_time, refuse_capture
from ratewise.adapters.torch.short_way import Hook
from ratewise.adapters.torch.source import Source
from ratewise.adapters.torch.values import Group, close, who_is
from ratewise.adapters.torch.watch import Watch
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import speaking


class Clock(GroupCells):
    """Writes base × f(t) before update t, and moves on to t+1 after it.

    Two ways lead to the same bits. Where all groups follow one schedule and only their rate, as a
    float, the hooks write it in a few instructions, by a `ShortWay`. All else goes through `write`.

    Attributes:
        code: What the code asked for.
        policy: What decides if it differs from a checkpoint.
        questions: What has to be settled before the next update, by kind: "count" if none is known,
            "where" if one is that leaves something open, or "peak".
    """

    __slots__ = (
        "_claim",
        "_first",
        "_removed",
        "_written",
        "code",
        "handles",
        "policy",
        "questions",
        "watch",
    )

    def __init__(self, source: Source, policy: str | None, by_hand: str = "warn") -> None:
        super().__init__(source, by_hand)
        self._claim: tuple[str, int] | None = None  # whose state was loaded last, and its count
        self._first: Group = {}
        self._removed: list[Member] = []
        self._written: list[float] = []
        self.code = source
        self.policy = policy
        self.handles: list[RemovableHandle] = []
        self.questions: dict[str, ScheduleError] = {}
        self.watch = Watch()

    # In the optimizer's step ----------------------------------------------------------------

    def hooks(self) -> tuple[Hook, Hook]:
        """Return the hooks before and after `optimizer.step`; the second is skipped if that raises.

        A step that calls the hooked step of its base class is counted once.
        """
        return self._way.hooks(self)

    def before_plainly(self, optimizer: Optimizer) -> None:
        """Write the rates of the coming update, for any groups and keys."""
        self.close_way()
        self.sync(optimizer)
        if may_capture():
            self._way.watch(on_card := any(map(is_on_card, self._groups)))  # by now
            if on_card and is_captured():
                raise refuse_capture()
        if makes_state_alone(optimizer, self._cells, self._placed):
            self._next = self.t
            return
        self._take_restored(optimizer)
        for question in self.questions.values():
            raise question
        self.heed()
        self._written = self.row(self.t)
        self._put(self._written)
        skipped = hasattr(optimizer, "found_inf") and overflow(optimizer)
        self._next = self.t if skipped else self.t + 1

    def commit(self) -> None:
        """Count the update whose values were written the long way, unless it was skipped."""
        if self._next != self.t:
            self._row, self.t = self._written, self._next
        self.carry()

    def prepare(self) -> None:
        """Prepare the short way, from this update on; a function is asked when it is due.

        A block stops where the schedule does: what is past its end at rate 0 is looked at.
        """
        left = self._left()
        if left is not None and left <= 0 and self._stands_at_zero():
            return
        if self.plain and self.used.form is not None and not self.feedback:
            self.open_way(left)
            self._carry_alone()

    def _left(self) -> int | None:
        """Return the updates up to the schedule's end, if it has one."""
        total = self.used.total
        return None if total is None else max(total - self.shift - self.t, 0)

    def _stands_at_zero(self) -> bool:
        """Tell whether every rate is 0, past the end, and the next update is to be looked at."""
        rates = [
            value
            for (_, key), value in zip(self.targets(), self._written, strict=True)
            if key == "lr"
        ]
        end = (self.used.total or 0) - self.shift
        return self.watch.past_end(self.t, end, bool(rates) and not any(rates))

    # Groups ---------------------------------------------------------------------------------

    def sync(self, optimizer: Optimizer) -> None:
        """Match the members to the optimizer's groups; a group that is new is read and joins."""
        groups = optimizer.param_groups
        if len(groups) == len(self.members) and all(
            member.group is group for member, group in zip(self.members, groups, strict=True)
        ):
            return
        self._remember_last()
        known = [*self.members, *filter(Member.parameters, self._removed)]
        found = recognise(groups, known)
        if self._takes_turns(found):
            raise one_group_at_a_time()
        lost = [member for member in known if member not in set(found)]
        for index, group in enumerate(groups):
            member = found[index] or adopt(group, lost)
            if member is None:
                name = name_of(group)
                entry = entry_of(self.used.plan, name)
                member = join_member(self.used, groups, index, entry, True, optimizer.defaults)
                member.asked = entry_of(self.code.plan, name)
            elif member.group is not group:
                member.attach(group)
            found[index] = member
        self.members = [member for member in found if member is not None]
        self._removed = [member for member in known if member not in set(self.members)]
        for member in self._removed:
            if member.group is not None:
                member.group.pop(UPDATES, None)
            member.release()
        self.lay_out()

    def _takes_turns(self, found: list[Member | None]) -> bool:
        """Tell whether all groups were taken out before, and those of the last update are gone."""
        back = set(found) & set(self._removed)
        return bool(back) and not set(found) & set(self.members)

    def lay_out(self) -> None:
        """Rebuild everything that depends on the groups or on the schedule followed."""
        super().lay_out()
        self._way.watch(any(map(is_on_card, self._groups)))
        self.mark()

    def announce_to(self, optimizer: Optimizer) -> None:
        """Put the values of the coming update in place before it, unless they are there."""
        if self._way.put(optimizer, True):
            self._announced = self.t
        else:
            self.sync(optimizer)
            self.announce()

    def recall_from(self, optimizer: Optimizer) -> None:
        """Put the values of the last update in place, if those of the coming one are there."""
        if self._block and self.announced and self._way.put(optimizer, False):
            self._announced = -1
        else:
            self.sync(optimizer)
            self.recall()

    def observe(self, metrics: Mapping[str, Any]) -> None:
        """Show the feedback schedules what was measured after `t` updates."""
        if not self.feedback:
            return
        self.feedback.observe(self.t + self.shift, metrics)
        self._rows = []
        if self.announced:
            self.heed()
            self.write_coming()

    # What the groups carry ------------------------------------------------------------------

    def mark(self) -> None:
        """Put the count and the values at level 1 into the groups, while the clock is running."""
        if not self.handles:
            return
        for member in self.members:
            member.keep_peaks()
        self._first = self._groups[0] if self._groups else {}
        carried.keep_count(self._first, self.t, isinstance(self._first.get("lr"), Tensor))
        carried.keep_shift(self._first, self.shift)
        self._carry_alone()

    def carry(self) -> None:
        """Bring the count in the groups up to date."""
        if UPDATES in self._first:
            held = self._first[UPDATES]
            carried.keep_count(self._first, self.t, isinstance(held, Tensor))

    def _carry_alone(self) -> None:
        """Let no other group keep a count that nobody brings up to date."""
        for group in self._groups[1:]:
            carried.forget(group)

    def keep(self, optimizer: Optimizer, state: dict[str, Any]) -> None:
        """Write the count and the peaks into every group of a state of the optimizer."""
        self.sync(optimizer)
        count = self.t
        for member, group in zip(self.members, state.get("param_groups", ()), strict=False):
            group.update(member.kept())
            carried.keep_count(group, count, False)
            carried.keep_shift(group, self.shift)

    def begin(self, optimizer: Optimizer, updates: int | None, first: bool, known: bool) -> None:
        """Set the clock of a new schedule: to what the optimizer carries, else to `updates`.

        Args:
            optimizer: The optimizer.
            updates: What the code says of the updates that were made.
            first: Whether that comes before what the optimizer carries.
            known: Whether the optimizer had a schedule of ours before; a new one begins at 0.
        """
        groups = optimizer.param_groups
        count = None if first else carried.count_in(groups)
        if count is not None:
            self._go_to(count, carried.shift_in(groups))
        elif updates is not None:
            self.t = self._next = updates
        elif not known and carried.was_used(optimizer):
            self.questions["count"] = carried.ask_count(optimizer)

    def check_state(self, optimizer: Optimizer, state: dict[str, Any]) -> None:
        """Refuse a state of the optimizer that is damaged, or of another update than our own.

        It is asked before anything is loaded.
        """
        count = carried.count_in(state.get("param_groups", ()))
        if self._is_claimed("own") and self.policy is None and count not in (None, self.t):
            with speaking(self.face):
                raise carried.disagree("optimizer.load_state_dict", self.t, int(count or 0))

    def check_own(self, committed: int) -> None:
        """Refuse a state of ours that is of another update than the optimizer's."""
        if self._is_claimed("optimizer") and self.policy is None and committed != self.t:
            raise carried.disagree("Scheduler.load_state_dict", committed, self.t)

    def settle(self, own: bool) -> None:
        """Note that it was said, by our own state or by a user, where the clock stands."""
        self._claim = ("own", self.t) if own else None
        for kind in tuple(self.questions) if own else ("count", "where"):
            self.questions.pop(kind, None)

    def relink(self, optimizer: Optimizer) -> None:
        """Go on from what `optimizer.load_state_dict` has put in the place of the groups."""
        loaded = [dict(group) for group in optimizer.param_groups]
        own = self._is_claimed("own")
        self.sync(optimizer)
        if not own:
            self._take(optimizer, loaded)
        self.mark()
        self.write_again()

    def _take_restored(self, optimizer: Optimizer) -> None:
        """See to a count that somebody has put into the groups by hand, as when restoring them."""
        if self.handles and carried.count_in(optimizer.param_groups) not in (None, self.t):
            self._take(optimizer, [dict(group) for group in optimizer.param_groups])

    def _take(self, optimizer: Optimizer, loaded: list[Group]) -> None:
        """Take over what loaded groups carry; what they leave open is asked before the update."""
        for index, (member, group) in enumerate(zip(self.members, loaded, strict=True)):
            for key in member.places:
                self._take_peak(index, member, group, key)
        count = carried.count_in(loaded)
        if count is not None:
            self._go_to(count, carried.shift_in(loaded))
            self.lay_out()
            self.set_last()
        else:
            self._remember_last()
            self.lay_out()
            if carried.was_used(optimizer):
                self.questions["count"] = carried.ask_count(optimizer)

    def _take_peak(self, index: int, member: Member, group: Group, key: str) -> None:
        kept = None if self.used.parts(member.entry)[key][1] else kept_in(member, group, key)
        if kept is None or kept == member.peak[key]:
            return
        wished = member.read[key]
        known = close(kept, wished) or close(kept, member.peak[key]) or member.trust[key] == KEPT
        if known or self.policy == "checkpoint" or self.hands.policy == "follow":
            member.peak[key] = member.base[key] = kept
        elif self.policy is None:
            who = who_is(member.name, index)
            self.questions["peak"] = carried.ask_peak(who, key, kept, wished)

    def _go_to(self, count: int, shift: int) -> None:
        """Go to the update that an optimizer carries, and note what is then to be asked."""
        before = self.t
        self.shift = shift
        self.set(count)
        if count or before:  # a state of no update says nothing: Accelerate loads it to prepare
            self._claim = "optimizer", count
        self.questions.pop("count", None)
        if count == before:  # what it was shown until then is known, or has been asked
            return
        end = None if self.used.total is None else self.used.total - shift
        self.questions.pop("where", None)
        if self.feedback and count:
            self.questions["where"] = carried.ask_feedback(self.used.text, count)
        elif end is not None and count > max(end, before):
            self.questions["where"] = carried.ask_past_end(count, end)

    @property
    def has_moved(self) -> bool:
        """Whether an update was made behind the last state that was loaded."""
        return self._claim is None or self._claim[1] != self.t

    def is_untold(self, optimizer: Optimizer) -> bool:
        """Tell whether nothing has yet said where the clock stands: no update, and no state."""
        return not self.t and self._claim is None and not carried.was_used(optimizer)

    def _is_claimed(self, who: str) -> bool:
        """Tell whether the clock stands where a state of `who` has set it, and nothing since."""
        return self._claim == (who, self.t)

    # Moving ---------------------------------------------------------------------------------

    def start(self, optimizer: Optimizer) -> None:
        """Register the hooks, and let the groups carry the clock."""
        before, after = self.hooks()
        self.handles = [
            optimizer.register_step_pre_hook(before),
            optimizer.register_step_post_hook(after),
            optimizer.register_load_state_dict_pre_hook(self.check_state),
            optimizer.register_load_state_dict_post_hook(self.relink),
            optimizer.register_state_dict_post_hook(self.keep),
        ]
        self.mark()

    def stop(self) -> None:
        """Take the hooks away; the count stays where it was loaded and no update was made since."""
        for handle in self.handles:
            handle.remove()
        self.handles = []
        self._first = {}
        self.close_way()
        if not self._is_claimed("optimizer"):
            for group in self._groups:
                carried.forget(group)

    def set(self, t: int) -> None:
        """Set the clock to `t` committed updates; `lay_out` or `set_last` comes next."""
        self.close_way()
        self.t = self._next = t
        self._announced = -1
        self.carry()
