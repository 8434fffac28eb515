"""Factors that the groups hold beside a key, as layer-wise decay keeps them: `lr_scale` for `lr`.

timm, BEiT, MAE, Megatron and DINOv2 write `value · factor` at every update, and keep the value
without it; MMEngine keeps the factor too, but has already multiplied. What the groups hold tells.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

Groups = Sequence[Mapping[str, Any]]

NAMES = {
    "lr": ("lr_scale", "lr_mult", "lr_multiplier"),
    "weight_decay": ("wd_mult", "wd_multiplier"),
}
"""For a key, under which names its factor is kept."""


def factor_of(
    group: Mapping[str, Any], groups: Groups, defaults: Mapping[str, Any], key: str
) -> float:
    """Return by what the value of a key is still to be multiplied in a group; 1 if by nothing.

    Groups of different factors that hold one value have not been multiplied; those whose values
    stand to each other as their factors have been. One group alone is held against the defaults.
    """
    factor = _factor(group, key)
    if factor is None or factor == 1:
        return 1.0
    held = [(_worth(one, key), _factor(one, key)) for one in groups]
    known = [(value, f) for value, f in held if value is not None and f is not None]
    if _agree(known):
        return factor
    if _agree([(value / f, f) for value, f in known if f]):
        return 1.0
    value, whole = _worth(group, key), _number(defaults.get(key))
    multiplied = value is not None and whole is not None and _same(value, whole * factor)
    return 1.0 if multiplied else factor


def _agree(held: Sequence[tuple[float, float]]) -> bool:
    """Tell whether one value stands beside two factors."""
    beside: dict[str, float] = {}
    return any(beside.setdefault(f"{value:.6g}", factor) != factor for value, factor in held)


def _factor(group: Mapping[str, Any], key: str) -> float | None:
    return next((_number(group[name]) for name in NAMES.get(key, ()) if name in group), None)


def _worth(group: Mapping[str, Any], key: str) -> float | None:
    """Return the value that a key has in a group at level 1, as far as the group says it."""
    return _number(group.get(f"initial_{key}", group.get(key)))


def _number(value: Any) -> float | None:
    single = isinstance(value, int | float) or (isinstance(value, Tensor) and value.numel() == 1)
    return float(value) if single and math.isfinite(value) else None


def _same(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=1e-6)
