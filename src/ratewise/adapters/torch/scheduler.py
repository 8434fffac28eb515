"""The scheduler itself: what users hold, over the clock that does the work."""

from __future__ import annotations

import contextlib
import inspect
import weakref
from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from torch.optim import Optimizer

from ratewise.adapters.arguments import HorizonOf, refuse_unknown
from ratewise.adapters.torch import resume as _resume
from ratewise.adapters.torch import state as _state
from ratewise.adapters.torch.adaptive import unwrap
from ratewise.adapters.torch.clock import Clock
from ratewise.adapters.torch.clocks import make_clock, revived_clock
from ratewise.adapters.torch.contract import Contract, updates_behind
from ratewise.adapters.torch.given import AnySchedule, Calls, OneOptimizer
from ratewise.adapters.torch.groups import read_members
from ratewise.adapters.torch.hands import check_by_hand
from ratewise.adapters.torch.ranks import agreed
from ratewise.adapters.torch.refusals import (
    refuse_clockless,
    refuse_deepspeed,
    warn_of_one_peak,
)
from ratewise.adapters.torch.several import Schedulers
from ratewise.adapters.torch.source import Source, SourceFeedback
from ratewise.adapters.torch.watch import check_hooks
from ratewise.schedule import Plan, ScheduleError
from ratewise.schedule.errors import shorten, speaking, whole
from ratewise.schedule.familiar import read_named
from ratewise.schedule.lengths import Length
from ratewise.schedule.strict import strict

_bound: weakref.WeakKeyDictionary[Optimizer, Clock] = weakref.WeakKeyDictionary()
_before: weakref.WeakKeyDictionary[Optimizer, Clock] = weakref.WeakKeyDictionary()


