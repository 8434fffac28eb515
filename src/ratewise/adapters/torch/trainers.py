"""What the adapters of trainers share: what was asked for, binding it, and passing metrics on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

from ratewise.adapters.arguments import HorizonOf, given, refuse_unknown
from ratewise.adapters.torch.carried import count_in
from ratewise.adapters.torch.hands import check_by_hand
from ratewise.adapters.torch.resume import check_policy
from ratewise.adapters.torch.scheduler import Scheduler, feedback_of, show, told_by
from ratewise.schedule import Plan, Schedule, ScheduleError
from ratewise.schedule.errors import speaking
from ratewise.schedule.familiar import read_named


@dataclass(frozen=True)
class RunSettings:
    """What a trainer is to follow: a schedule, its horizon, and policies.

    Attributes:
        who: What the user called.
        schedule: The schedule, or the plan.
        horizon: What the user has said of the length of the run; it comes before the trainer's.
        policies: `resume`, `by_hand`, `updates` and `on_device` of `Scheduler`.
    """

    who: str
    schedule: Schedule | Plan
    horizon: Mapping[str, Any]
    policies: Mapping[str, Any]

    @classmethod
    def read(
        cls,
        who: str,
        schedule: Any,
        unknown: Mapping[str, Any],
        *,
        example: str,
        known: tuple[str, ...] = (),
        resume: str | None = None,
        by_hand: str = "warn",
        updates: int | None = None,
        on_device: bool | None = None,
        **horizon: Any,
    ) -> RunSettings:
        """Return the settings that a call names; a slip is heard at once.

        A schedule may be given by a name that is known elsewhere, "cosine", with what it takes
        there and `warmup` among the arguments that are not known.

        Raises:
            ScheduleError: an argument that does not exist, no schedule, no policy.
        """
        value, left = read_named(who, schedule, f"write {example}", dict(unknown))
        refuse_unknown(who, left, ["resume", "by_hand", "updates", "warmup", *known])
        policies: dict[str, Any] = {"resume": check_policy(resume)}
        policies |= {"by_hand": check_by_hand(by_hand)}
        policies |= {"updates": updates, "on_device": on_device}
        return cls(who, value, given(**horizon), policies)

    @property
    def knows_total(self) -> bool:
        """Whether the user has said how long the run is."""
        return "total" in self.horizon

    def bind(self, optimizer: Any, *, kind: type[Scheduler] = Scheduler, **known: Any) -> Scheduler:
        """Return the scheduler of an optimizer, for a run of which the trainer knows the length."""
        with speaking(HorizonOf(adapter=self.who)):
            scheduler = kind(optimizer, self.schedule, **{**known, **self.horizon}, **self.policies)
        told_by(self.who, scheduler)
        return scheduler

    def check_length(self, groups: Any, fix: str) -> None:
        """Ask how long a run is that goes on, where its trainer counts from here.

        A trainer that makes so many epochs more does not say how many the whole run has.

        Raises:
            ScheduleError: the groups carry a count, and no total was given.
        """
        made = count_in(groups)
        if made and not self.knows_total and self.policies["updates"] is None:
            rule = f"goes on at update {made}, and cannot know how long the whole run is"
            raise ScheduleError(self.who, rule, fix)


def hear(
    scheduler: Scheduler, metrics: Mapping[str, Any], seen: set[str], *, sure: bool = True
) -> bool:
    """Show a scheduler what a trainer has measured; tell whether the run has come to its end.

    Args:
        scheduler: The scheduler.
        metrics: What was measured. None is nothing; what is no number is passed over, unless it is
            waited for.
        seen: Every name that was measured before; those of `metrics` are added.
        sure: Whether everything has been measured once by now.

    Raises:
        ScheduleError: a metric that it waits for is misspelt, never measured, or no number.
    """
    if feedback_of(scheduler):
        shown = measured(scheduler, metrics)
        show(scheduler, shown)
        seen.update(shown)
        feedback_of(scheduler).check(seen, typos=shown.keys(), sure=sure)
    return scheduler.finished


def measured(scheduler: Scheduler, metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return the numbers among metrics, and whatever stands where one is waited for.

    What is shown and is no number is refused: passed over, a schedule would wait for ever.
    """
    waited = feedback_of(scheduler).metrics()
    named = {str(name): value for name, value in metrics.items() if value is not None}
    return {n: value for n, value in named.items() if n in waited or is_number(value)}


def is_number(value: Any) -> bool:
    """Tell whether a metric is one number."""
    one = callable(getattr(value, "numel", None)) and value.numel() == 1
    return one or (isinstance(value, Real) and not isinstance(value, bool))


def take_up(scheduler: Scheduler, updates: int, who: str) -> None:
    """Go to an update of a run whose checkpoint does not say what the schedule was at.

    Raises:
        ScheduleError: it listens, and what it was shown is not known.
    """
    if scheduler.committed or not updates:
        return
    if names := feedback_of(scheduler).metrics():
        rule = f"goes on at update {updates}, and what was decided by {names[0]} is not known"
        fix = "load the schedule's own state, or give the plan that scheduler.replay() gave"
        raise ScheduleError(who, rule, fix)
    scheduler.seek(updates)
