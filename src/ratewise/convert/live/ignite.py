"""Reading the parameter schedulers of Ignite.

One event is one update: the handler is attached to `Events.ITERATION_STARTED`, as is usual.
"""

from __future__ import annotations

from typing import Any

from ratewise._arrays import Floats
from ratewise.convert.formats import Format, RunFacts
from ratewise.convert.live import torch
from ratewise.convert.live._curves import KeyLevels, Shape, needs_run, plan_of
from ratewise.convert.live._ignite_shapes import constants, shape
from ratewise.convert.live._replay import Stub, duplicate, run
from ratewise.schedule import Plan, ScheduleError

_FACTORS = ("cycle_mult", "start_value_mult", "end_value_mult")


def _matches(source: Any) -> bool:
    kinds = {(kind.__module__, kind.__name__) for kind in type(source).__mro__}
    homes = ("ignite.handlers.param_scheduler", "ignite.handlers.state_param_scheduler")
    names = ("BaseParamScheduler", "ParamGroupScheduler", "StateParamScheduler")
    return any((home, name) in kinds for home in homes for name in names)


def _read(source: Any, context: RunFacts) -> Plan:
    who = f"Ignite {type(source).__name__}"
    for leaf in _leaves(source):
        _refuse(who, leaf)
    optimizer, total = _leaves(source)[0].optimizer, context.total
    copied, stub = _fresh(who, source, optimizer)
    count = len(stub.param_groups)
    targets = _targets(copied, count)
    shapes = {target: _shape(copied, source, target, count, total) for target in targets}
    found: dict[str, list[Floats]] = {}
    if total is not None and needs_run([formula for _, formula in shapes.values()], total):
        found = _run(who, copied, stub, targets, total)
    groups: list[dict[str, KeyLevels]] = [{} for _ in stub.param_groups]
    for (key, i), (peak, formula) in shapes.items():
        groups[i][key] = KeyLevels(peak, formula, found[key][i] if found else None)
    return plan_of(who, groups, [group.get("name") for group in optimizer.param_groups])


def _fresh(who: str, source: Any, optimizer: Any) -> tuple[Any, Stub]:
    """Return a copy of a scheduler before its first event, on a stub of its optimizer."""
    copied, stub = duplicate(who, source, optimizer)
    if any(_called(part) for part in _all(copied)):
        for part in _all(copied):
            _reset(who, part)
    return copied, stub


def _all(source: Any) -> list[Any]:
    inner = getattr(source, "schedulers", ())
    return [source, *(each for part in inner for each in _all(part))]


def _leaves(source: Any) -> list[Any]:
    inner = getattr(source, "schedulers", None)
    return [source] if inner is None else [leaf for part in inner for leaf in _leaves(part)]


def _refuse(who: str, leaf: Any) -> None:
    if type(leaf).__name__ == "ReduceLROnPlateauScheduler":
        rule = "is a feedback schedule: its rates depend on metrics that only a run knows"
        raise ScheduleError(who, rule, "give a schedule that is a function of the update")
    if not hasattr(leaf, "optimizer"):
        rule = f"sets {leaf.param_name!r} of an engine or a loader, not of an optimizer"
        raise ScheduleError(who, rule, "give a scheduler of an optimizer's parameter")


# From its beginning -------------------------------------------------------------------------


def _called(part: Any) -> bool:
    return getattr(part, "event_index", 0) > 0


def _reset(who: str, part: Any) -> None:
    """Put a copied scheduler where it was before its first event.

    What Ignite counts besides events has no public name.

    Raises:
        ScheduleError: it has changed its own values on the way.
    """
    if not hasattr(part, "event_index"):
        return
    changed = hasattr(part, "lr_scheduler")
    if hasattr(part, "cycle") and (part.cycle > 0 or part.event_index > part.cycle_size):
        changed = any(getattr(part, name) != 1.0 for name in _FACTORS)
    if changed:
        rule = "was called before, and does not know any more how it began"
        raise ScheduleError(who, rule, "read it before its first event")
    part.event_index = 0
    if hasattr(part, "cycle"):
        part.cycle = 0
    if hasattr(part, "milestones"):
        part._index = 0
    if hasattr(part, "durations"):
        part._scheduler_index = 0
        part._setup_scheduler()


# What it sets -------------------------------------------------------------------------------


def _targets(source: Any, count: int) -> list[tuple[str, int]]:
    """Return the keys that a scheduler sets, each with the index of a group."""
    found: dict[tuple[str, int], None] = {}
    for leaf in _leaves(source):
        index = getattr(leaf, "param_group_index", None)
        for i in range(count) if index is None else [range(count)[index]]:
            found[str(leaf.param_name), i] = None
    return list(found)


def _shape(
    source: Any, live: Any, target: tuple[str, int], count: int, total: int | None
) -> tuple[float, Shape | None]:
    key, i = target
    if hasattr(source, "lr_scheduler"):
        inner = live.lr_scheduler
        if not torch.is_scheduler(inner):  # Ignite puts one of its own around warm restarts
            return 0.0, None
        peak, formula = torch.formula(inner, key, i, total)
        return peak, None if formula is None or total is None else formula
    part: Any = source
    while type(part).__name__ == "ParamGroupScheduler":
        aimed = [each for each in part.schedulers if (key, i) in _targets(each, count)]
        if len(aimed) != 1:
            return 0.0, None
        part = aimed[0]
    if any((key, i) not in _targets(leaf, count) for leaf in _leaves(part)):
        return 0.0, None
    peak = max(constants(part))
    return peak, shape(part, peak, total) if peak > 0.0 else None


def _run(
    who: str, copied: Any, stub: Stub, targets: list[tuple[str, int]], total: int
) -> dict[str, list[Floats]]:
    """Return the values of every group at every update: the handler is called before it."""
    keys = tuple(dict.fromkeys(key for key, _ in targets))

    def call(t: int) -> None:
        copied(None)

    return run(who, stub, keys, total, call, first=True)


FORMATS = (Format("ignite", "a parameter scheduler of Ignite", _matches, _read),)
