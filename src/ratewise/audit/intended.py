"""The plan that a run was meant to follow, as rates of any update and any group."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ratewise._arrays import Floats
from ratewise.audit.recorded import Recorded
from ratewise.convert.reading import read_source
from ratewise.schedule import Plan, Schedule, ScheduleError
from ratewise.schedule.errors import Call, Fix, number
from ratewise.schedule.given import read_plan

Updates = NDArray[np.int64]

TABLE = 1 << 20
"""Updates whose levels are kept; of longer runs each is computed when it is asked for."""
FEW = 8
"""Levels of one update in so many are computed without keeping those of the others."""


@dataclass(frozen=True)
class Given:
    """A plan given as the rate of every update, float64[total, groups]; past its end it holds."""

    rates: Floats

    def __call__(self, t: Updates, group: int) -> Floats:
        """Return the rates of updates in one group."""
        place = min(group, self.rates.shape[1] - 1)
        return self.rates[np.minimum(t, len(self.rates) - 1), place]


@dataclass(frozen=True, eq=False)
class Intended:
    """What was meant.

    Args:
        schedules: What each group of the log follows, resolved: schedules, or whatever else has
            `values(n)` and gives the levels of updates; empty where rates were given.
        peaks: Peak of each group, float64[groups]; NaN where nobody knows it.
        total: Updates of the run.
        written: The schedules as they were written, before they were resolved.
        units: What their lengths need: epoch, samples, tokens.
        given: Rates in place of schedules.
        own: Whether the plan itself, or who asks, says how long the run is.
        notes: What was taken for what.
    """

    schedules: tuple[Any, ...]
    peaks: Floats
    total: int
    written: tuple[Schedule, ...] = ()
    units: Mapping[str, Any] = field(default_factory=dict[str, Any])
    given: Given | None = None
    own: bool = True
    notes: tuple[str, ...] = ()

    @property
    def groups(self) -> int:
        """How many groups it has."""
        return len(self.peaks)

    @cached_property
    def _kinds(self) -> tuple[tuple[Any, ...], list[int]]:
        """The different schedules, and which of them each group follows."""
        kinds = dict.fromkeys(self.schedules)
        places = {kind: place for place, kind in enumerate(kinds)}
        return tuple(kinds), [places[one] for one in self.schedules]

    @cached_property
    def _tables(self) -> list[Floats]:
        return [one.values(self.total + 1) for one in self._kinds[0]]

    def _of_kind(self, place: int, t: Updates) -> Floats:
        if self.total > TABLE or ("_tables" not in vars(self) and len(t) * FEW < self.total):
            return self._kinds[0][place](t)
        return self._tables[place][np.minimum(t, self.total)]

    @cached_property
    def highest(self) -> Floats:
        """The highest rate of each group, float64[groups], of some thousand updates."""
        return self.at(np.linspace(0, self.total, 4097).astype(np.int64)).max(axis=0)

    def with_peaks(self, peaks: Floats) -> Intended:
        """Return the same with other peaks."""
        return replace(self, peaks=peaks)

    def levels(self, t: Updates, group: int = 0) -> Floats:
        """Return the levels of updates in one group; those before the first are the first's."""
        t = np.maximum(t, 0)
        return self.given(t, group) if self.given else self._of_kind(self._kinds[1][group], t)

    @cached_property
    def _scale(self) -> Floats:
        return np.where(np.isfinite(self.peaks), self.peaks, 1.0)

    def at(self, t: Updates) -> Floats:
        """Return the rates of updates, float64[updates, groups]; level 1 where no peak is known."""
        if self.given is not None:
            found = [self.levels(t, group) for group in range(self.groups)]
            return np.stack(found, axis=1) * self._scale
        t = np.maximum(t, 0)
        kinds, places = self._kinds
        several = [self._of_kind(place, t) for place in range(len(kinds))]
        if len(kinds) == 1:
            return several[0][:, None] * self._scale
        return np.stack([several[place] for place in places], axis=1) * self._scale

    def changed(self, schedules: Sequence[Any], total: int | None = None) -> Intended:
        """Return the same with other schedules, resolved ones."""
        total = self.total if total is None else total
        return replace(self, schedules=tuple(schedules), total=total)

    def resolved(self, total: int) -> Intended:
        """Return the same plan for a run of another length.

        Raises:
            ScheduleError: it does not fit into it.
        """
        made = {one: one.resolve(total, **self.units) for one in set(self.written)}
        return self.changed([made[one] for one in self.written], total)


