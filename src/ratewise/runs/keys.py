"""Names for what was trained: equal if and only if a run would be in the same state."""

from __future__ import annotations

import dataclasses
import hashlib
import pickle
from collections.abc import Mapping
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
        head = f"{task}\n{self.seed}\n{self.optimizer or ''}\n".encode()
        rates = np.ascontiguousarray(self.rates, np.float64)
        return hashlib.sha256(head + rates.tobytes()).hexdigest()


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
    digest = hashlib.sha256(repr(sorted(metrics.items())).encode())
    _add(digest, state)
    return digest.hexdigest()


def _add(digest: Any, value: Any) -> None:
    """Add a nested value to a digest, so that equal values add the same bytes."""
    if isinstance(value, Mapping):
        for name in value:  # pyright: ignore[reportUnknownVariableType]
            digest.update(f"{{{name!r}:".encode())
            _add(digest, value[name])
    elif isinstance(value, list | tuple):
        digest.update(f"[{len(value)}:".encode())  # pyright: ignore[reportUnknownArgumentType]
        for part in value:  # pyright: ignore[reportUnknownVariableType]
            _add(digest, part)
    elif hasattr(value, "detach"):  # a tensor of PyTorch
        _add(digest, value.detach().cpu().view(-1).contiguous().numpy(force=True))
    elif isinstance(value, np.ndarray):
        digest.update(f"{value.dtype}{value.shape}".encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    elif isinstance(value, bool | int | float | str | bytes | None):
        digest.update(repr(value).encode())
    elif dataclasses.is_dataclass(value):
        digest.update(type(value).__name__.encode())
        _add(digest, {one.name: getattr(value, one.name) for one in dataclasses.fields(value)})
    elif callable(getattr(value, "get_state", None)):  # a generator of PyTorch
        _add(digest, value.get_state())
    else:
        try:
            digest.update(pickle.dumps(value))
        except Exception as error:
            rule, fix = f"cannot be kept: {error}", "save arrays, numbers, texts and lists of them"
            raise ScheduleError("The state that save() returns", rule, fix) from error
