"""The right shapes over wrong lengths: another total, another warm-up, one counted twice."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from ratewise.audit.clocks import folded
from ratewise.audit.evidence import Explanation, LogEvidence
from ratewise.audit.intended import Intended
from ratewise.audit.layout import (
    Curved,
    PlanParts,
    begin_of,
    begun_high,
    joined,
    parts_of,
    stretched,
)
from ratewise.schedule import Hold, ScheduleError

Made = Callable[[int], Intended | None]

GRID = 56
"""Lengths that are tried at first, evenly in their logarithm."""
ENOUGH = 0.985
"""Share explained behind which no other way is looked for."""
WIDEST = 24.0
"""By how much a length may be wrong."""


def each(intended: Intended, change: Callable[[PlanParts], Any], total: int) -> Intended | None:
    """Return a plan in which the schedule of each group was put together anew, or None."""
    made: dict[Any, Any] = {}
    for schedule in set(intended.schedules):
        parts = parts_of(schedule)
        if parts is None:
            return None
        try:
            made[schedule] = change(parts)
        except ScheduleError:
            return None
        if made[schedule] is None:
            return None
    return intended.changed([made[one] for one in intended.schedules], total)


def misfit(
    e: LogEvidence, followed: Intended | None, shift: int, free: bool, rebounds: bool = False
) -> float:
    """Return how far a plan is from the log: the mean distance, in parts of the largest rate."""
    if followed is None:
        return np.inf
    t = e.counts + shift
    expected = followed.at(folded(followed, begin_of(followed), t) if rebounds else t)
    if free or not np.isfinite(e.intended.peaks).all():
        _, _, expected = e.try_expected(expected, shift, free=True)
    with np.errstate(invalid="ignore"):
        distance = np.abs(np.where(e.there, e.rates - expected, 0.0))
    near = np.minimum(distance, 0.05 * float(np.nanmax(e.rates, initial=1e-300)))
    return float(near.mean() / max(float(np.nanmax(e.rates, initial=0.0)), 1e-300))


def search(
    e: LogEvidence, make: Made, low: int, high: int, hints: tuple[int, ...], free: bool = False,
    rebounds: bool = False,
) -> list[int]:  # fmt: skip
    """Return the lengths in [low, high] with which a plan is nearest to the log, few of them."""
    low, high = max(low, 1), max(high, 2)
    grid = np.unique(np.geomspace(low, high, GRID).round().astype(np.int64)).tolist()
    tried = sorted({one for one in (*grid, *hints) if low <= one <= high})
    plans: dict[int, Intended | None] = {}
    known: dict[tuple[int, int], float] = {}

    def cost(n: int, shift: int) -> float:
        if (n, shift) not in known:
            if n not in plans:
                plans[n] = make(n)
            known[n, shift] = misfit(e, plans[n], shift, free, rebounds)
        return known[n, shift]

    first = e.shifts[0]
    order = sorted(tried, key=lambda n: cost(n, first))
    best = [n for n in order[:2] if np.isfinite(cost(n, first))]
    for centre in order[:2]:
        place = tried.index(centre)
        for shift in e.shifts:
            left, right = tried[max(place - 1, 0)], tried[min(place + 1, len(tried) - 1)]
            while right - left > 3:
                a = left + (right - left) * 382 // 1000
                b = max(left + (right - left) * 618 // 1000, a + 1)
                left, right = (left, b) if cost(a, shift) <= cost(b, shift) else (a, right)
            best.append(min(range(left, right + 1), key=lambda n: cost(n, shift)))
    near = sorted(set(best), key=lambda n: min(cost(n, shift) for shift in e.shifts))[:4]
    return list(dict.fromkeys(n + d for n in near for d in (0, 1, -1) if low <= n + d <= high))


def hinted(e: LogEvidence) -> tuple[int, ...]:
    """Return numbers of the log that a wrong total may be made of."""
    recorded, total = e.recorded, e.intended.total
    last = int(recorded.steps[-1])
    epoch = recorded.epoch or e.intended.units.get("epoch")
    found = [last, total + 1, total - 1]
    found += [] if recorded.total is None else [recorded.total]
    if epoch:
        found += [round(total / epoch), round(total * epoch), round(last / epoch)]
    for k in (2, 3, 4, 8, 16):
        found += [total * k, total // k, -(-total // k)]
    return tuple(one for one in found if one > 1 and one != total)


def best_of(
    e: LogEvidence, kind: str, name: str, make: Made, lengths: list[int], assumed: float,
    free: bool, told: dict[str, Any] | None = None, telling: tuple[int, ...] = (),
    rebounds: bool = False,
) -> Explanation | None:  # fmt: skip
    """Return the hypothesis with the length that explains most."""
    best: Explanation | None = None
    for n in lengths:
        followed = make(n)
        if followed is None:
            continue
        cost = assumed - (0.6 if n in telling else 0.0)
        clock = partial(folded, followed, begin_of(followed)) if rebounds else None
        one = e.explain(kind, {name: n, **(told or {})}, cost, clock, followed, free=free)
        best = one if best is None or one.score > best.score else best
    return best


def wrong_total(e: LogEvidence, free: bool = False) -> Iterator[Explanation]:
    """The schedule of a run of another length."""
    plan = e.intended
    if plan.given is not None:
        return
    hints = hinted(e)
    ways: dict[str, Made] = {"": _again(plan), "pinned": _pinned(plan), "scaled": _scaled(plan)}
    seen: list[Any] = []
    for make in ways.values():
        probe = make(plan.total * 2)
        if probe is None or any(probe.schedules == one for one in seen):
            continue
        seen.append(probe.schedules)
        low, last = max(int(plan.total / WIDEST), 2), int(e.counts[-1])
        telling = tuple(one for one in hints if one in (last, e.recorded.total))
        for rebounds in (False, True):
            high = last if rebounds else int(max(plan.total, last) * WIDEST)
            lengths = search(e, make, low, high, hints, free, rebounds)
            lengths = [n for n in lengths if n != plan.total]
            told = {"rebounds": True} if rebounds else {}
            found = best_of(e, "wrong_total", "total", make, lengths, 1.7 + 0.3 * rebounds, free,
                            told, telling, rebounds)  # fmt: skip
            if found is not None:
                yield found
            if found is not None and found.share > ENOUGH:
                return


def _again(plan: Intended) -> Made:
    def make(n: int) -> Intended | None:
        try:
            return plan.resolved(n)
        except ScheduleError:
            return None

    return make


def _pinned(plan: Intended) -> Made:
    """The same warm-up, and what follows it over the rest."""

    def make(n: int) -> Intended | None:
        return each(
            plan,
            lambda p: p.put(p.climb, stretched(p.rest, p.left(n))) if n > p.warmup else None,
            n,
        )

    return make


def _scaled(plan: Intended) -> Made:
    def make(n: int) -> Intended | None:
        def change(p: PlanParts) -> Any:
            if p.product:
                climb = stretched(p.climb, max(round(p.warmup * n / plan.total), 1))
                return p.put(climb, stretched(p.rest, n))
            return joined(stretched((*p.climb, *p.rest), n))

        return each(plan, change, n)

    return make


def warmup_counted(e: LogEvidence, free: bool = False) -> Iterator[Explanation]:
    """The decay as long as the whole run: it ends too late, or began with the warm-up."""
    plan = e.intended
    total = plan.total

    def extra(p: PlanParts) -> Any:
        if not p.climb:
            return None
        behind = begun_high(p.rest, 1.0) if p.product else p.rest
        return joined((*p.climb, *stretched(behind, total)))

    def inside(p: PlanParts, product: bool = False) -> Any:
        if not p.climb or p.product:
            return None
        top = getattr(p.climb[-1], "to", 1.0)
        behind = joined(stretched(begun_high(p.rest, top), total))
        before = joined((*p.climb, Hold(over=1)))
        return (
            None
            if behind is None or before is None
            else Curved(before, behind, p.warmup, product=product)
        )

    made = each(plan, extra, total)
    if made is not None:
        longest = max(one.length or total for one in made.schedules)
        told = {"warmup": _climb(plan), "total": longest}
        longer = dataclasses.replace(made, total=longest)
        yield e.explain("warmup_extra", told, 0.8, intended=longer, free=free)
    for product in (False, True):
        made = each(plan, lambda p, product=product: inside(p, product), total)
        if made is not None:
            told = {"warmup": _climb(plan), "multiplied": product}
            yield e.explain("warmup_inside", told, 0.8 + 0.1 * product, intended=made, free=free)


def _climb(plan: Intended) -> int:
    found = parts_of(plan.schedules[0])
    return 0 if found is None else found.warmup


def wrong_warmup(e: LogEvidence, free: bool = False) -> Iterator[Explanation]:
    """A warm-up of another length; one that never ended; one cut off before its peak."""
    plan = e.intended
    if plan.given is not None:
        return
    climb, total = _climb(plan), plan.total

    def other(n: int) -> Intended | None:
        return each(
            plan,
            lambda p: (
                p.put(stretched(p.climb, n), stretched(_high(p), p.left(total, n)))
                if p.climb and n < total
                else None
            ),
            total,
        )

    def endless(n: int) -> Intended | None:
        return each(plan, lambda p: joined((*stretched(p.climb, n), Hold(over=1))) if p.climb
                    else None, n + 1)  # fmt: skip

    if not climb:
        return
    without = each(plan, lambda p: joined(stretched(_high(p), total)), total)
    if without is not None:
        yield e.explain("wrong_warmup", {"warmup": 0}, 0.9, intended=without, free=free)
    last = int(e.counts[-1])
    hints = tuple(n for k in (2, 4, 8, 10, 16, 32, 100)
                  for n in (climb * k, climb // k, -(-climb // k)) if n)  # fmt: skip
    lengths = search(e, other, 1, min(int(climb * WIDEST), total - 1), hints, free)
    lengths = [n for n in lengths if n != climb]
    found = best_of(e, "wrong_warmup", "warmup", other, lengths, 1.9, free)
    if found is not None:
        yield found
    if not free:
        highest = float(np.nanmax(e.rates[:, 0]))
        peak = float(plan.at(np.array([climb]))[0, 0])
        if highest < 0.999 * peak:
            most = int(max(climb, last) * WIDEST * 4)
            lengths = [n for n in search(e, endless, 2, most, hints) if n != climb]
            found = best_of(e, "warmup_short", "warmup", endless, lengths, 1.3, False)
            if found is not None:
                yield found
    yield from _cut(e, plan, climb, total, free)


def _high(p: PlanParts) -> tuple[Any, ...]:
    if not p.climb or p.product:
        return p.rest
    return begun_high(p.rest, getattr(p.climb[-1], "to", 1.0))


def _cut(
    e: LogEvidence, plan: Intended, climb: int, total: int, free: bool
) -> Iterator[Explanation]:
    """A warm-up that was left before it reached the peak."""
    base = e.explain("", {}, 0.0, free=free)
    missed = np.flatnonzero((e.there & ~base.hits).any(axis=1))
    if not len(missed) or int(e.counts[missed[0]]) > climb + 1:
        return
    row = int(missed[0])
    low = int(e.counts[row - 1]) if row else 1
    stops = [n for n in range(max(low - 1, 1), int(e.counts[row]) + 1) if n < climb]
    if len(stops) > 64:
        stops = [stops[round(i)] for i in np.linspace(0, len(stops) - 1, 64)]

    def made(stop: int, lower: bool) -> Intended | None:
        def cut(p: PlanParts) -> Any:
            if p.product:
                return None
            behind = joined(stretched(_high(p), total - stop))
            before = joined((*p.climb, Hold(over=1)))
            if behind is None or before is None:
                return None
            reached = float(before(stop)) / float(getattr(p.climb[-1], "to", 1.0))
            return Curved(before, behind, stop, clock=stop, factor=reached if lower else 1.0)

        return each(plan, cut, total)

    for lower in (False, True):
        found = best_of(e, "warmup_short", "cut", lambda n, lower=lower: made(n, lower), stops,
                        1.6 + 0.1 * (not lower), free, {"reached_only": lower})  # fmt: skip
        if found is not None:
            yield found
