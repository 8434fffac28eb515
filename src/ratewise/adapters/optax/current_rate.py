"""The rate that an optimizer uses, found in its state, however it is nested."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax.numpy as jnp
import optax

from ratewise.schedule import Schedule, ScheduleError
from ratewise.schedule.errors import nearest
from ratewise.schedule.strict import strict

Path = tuple[str, ...]

ALIASES: dict[str, tuple[str, ...]] = {
    "lr": ("learning_rate",),
    "momentum": ("b1", "momentum"),
    "betas[0]": ("b1",),
    "betas[1]": ("b2",),
}
"""What Optax calls a key of a plan; the first that an optimizer knows is meant."""


@strict
def current_rate(
    opt_state: Any,
    rate: Callable[[Any], Any] | None = None,
    *,
    key: str = "lr",
    group: str | None = None,
) -> Any:
    """Return the rate that the last update used; before the first, the rate that it will use.

    It is looked up wherever it is nested, in a state of `inject`, of `optax.inject_hyperparams`,
    or, given the schedule, of an optimizer that was made with it.

    Args:
        opt_state: State of an optimizer, or a train state of Flax that holds one.
        rate: The schedule inside the optimizer, for a state that holds a count and no rate.
        key: What to look up, "lr" unless told otherwise.
        group: Label of a group, where `optax.partition` or `labels` made several.

    Raises:
        ScheduleError: no rate is found, or several.

    >>> import jax.numpy as jnp, optax, ratewise as rw
    >>> from ratewise.optax import current_rate, schedule
    >>> rate = schedule(rw.Linear(to=0), lr=0.5, total=4)
    >>> optimizer = optax.sgd(rate)
    >>> state = optimizer.init(jnp.ones(3))
    >>> float(current_rate(state, rate))
    0.5
    """
    who = f"current_rate(opt_state, key={key!r})"
    if rate is not None and (isinstance(rate, Schedule) or not callable(rate)):
        rule = "needs what the optimizer was made with"
        raise ScheduleError(who, rule, "give schedule(…, lr=…)", given=rate)
    found = _rates(opt_state, key)
    known = {path for path, _ in found}
    counted = [(p, n) for p, n in _counts(opt_state) if p not in known and key == "lr"]
    if not found and not counted:
        fix = "make the optimizer with inject(…), optax.inject_hyperparams or a schedule"
        raise ScheduleError(who, "found no rate and no count of a schedule", fix)
    if not found and rate is None:
        fix = "give the schedule, current_rate(opt_state, rate), or make it with inject(…)"
        raise ScheduleError(who, "found a count of updates and no rate", fix)
    if rate is not None:
        found += [(path, rate(jnp.maximum(count - 1, 0))) for path, count in counted]
    return _choose(found, who, group)


def _nodes(state: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield every node of a state that has fields, with the labels of the groups it is in."""
    if hasattr(state, "opt_state"):  # a train state of Flax
        yield from _nodes(state.opt_state, path)
    elif isinstance(state, Mapping):
        for part in state.values():
            yield from _nodes(part, path)
    elif isinstance(state, tuple | list):
        fields: dict[str, Any] = getattr(state, "_asdict", dict)()
        if fields:
            yield path, state
        for name, part in fields.items() if fields else enumerate(state):
            if name == "inner_states" and isinstance(part, Mapping):  # of optax.partition
                for label, inner in part.items():
                    yield from _nodes(inner, (*path, str(label)))
            else:
                yield from _nodes(part, path)
    elif dataclasses.is_dataclass(state) and not isinstance(state, type):
        for field in dataclasses.fields(state):
            yield from _nodes(getattr(state, field.name, None), path)


def _rates(state: Any, key: str) -> list[tuple[Path, Any]]:
    """Return the values of a hyperparameter that are kept in a state, with their groups."""
    found: list[tuple[Path, Any]] = []
    for path, node in _nodes(state):
        table = getattr(node, "hyperparams", None)
        if not isinstance(table, Mapping):
            continue
        grouped = any(isinstance(part, Mapping) for part in table.values())
        tables = {(*path, str(g)): t for g, t in table.items()} if grouped else {path: table}
        for where, values in tables.items():
            names = [name for name in (*ALIASES.get(key, ()), key) if name in values]
            found += [(where, values[names[0]])] if names else []
    return found


def _counts(state: Any) -> list[tuple[Path, Any]]:
    """Return the counts by which schedules inside optimizers go, with their groups."""
    kind = optax.ScaleByScheduleState
    return [(path, node.count) for path, node in _nodes(state) if isinstance(node, kind)]


def _choose(found: list[tuple[Path, Any]], who: str, group: str | None) -> Any:
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
