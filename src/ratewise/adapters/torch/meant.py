"""Which groups of an optimizer the keys of a plan stand for."""

from __future__ import annotations

from collections.abc import Sequence

from ratewise.adapters.torch.values import Group
from ratewise.schedule import Plan, ScheduleError
from ratewise.schedule.errors import nearest
from ratewise.schedule.plan import groups_meant


def name_of(group: Group) -> str | None:
    """Return the name of a group, as a text, or None."""
    name = group.get("name")
    return None if name is None else str(name)


def entry_of(plan: Plan, name: str | None) -> str | None:
    """Return the key of a plan's groups by which a group that joins late is meant: its name."""
    return name if name in plan.groups else None


def entries(plan: Plan, groups: Sequence[Group]) -> dict[int, str]:
    """Return the key of a plan's groups by which each group is meant: its name, else its place.

    Raises:
        ScheduleError: a key means no group, or nobody can tell which; a group is meant twice.
    """
    names = [name_of(group) for group in groups]
    found: dict[int, str] = {}
    for key in plan.groups:
        who, meant = f"Plan(groups={{{key!r}: …}})", groups_meant(key, names)
        if not meant:
            known, places = [name for name in names if name], ", ".join(map(str, range(len(names))))
            fix = f'name it: {{"params": …, "name": "head"}}, or give its place, one of {places}'
            fix = nearest(key, known) if known else fix
            raise ScheduleError(who, "names no group of the optimizer", fix)
        for i in meant:
            if i in found:
                rule = f"is group {i}, which the plan names {found[i]!r} too"
                raise ScheduleError(who, rule, "leave one of them out")
            found[i] = key
    return found
