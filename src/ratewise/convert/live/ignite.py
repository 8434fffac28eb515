"""Reading the parameter schedulers of Ignite.

One event is one update: the handler is attached to `Events.ITERATION_STARTED`, as is usual.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from ratewise import schedule as rw
from ratewise._arrays import Floats
from ratewise.convert.formats import Format, RunFacts
from ratewise.convert.live import torch
from ratewise.convert.live._border import guarded
from ratewise.convert.live._curves import KeyLevels, Shape, level, needs_run, plan_of
from ratewise.convert.live._feedback import ignite_plateau
from ratewise.convert.live._replay import Stub, duplicate, run
from ratewise.convert.live._torch_shapes import whole
from ratewise.convert.pieces.layout import join, padded
from ratewise.schedule import Move, Plan, Schedule, ScheduleError

_FACTORS = ("cycle_mult", "start_value_mult", "end_value_mult")


def _matches(source: Any) -> bool:
    kinds = {(kind.__module__, kind.__name__) for kind in type(source).__mro__}
    homes = ("ignite.handlers.param_scheduler", "ignite.handlers.state_param_scheduler")
    names = ("BaseParamScheduler", "ParamGroupScheduler", "StateParamScheduler")
    return any((home, name) in kinds for home in homes for name in names)


def _read(source: Any, context: RunFacts) -> Plan:
    who = f"Ignite {type(source).__name__}"
    if type(source).__name__ == "ReduceLROnPlateauScheduler":
        return ignite_plateau(who, source, context)
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
        rule = "holds a scheduler that listens to metrics"
        raise ScheduleError(who, rule, "read its parts, and write Warmup(…) >> Plateau(…)")
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
    peak = max(_constants(part))
    return peak, _formula(part, peak, total) if peak > 0.0 else None


def _run(
    who: str, copied: Any, stub: Stub, targets: list[tuple[str, int]], total: int
) -> dict[str, list[Floats]]:
    """Return the values of every group at every update: the handler is called before it."""
    keys = tuple(dict.fromkeys(key for key, _ in targets))

    def call(t: int) -> None:
        copied(None)

    return run(who, stub, keys, total, call, first=True)


# The formulas -------------------------------------------------------------------------------
#
# Each takes a scheduler as it was before its first event, the peak and the total or None, and
# returns the levels, or None where only running the scheduler tells.

_Maker = Callable[[Any, float, int | None], Shape | None]


def _formula(source: Any, peak: float, total: int | None) -> Shape | None:
    """Return the levels of a scheduler of Ignite's own, or None."""
    own = type(source).__module__.startswith("ignite.")
    maker = _SHAPES.get(type(source).__name__) if own else None
    return None if maker is None else maker(source, peak, total)


def _constants(source: Any) -> list[float]:
    if hasattr(source, "schedulers"):
        return [value for part in source.schedulers for value in _constants(part)]
    if hasattr(source, "values"):
        return [float(value) for value in source.values]
    return [float(getattr(source, name, 0.0)) for name in ("start_value", "end_value")]


# Cycles -------------------------------------------------------------------------------------


def _cyclical(source: Any, peak: float, total: int | None) -> Shape | None:
    """Return the cycles: repeated as they are, or each with its own length and values."""
    n, rest = whole(source.cycle_size, 2), whole(source.warmup_duration, 0)
    start, end = level(source.start_value, peak), level(source.end_value, peak)
    if n is None or rest is None or start < 0 or end < 0:
        return None
    growth = source.cycle_mult, source.start_value_mult, source.end_value_mult
    if growth == (1.0, 1.0, 1.0):
        pattern = join(_cycle(source, start, start, end, n, rest))
        return Shape(rw.Repeat(pattern, every=n + rest))
    if total is None or min(growth) < 0:
        return None
    moves: list[Schedule] = []
    done = 0
    while done < total:
        if n < 1 or len(moves) > 400:
            return None
        later = start * growth[1]
        moves += _cycle(source, start, later, end, n, rest)
        start, end = later, end * growth[2]
        done, n, rest = done + n + rest, int(n * growth[0]), int(rest * growth[0])
    return Shape(join(moves, total))


def _cycle(
    source: Any, start: float, later: float, end: float, n: int, rest: int
) -> list[Schedule]:
    """Return one cycle: to the end value in n updates, and back to the start in `rest` more."""
    back = rw.Linear(later, over=rest, start=end)
    if type(source).__name__ == "CosineAnnealingScheduler":
        return [rw.Cosine(end, over=n, start=start), back]
    if source.monotonic:
        return [rw.Linear(end, over=n, start=start), back]
    half, first = n / 2, (n + 1) // 2
    if n % 2 == 0:
        return [rw.Linear(end, over=first, start=start), rw.Linear(start, over=first, start=end)]
    down: Move = rw.Part(rw.Linear(end, start=start), of=half, over=first)
    up = rw.Part(rw.Linear(start, start=end), begin=first - half, of=half, over=n - first)
    return [down, up]


# Points and compositions --------------------------------------------------------------------


def _piecewise(source: Any, peak: float, total: int | None) -> Shape | None:
    marks = [whole(mark, 0) for mark in source.milestones]
    levels = [level(value, peak) for value in source.values]
    if None in marks or min(levels) < 0:
        return None
    places = [mark for mark in marks if mark is not None]
    if places[0] > 0:
        places, levels = [0, *places], [levels[0], *levels]
    if len(set(places)) == len(places):
        points = dict(zip(places, levels, strict=True))
        return Shape(
            rw.Piecewise(points, shape="linear") if len(points) > 1 else rw.Hold(levels[0])
        )
    pairs = itertools.pairwise(zip(places, levels, strict=True))
    moves = [rw.Linear(b, over=y - x, start=a) for (x, a), (y, b) in pairs if y > x]
    return Shape(join([*moves, rw.Hold(levels[-1])], total))


def _concat(source: Any, peak: float, total: int | None) -> Shape | None:
    """Return the parts one after the other, each from its own beginning."""
    inner, durations = list(source.schedulers), list(source.durations)
    if min(durations) < 1 or len({id(part) for part in inner}) < len(inner):
        return None
    moves: list[Schedule] = []
    slack = 0.0
    left = total
    for part, n in zip(inner, [*durations, left], strict=True):
        if left is not None and left <= 0:
            break
        found = _part(part, peak, n if n is not None else left)
        if found is None:
            return None
        last = part is inner[-1]
        moves += [found.schedule] if last or n is None else padded(found.schedule, n)
        slack = max(slack, found.slack)
        left = None if left is None or n is None else left - n
    return Shape(join(moves, total), slack)


def _part(part: Any, peak: float, n: int | None) -> Shape | None:
    if type(part).__name__ == "ParamGroupScheduler":
        part = part.schedulers[0] if len(part.schedulers) == 1 else None
    return None if part is None else _formula(part, peak, n)


_SHAPES: dict[str, _Maker] = {
    "LinearCyclicalScheduler": _cyclical,
    "CosineAnnealingScheduler": _cyclical,
    "PiecewiseLinear": _piecewise,
    "ConcatScheduler": _concat,
}
FORMATS = (Format("ignite", "a parameter scheduler of Ignite", _matches, guarded(_read)),)
