"""The short way through an update, where all groups follow one schedule and only their rates.

What a hook touches in the middle of a training step costs more than what it computes: nothing of
it is in a cache any more. So what an update needs is in the cells of these functions, and in no
object. They know neither the optimizer nor, but for the hooks, the clock: no cycle keeps one alive.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch.optim import Optimizer

from ratewise.adapters.torch.carried import UPDATES
from ratewise.adapters.torch.device import is_captured, outside_graphs, overflow
from ratewise.adapters.torch.many import ManyRates
from ratewise.adapters.torch.refusals import refuse_capture
from ratewise.adapters.torch.values import Group
from ratewise.schedule.errors import Context, speaking

Hook = Callable[[Optimizer, Any, Any], None]

_compiling = torch.compiler.is_compiling


class LongWay(Protocol):
    """The clock, which goes the long way where there is no short one."""

    @property
    def face(self) -> Context:
        """How its errors are told."""
        ...

    def commit(self) -> None:
        """Count the update that was written the long way."""


class ShortWay(NamedTuple):
    """What can be asked of a count and of the way to the rates that follow from it.

    Attributes:
        hooks: Return the hooks around a step, for a clock: what goes no short way is left to it.
        committed: Return the updates committed.
        following: Return what they are after the update under way.
        go: Set both.
        expect: Set what follows.
        watch: Say whether a step may be captured into a graph.
        open: Open the way, with the groups, the block of rates or levels from an update on, that
            update, and what writes to many groups. The first rate is the object in the group.
        close: Close the way.
        put: Put the rates of the coming update into the groups, or those of the last; tell
            whether that was done.
        held: Return what was put in place last, the very objects.
    """

    hooks: Callable[[LongWay], tuple[Hook, Hook]]
    committed: Callable[[], int]
    following: Callable[[], int]
    go: Callable[[int], None]
    expect: Callable[[int], None]
    watch: Callable[[bool], None]
    open: Callable[[Sequence[Group], list[float], int, ManyRates | None], None]
    close: Callable[[], None]
    put: Callable[[Optimizer, bool], bool]
    held: Callable[[], list[float]]


def short_way() -> ShortWay:
    """Return a way that is closed, at update 0."""
    t = after_next = start = 0
    on_card = False
    groups: Sequence[Group] = ()
    first: Group | None = None  # of the groups, while the way is open
    many: ManyRates | None = None
    block: list[float] = []  # from update `start` on: rates of the one group, or levels of many

    def hooks(clock: LongWay) -> tuple[Hook, Hook]:
        long_way = outside_graphs()

        def before(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
            nonlocal after_next
            if on_card and not _compiling() and is_captured():
                with speaking(clock.face):
                    raise refuse_capture()
            if first is not None:
                try:
                    at = t - start
                    if many is None:
                        [group] = optimizer.param_groups
                        held = group["lr"]
                        if group is first and (held is block[at - 1] or held is block[at]):
                            group["lr"] = block[at]
                            skip = hasattr(optimizer, "found_inf") and overflow(optimizer)
                            after_next = t if skip else t + 1
                            return
                    # The groups are compared behind it: another dict that is equal then is as good.
                    elif many.write(block[at]) and optimizer.param_groups == groups:
                        skip = hasattr(optimizer, "found_inf") and overflow(optimizer)
                        after_next = t if skip else t + 1
                        return
                except Exception:  # what is not as it was is seen to the long way
                    pass
            long_way(clock, optimizer, not _compiling())

        def after(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
            nonlocal t
            if first is not None:
                first[UPDATES] = t = after_next
            elif _compiling():
                long_way(clock, None, False)
            else:
                clock.commit()

        return before, after

    def committed() -> int:
        return t

    def following() -> int:
        return after_next

    def go(updates: int) -> None:
        nonlocal t, after_next
        t = after_next = updates

    def expect(updates: int) -> None:
        nonlocal after_next
        after_next = updates

    def watch(card: bool) -> None:
        nonlocal on_card
        on_card = card

    def open_(
        these: Sequence[Group], levels: list[float], update: int, writer: ManyRates | None
    ) -> None:
        nonlocal groups, first, many, block, start
        groups, first, many, block, start = these, these[0], writer, levels, update

    def close() -> None:
        nonlocal groups, first, many, block
        groups, first, many, block = (), None, None, []

    def put(optimizer: Optimizer, coming: bool) -> bool:
        at = t - start
        if first is None or not (at or coming):
            return False
        try:
            rate = block[at if coming else at - 1]
            if many is None:
                [group] = optimizer.param_groups
                held = group["lr"]
                if group is first and (held is block[at - 1] or held is block[at]):
                    group["lr"] = rate
                    return True
                return False
            return many.write(rate) and optimizer.param_groups == groups
        except Exception:  # as in a step
            return False

    def around() -> list[float]:
        """Return the rates of the last update and of the coming one, as far as they are known."""
        return block[max(t - start - 1, 0) : t - start + 1]

    def held() -> list[float]:
        if many is not None:
            return many.held()
        rate = None if first is None else first.get("lr")
        return [next((ours for ours in around() if ours is rate), around()[0])]

    return ShortWay(hooks, committed, following, go, expect, watch, open_, close, put, held)
