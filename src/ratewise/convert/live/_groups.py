"""A plan out of what was found for each group of an optimizer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ratewise.convert.live._curves import Curve, settle
from ratewise.schedule import Plan, Schedule

Parts = dict[str, tuple[Schedule, float]]
_OWN = ("lr", "momentum", "weight_decay")


def plan_of(
    who: str, groups: Sequence[dict[str, Curve]], names: Sequence[Any], notes: tuple[str, ...] = ()
) -> Plan:
    """Return the plan of an optimizer's groups.

    Keys that are scheduled in every group belong to the plan itself, as group 0 has them; a group
    that differs from it has its own entry in `groups`, by its name, or by its number as a text if
    it has none. (To run such a plan, give the groups names.)

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
    shared = {key: value for key, value in parts[0].items() if all(key in p for p in parts)}
    others = {
        str(i if names[i] is None else names[i]): _fields(own)
        for i, found in enumerate(parts)
        if (own := {k: v for k, v in found.items() if shared.get(k) != v})
    }
    if any(str(i) in others and names[i] is None for i in range(len(parts))):
        told["Groups without a name are called by their number; name them to run this plan."] = None
    plans = {name: Plan(**fields) for name, fields in others.items()}
    return Plan(**_fields(shared), groups=plans, notes=tuple(told))


def _fields(parts: Parts) -> dict[str, Any]:
    fields: dict[str, Any] = {k: s for k, (s, _) in parts.items() if k in _OWN}
    fields["keys"] = {k: s for k, (s, _) in parts.items() if k not in _OWN}
    return {**fields, "peak": {k: peak for k, (_, peak) in parts.items()}}
