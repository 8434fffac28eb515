"""Rates that go in stairs: by one factor at regular or at any places, or from value to value."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from ratewise._arrays import Floats
from ratewise.audit import families as of
from ratewise.audit._shapes_candidate import Candidate, runs, smooth
from ratewise.audit._shapes_fit import Points, price, roundest
from ratewise.audit._shapes_starts import Hump
from ratewise.audit.families import tidy
from ratewise.schedule import Hold, Piecewise, Schedule, Step
from ratewise.schedule.compose import Sequence

FACTORS = (0.5, 0.1, 0.2, 0.3, 0.25, 0.4, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.92, 0.94, 0.95, 0.96,
           0.97, 0.98, 0.99)  # fmt: skip
MOST_STAIRS = 60
MANY_CUTS = 3
"""Cuts by one factor at places that are not round, from which on a metric has made them."""


@dataclass(frozen=True, eq=False)
class Stair:
    """One level of the stairs.

    Args:
        low: The lowest rate that it may be.
        high: The highest.
        after: The last step at the level before, or the step before the first point.
        until: The first step at this level.
        points: How many points are on it.
    """

    low: float
    high: float
    after: float
    until: float
    points: int


def stairs(points: Points, firsts: tuple[int, ...], total: int | None) -> list[Candidate]:
    """Return the stairs that a log may be of, behind a warm-up or not."""
    points = replace(points, tolerance=np.minimum(points.tolerance, points.sharp))
    hump = Hump.of(points)
    levels = [(a, b) for a, b in runs(points) if b > hump.first]
    levels[0] = (hump.first, levels[0][1])
    alone = sum(b - a == 1 for a, b in levels)
    if len(levels) < 2 or alone > 0.5 * len(levels) + 1 or alone == len(levels):
        return _sparse(points, firsts)
    if len(levels) > MOST_STAIRS:
        return []
    found: list[Candidate] = []
    head = points.cut(0, levels[0][1])
    for begin in smooth(head, firsts, total) if hump.first else _flat(head, firsts):
        if begin.family == of.CONSTANT and begin.off <= 1.5:
            seen = [_stair(points, a, b) for a, b in levels]
            found += [one.measured(points) for one in _told(begin, seen, points)]
    return found


def _flat(head: Points, firsts: tuple[int, ...]) -> list[Candidate]:
    low, high = (head.rates - head.tolerance).max(), (head.rates + head.tolerance).min()
    peak = tidy(roundest(float(min(low, high)), float(max(low, high))))
    return [Candidate(of.CONSTANT, Hold(), peak, first, price(peak), 0, peak, off=0.0)
            for first in firsts]  # fmt: skip


def _stair(points: Points, a: int, b: int) -> Stair:
    rates, slack = points.rates[a:b], points.tolerance[a:b]
    low, high = float((rates - slack).max()), float((rates + slack).min())
    after = points.steps[a - 1] if a else points.steps[0] - 1
    return Stair(min(low, high), max(low, high), float(after), float(points.steps[a]), b - a)


def _told(begin: Candidate, seen: list[Stair], points: Points) -> Iterator[Candidate]:
    """Return the stairs behind a warm-up, in all ways in which they can be said."""
    whole = begin.schedule.resolve(total=begin.length(int(points.steps[-1])))
    before: list[Schedule] = (
        [part for part in whole.parts if not isinstance(part, Hold)] if whole.parts else []
    )
    if len(whole.parts) == 2 and isinstance(whole.parts[0], Hold):
        before = [whole.parts[0]]
    late = sum(int(getattr(part, "over", 0) or 0) for part in before)
    shares = [(stair.low / begin.peak, stair.high / begin.peak) for stair in seen]
    places = [(stair.after - begin.first, stair.until - begin.first) for stair in seen[1:]]
    factor, counts = _factor(shares)
    width = sum(math.log10(max(points.steps[-1], 10) / max(b - a, 1)) for a, b in places)
    if factor is not None:
        yield from _regular(begin, before, late, factor, counts, places, points)
        yield _irregular(begin, before, late, factor, counts, places, width)
    else:
        yield _by_value(begin, before, late, shares, places)


def _factor(shares: list[tuple[float, float]]) -> tuple[float | None, list[int]]:
    """Return the factor of all cuts and how often it was applied at each, if there is one."""
    ratios = [(low / b, high / max(a, 1e-300))
              for (a, b), (low, high) in itertools.pairwise(shares)]  # fmt: skip
    if any(high <= 0 or low >= 1 for low, high in ratios):
        return None, []
    one = (max(low for low, _ in ratios), min(high for _, high in ratios))
    if one[0] <= one[1]:
        return tidy(roundest(*one)), [1] * len(ratios)
    shallow = max(ratios)
    for factor in (roundest(*shallow), *FACTORS):
        counts = [round(math.log(math.sqrt(low * high)) / math.log(factor)) for low, high in ratios]
        right = [n >= 1 and low <= factor**n * (1 + 1e-9) and factor**n <= high * (1 + 1e-9)
                 for n, (low, high) in zip(counts, ratios, strict=True)]  # fmt: skip
        if all(right):
            return tidy(factor), counts
    return None, []


def _regular(
    begin: Candidate,
    before: list[Schedule],
    late: int,
    factor: float,
    counts: list[int],
    places: list[tuple[float, float]],
    points: Points,
) -> Iterator[Candidate]:
    """Return stairs at equal distances, counted from the end of the warm-up or from the start."""
    done = np.cumsum(counts)
    last = points.steps[-1] - begin.first
    for offset in dict.fromkeys((late, 0)):
        low = max((a - offset + 1) / n for (a, _), n in zip(places, done, strict=True))
        high = min((b - offset) / n for (_, b), n in zip(places, done, strict=True))
        low = max(low, (last - offset + 1) / (done[-1] + 1))
        if low > high or high < 1:
            continue
        every = roundest(low, high, whole=True)
        if every % 1 or every < 1:
            continue
        size = int(every)
        if offset == late:
            move = Step(factor, every=size)
        else:
            marks = tuple(n * size - late for n in range(1, int(done[-1]) + 1))
            if min(marks) < 0:
                continue
            move = Step(factor, at=marks)
        cost = begin.cost + price(factor) + price(every) + 1.0 + (offset != late)
        one_cut = len(places) == 1
        yield replace(
            begin,
            family=of.STEP,
            schedule=_behind(before, move),
            cost=cost + 2.0 * one_cut,
            floor=tidy(begin.peak * factor ** int(done[-1])),
            total=None,
            also=(of.PIECEWISE, of.PLATEAU) if len(places) <= 2 else (of.PIECEWISE,),
        )


def _irregular(
    begin: Candidate,
    before: list[Schedule],
    late: int,
    factor: float,
    counts: list[int],
    places: list[tuple[float, float]],
    width: float,
) -> Candidate:
    """Return stairs by one factor at any places: milestones, or cuts that a metric has made."""
    marks = [int(_place(a, b)) for a, b in places]
    paid = sum(price(float(mark)) for mark in marks) + 0.7 * len(marks)
    by_metric = len(marks) >= MANY_CUTS and paid > width
    each = [mark - late for mark, n in zip(marks, counts, strict=True) for _ in range(n)]
    family = of.PLATEAU if by_metric else of.STEP
    also = tuple(one for one in (of.STEP, of.PIECEWISE, of.PLATEAU) if one != family)
    note = "between two rows of the log a cut may be anywhere: the roundest update is taken"
    return replace(
        begin,
        family=family,
        schedule=_behind(before, Step(factor, at=tuple(max(mark, 0) for mark in each))),
        cost=begin.cost + price(factor) + min(paid, width) + 1.0,
        floor=tidy(begin.peak * factor ** len(each)),
        total=None,
        notes=(*begin.notes, note),
        also=also,
    )


def _by_value(
    begin: Candidate,
    before: list[Schedule],
    late: int,
    shares: list[tuple[float, float]],
    places: list[tuple[float, float]],
) -> Candidate:
    """Return stairs of any heights."""
    levels = [tidy(roundest(max(low, 0.0), high)) for low, high in shares[1:]]
    marks = [int(_place(a, b)) - late for a, b in places]
    also: tuple[str, ...] = ()
    first = [high / max(a, 1e-300)
             for (a, _), (_, high) in itertools.pairwise(shares)]  # fmt: skip
    if len(first) >= 3 and _factor(shares[:-1])[0] is not None and first[-1] > first[0]:
        also = (of.PLATEAU,)  # the last cut ends at a lowest rate
    moves = Piecewise({0: 1.0, **dict(zip(marks, levels, strict=True))})
    return replace(
        begin,
        family=of.PIECEWISE,
        schedule=_behind(before, moves),
        cost=begin.cost + sum(map(price, levels)) + sum(price(float(mark)) for mark in marks) + 1.0,
        floor=tidy(begin.peak * levels[-1]),
        total=None,
        also=also,
    )


def _place(after: float, until: float) -> float:
    """Return the roundest update from behind one to another."""
    return roundest(after + 1, until, whole=True) if until > after + 1 else until


def _behind(before: list[Schedule], move: Schedule) -> Schedule:
    if before and isinstance(before[-1], Hold):
        move = replace(move, start=1.0) if isinstance(move, Step) else move  # pyright: ignore
    return Sequence((*before, move)) if before else move


# Logged more rarely than the rate is cut ------------------------------------------------------


def _sparse(points: Points, firsts: tuple[int, ...]) -> list[Candidate]:
    """Return stairs of which a log sees no two points on most: every rate is a power of one."""
    if Hump.of(points).first or len(points.rates) < 6 or (points.rates <= 0).any():
        return []
    found: list[Candidate] = []
    blur = points.tolerance / points.rates
    for factor in FACTORS:
        power = np.log(points.rates / points.rates[0]) / math.log(factor)
        slack = (blur + blur[0]) / -math.log(factor)
        whole = np.round(power)
        if slack.max() > 0.2 or (np.abs(power - whole) > slack).any() or whole[-1] < 2:
            continue
        if (np.diff(whole) < 0).any() or len(set(np.diff(whole).tolist())) < 2:
            continue  # in equal strides it is an exponential as well
        for first in firsts:
            found += _powers(factor, whole, points, first)
        break
    return found


def _powers(factor: float, whole: Floats, points: Points, first: int) -> list[Candidate]:
    found: list[Candidate] = []
    t = points.steps - first
    for already in range(40):
        count = whole + already
        low, high = (
            float(((t + 1) / (count + 1)).max()),
            float((t[count > 0] / count[count > 0]).min()),
        )
        if low > high:
            continue
        every = roundest(low, high, whole=True)
        if every % 1 or every < 1:
            continue
        peak = tidy(float(f"{points.rates[0] / factor**already:.5g}"))
        cost = price(peak) + price(every) + price(factor) + 1.0
        floor = tidy(peak * factor ** float(count[-1]))
        made = Candidate(of.STEP, Step(factor, every=int(every)), peak, first, cost, 0, floor)
        found.append(made.measured(points))
    return found