def intended(
    plan: Any,
    recorded: Recorded,
    *,
    total: int | str | None = None,
    lr: Any = None,
    epoch: float | None = None,
    **told: Any,
) -> Intended:
    """Return what a plan means for the groups of a log.

    Args:
        plan: A schedule, a plan, the text or file of one, a config or a scheduler that
            `convert.read` knows, or the rates of all updates, float64[total] or [total, groups].
        recorded: The log: its groups, and what it says of the run.
        total: Updates in the run.
        lr: Peak: a number, a list with one for each group, or a dict by name.
        epoch: Updates in an epoch.
        **told: What `convert.read` may be told besides.

    Raises:
        ScheduleError: it cannot be read, or depends on metrics.
    """
    count = len(recorded.groups)
    if isinstance(plan, np.ndarray) or _is_rates(plan):
        rates = np.asarray(plan, dtype=np.float64)
        rates = rates[:, None] if rates.ndim == 1 else rates
        ones = np.ones(count)
        return Intended((), ones, len(rates), given=Given(rates))
    epoch = recorded.epoch if epoch is None else epoch
    plan, stated = _read(plan, total, lr, epoch, told)
    units = {"epoch": epoch, **{name: told.get(name) for name in ("samples", "tokens")}}
    written = tuple(_schedule_of(plan, recorded.groups, i) for i in range(count))
    if any(one.listens for one in written):
        fix = "give plan.replay(log), the rates that it really followed"
        raise ScheduleError("audit(plan=…)", "depends on metrics, so no log alone tells it", fix)
    peaks = _peaks(plan, recorded, lr)
    length, own, notes = _total(written, units, total, stated, recorded)
    made = {one: one.resolve(length, **units) for one in set(written)}
    found = Intended(tuple(made[one] for one in written), peaks, length, written, units, own=own)
    return replace(found, notes=notes)


def _is_rates(plan: Any) -> bool:
    listed = isinstance(plan, Sequence) and not isinstance(plan, str | bytes)
    return listed and len(plan) > 0 and all(isinstance(one, int | float) for one in plan)


def _read(
    plan: Any, total: Any, lr: Any, epoch: float | None, told: Mapping[str, Any]
) -> tuple[Plan, int | None]:
    """Return a plan, and the length of the run where its source states it."""
    if isinstance(plan, Plan | Schedule):
        return read_plan("audit", plan, ""), None
    source = Path(plan) if isinstance(plan, str | os.PathLike) and _is_file(plan) else plan
    rate = {"lr": lr} if isinstance(lr, int | float) else {}
    given: dict[str, Any] = {
        name: value for name, value in {**rate, **told}.items() if value is not None
    }
    reading = read_source(source, total=total, epoch=epoch, **given)
    return reading.plan, reading.total


def _is_file(plan: str | os.PathLike[str]) -> bool:
    try:
        return Path(plan).is_file()
    except (OSError, ValueError):
        return False


def _schedule_of(plan: Plan, groups: Sequence[str], i: int) -> Schedule:
    own = plan.groups.get(key) if (key := _key_of(plan.groups, groups, i)) is not None else None
    schedule = plan.lr if own is None or own.lr is None else own.lr
    if schedule is None:
        fix = "give a plan with lr=…"
        raise ScheduleError("audit(plan=…)", "schedules no learning rate", fix)
    return schedule


def _key_of(known: Mapping[str, Any], groups: Sequence[str], i: int) -> str | None:
    """Return the name under which something is known of a group, by its name or its place."""
    name = groups[i]
    names = (name, name.rpartition("/")[2], name.rpartition("-")[2], str(i))
    return next((one for one in names if one and one in known), None)


def _peaks(plan: Plan, recorded: Recorded, lr: Any) -> Floats:
    """Return the peaks of the groups of a log; what is given by hand comes first."""
    groups = recorded.groups
    if isinstance(lr, Mapping):
        named = {str(name): _rate(value) for name, value in lr.items()}
    elif lr is not None and not isinstance(lr, int | float):
        named = {str(i): _rate(value) for i, value in enumerate(lr)}
    else:
        named = {}
    common = _rate(lr) if isinstance(lr, int | float) else plan.peak.get("lr")
    if common is None and isinstance(rate := recorded.facts.get("learning_rate"), float):
        common = rate
    found: list[float] = []
    for i in range(len(groups)):
        key, own = _key_of(named, groups, i), _key_of(plan.groups, groups, i)
        peak = None if own is None else plan.groups[own].peak.get("lr")
        peak = named[key] if key is not None else common if peak is None else peak
        found.append(np.nan if peak is None else peak)
    return np.array(found)


def _rate(value: Any) -> float:
    return number(Call("audit", "lr", value), "lr", value, above=True)


def _total(
    written: Sequence[Schedule],
    units: Mapping[str, Any],
    total: int | str | None,
    stated: int | None,
    recorded: Recorded,
) -> tuple[int, bool, tuple[str, ...]]:
    """Return the updates of the run, whether somebody said so, and what was assumed."""
    told = stated if total is None else total
    told = told if told is not None else recorded.total
    if told is None:
        told = _own_length(written, units)
    if told is not None:
        length = written[0].resolve(told, **units).length
        assert length is not None
        return length, True, ()
    last = int(recorded.steps[-1])
    if last < 2:
        fix = Fix("give {total}", total="…")
        raise ScheduleError("audit(plan=…)", "needs the length of the run", fix)
    return last, False, (f"The run is taken to have {last:,} updates, as many as its log.",)


def _own_length(written: Sequence[Schedule], units: Mapping[str, Any]) -> int | None:
    """Return the updates of schedules whose every piece has a length, else None."""
    try:
        lengths = [one.resolve(**units).length for one in written]
    except ScheduleError:
        return None
    known = [length for length in lengths if length]
    return max(known) if len(known) == len(lengths) else None