class Scheduler(Calls):
    """Gives every update of an optimizer its rate.

    rate(t) = base · f(t), and `t` counts the updates that were committed. The base of a group is
    the plan's peak; else the peak of a schedule that had moved the rate, a detached one of ours or
    PyTorch's `initial_lr`; else the rate that the group has when the scheduler is made. f(0) is in
    place at once; after an update the group holds the rate that it used. `step()` may be called at
    any time and moves nothing: it puts the coming rates into the groups, where a loop finds them
    with PyTorch's own schedulers; without it they hold the last update's until the next one.
    `get_last_lr()` is the last update's in any case. Many calls without an update are answered
    with one warning.

    Args:
        optimizer: The optimizer, or a wrapper of Accelerate or Lightning around it. A list, or the
            values of a dict, get a scheduler each, as `Schedulers`: one for each parameter too, as
            where the optimizers are stepped in the backward pass.
        schedule: A schedule (of the rate), a plan, the text of either, or a name that is known
            elsewhere, such as "cosine", with what it takes there.
        warmup: Length of the warm-up that a name begins with.
        total: Updates in the run; needed if lengths are shares of it or open.
        epoch: Updates in an epoch.
        samples: Samples in an update.
        tokens: Tokens in an update.
        resume: What to do if a checkpoint differs from the code in schedule, total or base rates.
            "checkpoint": go on as it would have; "code": follow the code's schedule at the same
            update; "rescale": follow the code's schedule at the same share of the total;
            "continue": follow the code's schedule, multiplied so that the next rate is the
            checkpoint's. Without it, such a checkpoint is refused.
        by_hand: What to do about a scheduled value that somebody else has set in the groups since
            the last update, such as a callback or `SWALR`. "warn": use the schedule's, and say so
            once; "ignore": use the schedule's; "follow": use the value found, and go on from it in
            proportion; "refuse": raise. States that are loaded and groups that are added are not
            set by hand. A tensor on a device is read for "follow" alone, and only then; with the
            clock on the device for all, when the host sees that it was written to.
        updates: Updates that were committed before, for an optimizer whose state does not say it;
            0 begins anew with what has moments. Left out, what the optimizer carries counts.
        last_epoch: As of PyTorch's schedulers, one less than the updates that were committed, for
            who passes it. -1 says nothing, and what the optimizer carries comes first: there are
            frameworks that count epochs. With 0 or more, a schedule that is there is taken off.
        on_device: Whether the count of updates and the rates are kept on the device of the
            parameters, where no update waits for the host, and a step may be captured into a CUDA
            graph. Rates that are numbers become tensors, which is said once. Left out, it is so
            where every scheduled value is a tensor on an accelerator. See docs/gpu.md.
        **unknown: Nothing; a misspelt argument is answered with the nearest one.

    Raises:
        ScheduleError: not an optimizer, already scheduled, lengths that do not fit, an unknown
            group or key, a key that is 0 in every group, a rate that an earlier schedule may have
            moved and that no peak is known of.

    >>> import torch, ratewise as rw
    >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.5)
    >>> scheduler = Scheduler(optimizer, rw.Linear(to=0), total=4)
    >>> for _ in range(2):
    ...     optimizer.step()
    >>> scheduler.committed, scheduler.get_last_lr(), scheduler.get_lr()
    (2, [0.375], [0.25])
    """

    __module__ = "ratewise.torch"  # the name that users import, pickles hold and configs write

    if not TYPE_CHECKING:  # which finds the calls that there are in `Calls`

        def __new__(cls, *args: Any, **options: Any) -> Any:
            given = {**dict(zip(("optimizer", "schedule"), args, strict=False)), **options}
            several = isinstance(given.get("optimizer"), list | tuple | dict)
            if several and len(args) <= 2:  # what does not fit is told by the constructor
                return Schedulers(cls, given.pop("optimizer"), given.pop("schedule", None), **given)
            return super().__new__(cls)

    @strict
    def __init__(
        self,
        optimizer: OneOptimizer,
        schedule: AnySchedule,
        *,
        warmup: Length | None = None,
        total: int | str | None = None,
        epoch: float | None = None,
        samples: float | None = None,
        tokens: float | None = None,
        resume: str | None = None,
        by_hand: str = "warn",
        updates: int | None = None,
        last_epoch: int = -1,
        on_device: bool | None = None,
        **unknown: Any,
    ) -> None:
        # The base class would patch optimizer.step and step once: its __init__ is not called.
        fix = "write Scheduler(optimizer, Cosine(to=0), …)"
        schedule, unknown = read_named("Scheduler", schedule, fix, {"warmup": warmup, **unknown})
        known = ["resume", "by_hand", "updates", "last_epoch", "on_device"]
        refuse_unknown("Scheduler", unknown, known)
        refuse_deepspeed(optimizer)
        inner = unwrap("Scheduler", optimizer)
        refuse_clockless(inner)
        check_hooks(inner)
        policy = _resume.check_policy(resume)
        horizon = {"total": total, "epoch": epoch, "samples": samples, "tokens": tokens}
        source, by_hand = Source.of(schedule, horizon), check_by_hand(by_hand)
        made = updates_behind(updates, last_epoch, _bound.get(inner))
        if last_epoch >= 0 and inner in _bound:
            Scheduler.of(inner).detach()
        before = _before[inner].members if inner in _before else []
        members = read_members(inner, source, inner in _bound, before)
        warn_of_one_peak(source, members)
        clock = make_clock(on_device, source, (policy, by_hand), members, inner)
        clock.inherit(_before.get(inner))
        self._take(inner, clock)
        clock.begin(inner, made, updates is not None, inner in _before)
        clock.lay_out()
        clock.set_last()
        clock.write()
        _start(inner, clock)

    def _take(self, optimizer: Optimizer, clock: Clock) -> None:
        self.optimizer = optimizer
        self._clock = clock

    @classmethod
    @strict
    def of(cls, optimizer: OneOptimizer) -> Self:
        """Return the scheduler of an optimizer that has one; it runs whether it is held or not.

        Raises:
            ScheduleError: the optimizer has none.
        """
        inner = unwrap("Scheduler", optimizer)
        if inner not in _bound:
            rule = f"found no schedule on this {type(inner).__name__}"
            raise ScheduleError("Scheduler.of", rule, "make one with Scheduler(optimizer, …)")
        scheduler = Contract.__new__(cls)
        scheduler._take(inner, _bound[inner])
        return scheduler

    # The clock ------------------------------------------------------------------------------

    @property
    def committed(self) -> int:
        """Updates that were committed so far; the next one is update `committed`."""
        return self._clock.t

    @strict
    def seek(self, updates: int) -> None:
        """Go to where `updates` updates have been committed, for a run whose state was lost."""
        committed = whole(f"Scheduler.seek({shorten(updates)})", "updates", updates)
        clock = self._synced()
        clock.set(committed)
        clock.settle(own=False)
        clock.set_last()
        if clock.handles:
            clock.write()

    @strict
    def observe(
        self,
        metrics: Mapping[str, Any] | None = None,
        /,
        *,
        reduce: str | None = "mean",
        **named: Any,
    ) -> None:
        """Show the schedule what was measured after the last update, by name.

        An open-loop schedule does not look. One that listens decides by it, from the next update
        on; metrics that it does not know are passed over. In several processes it is called by
        every rank, and all of them decide by the same value.

        Args:
            metrics: What was measured; it may also be given by name.
            reduce: How one value is made of those of all ranks: "mean", "sum", "min" or "max";
                None where all ranks are known to have the same one.
            **named: What was measured.

        Raises:
            ScheduleError: a name that it waits for is in no evaluation; a metric is no number; on
                every rank, one that some ranks have and others do not.
        """
        given = _named_metrics(metrics, self._clock.feedback.metrics())
        clock, shown = self._synced(), {**given, **named}
        clock.watch.call(clock.t, self.optimizer, "scheduler.observe(…)")
        clock.observe(agreed(clock.t, shown, clock.feedback.metrics(), reduce))

    @property
    def finished(self) -> bool:
        """Whether a schedule that finds its own length has come to the end of the run."""
        return self._clock.feedback.stops(self._clock.t + self._clock.shift)

    def replay(self) -> Plan:
        """Return the open-loop plan that the run has followed so far, resolved."""
        return self._synced().feedback.replayed(self._clock.used.plan)

    @strict
    def detach(self, *, keep: bool = False) -> None:
        """Take the schedule off the optimizer, and give its groups their peaks back.

        Args:
            keep: Leave the values of the last update in place. A schedule that is bound later
                starts from the peaks all the same, unless its plan names a peak or the values
                were changed by hand.
        """
        if self._clock.handles:
            if not keep:
                self._synced().heed()  # what a hand has set is not taken away in silence
            self._synced().recall()
        members = self._clock.snapshot() if self._clock.handles else []
        self._clock.stop()
        if _bound.get(self.optimizer) is self._clock:
            del _bound[self.optimizer]
            _before[self.optimizer] = self._clock
        for member in members:
            member.give_back(peaks=not keep)
        if members:
            self._clock.rest(keep)

    # State ----------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Return the state, primitives only: schedule, committed updates, groups and base rates."""
        return _state.write(self._synced())

    @strict
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where a state was saved, whether or not the optimizer was or will be loaded.

        Loading is absolute: twice is once. What another scheduler has saved says nothing of this
        one: with `resume="code"` it is passed over, and the update is the optimizer's, or the
        trainer's, to say.

        Raises:
            ScheduleError: not a state, damaged, newer, of other groups, or different from the code
                without a policy; nothing is changed.
        """
        if self._clock.policy == "code" and _state.is_of_another(state_dict):
            return
        saved = _state.read(state_dict)
        with speaking(self._clock.face):
            self._clock.check_own(saved.committed)
            _resume.load(self._clock, saved, self._clock.policy, self.optimizer)
        self._clock.settle(own=True)

    def __reduce__(self) -> tuple[Any, ...]:
        clock = self._synced()
        saved = clock.snapshot(), clock.feedback.states()
        policies = clock.policy, clock.hands.policy, clock.on_device
        parts = clock.code, clock.used, policies, clock.t, clock.shift, *saved
        return _revive, (type(self), self.optimizer, parts, bool(clock.handles))

    def __repr__(self) -> str:
        used = self._clock.used
        of = f" of {used.total}" if used.total is not None else ""
        return f"<Scheduler {used.text} at update {self.committed}{of}>"


def _named_metrics(given: Any, waited: Sequence[str]) -> Mapping[str, Any]:
    """Return metrics by name, or say how one without a name is shown."""
    if given is None or isinstance(given, Mapping):
        return given or {}
    name, one = waited[0] if waited else "val_loss", shorten(given)
    fix = f"write observe({name}={one})"
    raise ScheduleError("Scheduler.observe", f"was given {one} without a name", fix)


# For the adapters that stand on it ----------------------------------------------------------


# What fills arguments from a file looks at `__new__`, and for those that one scheduler takes.
Scheduler.__new__.__signature__ = inspect.signature(Scheduler.__init__)  # pyright: ignore


def feedback_of(scheduler: Scheduler) -> SourceFeedback:
    """Return what a scheduler's feedback schedules were shown."""
    return _clock_of(scheduler).feedback


