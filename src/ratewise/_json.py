"""Values as JSON types, and the one file that several rooms read."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np


def plain(value: Any) -> Any:
    """Return a value as JSON types: what is not finite becomes None, a dataclass its fields.

    >>> plain({"loss": np.array([0.5, np.nan]), "ends": (1, float("inf"))})
    {'loss': [0.5, None], 'ends': [1, None]}
    """
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if dataclasses.is_dataclass(value):
        return {
            field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)
        }
    if isinstance(value, Mapping):
        return {name: plain(one) for name, one in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]  # pyright: ignore[reportUnknownVariableType]
    return value  # pyright: ignore[reportUnknownVariableType]


def log_history(content: Any) -> list[Any] | None:
    """Return what a `trainer_state.json` of Transformers has logged; None of any other content."""
    history: Any = content.get("log_history") if isinstance(content, Mapping) else None
    return history if isinstance(history, list) else None
