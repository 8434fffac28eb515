"""Feedback schedules in a state of Optax: what they were shown, the values until more is."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ratewise.adapters.feedback import FeedbackStore, Listener
from ratewise.adapters.optax.inject import Injected, RateTable, like, precision_of
from ratewise.adapters.optax.rate import LAST_COUNT, UNTRACEABLE, Rate
from ratewise.schedule import Schedule, ScheduleError, from_dict
from ratewise.schedule.machine import Machine

Memory = dict[str, Any]
ROOM = 4096
"""Bytes of memory at first; it doubles when they are full, and what was compiled, compiles anew."""


class ListenState(NamedTuple):
    """State of `listen`; arrays alone, so that it is saved and restored like any other.

    Attributes:
        count: Updates committed so far, int32.
        hyperparams: The values that the last update used, by argument of the optimizer (by group
            and argument where there are groups); before the first, those that it will use.
        inner_state: State of the optimizer.
        ahead: The values of updates first, first + 1, … if nothing more is observed; a tree like
            `hyperparams` of arrays of `window` elements.
        first: Update of the first element of `ahead`, int32.
        memory: The schedules and what they were shown, as the bytes of a JSON text, uint8.
    """

    count: Any
    hyperparams: Any
    inner_state: Any
    ahead: Any
    first: Any
    memory: Any


@dataclass(frozen=True)
class InjectedFeedback:
    """An optimizer made anew at each update with values that are looked up.

    Attributes:
        injected: The optimizer and its rates.
        window: Updates that are looked ahead.
    """

    injected: Injected
    window: int

    def init(self, params: Any) -> ListenState:
        """Return the state before the first update."""
        one = self.injected
        labels = None if one.labels is None else one.names(params)
        memory = _begin(one.default, one.groups, labels, self.window)
        ahead = _ahead(memory, one.start, precision_of(params))
        values = jax.tree.map(lambda table: table[0], ahead)
        inner = one.optimizer(values, params).init(params)
        count = jnp.asarray(one.start, jnp.int32)
        return ListenState(count, values, inner, ahead, count, _pack(memory, ROOM))

    def update(
        self, updates: Any, state: Any, params: Any = None, **extra: Any
    ) -> tuple[Any, ListenState]:
        """Return the updates of the optimizer, and the state in which this one is counted."""
        at = jnp.clip(state.count - state.first, 0, self.window - 1)
        values = jax.tree.map(lambda table: table[at], state.ahead)
        inner = optax.with_extra_args_support(self.injected.optimizer(values, updates))
        new, inner_state = inner.update(updates, state.inner_state, params, **extra)
        new, inner_state = like(new, updates), like(inner_state, state.inner_state)
        count = jnp.minimum(state.count, LAST_COUNT - 1) + 1
        return new, state._replace(count=count, hyperparams=values, inner_state=inner_state)


def uncounted(rate: Rate) -> Rate:
    """Return a rate as it is; what listens has no end that could be too far."""
    rate.schedule.to_dict()  # refuses a Function, which the state could not hold
    return rate


def _begin(default: RateTable, groups: Mapping[str, RateTable], labels: Any, window: int) -> Memory:
    """Return the memory before anything was shown: per group and argument, schedule and state."""

    def all_of(rates: RateTable) -> Memory:
        return {name: _entry(rate) for name, rate in rates.items()}

    if labels is None:
        table = all_of(default)
    else:
        table = {name: all_of(groups.get(name, default)) for name in labels}
    return {"window": window, "grouped": labels is not None, "table": table}


def _entry(rate: Rate) -> Memory:
    schedule = rate.schedule
    state = _machine_of(_text(schedule.to_dict())).init() if schedule.listens else None
    return {"schedule": schedule.to_dict(), "peak": rate.peak, "heard": state}


def entries(memory: Memory) -> dict[str, Memory]:
    """Return what is in a memory by place: "learning_rate", "head/learning_rate"."""
    table = memory["table"]
    if not memory["grouped"]:
        return dict(table)
    return {f"{g}/{name}": one for g, part in table.items() for name, one in part.items()}


@lru_cache(maxsize=64)
def _machine_of(text: str) -> Machine:
    return schedule_of({"schedule": json.loads(text)}).machine()


def schedule_of(entry: Memory) -> Schedule:
    """Return the schedule of an entry."""
    schedule = from_dict(entry["schedule"])
    assert isinstance(schedule, Schedule)
    return schedule


def listener(entry: Memory) -> Listener:
    """Return the feedback schedule of an entry and the state it has come to."""
    return Listener(_machine_of(_text(entry["schedule"])), entry["heard"])


def feedback_of(memory: Memory) -> FeedbackStore:
    """Return what the feedback schedules in a memory were shown."""
    found = {at: entry for at, entry in entries(memory).items() if entry["heard"] is not None}
    return FeedbackStore({at: listener(entry) for at, entry in found.items()})


def _text(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _ahead(memory: Memory, first: int, dtype: Any) -> Any:
    """Return the values from update `first` on, as arrays in the precision they are used in."""

    def values(entry: Memory) -> Any:
        feedback, n = entry["heard"] is not None, memory["window"]
        ahead = listener(entry).ahead if feedback else schedule_of(entry).values
        return jnp.asarray(entry["peak"] * ahead(n, first), dtype)

    def all_of(table: Memory) -> Any:
        return {name: values(entry) for name, entry in table.items()}

    if memory["grouped"]:
        return {name: all_of(table) for name, table in memory["table"].items()}
    return all_of(memory["table"])


def _pack(memory: Memory, room: int) -> Any:
    text = _text(memory).encode()
    while len(text) >= room:
        room *= 2
    return jnp.asarray(np.frombuffer(text.ljust(room), np.uint8))


def read(state: ListenState) -> Memory:
    """Return the memory in a state.

    Raises:
        ScheduleError: it is damaged.
    """
    try:
        memory = json.loads(np.asarray(state.memory, np.uint8).tobytes())
        entries(memory)
    except UNTRACEABLE:
        fix = "call it between updates, on the host"
        raise ScheduleError("observe(opt_state)", "was called in a traced function", fix) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        rule = "has a memory that cannot be read"
        raise ScheduleError("ListenState", rule, "restore another checkpoint") from None
    return memory


def told(state: ListenState, metrics: Mapping[str, Any]) -> ListenState:
    """Return the state after `metrics` were measured behind its last update."""
    memory, t, first = read(state), int(state.count), int(state.first)
    if t > first + memory["window"]:
        rule = f"was shown nothing for {t - first:,} updates, and looks {memory['window']:,} ahead"
        fix = f"evaluate more often, or give listen(…, window={2 * (t - first)})"
        raise ScheduleError("observe(opt_state)", rule, fix)
    shown = {str(name): _number(value) for name, value in metrics.items()}
    feedback = feedback_of(memory)
    feedback.observe(t, shown)
    for at, state_now in feedback.states().items():
        entries(memory)[at]["heard"] = state_now
    dtype: Any = jax.tree.leaves(state.ahead)[0].dtype
    ahead = _ahead(memory, t, dtype)
    packed = _pack(memory, state.memory.shape[0])
    return state._replace(ahead=ahead, first=jnp.asarray(t, jnp.int32), memory=packed)


def _number(value: Any) -> Any:
    return np.asarray(value).item() if getattr(value, "size", 2) == 1 else value


def within(opt_state: Any, change: Callable[[ListenState], Any], who: str) -> Any:
    """Return a tree of states in which each of a listening optimizer was changed."""
    count = 0

    def each(node: Any) -> Any:
        nonlocal count
        if not isinstance(node, ListenState):
            return node
        count += 1
        inner = jax.tree.map(each, node.inner_state, is_leaf=is_listening)
        return change(node._replace(inner_state=inner))

    new = jax.tree.map(each, opt_state, is_leaf=is_listening)
    if not count:
        fix = "make the optimizer with ratewise.optax.listen(plan, optax.adamw, …)"
        raise ScheduleError(who, "found no schedule that listens in this state", fix)
    return new


def is_listening(node: Any) -> bool:
    """Whether a node of a tree is the state of a listening optimizer."""
    return isinstance(node, ListenState)


def states(opt_state: Any, who: str) -> list[ListenState]:
    """Return the states of all listening optimizers in a tree."""
    found: list[ListenState] = []
    within(opt_state, lambda state: found.append(state) or state, who)
    return found