def told_by(face: str, scheduler: Scheduler) -> None:
    """Let the errors of a scheduler name what the user has called, such as "attach"."""
    _clock_of(scheduler).face = HorizonOf(adapter=face)


def show(scheduler: Scheduler, metrics: Mapping[str, Any]) -> None:
    """Show a scheduler those metrics that it waits for, of a framework that measures in parts."""
    names = feedback_of(scheduler).metrics()
    if known := {name: value for name, value in metrics.items() if name in names}:
        feedback_of(scheduler).expect_parts()
        scheduler.observe(known)


def announce(scheduler: Scheduler) -> None:
    """Put the values of the coming update into the groups, where a framework reads them first."""
    _clock_of(scheduler).announce_to(scheduler.optimizer)


def recall(scheduler: Scheduler) -> None:
    """Put the values of the last update back into the groups, if the coming ones are there."""
    _clock_of(scheduler).recall_from(scheduler.optimizer)


@contextlib.contextmanager
def overruled(optimizer: Optimizer) -> Generator[None]:
    """Let the rates of an optimizer be set by others for a while, as a range test does."""
    if (clock := _bound.get(optimizer)) is None:
        yield
        return
    policy, clock.hands.policy = clock.hands.policy, "ignore"
    try:
        yield
    finally:
        clock.write_again()  # what is there now is no longer somebody else's
        clock.hands.policy = policy


