"""From what a framework does to a schedule: its shape where the formula holds, else its values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ratewise._arrays import Floats
from ratewise.convert.formats import ask
from ratewise.convert.pieces.layout import finish
from ratewise.schedule import Hold, Piecewise, Plan, Schedule, ScheduleError
from ratewise.schedule.lengths import Horizon, nearest_update
from ratewise.schedule.meant import groups_meant

CLOSE = 1e-12
"""Relative difference up to which a formula is what a framework does."""
SLACK = 1e-15
"""The same in units of the largest value, for rates that are differences of larger numbers."""
CHEAP = 20_000
"""Updates up to which a formula that is known to hold is checked nevertheless."""


@dataclass(frozen=True)
class Shape:
    """The levels of one key of one group, as a formula.

    Attributes:
        schedule: The levels.
        slack: Difference from the framework that its own rounding explains, in units of the peak.
        sure: Whether it needs no check against the framework in runs longer than `CHEAP`.
        notes: What the reader of the plan should know.
    """

    schedule: Schedule
    slack: float = SLACK
    sure: bool = True
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class KeyLevels:
    """What was found out about one key of one group.

    Attributes:
        peak: Value at level 1.
        shape: The formula, or None.
        values: What the framework uses at every update of the run, or None if it was not run.
        close: Relative difference that counts as none.
    """

    peak: float
    shape: Shape | None
    values: Floats | None
    close: float = CLOSE


Parts = dict[str, tuple[Schedule, float]]
"""The schedule and the peak of each key of a group."""
_OWN = ("lr", "momentum", "weight_decay")


def plan_of(
    who: str,
    groups: Sequence[dict[str, KeyLevels]],
    names: Sequence[Any],
    notes: tuple[str, ...] = (),
) -> Plan:
    """Return the plan of an optimizer's groups; see `gather`.

    Args:
        who: What is read, for messages.
        groups: Curves by key, for each group.
        names: The groups' names, None for those without.
        notes: What to know besides.
    """
    parts: list[Parts] = []
    told = dict.fromkeys(notes)
    for curves in groups:
        found: Parts = {}
        for key, curve in curves.items():
            schedule, peak, more = settle(who, key, curve)
            found[key] = schedule, peak
            told.update(dict.fromkeys(more))
        parts.append(found)
    return gather(parts, names, tuple(told))


def gather(parts: Sequence[Parts], names: Sequence[Any], notes: tuple[str, ...] = ()) -> Plan:
    """Return the plan of groups.

    Keys that are scheduled in every group belong to the plan itself, as group 0 has them; a group
    that differs from it has its own entry in `groups`, by its name, or by its place as a text if
    it has none, or one that others have too.

    Raises:
        ScheduleError: the place of such a group is the name of another.
    """
    shared = {key: value for key, value in parts[0].items() if all(key in p for p in parts)}
    others = [{k: v for k, v in found.items() if shared.get(k) != v} for found in parts]
    plans: dict[str, Plan] = {}
    placed = False
    for i, own in enumerate(others):
        if own:
            name = names[i] if names.count(names[i]) == 1 else None
            key = str(i if name is None else name)
            groups_meant(key, names)
            plans[key] = Plan(**_fields(own))
            placed = placed or name is None
    note = "Groups without a name of their own are called by their place; name them to see which."
    return Plan(**_fields(shared), groups=plans, notes=(*notes, note) if placed else notes)


def _fields(parts: Parts) -> dict[str, Any]:
    fields: dict[str, Any] = {k: s for k, (s, _) in parts.items() if k in _OWN}
    fields["keys"] = {k: s for k, (s, _) in parts.items() if k not in _OWN}
    return {**fields, "peak": {k: peak for k, (_, peak) in parts.items()}}


def settle(who: str, key: str, curve: KeyLevels) -> tuple[Schedule, float, tuple[str, ...]]:
    """Return the schedule of a curve, its peak and what to know about it."""
    peak, shape, values = curve.peak, curve.shape, curve.values
    if values is None:
        if shape is None or not peak > 0.0:
            raise ScheduleError(who, "is known only by running it", ask("total"))
        return finish(shape.schedule, None), peak, shape.notes
    values = checked(who, key, values)
    if not peak > 0.0:
        peak = float(values.max())
        if peak == 0.0:
            return Hold(), 0.0, (f"The {key} is 0 at every update.",)
        shape = None
    ends = _ends(key, values)
    if shape is not None and agrees(shape, peak, values, curve.close):
        return finish(shape.schedule, len(values)), peak, (*shape.notes, *ends)
    listed = f"The {key} is listed value by value, as {who} gives it when it is run."
    return steps(values / peak), peak, (*(shape.notes if shape else ()), listed, *ends)


def level(value: Any, peak: float) -> float:
    """Return value/peak, as the short number where the two are the same but for rounding."""
    ratio = float(value) / peak
    short = float(f"{ratio:.12g}")
    return short if abs(short * peak - value) <= 4.5e-16 * abs(value) else ratio


def agrees(shape: Shape, peak: float, values: Floats, close: float = CLOSE) -> bool:
    n = len(values)
    mine = peak * finish(shape.schedule, n).resolve(n).values()
    slack = shape.slack * max(peak, float(values.max()))
    return bool(np.all(np.abs(mine - values) <= close * values + slack))


def checked(who: str, key: str, values: Floats) -> Floats:
    """Return values of which none is below 0, rounding aside."""
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        t = int(bad[0])
        fix = f"read it with a total of at most {max(t, 1)}, or change it"
        raise ScheduleError(who, f"makes the {key} {values[t]} at update {t}", fix)
    rounding = 1e-15 * float(np.abs(values).max())
    bad = np.flatnonzero(values < -rounding)
    if bad.size:
        t = int(bad[0])
        rule = f"takes the {key} below 0, to {values[t]:.6g} at update {t}"
        raise ScheduleError(who, rule, f"end the run before update {t}, or change its levels")
    return np.maximum(values, 0.0)


def steps(levels: Floats) -> Schedule:
    """Return the schedule that has these levels at updates 0, 1, …, each run of equals once."""
    changes = np.flatnonzero(np.diff(levels, prepend=np.nan))
    if len(changes) == 1:
        return Hold(float(levels[0]))
    return Piecewise({int(t): float(levels[t]) for t in changes})


def by_epoch(horizon: Horizon, counts: Floats) -> Floats:
    """Return values per update, from values per epoch.

    Epoch `e` begins at the update nearest to `e` times the updates in an epoch.
    """
    total, epoch = horizon.total, horizon.epoch
    assert total is not None
    assert epoch is not None
    begins = [nearest_update(e * epoch) for e in range(len(counts))]
    where = np.searchsorted(begins, np.arange(total), side="right") - 1
    return counts[where]


def epochs(horizon: Horizon) -> int:
    """Return the epochs that a run begins."""
    assert horizon.total is not None
    assert horizon.epoch is not None
    return max(1, -int(-horizon.total // horizon.epoch))


def needs_run(shapes: Iterable[Shape | None], total: int | None) -> bool:
    """Tell whether the framework has to be run to know, or is run to be sure."""
    if total is None:
        return False
    return total <= CHEAP or any(shape is None or not shape.sure for shape in shapes)


def _ends(key: str, values: Floats) -> tuple[str, ...]:
    last, notes = len(values) - 1, list[str]()
    if not values.any():
        return ()
    if values[0] == 0.0:
        notes.append(f"Update 0 runs at {key} 0.")
    if last and values[last] == 0.0:
        first = int(np.flatnonzero(values)[-1]) + 1
        at = f"Update {last} runs" if first == last else f"Updates {first} to {last} run"
        notes.append(f"{at} at {key} 0.")
    return tuple(notes)
