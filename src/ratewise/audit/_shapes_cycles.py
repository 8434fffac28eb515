"""Rates that come up again: restarts, triangles, and cosines that go on past their end."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from ratewise._arrays import Floats
from ratewise.audit import families as of
from ratewise.audit._shapes_candidate import Candidate, smooth
from ratewise.audit._shapes_fit import Points, Snap, least_squares, price, roundest, snapped
from ratewise.audit.families import tidy
from ratewise.schedule import Cosine, Cyclic, Repeat, Restarts, Schedule, ScheduleError, Warmup
from ratewise.schedule.bends import Part
from ratewise.schedule.compose import Sequence

BETWEEN = 5.0
"""How far off, in tolerances, whole cycles are, where others are looked for."""
MOST_CYCLES = 24
GROWTH = (1.0, 2.0, 1.5, 3.0, 1.2, 1.25, 1.1, 4.0)
SHRINKS = (1.0, 0.5, 0.9, 0.8, 0.7, 0.75, 0.95, 0.1, 0.2, 0.25)


def valleys(points: Points) -> list[int]:
    """Return the points behind which a rate rises again that had fallen."""
    change = np.diff(points.rates)
    slack = points.tolerance[1:] + points.tolerance[:-1]
    found: list[int] = []
    fell = False
    for i, (by, least) in enumerate(zip(change, slack, strict=True)):
        if by < -least:
            fell = True
        elif by > least and fell:
            found.append(i)
            fell = False
    return found


def cycles(points: Points, firsts: tuple[int, ...], total: int | None) -> list[Candidate]:
    """Return the cycles that a log may be of."""
    low = valleys(points)
    if not low or len(points.rates) < 8:
        return []
    found = [*_restarts(points, low, firsts, total), *_triangles(points, low, firsts),
             *_waves(points, low, firsts)]  # fmt: skip
    measured: list[Candidate] = []
    for one in found:
        try:
            measured.append(one.measured(points))
        except ScheduleError:
            continue
    return measured


# Warm restarts --------------------------------------------------------------------------------


def _restarts(
    points: Points, low: list[int], firsts: tuple[int, ...], total: int | None
) -> Iterator[Candidate]:
    """Return cosines that begin again, the first one behind a warm-up or not."""
    rises = np.diff(points.rates)[low]
    if rises.min() < 0.3 * np.ptp(points.rates[low[0] :]) * 0.5 ** len(low):
        return
    heads: list[Candidate] = []
    if low[0] >= 3:
        heads = [one for one in smooth(points.cut(0, low[0] + 1), firsts, total, ("cosine",))
                 if one.family == of.COSINE]  # fmt: skip
        heads = sorted(heads, key=lambda one: (one.off > 3, one.cost))[:4]
    plain = [Candidate(of.COSINE, Cosine(), 0.0, first, 0.0) for first in firsts]
    for head in heads or plain:
        parts = head.schedule.parts
        before = list(parts[:-1]) if parts and isinstance(parts[-1], Cosine) else []
        late = sum(int(getattr(part, "over", 0) or 0) for part in before)
        yield from _of_length(head, before, late, points, low)


def _of_length(
    head: Candidate, before: list[Schedule], late: int, points: Points, low: list[int]
) -> Iterator[Candidate]:
    """Return restarts behind a warm-up: for each growth, the length that is nearest."""
    t = points.steps - head.first - late
    edges = [(float(t[i]), float(t[i + 1])) for i in low]
    body = t >= 0
    for grow in GROWTH:
        sums = [i + 1.0 if grow == 1 else (grow ** (i + 1) - 1) / (grow - 1)
                for i in range(len(edges))]  # fmt: skip
        shortest = max((a + 0.5) / n for (a, _), n in zip(edges, sums, strict=True))
        longest = min((b + 0.5) / n for (_, b), n in zip(edges, sums, strict=True))
        if shortest > longest or longest < 2:
            continue
        if np.floor(longest) < np.ceil(max(shortest, 2.0)):
            continue
        few = points.cut(int(np.argmax(body))).thinned(160)
        (_, floor, tops), length = _best_length(few, head.first + late, grow, shortest, longest)
        if tops.min() >= 0 and floor > -1e-3 * tops.max():
            yield _as_restarts(head, before, late, length, grow, floor, tops, points)


def _best_length(
    points: Points, begin: int, grow: float, shortest: float, longest: float
) -> tuple[tuple[float, float, Floats], float]:
    """Return the heights for the length of a cycle that fits, the roundest of those as good."""
    t = points.steps - begin
    low, high = np.ceil(max(shortest, 2.0)), np.floor(longest)
    made: dict[float, tuple[float, float, Floats]] = {}
    while True:
        grain = max(1, int((high - low) // 24))
        for length in (*np.arange(low, high + 1, grain).tolist(), high):
            if length not in made:
                made[length] = _heights(t, float(length), grow, points)
        best = min(made, key=lambda length: made[length][0])
        if grain == 1:
            break
        low, high = max(low, best - 2 * grain), min(high, best + 2 * grain)
    if grow == 1 and made[best][0] > BETWEEN:
        length = _between_updates(t, best, points)
        if length is not None:
            return _heights(t, length, grow, points), length
    near = [length for length, (off, *_) in made.items() if off <= max(2.0 * made[best][0], 1.5)]
    length = float(min(near, key=lambda one: (price(one), made[one][0])))
    return made[length], length


def _between_updates(t: Floats, length: float, points: Points) -> float | None:
    """Return the length of cycles that begin between updates, as a whole number of some has it."""
    width = 1.0
    while width > 1e-4:
        tried = length + np.linspace(-width, width, 17)
        offs = [_heights(t, float(one), 1.0, points)[0] for one in tried]
        length, width = float(tried[int(np.argmin(offs))]), width / 6
    for count in range(2, MOST_CYCLES):
        exact = round(length * count) / count
        if abs(exact - length) < 2e-3 and _heights(t, exact, 1.0, points)[0] <= 1.5:
            return exact
    return None


def _heights(t: Floats, length: float, grow: float, points: Points) -> tuple[float, float, Floats]:
    """Return how far off cycles of a length are, their floor, and their tops."""
    if grow == 1:
        cycle = np.floor(t / length)
        done = t / length - cycle
    else:
        ends = np.round(length * (grow ** np.arange(1, 40) - 1) / (grow - 1))
        ends = ends[ends < 1e15]
        cycle = np.searchsorted(ends, t, side="right").astype(np.float64)
        begin = np.concatenate(([0.0], ends))[cycle.astype(int)]
        done = (t - begin) / (ends[cycle.astype(int)] - begin)
    u = (1 + np.cos(np.pi * done)) / 2
    n = int(cycle.max()) + 1
    basis = np.zeros((len(t), n + 1))
    basis[:, 0] = 1.0
    basis[np.arange(len(t)), cycle.astype(int) + 1] = u
    weight = 1 / points.tolerance
    found = np.linalg.lstsq(basis * weight[:, None], points.rates * weight, rcond=1e-12)[0]
    off = points.off(basis @ found)
    return off, float(found[0]), np.asarray(found[1:], dtype=np.float64)


def _as_restarts(
    head: Candidate,
    before: list[Schedule],
    late: int,
    length: float,
    grow: float,
    floor: float,
    tops: Floats,
    points: Points,
) -> Candidate:
    del late
    seen = tops[np.abs(tops) > 0]
    exact = float(seen[0] + floor)
    slack = 2e-6 * exact + float(points.tolerance.max())
    peak = tidy(roundest(exact - slack, exact + slack))
    share = floor / peak
    room = float(points.tolerance.min()) * 2 / peak
    share = 0.0 if share < room else min(tidy(roundest(share - room, share + room)), 1.0)
    shrink, cost = 1.0, 0.0
    if len(seen) > 1 and abs(seen[1] / seen[0] - 1) > 1e-3:
        ratio = float(seen[1] / seen[0])
        shrink = min(SHRINKS, key=lambda one: abs(one - ratio))
        shrink = shrink if abs(shrink - ratio) < 1e-3 else tidy(round(ratio, 5))
        cost = price(shrink)
    if length % 1:
        whole = _in_parts(before, length, share, int(points.steps[-1]) + 1)
        cost += price(peak) + price(share) + 4.0
        warm = head.warmup if before else 0
        return Candidate(of.RESTARTS, whole, peak, head.first, cost, warm, tidy(peak * share))
    move: Schedule = Restarts(int(length), grow, shrink, to=share)
    if before and not isinstance(before[-1], Warmup):
        move = Repeat(Cosine(0.0, start=1.0), every=int(length), grow=grow, shrink=shrink)
        move = move.between(share, 1.0) if share else move
    cost += price(peak) + price(share) + price(length) + price(grow) + 1.0
    whole: Schedule = Sequence((*before, move)) if before else move
    warm = head.warmup if before else 0
    return Candidate(of.RESTARTS, whole, peak, head.first, cost + 1.5 * len(before), warm,
                     tidy(peak * share))  # fmt: skip


def _in_parts(before: list[Schedule], length: float, share: float, until: int) -> Schedule:
    """Return cosines that begin between updates, one move for each."""
    moves = list(before)
    count = math.ceil(until / length)
    starts = [math.ceil(i * length - 1e-9) for i in range(count + 1)]
    for i, (a, b) in enumerate(itertools.pairwise(starts)):
        begin = max(0.0, a - i * length)
        moves.append(Part(Cosine(share, start=1.0), begin=tidy(begin), of=length, over=b - a))
    return Sequence(tuple(moves))


# Triangles ------------------------------------------------------------------------------------


def _triangles(points: Points, low: list[int], firsts: tuple[int, ...]) -> Iterator[Candidate]:
    """Return straight lines up and down again and again, from the lowest rate on."""
    steps = points.steps
    gap = float(np.median(np.diff(steps)))
    bottoms = np.array([0.0, *steps[low]])
    period = float(bottoms[-1]) / (len(bottoms) - 1)
    spread = 1.5 * gap / (len(bottoms) - 1)
    for mode, first in (
        (mode, first) for mode in ("triangular", "triangular2") for first in firsts
    ):
        t = steps - first
        few = points.thinned(240)
        best: tuple[float, list[float]] = (np.inf, [])
        for length in np.linspace(period - spread, period + spread, 25):
            for up in (0.5, 1 / 3, 2 / 3, 0.25, 0.75, 0.2, 0.4, 0.6, 0.1, 0.3):
                wave = triangle(t, length * up, length * (1 - up), mode)
                basis = np.stack([np.ones_like(t), wave], axis=1)
                found, *_ = np.linalg.lstsq(basis, points.rates, rcond=None)
                miss = float(np.square(basis @ found - points.rates).sum())
                if miss < best[0] and found[1] > 0:
                    best = (miss, [float(found.sum()), float(found[0] / found.sum()),
                                   length * up, length * (1 - up)])  # fmt: skip
        if best[1]:
            yield from _rounded_triangle(np.array(best[1]), few, first, mode)


def triangle(t: Floats, up: float, down: float, mode: str) -> Floats:
    """Return a wave from 0 to 1 and back, each half as high as the one before in triangular2."""
    up, down = max(up, 1e-6), max(down, 1e-6)
    cycle = np.floor(np.maximum(t, 0) / (up + down))
    x = t - cycle * (up + down)
    wave = np.where(x <= up, x / up, 1 - (x - up) / down)
    return wave * 0.5**cycle if mode == "triangular2" else wave


def _rounded_triangle(x: Floats, points: Points, first: int, mode: str) -> Iterator[Candidate]:
    t = points.steps - first

    def model(v: Floats) -> Floats:
        return v[0] * (v[1] + (1 - v[1]) * triangle(t, float(v[2]), float(v[3]), mode))

    limit = np.full(4, np.inf)
    x = least_squares(model, x, -limit, limit, points, 30)
    if x[0] <= 0 or min(x[2:]) < 1 or x[1] >= 1:
        return

    def snap(index: int) -> Callable[[Floats], Snap]:
        if index > 1:
            return lambda v: Snap(index, whole=True, special=((float(v[2]), 0.0),) * (index == 3))
        return lambda v: Snap(
            index, special=((0.0, 0.0),) * index, units=(1.0, float(v[0]) ** index)
        )

    x, cost = snapped(model, x, [snap(i) for i in range(4)], points)
    peak, share, up, down = (float(v) for v in x)
    share = tidy(max(share, 0.0))
    up, down = max(round(up), 1), max(round(down), 1)
    wave = Cyclic(share, up, None if up == down else down, mode=mode)
    yield Candidate(of.CYCLIC, wave, tidy(peak), first, cost + 2.0 + (mode != "triangular"),
                    0, tidy(peak * share))  # fmt: skip


# Past the end of a cosine ---------------------------------------------------------------------


def _waves(points: Points, low: list[int], firsts: tuple[int, ...]) -> Iterator[Candidate]:
    """Return a cosine that rises again behind its end, as those do that are not held there."""
    steps = points.steps
    gap = float(steps[min(low[0] + 1, len(steps) - 1)] - steps[max(low[0] - 1, 0)])
    for first in firsts:
        t = steps - first
        made: list[tuple[float, float, Floats]] = []
        for length in np.linspace(float(t[low[0]]) - gap, float(t[low[0]]) + gap, 121):
            if length < 2:
                continue
            u = (1 + np.cos(np.pi * t / round(length))) / 2
            basis = np.stack([np.ones_like(t), u], axis=1)
            found, *_ = np.linalg.lstsq(basis, points.rates, rcond=None)
            fitted = np.asarray(found, dtype=np.float64)
            made.append((points.off(basis @ fitted), float(round(length)), fitted))
        if not made:
            continue
        off, length, (a, b) = min(made, key=lambda one: one[0])
        if off > 30 or a + b <= 0:
            continue
        slack = float(points.tolerance.max())
        peak = tidy(roundest(float(a + b) - slack, float(a + b) + slack))
        share = float(a) / peak
        share = (
            0.0
            if share * peak < slack
            else tidy(roundest(share - slack / peak, share + slack / peak))
        )
        n = int(length)
        wave = Repeat(Cosine(share, over=n) >> Cosine(1.0, over=n))
        note = f"behind its end at update {n} the rate rises again: the cosine is not held there"
        cost = price(peak) + price(length) + price(share) + 1.5
        yield replace(
            Candidate(of.COSINE, wave, peak, first, cost),
            floor=tidy(peak * share), total=n, notes=(note,),
        )  # fmt: skip
