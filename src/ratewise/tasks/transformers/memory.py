"""What a trainer remembers of its training, beside the model: counters, buffers, baselines."""

from __future__ import annotations

import copy
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ratewise._extras import require
from ratewise.schedule import ScheduleError
from ratewise.tasks.torch.generators import Generators
from ratewise.tasks.torch.snapshot import put_into, set_aside

torch = require("torch", extra="transformers")

_Plain = bool | int | float | complex | str | bytes | np.ndarray | np.generic | Generators | None
_SEVERAL: tuple[type, ...] = (list, tuple, set, frozenset, dict, deque)
_DATA = ("train_dataset", "eval_dataset")
"""What is learned from, and not remembered of it."""


class TrainerMemory:
    """The attributes of some things that their training may change, out and back again.

    Numbers, texts, tensors, generators and arrays are kept, and lists, dicts and queues of them,
    such as the completions that GRPO makes once and learns from several times. Of what holds
    anything else it is looked whether training has changed it: only then it has to be copied.

    Args:
        who: Who is told in an error.
        things: Whose attributes; a trainer, its state.
    """

    def __init__(self, who: str, things: Iterable[Any]) -> None:
        self._who = who
        self._things = list(things)
        self._first = [
            {name: (value, _size(value)) for name, value in _attributes(thing)}
            for thing in self._things
        ]

    @property
    def state(self) -> list[dict[str, Any]]:
        """What is remembered; plain values that training does not touch.

        Raises:
            ScheduleError: something that training has changed cannot be copied.
        """
        kept: list[dict[str, Any]] = []
        for thing, first in zip(self._things, self._first, strict=True):
            found: dict[str, Any] = {}
            for name, value in _attributes(thing):
                if _is_data(value):
                    found[name] = _aside(value)
                elif name not in first or not _same(value, first[name]):
                    found[name] = self._copied(thing, name, value)
            kept.append(found)
        return kept

    def put(self, state: Sequence[Mapping[str, Any]]) -> None:
        """Bring back what was remembered; what was not there then goes."""
        for thing, first, kept in zip(self._things, self._first, state, strict=True):
            content = vars(thing)
            for name in [name for name, _ in _attributes(thing) if name not in kept]:
                if name in first and not _is_data(content[name]):
                    content[name] = first[name][0]
                else:
                    del content[name]
            for name, value in kept.items():
                content[name] = _back(content.get(name), value)

    def _copied(self, thing: Any, name: str, value: Any) -> Any:
        try:
            copied: Any = None if _holds_code(value) else copy.deepcopy(value)
        except Exception:  # whatever somebody's objects raise
            copied = None
        if copied is None:
            rule = f"keeps {type(thing).__name__}.{name} while it trains, which cannot be copied"
            fix = "keep numbers, tensors and lists of them, or train it whole, without a task"
            raise ScheduleError(self._who, rule, fix)
        return copied


def _attributes(thing: Any) -> list[tuple[str, Any]]:
    """Return the attributes that may be memory, with their names."""
    kinds = (*_Plain.__args__, *_SEVERAL, torch.Tensor, torch.Generator)
    return [
        (name, value)
        for name, value in vars(thing).items()
        if isinstance(value, kinds) and name not in _DATA and not callable(value)
    ]


def _is_data(value: Any, depth: int = 0) -> bool:
    """Whether a value is plain, a tensor without a gradient, or made of nothing else."""
    if isinstance(value, torch.Tensor):
        return not value.requires_grad
    if isinstance(value, _Plain | torch.Generator):
        return True
    if not isinstance(value, _SEVERAL) or depth > 20:
        return False
    items: Iterable[Any] = value
    if isinstance(value, dict):
        pairs: Mapping[Any, Any] = value
        items = [item for pair in pairs.items() for item in pair]
    return all(_is_data(item, depth + 1) for item in items)


def _holds_code(value: Any, depth: int = 0) -> bool:
    """Whether there are functions or modules in it, which no other process would find."""
    if not isinstance(value, _SEVERAL) or depth > 20:
        return callable(value)
    items: Any = value.values() if isinstance(value, dict) else value
    return any(_holds_code(item, depth + 1) for item in items)


def _size(value: Any) -> int:
    return len(value) if isinstance(value, _SEVERAL) else 0


def _same(value: Any, first: tuple[Any, int]) -> bool:
    return value is first[0] and _size(value) == first[1]


def _aside(value: Any) -> Any:
    """Return a copy in main memory that can be pickled."""
    if isinstance(value, deque):
        row: deque[Any] = value
        return deque((_aside(item) for item in row), row.maxlen)
    if isinstance(value, dict):
        pairs: dict[Any, Any] = value
        found = {key: _aside(item) for key, item in pairs.items()}
        makes = getattr(pairs, "default_factory", None)
        return defaultdict(makes, found) if isinstance(makes, type) else found
    if type(value) in (list, tuple):
        return type(value)(_aside(item) for item in value)
    return set_aside(value)


def _back(now: Any, kept: Any) -> Any:
    """Return what was set aside, afresh, so that it can be brought back again.

    A dict that makes what it does not have does so as the one does that is there now.
    """
    if isinstance(kept, deque):
        row: deque[Any] = kept
        return deque((_back(None, item) for item in row), row.maxlen)
    if isinstance(kept, dict):
        pairs: dict[Any, Any] = kept
        there: dict[Any, Any] = now if isinstance(now, dict) else {}
        made = copy.copy(there if isinstance(there, defaultdict) else pairs)
        made.clear()
        made.update({key: _back(there.get(key), item) for key, item in pairs.items()})
        return made
    if type(kept) in (list, tuple):
        return type(kept)(_back(None, item) for item in kept)
    return put_into(now, kept)