def rewind(scheduler: Scheduler) -> None:
    """Take a schedule off its optimizer and put back the values that it found there."""
    for member in _clock_of(scheduler).members:
        member.peak.update(member.read)
    scheduler.detach()


def synced_clock_of(scheduler: Scheduler) -> Clock:
    """Return the clock of a scheduler, its groups matched to the optimizer's."""
    return scheduler._synced()  # pyright: ignore[reportPrivateUsage]


def _clock_of(scheduler: Scheduler) -> Clock:
    return scheduler._clock  # pyright: ignore[reportPrivateUsage]


def _start(optimizer: Optimizer, clock: Clock) -> None:
    clock.start(optimizer)
    _bound[optimizer] = clock


def _revive(kind: type[Scheduler], optimizer: Optimizer, parts: Any, bound: bool) -> Scheduler:
    """Return a pickled or copied scheduler, on the optimizer that was pickled or copied with it."""
    code, used, policies, t, shift, members, states = parts
    clock = revived_clock(code, *policies)
    clock.used, clock.shift, clock.members = used, shift, members
    for member, group in zip(members, optimizer.param_groups, strict=True):
        member.attach(group)
    clock.set(t)
    clock.feedback = SourceFeedback(used)
    clock.feedback.restore("Scheduler", states)
    clock.lay_out()
    scheduler = Contract.__new__(kind)
    scheduler._take(optimizer, clock)  # pyright: ignore[reportPrivateUsage]
    if bound and optimizer in _bound:
        fix = "copy the optimizer along with it, copy.deepcopy((optimizer, scheduler))"
        raise ScheduleError("Scheduler", "cannot drive one optimizer twice", fix)
    if bound:
        _start(optimizer, clock)
    return scheduler
