"""What trainers expect of a PyTorch scheduler, and what of it moves the clock: nothing.

Some count epochs and some batches, some set `last_epoch` by hand and some pass an epoch to `step`.
The updates of the optimizer are counted all the same, and only they.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import number, shorten, whole

if TYPE_CHECKING:
    from ratewise.adapters.torch.clock import Clock


def updates_behind(updates: int | None, last_epoch: int, bound: Clock | None) -> int | None:
    """Return the committed updates that the arguments of a new scheduler speak of, if they do.

    Raises:
        ScheduleError: they are no such numbers, or contradict each other.
    """
    if updates is not None:
        made = whole(f"Scheduler(updates={shorten(updates)})", "updates", updates)
        if last_epoch >= 0 and made != last_epoch + 1:
            rule = f"was given updates={made}, and last_epoch={last_epoch}"
            fix = f"leave one of them out; last_epoch={last_epoch} is updates={last_epoch + 1}"
            raise ScheduleError("Scheduler", rule, fix)
        return made
    who = f"Scheduler(last_epoch={shorten(last_epoch)})"
    passed = whole(who, "last_epoch", last_epoch) if last_epoch != -1 else -1
    if passed < 0:
        return None
    return passed + 1 if bound is None else bound.t


class Contract(LRScheduler):
    """The part of a scheduler that other people's loops and trainers call."""

    optimizer: Optimizer
    _clock: Clock

    def step(
        self, epoch: Any = None, metric: Any = None, *, metrics: Any = None, **ignored: Any
    ) -> None:
        """Put the coming rates in place, as far as they are known; the updates are the clock.

        Args:
            epoch: Not looked at: a number by position is an epoch, or an update, never a metric.
            metric: What a schedule that listens is shown, as in timm's `step(epoch, metric)`.
            metrics: The same, by the name that `ReduceLROnPlateau` has for it; also several, by
                name.
            **ignored: What else a trainer passes.

        Raises:
            ScheduleError: a schedule that listens was given one number by position that is no
                count: nobody can tell whether it is a part of an epoch or a metric.
        """
        shown = metric if metrics is None else metrics
        clock = self._clock
        names = clock.feedback.metrics() if clock.feedback else []
        if isinstance(epoch, Mapping):
            epoch, shown = None, epoch
        if shown is not None and names:
            self._show(shown, names)
        elif names and epoch is not None and not _is_count(epoch):
            rule = f"was given {shorten(epoch)} by position: an epoch, or a metric"
            fix = f"write step(metrics={shorten(epoch)}) or observe({names[0]}={shorten(epoch)})"
            raise ScheduleError("Scheduler.step", rule, fix)
        else:
            clock.watch.call(clock.moment(), self.optimizer, "scheduler.step()")
        # A function is asked for an update when it is due; one without an end may not go further.
        if clock.handles and not clock.used.is_open_function:
            clock.announce_to(self.optimizer)

    def step_update(self, num_updates: Any = None, metric: Any = None) -> None:
        """Do as `step()`: timm's trainers call it after an update. Its metric is not looked at.

        There it is a running mean of the training loss, which timm's own plateau passes over too.
        """
        self.step()

    def _show(self, shown: Any, names: list[str]) -> None:
        if isinstance(shown, Mapping):
            self.observe(shown)
        elif len(names) == 1:
            self.observe({names[0]: shown})
        else:
            rule = f"was given one metric, {shorten(shown)}, and waits for {', '.join(names)}"
            raise ScheduleError("Scheduler.step", rule, "call observe(…) with their names")

    def observe(self, metrics: Any, /) -> None:
        """Show the schedule what was measured; see `Scheduler.observe`."""
        raise NotImplementedError

    def seek(self, updates: int) -> None:
        """Go to where `updates` updates have been committed; see `Scheduler.seek`."""
        raise NotImplementedError

    # Rates ----------------------------------------------------------------------------------

    def get_last_lr(self) -> list[float | Tensor]:
        """Return the rate that each group used in the last update; before the first, f(0)'s."""
        return self._by_group(self._clock.last)

    def get_lr(self) -> list[float | Tensor]:
        """Return the rate that each group will use in the next update."""
        return self._by_group(lambda: self._clock.row(self._clock.t))

    @property
    def base_lrs(self) -> list[float | Tensor]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The rate of each group at level 1; what is set here is saved and survives a resume."""
        return self._by_group(lambda: [m.peak[key] for m, key in self._clock.targets()])

    @base_lrs.setter
    def base_lrs(self, values: Sequence[float | Tensor]) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        members = self._synced().snapshot()
        who = f"Scheduler.base_lrs = {shorten(values)}"
        given = list(values) if isinstance(values, Sequence) else []
        if len(given) != len(members):
            rule = f"needs one rate for each of {len(members)} groups"
            raise ScheduleError(who, rule, f"give a list of {len(members)}")
        peaks = [number(who, "the rate of a group", value) for value in given]
        for member, peak in zip(members, peaks, strict=True):
            if "lr" in member.places:
                member.peak["lr"] = peak
        self._clock.lay_out()

    def _by_group(self, values: Any) -> list[float | Tensor]:
        clock = self._synced()
        cells = zip(clock.targets(), values(), strict=True)
        rates = {member: value for (member, key), value in cells if key == "lr"}
        groups = self.optimizer.param_groups
        return [
            rates[member] if member in rates else float(group["lr"])
            for member, group in zip(clock.members, groups, strict=True)
        ]

    def _synced(self) -> Clock:
        self._clock.sync(self.optimizer)
        return self._clock

    # Under the names that frameworks know ---------------------------------------------------

    @property
    def last_epoch(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """`committed`, under the name that frameworks know.

        What is set here says where a run goes on, as long as nothing else has said it: no update
        was made, and no state loaded. Behind that the updates count: a trainer that sets it to its
        epoch, or moves it on by one at each call, changes nothing.
        """
        return self._clock.t

    @last_epoch.setter
    def last_epoch(self, value: int) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        clock = self._clock
        count = int(value)
        if abs(count - clock.t) <= 1 or count < 0:
            return
        if clock.is_untold(self.optimizer):
            self.seek(count)
        elif clock.has_moved:
            clock.watch.told(count, clock.t)

    @property
    def _last_lr(self) -> list[float | Tensor]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.get_last_lr()

    @property
    def _step_count(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self._clock.moment() + 1

    @_step_count.setter
    def _step_count(self, value: int) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Accept what a framework counts, and keep our own count."""

    def _initial_step(self) -> NoReturn:
        """Refuse to be begun by another scheduler, as `SequentialLR` does."""
        rule = "cannot be a part of SequentialLR, which steps its parts by its own count"
        raise ScheduleError("Scheduler", rule, "write the parts as one schedule, first >> second")

    def _update_lr(self, epoch: int | None = None) -> NoReturn:
        """Refuse to be begun by another scheduler, at a milestone of its own."""
        self._initial_step()


def _is_count(value: Any) -> bool:
    """Tell whether a value can only be meant as a number of epochs or updates."""
    return isinstance(value, int) and not isinstance(value, bool)
