"""The plan: several schedules for one optimizer."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import numpy as np
from numpy.typing import NDArray

from ratewise.schedule.base import Described, Schedule
from ratewise.schedule.budget import MOST_IN_PLAN
from ratewise.schedule.errors import ScheduleError, listed, nearest, number, refuse_epochs, shorten
from ratewise.schedule.meant import entry_for
from ratewise.schedule.strict import strict

_KEYS = ("lr", "momentum", "weight_decay")


@dataclass(frozen=True, eq=False, repr=False)
class Plan(Described):
    """Schedules for the keys of an optimizer, for all of its groups or for some by name.

    A schedule may be given as its text, `Plan(lr="Warmup(500) >> Cosine(to=0.1)")`, for files
    that hold no Python. Each multiplies the base value of its key, group by group, so that ratios
    between groups stay. A key without a schedule is left alone.

    Args:
        lr: Schedule of the learning rate.
        momentum: Schedule of the momentum (of beta1 where the optimizer has betas).
        weight_decay: Schedule of the weight decay.
        keys: Schedules of any other key of the optimizer's groups, `{"betas[1]": …, "eps": …}`.
        groups: For groups by name, in place of the above: a schedule (of the rate) or a plan. A
            group without a name is meant by its place, "0" for the first; several by a pattern of
            names, "layers.*", of which the most specific counts, behind a name or place.
        peak: Values at level 1, by key; what is named here replaces the optimizer's own.
        notes: What a reader of the plan should know; plans are equal whatever their notes.

    Raises:
        ScheduleError: nothing is scheduled, a name is not a text, a peak is negative.

    >>> import ratewise as rw
    >>> plan = rw.Plan(lr=rw.Warmup(4) >> rw.Cosine(to=0), peak={"lr": 3e-4})
    >>> plan.rates(total=100)[4]
    np.float64(0.0003)
    """

    lr: Schedule | None = None
    momentum: Schedule | None = None
    weight_decay: Schedule | None = None
    keys: Mapping[str, Schedule] = field(default_factory=dict[str, Schedule])
    groups: Mapping[str, Any] = field(default_factory=dict[str, Any])
    peak: Mapping[str, float] = field(default_factory=dict[str, float])
    notes: tuple[str, ...] = field(default=(), compare=False)
    nests: ClassVar[bool] = False
    most: ClassVar[int] = MOST_IN_PLAN

    if TYPE_CHECKING:

        def __init__(
            self,
            lr: Schedule | str | None = None,
            momentum: Schedule | str | None = None,
            weight_decay: Schedule | str | None = None,
            keys: Mapping[str, Schedule | str] = ...,
            groups: Mapping[str, Schedule | Plan | str] = ...,
            peak: Mapping[str, float] = ...,
            notes: Sequence[str] = (),
        ) -> None: ...

    def __post_init__(self) -> None:
        for name in _KEYS:
            self.keep(name, _read(f"Plan({name}=…)", getattr(self, name), none=True))
        keys = _mapping("keys", self.keys)
        for name, schedule in keys.items():
            keys[name] = _read(f"Plan(keys={{{shorten(name)}: …}})", schedule)
            if name in _KEYS:
                raise ScheduleError(
                    f"Plan(keys={{{shorten(name)}: …}})", "has an argument", f"write {name}=…"
                )
        groups = {
            name: _as_plan(name, part) for name, part in _mapping("groups", self.groups).items()
        }
        peak = {
            name: number(f"Plan(peak={{{shorten(name)}: {shorten(value)}}})", "peak", value)
            for name, value in _mapping("peak", self.peak).items()
        }
        for name, content in (("keys", keys), ("groups", groups), ("peak", peak)):
            self.keep(name, _Frozen(content))
        notes = listed(self.notes) if isinstance(self.notes, Sequence) else None
        if notes is None or not all(isinstance(note, str) for note in notes):
            who = f"Plan(notes={shorten(self.notes)})"
            raise ScheduleError(who, "needs texts in a row", 'write notes=("…",)')
        self.keep("notes", tuple(map(str, notes)))
        scheduled = self.schedules()
        if not scheduled and not groups:
            raise ScheduleError("Plan()", "schedules nothing", "give lr=…, or another key")
        for name in peak:
            known = [*scheduled, *(key for plan in groups.values() for key in plan.schedules())]
            if name not in known:
                raise ScheduleError(
                    f"Plan(peak={{{shorten(name)}: …}})", "is not scheduled", nearest(name, known)
                )

    def __call__(self, *given: Any) -> NoReturn:
        """Refuse to be taken for a function of the update or of the epoch, as a schedule is one.

        Raises:
            ScheduleError: always.
        """
        if len(given) > 1:
            refuse_epochs("Plan", *given)
        rule = "gives several values, and was asked for one rate"
        raise ScheduleError("Plan()", rule, "take one schedule of it, such as plan.lr")

    def schedules(self) -> dict[str, Schedule]:
        """Return the schedules by key, without those of groups."""
        named = {name: getattr(self, name) for name in _KEYS if getattr(self, name) is not None}
        return {**named, **self.keys}

    @strict
    def resolve(self, total: int | str | None = None, **horizon: float | None) -> Plan:
        """Return the plan with every schedule resolved; arguments as of `Schedule.resolve`."""
        change = {k: s.resolve(total, **horizon) for k, s in self.schedules().items() if k in _KEYS}
        keys = {k: s.resolve(total, **horizon) for k, s in self.keys.items()}
        groups = {k: plan.resolve(total, **horizon) for k, plan in self.groups.items()}
        return dataclasses.replace(self, keys=keys, groups=groups, **change)

    @strict
    def rates(
        self,
        total: int | str | None = None,
        *,
        key: str = "lr",
        group: str | None = None,
        **horizon: float | None,
    ) -> NDArray[np.float64]:
        """Return the absolute values of a key at every update, float64[total].

        Args:
            total: Updates in the run, as of `Schedule.resolve`.
            key: What to list, "lr" unless told otherwise.
            group: Name of a group; its own schedule and peak count first.
            **horizon: `epoch`, `samples`, `tokens`, as of `Schedule.resolve`.

        Raises:
            ScheduleError: the key is not scheduled, or its peak is not known.
        """
        schedule, peak = self._lookup(key, group)
        if peak is None:
            who = f"Plan.rates(key={shorten(key)})"
            raise ScheduleError(who, "has no peak", f"give Plan(…, peak={{{shorten(key)}: 3e-4}})")
        return peak * schedule.resolve(total, **horizon).values()

    def _lookup(self, key: str, group: str | None) -> tuple[Schedule, float | None]:
        if not isinstance(key, str):
            rule, fix = "needs the name of a key", 'write key="lr"'
            raise ScheduleError("Plan.rates", rule, fix, given=key)
        plans = [self]
        if group is not None:
            entry = entry_for(self.groups, group) if isinstance(group, str) else None
            if entry is None:
                who = f"Plan.rates(group={shorten(group)})"
                fix = nearest(group, self.groups)
                raise ScheduleError(who, "is not a group of the plan", fix)
            plans.insert(0, self.groups[entry])
        schedules = [plan.schedules()[key] for plan in plans if key in plan.schedules()]
        peaks = [plan.peak[key] for plan in plans if key in plan.peak]
        if not schedules:
            known = [name for plan in plans for name in plan.schedules()]
            raise ScheduleError(
                f"Plan.rates(key={shorten(key)})", "is not scheduled", nearest(key, known)
            )
        return schedules[0], peaks[0] if peaks else None


for _name in _KEYS:  # for who reads the signature to fill it from a file, where texts stand
    Plan.__annotations__[_name] = Plan.__dataclass_fields__[_name].type = Schedule | str | None


class _Frozen(dict[str, Any]):
    """A dict inside a frozen value: it compares as a dict, has a hash and refuses changes."""

    def __hash__(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        return hash(frozenset(self.items()))

    def _refuse(self, *args: Any, **kwargs: Any) -> Any:
        raise ScheduleError("A plan", "is frozen", "make a new one with dataclasses.replace")

    __setitem__ = __delitem__ = pop = popitem = clear = __ior__ = _refuse
    update = setdefault = _refuse  # pyright: ignore[reportAssignmentType]

    def __reduce__(self) -> Any:
        return _Frozen, (dict(self),)


def _mapping(name: str, value: Any) -> dict[str, Any]:
    who = f"Plan({name}={shorten(value)})"
    if not isinstance(value, Mapping):
        raise ScheduleError(who, "needs a dict", f"write {name}={{…}}")
    content: dict[Any, Any] = dict(value)  # pyright: ignore[reportUnknownArgumentType]
    for key in content:
        if not isinstance(key, str) or not key:
            raise ScheduleError(who, f"has the key {shorten(key)}", "use texts as keys")
    return content


def _read(who: str, given: Any, none: bool = False) -> Schedule | None:
    """Return the schedule that was given as a value or as its text."""
    value = Schedule.read(who, given)
    if not isinstance(value, Schedule) and not (none and value is None):
        raise ScheduleError(who, "needs a schedule", "write Cosine(to=0)", given=value)
    return value


def _as_plan(name: str, part: Any) -> Plan:
    part = Schedule.read(f"Plan(groups={{{shorten(name)}: …}})", part)
    if isinstance(part, Schedule):
        return Plan(lr=part)
    if isinstance(part, Plan) and not part.groups:
        return part
    who = f"Plan(groups={{{shorten(name)}: …}})"
    raise ScheduleError(
        who, f"needs a schedule or a plan without groups, got {shorten(part)}", "write Cosine(to=0)"
    )
