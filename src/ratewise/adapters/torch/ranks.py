"""One metric for all processes of a run, so that no two of them ever decide differently."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np
import torch.distributed as dist

from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import nearest, shorten

_REDUCTIONS: dict[str, Callable[[Any], Any]] = {
    "mean": np.mean,
    "sum": np.sum,
    "min": np.min,
    "max": np.max,
}
WHO = "Scheduler.observe"


def agreed(
    t: int, metrics: Mapping[str, Any], names: Collection[str], reduce: str | None
) -> Mapping[str, Any]:
    """Return the metrics that are listened to as all ranks see them; the others as they are.

    Every rank gets the values of all and computes the same from them, in float64 and in the order
    of the ranks; values that are equal on all ranks are kept as they are, except in a sum.

    Raises:
        ScheduleError: on every rank, if ranks do not have the same metrics or stand at different
            updates, or one of them is no number.
    """
    if reduce is not None and reduce not in _REDUCTIONS:
        fix = nearest(reduce, _REDUCTIONS)
        raise ScheduleError(f"{WHO}(reduce={shorten(reduce)})", "is no reduction", fix)
    if reduce is None or not names or not _several():
        return metrics
    known = [name for name in names if name in metrics]
    every: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(every, (t, {name: _read(metrics[name]) for name in known}))
    updates, tables = zip(*every, strict=True)
    _check_updates(updates)
    for name in names:
        _check_there(name, tables)
    return {**metrics, **{name: _reduced(name, tables, reduce) for name in known}}


def _several() -> bool:
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def _read(value: Any) -> float | str:
    """Return a number, or the text of what is none: an error would leave the others waiting."""
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError):
        return shorten(value)


def _check_updates(updates: Sequence[int]) -> None:
    if len(set(updates)) > 1:
        stand = ", ".join(f"rank {rank} at {t}" for rank, t in enumerate(updates))
        rule = f"was called behind different updates: {stand}"
        raise ScheduleError(WHO, rule, "evaluate behind the same update on every rank")


def _check_there(name: str, tables: Sequence[Mapping[str, Any]]) -> None:
    missing = [rank for rank, table in enumerate(tables) if name not in table]
    if missing and len(missing) < len(tables):
        ranks = ", ".join(map(str, missing))
        rule = f"got no {name} on rank {ranks} of {len(tables)}"
        fix = "measure it on every rank, or broadcast it and give reduce=None everywhere"
        raise ScheduleError(WHO, rule, fix)
    for rank, table in enumerate(tables):
        if isinstance(table.get(name), str):
            rule = f"was shown {name}={table[name]} on rank {rank}"
            raise ScheduleError(WHO, rule, "show it a number")


def _reduced(name: str, tables: Sequence[Mapping[str, Any]], reduce: str) -> float:
    values = [table[name] for table in tables]
    if reduce != "sum" and all(value == values[0] for value in values):
        return values[0]
    if any(math.isnan(value) for value in values):
        return math.nan
    with np.errstate(invalid="ignore"):
        return float(_REDUCTIONS[reduce](np.array(values)))
