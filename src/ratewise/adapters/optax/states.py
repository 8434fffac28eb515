"""Finding rates and counts in a state of Optax, however it is nested."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import optax

from ratewise.schedule.errors import ScheduleError, nearest

Path = tuple[str, ...]

ALIASES: dict[str, tuple[str, ...]] = {
    "lr": ("learning_rate",),
    "momentum": ("b1", "momentum"),
    "betas[0]": ("b1",),
    "betas[1]": ("b2",),
}
"""What Optax calls a key of a plan; the first that an optimizer knows is meant."""


def nodes(state: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield every node of a state that has fields, with the labels of the groups it is in."""
    if hasattr(state, "opt_state"):  # a train state of Flax
        yield from nodes(state.opt_state, path)
    elif isinstance(state, Mapping):
        for part in state.values():
            yield from nodes(part, path)
    elif isinstance(state, tuple | list):
        fields: dict[str, Any] = getattr(state, "_asdict", dict)()
        if fields:
            yield path, state
        for name, part in fields.items() if fields else enumerate(state):
            if name == "inner_states" and isinstance(part, Mapping):  # of optax.partition
                for label, inner in part.items():
                    yield from nodes(inner, (*path, str(label)))
            else:
                yield from nodes(part, path)
    elif dataclasses.is_dataclass(state) and not isinstance(state, type):
        for field in dataclasses.fields(state):
            yield from nodes(getattr(state, field.name, None), path)


def rates(state: Any, key: str) -> list[tuple[Path, Any]]:
    """Return the values of a hyperparameter that are kept in a state, with their groups."""
    found: list[tuple[Path, Any]] = []
    for path, node in nodes(state):
        table = getattr(node, "hyperparams", None)
        if not isinstance(table, Mapping):
            continue
        grouped = any(isinstance(part, Mapping) for part in table.values())
        tables = {(*path, str(g)): t for g, t in table.items()} if grouped else {path: table}
        for where, values in tables.items():
            names = [name for name in (*ALIASES.get(key, ()), key) if name in values]
            found += [(where, values[names[0]])] if names else []
    return found


def counts(state: Any) -> list[tuple[Path, Any]]:
    """Return the counts by which schedules inside optimizers go, with their groups."""
    kind = optax.ScaleByScheduleState
    return [(path, node.count) for path, node in nodes(state) if isinstance(node, kind)]


def choose(found: list[tuple[Path, Any]], who: str, group: str | None) -> Any:
    """Return the one value found, or the one of a group."""
    groups = sorted({label for path, _ in found for label in path})
    if group is not None:
        if group not in groups:
            raise ScheduleError(who, f"found no group {group!r}", nearest(group, groups))
        found = [(path, value) for path, value in found if group in path]
    if len(found) > 1:
        names = f"give group=, one of {', '.join(groups)}" if groups and group is None else None
        fix = names or "give the part of the state that you mean"
        raise ScheduleError(who, f"found {len(found)} of them in the state", fix)
    return found[0][1]
