"""Landmarks: the updates at which something begins, ends, peaks or starts again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any, NamedTuple

from ratewise.schedule import (
    Between,
    Clip,
    Piecewise,
    Product,
    Repeat,
    Scale,
    Schedule,
    ScheduleError,
    Sequence,
    Step,
    Until,
)
from ratewise.schedule.compose import span
from ratewise.schedule.errors import Fix, shorten
from ratewise.schedule.lengths import Horizon
from ratewise.schedule.repeat import Cycles
from ratewise.schedule.strict import strict
from ratewise.show.survey import survey

MOST = 10
"""Landmarks of one kind that are listed one by one: restarts, steps, points."""

Event = tuple[int, str]
Frame = Scale | Clip | Between | Until


class Landmark(NamedTuple):
    """An update worth knowing about.

    Attributes:
        update: The update, counted from 0.
        level: Its level.
        what: What happens there, "Warmup ends, Cosine begins".
    """

    update: int
    level: float
    what: str


@strict
def landmarks(schedule: Schedule) -> tuple[Landmark, ...]:
    """Return the landmarks of a resolved schedule, in order.

    They are the first update, every boundary between moves, restarts and steps (the first ten),
    the first update at the highest level, the last update, and the level held from there on.

    Args:
        schedule: A schedule of known length, such as `s.resolve(total=…)`.

    Raises:
        ScheduleError: the schedule has no end, or a length in it needs a total.

    >>> import ratewise as rw
    >>> for mark in landmarks((rw.Warmup(50) >> rw.Cosine(to=0.1)).resolve(1000)):
    ...     print(mark.update, f"{mark.level:.4f}", mark.what)
    0 0.0196 first update
    50 1.0000 Warmup ends, Cosine begins; peak
    999 0.1000 last update
    1000 0.1000 held from here on
    """
    schedule = schedule.resolve()
    length = length_of(schedule)
    boundaries = events(schedule, length)
    marks = tuple(update for update, _ in boundaries)
    return describe(schedule, length, boundaries, survey(schedule, length, marks).top)


def length_of(schedule: Schedule) -> int:
    """Return the updates a resolved schedule covers, at least 1.

    Raises:
        ScheduleError: it has no end, or covers nothing.
    """
    length = span(schedule)
    if length:
        return length
    rule = "has no end" if length is None else "covers no update"
    fix = Fix("give {total} with the updates of the run", total="…")
    raise ScheduleError(shorten(schedule), rule, fix)


def describe(
    schedule: Schedule, length: int, boundaries: list[Event], top: int
) -> tuple[Landmark, ...]:
    """Return the landmarks: events, and what every schedule has."""
    happens: dict[int, list[str]] = {0: ["first update"]}
    for update, what in [*boundaries, (top, "peak"), (length - 1, "last update")]:
        if what not in happens.setdefault(update, []):
            happens[update].append(what)
    found = [Landmark(t, schedule(t), "; ".join(happens[t])) for t in sorted(happens)]
    return (*found, Landmark(length, schedule.end, "held from here on"))


def events(schedule: Schedule, length: int) -> list[Event]:
    """Return what happens inside a resolved schedule, at updates 1 … length-1, in order."""
    return sorted(_walk(schedule, 0, length), key=lambda event: event[0])


def _walk(schedule: Schedule, start: int, stop: int) -> Iterator[Event]:
    """Yield the events inside a schedule that covers updates start … stop-1."""
    for kind, walk in _WALKS.items():
        if isinstance(schedule, kind):
            yield from (one for one in walk(schedule, start, stop) if start < one[0] < stop)


def _sequence(schedule: Sequence, start: int, stop: int) -> Iterator[Event]:
    before, at = "", start
    for move in schedule.moves:
        extent = move.extent(Horizon())
        end = stop if extent is None else min(at + int(extent), stop)
        if end == at:
            continue
        if before:
            yield at, f"{before} ends, {name_of(move)} begins"
        yield from _walk(move, at, end)
        before, at = name_of(move), end


def _product(schedule: Product, start: int, stop: int) -> Iterator[Event]:
    for factor in schedule.factors:
        yield from _walk(factor, start, stop)


def _inside(schedule: Frame, start: int, stop: int) -> Iterator[Event]:
    yield from _walk(schedule.schedule, start, stop)


def _repeat(schedule: Repeat, start: int, stop: int) -> Iterator[Event]:
    assert isinstance(schedule.every, int)
    cycles = Cycles(Fraction(schedule.every), schedule.grow)
    pattern = schedule.pattern.resolve(schedule.every)
    yield from _walk(pattern, start, min(start + schedule.every, stop))
    count = cycles.find(stop - start - 1) + 1
    if schedule.times is not None:
        count = min(count, schedule.times)
    yield from _some(
        count - 1, lambda i: (start + cycles.boundary(i + 1), f"cycle {i + 2} begins"), "restart"
    )
    end = stop if schedule.times is None else start + cycles.boundary(schedule.times)
    if end < stop:
        yield end, f"cycle {count} ends, held"


def _step(schedule: Step, start: int, stop: int) -> Iterator[Event]:
    what = f"Step multiplies by {schedule.factor:g}"
    if isinstance(schedule.every, int):
        every = schedule.every
        count = (stop - start - 1) // every
        yield from _some(count, lambda i: (start + (i + 1) * every, what), "step")
    else:
        at: list[int] = [position for position in schedule.at if 0 < position < stop - start]
        yield from _some(len(at), lambda i: (start + at[i], what), "step")


def _points(schedule: Piecewise, start: int, stop: int) -> Iterator[Event]:
    points: list[tuple[int, float]] = [p for p in schedule.points if 0 < p[0] < stop - start]
    verb = "goes to" if schedule.shape == "constant" else "reaches"
    yield from _some(
        len(points), lambda i: (start + points[i][0], f"Piecewise {verb} {points[i][1]:g}"), "point"
    )


def _some(count: int, event: Callable[[int], Event], noun: str) -> Iterator[Event]:
    """Yield the first events of a kind; the last of them says how many more there are."""
    for i in range(min(count, MOST)):
        update, what = event(i)
        more = count - MOST
        if i == MOST - 1 and more > 0:
            what = f"{what}, … {more:,} more {noun}{'s' if more > 1 else ''}"
        yield update, what


def name_of(schedule: Schedule) -> str:
    """Return the short name of a part of a schedule."""
    if isinstance(schedule, Frame):
        return name_of(schedule.schedule)
    if isinstance(schedule, Repeat) and schedule.times == 1:
        return name_of(schedule.pattern)
    if isinstance(schedule, Product):
        return " × ".join(name_of(factor) for factor in schedule.factors)
    if isinstance(schedule, Sequence):
        return " >> ".join(name_of(move) for move in schedule.moves)
    return type(schedule).__name__


_WALKS: dict[Any, Callable[[Any, int, int], Iterator[Event]]] = {
    Sequence: _sequence,
    Product: _product,
    Frame: _inside,
    Repeat: _repeat,
    Step: _step,
    Piecewise: _points,
}
