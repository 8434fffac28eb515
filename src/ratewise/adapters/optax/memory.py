"""What a state of `listen` remembers, as the bytes of a JSON text: schedules and what they heard.

A state comes from a checkpoint as often as from an optimizer, so it is read whole and with care.
"""

from __future__ import annotations

import json
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ratewise.adapters.feedback import FeedbackStore, Listener
from ratewise.adapters.optax.rate import LAST_COUNT, UNTRACEABLE, Rate
from ratewise.schedule import Plan, Schedule, ScheduleError, from_dict
from ratewise.schedule.errors import shorten
from ratewise.schedule.machine import Machine
from ratewise.schedule.schema import (
    Mismatch,
    a_count,
    a_dict,
    a_flag,
    a_number,
    a_table,
    read_state,
)

Memory = dict[str, Any]
WHO, FIX = "ListenState", "restore another checkpoint"


# Reading ------------------------------------------------------------------------------------


def read(state: Any) -> Memory:
    """Return what a state remembers.

    Raises:
        ScheduleError: it is traced, or damaged.
    """
    try:
        content = np.asarray(state.memory)
        parts = {"count": int(state.count), "first": int(state.first)}
        if content.ndim != 1 or content.dtype != np.uint8:
            raise ValueError("bytes are of another kind")
        parts["memory"] = json.loads(content.tobytes())
    except UNTRACEABLE:
        fix = "call it between updates, on the host"
        raise ScheduleError("observe(opt_state)", "was called in a traced function", fix) from None
    except Exception:  # arrays of other shapes and kinds, of any library
        raise ScheduleError(WHO, "has a memory that cannot be read", FIX) from None
    counts = {"count": a_count(high=LAST_COUNT), "first": a_count(high=parts["count"])}
    found = read_state(WHO, a_dict({**counts, "memory": _read_memory}), parts, FIX)["memory"]
    if _shapes(state.ahead) != _shapes(found["table"], found["window"]):
        rule = "got a state that is damaged: 'ahead' is not what its memory says"
        raise ScheduleError(WHO, rule, FIX)
    return found


def _read_memory(value: Any, place: str) -> Memory:
    table = partial(_read_table, isinstance(value, dict) and value.get("grouped") is True)  # pyright: ignore
    return a_dict({"window": a_count(low=1), "grouped": a_flag, "table": table})(value, place)


def _read_table(grouped: bool, value: Any, place: str) -> Memory:
    return a_table(a_table(_read_entry) if grouped else _read_entry)(value, place)


def _read_entry(value: Any, place: str) -> Memory:
    parts = {"schedule": _read_form, "peak": a_number(low=0.0), "heard": lambda one, _: one}
    entry = a_dict(parts)(value, place)
    if schedule_of(entry).listens:
        machine = _machine_of(_text(entry["schedule"]))
        entry["heard"] = machine.read_state(entry["heard"], f"{place}.heard")
    elif entry["heard"] is not None:
        raise Mismatch.holds(f"{place}.heard", entry["heard"], "None: it does not listen")
    return entry


def _read_form(value: Any, place: str) -> Any:
    try:
        _schedule_of(_text(value))
    except ScheduleError as error:
        raise Mismatch(place, f"cannot be read: {error.who} {error.broken}") from None
    return value


def _shapes(tree: Any, window: int | None = None) -> Any:
    """Return a tree of arrays as a dict of their shapes; of entries, of the shape that is due."""
    if isinstance(tree, dict) and not (window and "schedule" in tree):
        pairs: dict[str, Any] = tree
        return {str(name): _shapes(part, window) for name, part in pairs.items()}
    leaf: Any = tree
    return (window,) if window else np.shape(leaf)


# Writing ------------------------------------------------------------------------------------


def _text(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def pack(memory: Memory, room: int) -> Any:
    """Return a memory as bytes, with room for so many or more."""
    text = _text(memory).encode()
    while len(text) >= room:
        room *= 2
    return jnp.asarray(np.frombuffer(text.ljust(room), np.uint8))


def entry_of(rate: Rate) -> Memory:
    """Return what is remembered of a rate that has been shown nothing."""
    schedule = rate.schedule.to_dict()
    state = _machine_of(_text(schedule)).init() if rate.schedule.listens else None
    return {"schedule": schedule, "peak": rate.peak, "heard": state}


# Per group and argument, the schedule and what it was shown ------------------------------------


def entries(memory: Memory) -> dict[str, Memory]:
    """Return what is in a memory by place: "learning_rate", "head/learning_rate"."""
    table = memory["table"]
    if not memory["grouped"]:
        return dict(table)
    return {f"{g}/{name}": entry for g, part in table.items() for name, entry in part.items()}


def schedule_of(entry: Memory) -> Schedule:
    """Return the schedule of an entry."""
    return _schedule_of(_text(entry["schedule"]))


@lru_cache(maxsize=64)
def _schedule_of(text: str) -> Schedule:
    schedule = from_dict(json.loads(text))
    if not isinstance(schedule, Schedule):
        raise ScheduleError(WHO, "needs a schedule", FIX, given=schedule)
    schedule.resolve()  # refuses lengths that are not in updates
    return schedule


@lru_cache(maxsize=64)
def _machine_of(text: str) -> Machine:
    return _schedule_of(text).machine()


def listener(entry: Memory) -> Listener | None:
    """Return the schedule of an entry, and what it has come to; None if it does not listen."""
    if entry["heard"] is None:
        return None
    return Listener(_machine_of(_text(entry["schedule"])), entry["heard"])


def feedback_of(memory: Memory) -> FeedbackStore:
    """Return all that listens in a memory."""
    found = {place: listener(entry) for place, entry in entries(memory).items()}
    return FeedbackStore({place: one for place, one in found.items() if one})


def followed(parts: Memory) -> Plan:
    """Return the open-loop plan of a group, from its entries by key."""
    peaks = {key: entry["peak"] for key, entry in parts.items()}
    schedules: dict[str, Any] = {
        key: one.replayed() if (one := listener(entry)) else schedule_of(entry)
        for key, entry in parts.items()
    }
    named = {key: schedules.pop(key, None) for key in ("lr", "weight_decay")}
    return Plan(**named, keys=schedules, peak=peaks)


def ahead(memory: Memory, first: int, dtype: Any) -> Any:
    """Return the values from update `first` on, as arrays in the precision they are used in.

    Raises:
        ScheduleError: one of them is more than that precision holds.
    """

    def values(entry: Memory) -> Any:
        one = listener(entry)
        levels = one.ahead if one else schedule_of(entry).values
        found = entry["peak"] * levels(memory["window"], first)
        if not np.abs(found).max() <= float(jnp.finfo(dtype).max):
            rule = f"comes to {found.max():g} with peak {entry['peak']:g}"
            raise ScheduleError(shorten(schedule_of(entry)), rule, "give a smaller peak")
        return jnp.asarray(found, dtype)

    return jax.tree.map(values, memory["table"], is_leaf=lambda one: "schedule" in one)
