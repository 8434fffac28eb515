"""Optax schedules as names with arguments, from what a user writes or from a live closure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import FunctionType
from typing import Any

from ratewise.convert.formats import completed, signature
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import nearest, number, shorten

_EXPONENTIAL = "transition_steps decay_rate"
_AFTER: dict[str, Any] = {"transition_begin": 0, "staircase": False, "end_value": None}
_WARMUP = "init_value peak_value warmup_steps"
_CYCLE = "transition_steps peak_value"
_DIVISORS = {"div_factor": 25.0, "final_div_factor": 1e4}

ARGUMENTS: dict[str, dict[str, Any]] = {
    "constant_schedule": signature("value"),
    "cosine_decay_schedule": signature("init_value decay_steps", alpha=0.0, exponent=1.0),
    "cosine_onecycle_schedule": signature(_CYCLE, pct_start=0.3, **_DIVISORS),
    "exponential_decay": signature(f"init_value {_EXPONENTIAL}", **_AFTER),
    "join_schedules": signature("schedules boundaries"),
    "linear_onecycle_schedule": signature(_CYCLE, pct_start=0.3, pct_final=0.85, **_DIVISORS),
    "linear_schedule": signature("init_value end_value transition_steps", transition_begin=0),
    "piecewise_constant_schedule": signature("init_value", boundaries_and_scales=None),
    "piecewise_interpolate_schedule": signature(
        "interpolate_type init_value", boundaries_and_scales=None
    ),
    "polynomial_schedule": signature(
        "init_value end_value transition_steps power", transition_begin=0
    ),
    "sgdr_schedule": signature("cosine_kwargs"),
    "warmup_constant_schedule": signature(_WARMUP),
    "warmup_cosine_decay_schedule": signature(
        f"{_WARMUP} decay_steps", end_value=0.0, exponent=1.0
    ),
    "warmup_exponential_decay_schedule": signature(f"{_WARMUP} {_EXPONENTIAL}", **_AFTER),
}
"""Arguments of each constructor, with their defaults."""


@dataclass(frozen=True)
class OptaxSpec:
    """A constructor by name, with all its arguments."""

    name: str
    arguments: Mapping[str, Any]

    @classmethod
    def of(cls, name: Any, given: Any) -> OptaxSpec:
        """Check what a user wrote and complete it."""
        plain = name.rpartition(".")[2] if isinstance(name, str) else name
        if plain not in ARGUMENTS:
            rule = f"has no schedule {shorten(name)}"
            raise ScheduleError("optax", rule, nearest(plain, ARGUMENTS))
        if not isinstance(given, Mapping):
            raise ScheduleError(plain, f"has arguments {shorten(given)}", "give a dict of them")
        return cls(plain, completed(plain, given, ARGUMENTS[plain]))

    def __getitem__(self, name: str) -> Any:
        return self.arguments[name]

    def amount(self, name: str, **bounds: Any) -> float:
        """Return an argument as a number, in [0, inf) unless bounds say otherwise."""
        return number(self.name, name, self.arguments[name], **bounds)

    def whole(self, name: str) -> int:
        value = self.amount(name)
        if value != int(value):
            rule = f"has {name}={value:g}"
            raise ScheduleError(self.name, rule, "give a whole number of updates")
        return int(value)


def is_written(source: Any) -> bool:
    """Whether a source is `{"optax": name, …}` or `(name, {…})`."""
    if isinstance(source, Mapping):
        return "optax" in source
    if not isinstance(source, tuple | list) or len(source) != 2:
        return False
    name, given = source
    if not isinstance(name, str) or not isinstance(given, Mapping):
        return False
    return name in ARGUMENTS or name.startswith("optax.") or name.endswith("_schedule")


def read_written(source: Any) -> OptaxSpec:
    if isinstance(source, Mapping):
        return OptaxSpec.of(source["optax"], {k: v for k, v in source.items() if k != "optax"})
    return OptaxSpec.of(*source)


# Closures -----------------------------------------------------------------------------------

_CONSTANTS = {
    "constant_schedule.<locals>.<lambda>": "value",
    "exponential_decay.<locals>.<lambda>": "init_value",
    "polynomial_schedule.<locals>.<lambda>": "init_value",
}


def is_closure(source: Any) -> bool:
    """Whether a source is a function that Optax made."""
    return isinstance(source, FunctionType) and (source.__module__ or "").startswith("optax.")


def read_closure(source: Any) -> OptaxSpec | None:
    """Return what a closure of Optax holds, or None if it is not one that is known.

    Nothing is called: only names and cells are looked at.
    """
    if not is_closure(source):
        return None
    cells = _cells(source)
    if source.__qualname__ in _CONSTANTS:
        held = cells.get(_CONSTANTS[source.__qualname__])
        return None if held is None else OptaxSpec("constant_schedule", {"value": held})
    name, _, inner = source.__qualname__.partition(".<locals>.")
    if inner != "schedule" or name not in ARGUMENTS:
        return None
    if name == "piecewise_interpolate_schedule":
        cells = _interpolation(cells)
    cells.pop("clip_fn", None)
    if name == "exponential_decay":
        cells.setdefault("end_value", None)
    return OptaxSpec(name, cells) if cells.keys() == ARGUMENTS[name].keys() else None


def _cells(source: FunctionType) -> dict[str, Any]:
    held: dict[str, Any] = {}
    for name, cell in zip(source.__code__.co_freevars, source.__closure__ or (), strict=True):
        try:
            held[name] = cell.cell_contents
        except ValueError:  # never filled
            continue
    return held


_KINDS = {"_linear_interpolate": "linear", "_cosine_interpolate": "cosine"}


def _interpolation(cells: dict[str, Any]) -> dict[str, Any]:
    function: Callable[..., Any] | None = cells.pop("interpolate_fn", None)
    kind = _KINDS.get(getattr(function, "__name__", ""))
    bounds, scales = cells.pop("boundaries", None), cells.pop("scales", None)
    if kind is None or bounds is None or scales is None:
        return {}
    pairs = dict(zip(bounds, scales, strict=True))
    return {**cells, "interpolate_type": kind, "boundaries_and_scales": pairs}
