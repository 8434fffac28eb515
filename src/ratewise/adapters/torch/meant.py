"""Which groups of an optimizer the keys of a plan stand for."""

from __future__ import annotations

from collections.abc import Sequence

from ratewise.adapters.torch.values import Group
from ratewise.schedule import Plan, ScheduleError
from ratewise.schedule.errors import nearest
from ratewise.schedule.meant import ambiguous, entry_for, groups_meant, rank_of


def name_of(group: Group) -> str | None:
    """Return the name of a group, as a text, or None."""
    name = group.get("name")
    return None if name is None else str(name)


def entry_of(plan: Plan, name: str | None) -> str | None:
    """Return the key of a plan's groups by which a group that joins late is meant: by its name."""
    return None if name is None else entry_for(plan.groups, name)


def entries(plan: Plan, groups: Sequence[Group]) -> dict[int, str]:
    """Return the key of a plan's groups by which each group is meant: name, place or pattern.

    Raises:
        ScheduleError: a key means no group, or nobody can tell which; a group is meant twice.
    """
    names = [name_of(group) for group in groups]
    parts = [tuple(map(str, group.get("param_names", ()))) for group in groups]
    found: dict[int, str] = {}
    for key in plan.groups:
        meant = groups_meant(key, names, parts)
        if not meant:
            raise _unknown(key, names)
        for i in meant:
            found[i] = _better(found.get(i), key, i, names)
    return found


def _better(one: str | None, other: str, index: int, names: Sequence[str | None]) -> str:
    """Return which of two keys means a group more exactly."""
    if one is None:
        return other
    ranks = rank_of(one, names), rank_of(other, names)
    if ranks[0] != ranks[1]:
        return one if ranks[0] > ranks[1] else other
    if ranks[0][0] == 0:
        raise ambiguous(one, other, str(index if names[index] is None else repr(names[index])))
    rule = f"is group {index}, which the plan names {one!r} too"
    raise ScheduleError(f"Plan(groups={{{other!r}: …}})", rule, "leave one of them out")


def _unknown(key: str, names: Sequence[str | None]) -> ScheduleError:
    known, places = [name for name in names if name], ", ".join(map(str, range(len(names))))
    fix = f'name it: {{"params": …, "name": "head"}}, or give its place, one of {places}'
    fix = nearest(key, known) if known else fix
    return ScheduleError(f"Plan(groups={{{key!r}: …}})", "names no group of the optimizer", fix)
