"""Names for what was trained: equal if and only if a run would be in the same state."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from types import BuiltinFunctionType, FunctionType
from typing import Any, NamedTuple

import numpy as np

from ratewise.schedule import ScheduleError
from ratewise.tasks.calls import measured, opened
from ratewise.tasks.failures import name_of, users_code
from ratewise.tasks.protocols import Rates, Task


class Way(NamedTuple):
    """What decides the state of a run of a task: its seed, its optimizer, and all rates so far."""

    seed: int
    optimizer: str | None
    rates: Rates

    def until(self, updates: int) -> Way:
        """Return the beginning of the way, so many updates."""
        return Way(self.seed, self.optimizer, self.rates[:updates])

    def key(self, task: str) -> str:
        """Return the name of the state of a task at its end: 64 hexadecimal digits."""
        rates = np.ascontiguousarray(self.rates, np.float64)
        return _digest([task, int(self.seed), self.optimizer, rates.tobytes()])


def identity(task: Task) -> tuple[str, tuple[str, ...]]:
    """Return the fingerprint of a task, and the names of what it measures.

    Raises:
        ScheduleError: its code raised, or returned what is no run, no state or no metric.
    """
    run = opened(task, 0)
    with users_code(name_of(task)):
        state, metrics = run.save(), measured(run)
        return fingerprint(task, state, metrics), tuple(metrics)


def fingerprint(task: Any, state: Any, metrics: Mapping[str, float]) -> str:
    """Return what tells a task from others: its own `fingerprint`, or how a run of it begins.

    Args:
        task: The task; an attribute `fingerprint`, a text, is taken as it is.
        state: State of a run of a fixed seed before its first update.
        metrics: What was measured of it.
    """
    own = getattr(task, "fingerprint", None)
    if isinstance(own, str):
        return own
    return _digest([sorted(metrics.items()), state])


def _digest(value: Any) -> str:
    digest = hashlib.sha256()
    try:
        _add(digest, value, ())
    except RecursionError:
        raise _not_kept("it is nested too deeply") from None
    return digest.hexdigest()


def _add(digest: Any, value: Any, within: tuple[int, ...]) -> None:
    """Add a nested value to a digest: equal values add the same bytes, and no others do.

    What holds others says how many; everything else says its kind and how many bytes it has. So
    the parts of a value cannot be told in another way that comes to the same bytes.

    Args:
        digest: The digest.
        value: The value.
        within: The identities of what it is in, from the outermost on.
    """
    if id(value) in within:
        _leaf(digest, "around", str(len(within) - within.index(id(value))).encode())
        return
    inside = (*within, id(value))
    if isinstance(value, Mapping):
        _head(digest, "mapping", len(value))  # pyright: ignore[reportUnknownArgumentType]
        for name in value:  # pyright: ignore[reportUnknownVariableType]
            _add(digest, name, inside)
            _add(digest, value[name], inside)
    elif isinstance(value, list | tuple):
        _head(digest, "list", len(value))  # pyright: ignore[reportUnknownArgumentType]
        for part in value:  # pyright: ignore[reportUnknownVariableType]
            _add(digest, part, inside)
    elif isinstance(value, set | frozenset):
        _leaf(digest, "set", "".join(sorted(map(_digest, value))).encode())  # pyright: ignore[reportUnknownArgumentType]
    elif hasattr(value, "detach"):  # a tensor of PyTorch
        _leaf(digest, f"tensor {value.dtype} {tuple(value.shape)}", _bytes_of(value.detach()))
    elif isinstance(value, np.ndarray) and not value.dtype.hasobject:
        kind = f"array {value.dtype.descr} {value.shape}"
        _leaf(digest, kind, np.ascontiguousarray(value).tobytes())
    elif isinstance(value, bool | int | float | str | None):
        _leaf(digest, type(value).__name__, repr(value).encode())
    elif isinstance(value, bytes):
        _leaf(digest, "bytes", value)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        _head(digest, f"dataclass {type(value).__name__}", 1)
        fields = {one.name: getattr(value, one.name) for one in dataclasses.fields(value)}
        _add(digest, fields, inside)
    elif isinstance(value, type | FunctionType | BuiltinFunctionType):
        _leaf(digest, "name", _global_name(value).encode())
    elif callable(own := getattr(value, "get_state", None)):  # a generator of PyTorch
        _add(digest, own(), inside)
    else:
        _add_object(digest, value, inside)


def _add_object(digest: Any, value: Any, within: tuple[int, ...]) -> None:
    """Add any other object as it tells itself to those who copy it: what makes it, and of what."""
    try:
        told: Any = value.__reduce_ex__(4)
    except Exception as error:
        raise _not_kept(error) from error
    if isinstance(told, str):
        _leaf(digest, "name", f"{type(value).__module__} {told}".encode())
        return
    made, given, state, items, pairs = (*told, None, None, None)[:5]
    _head(digest, "object", 5)
    for part in (made, given, state, list(items or ()), list(pairs or ())):
        _add(digest, part, within)


def _global_name(value: Any) -> str:
    """Return the name of a class or a function, by which others find it."""
    name = f"{value.__module__}.{value.__qualname__}"
    if "<" in name:
        raise _not_kept(f"{name} cannot be found by its name")
    return name


def _not_kept(why: object) -> ScheduleError:
    rule, fix = f"cannot be kept: {why}", "save arrays, numbers, texts and lists of them"
    return ScheduleError("The state that save() returns", rule, fix)


def _head(digest: Any, kind: str, count: int) -> None:
    digest.update(f"{kind} {count}\n".encode())


def _leaf(digest: Any, kind: str, content: bytes) -> None:
    _head(digest, kind, len(content))
    digest.update(content)


def _bytes_of(tensor: Any) -> bytes:
    try:
        array = tensor.numpy(force=True)
    except TypeError:  # of a kind that numpy does not have; all of those are short floats
        array = tensor.float().numpy(force=True)
    return np.ascontiguousarray(array).tobytes()
