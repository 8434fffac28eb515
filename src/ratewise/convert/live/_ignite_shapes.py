"""The formulas of Ignite's parameter schedulers, as moves.

Each function takes a scheduler as it was before its first event, the peak, and the total or None,
and returns the levels, or None where only running the scheduler tells.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from ratewise.convert.live._curves import Shape, level
from ratewise.convert.live._torch_shapes import whole
from ratewise.convert.pieces.layout import join, padded
from ratewise.schedule import Cosine, Hold, Linear, Move, Part, Piecewise, Repeat, Schedule

Maker = Callable[[Any, float, int | None], Shape | None]


def shape(source: Any, peak: float, total: int | None) -> Shape | None:
    """Return the levels of a scheduler of Ignite's own, or None."""
    own = type(source).__module__.startswith("ignite.")
    maker = _SHAPES.get(type(source).__name__) if own else None
    return None if maker is None else maker(source, peak, total)


def constants(source: Any) -> list[float]:
    if hasattr(source, "schedulers"):
        return [value for part in source.schedulers for value in constants(part)]
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
        return Shape(Repeat(pattern, every=n + rest))
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
    back = Linear(later, over=rest, start=end)
    if type(source).__name__ == "CosineAnnealingScheduler":
        return [Cosine(end, over=n, start=start), back]
    if source.monotonic:
        return [Linear(end, over=n, start=start), back]
    half, first = n / 2, (n + 1) // 2
    if n % 2 == 0:
        return [Linear(end, over=first, start=start), Linear(start, over=first, start=end)]
    down: Move = Part(Linear(end, start=start), of=half, over=first)
    up = Part(Linear(start, start=end), begin=first - half, of=half, over=n - first)
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
        return Shape(Piecewise(points, shape="linear") if len(points) > 1 else Hold(levels[0]))
    pairs = itertools.pairwise(zip(places, levels, strict=True))
    moves = [Linear(b, over=y - x, start=a) for (x, a), (y, b) in pairs if y > x]
    return Shape(join([*moves, Hold(levels[-1])], total))


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
    return None if part is None else shape(part, peak, n)


_SHAPES: dict[str, Maker] = {
    "LinearCyclicalScheduler": _cyclical,
    "CosineAnnealingScheduler": _cyclical,
    "PiecewiseLinear": _piecewise,
    "ConcatScheduler": _concat,
}
