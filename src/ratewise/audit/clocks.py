"""Wrong clocks: the right schedule, moved on at the wrong times."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np

from ratewise._arrays import Floats
from ratewise.audit.evidence import Explanation, LogEvidence
from ratewise.audit.intended import Intended, Updates
from ratewise.audit.layout import begin_of

FARTHEST = 8
"""Updates by which a clock that is off from the start is looked for."""
MOST_STEPS = 4096
"""Steps in an update, and updates in a step, that are looked for."""
SAMPLE = 32
"""Rows on which many hypotheses are tried at once."""
USUAL = (2, 3, 4, 6, 8, 16, 32, 64)
"""Processes and batches that people have: less of an assumption than others."""
LEAST_SHARE = 0.3
AHEAD = 12
"""Rows that a change of a clock is tried on."""
MOST_ACCUMULATED = 32
"""Updates in a step beyond which they are taken to be an epoch, where nobody knows its length."""


def later(by: int, t: Updates) -> Updates:
    """Return the updates that are `by` behind."""
    return t + by


def times(k: int, t: Updates) -> Updates:
    """Return where a clock is that moves on k times at each update."""
    return np.maximum(t, 0) * k


def times_and_rest(k: int, t: Updates) -> Updates:
    """Return the same where the update is made at the last of k batches, each with a step."""
    return np.maximum(t, 0) * k + k - 1


def every(k: float, t: Updates) -> Updates:
    """Return where a clock is that moves on once in k updates."""
    return np.floor_divide(np.maximum(t, 0), k).astype(np.int64)


def begun_every(k: float, t: Updates) -> Updates:
    """Return where a clock is that moves on at the first update of every k, and so at update 0."""
    return np.floor_divide(np.maximum(t, 0) + k - 1, k).astype(np.int64)


def until(stop: int, t: Updates) -> Updates:
    """Return where a clock is that stands still from update `stop` on."""
    return np.minimum(t, stop)


def folded(intended: Intended, climb: int, t: Updates) -> Updates:
    """Return where a cosine is that rises again past its end, as those do that never stop."""
    length = max(intended.total - climb, 1)
    over = (t - climb) % (2 * length)
    back = climb + np.where(over > length, 2 * length - over, over)
    return np.where(t > intended.total, back, t)


def usual(k: float, facts: Iterable[Any] = ()) -> float:
    """Return what it takes to assume a number: less if it was told, or is a usual one."""
    if any(isinstance(one, int | float) and one == k for one in facts):
        return 0.5
    return 1.0 if k in USUAL else 1.3 + 0.2 * float(np.log2(max(k, 2)))


def off_by_one(e: LogEvidence, free: bool = False) -> Iterator[Explanation]:
    """The clock ahead or behind from the start, by more than a logger can be."""
    low, high = min(e.shifts), max(e.shifts)
    for by in range(1, FARTHEST + 1):
        assumed = 0.5 + 0.4 * by
        told = {"by": by, "early": True}
        yield e.explain("off_by_one", told, assumed, partial(later, by), free=free, shifts=(high,))
        told = {"by": -by, "early": False}
        yield e.explain("off_by_one", told, assumed, partial(later, -by), free=free, shifts=(low,))


def scan(
    e: LogEvidence, intended: Intended, clock: Callable[[Any, Updates], Updates], tried: Any,
    free: bool, best: int = 3,
) -> list[Any]:  # fmt: skip
    """Return the few of many parameters of a clock that explain most of a sample of rows."""
    rows = np.unique(np.concatenate([
        np.arange(min(SAMPLE // 2, len(e.counts))),
        np.linspace(0, len(e.counts) - 1, SAMPLE // 2).round().astype(np.int64),
    ]))  # fmt: skip
    group = int(np.argmax(e.there[rows].sum(axis=0)))
    rates, tolerance = e.rates[rows, group], e.tolerance[rows, group]
    free = free or not np.isfinite(e.intended.peaks[group])
    found: dict[Any, float] = {}
    for shift in e.shifts:
        t = (e.counts[rows] + shift)[None, :]
        places = clock(np.asarray(tried)[:, None], t)
        expected = intended.at(places.ravel())[:, group].reshape(places.shape)
        if free:
            expected = expected * _ratios(rates, expected)[:, None]
        with np.errstate(invalid="ignore"):
            shares = (np.abs(expected - rates) <= tolerance).mean(axis=1)
        for i in np.argsort(-shares, kind="stable")[:best]:
            found[tried[i]] = max(float(shares[i]), found.get(tried[i], 0.0))
    good = [one for one in found if found[one] >= LEAST_SHARE]
    return sorted(good, key=lambda one: (-found[one], one))[:best]


def _ratios(rates: Floats, expected: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        found = rates / expected
    found[~np.isfinite(found) | (expected <= 0.2 * expected.max(axis=1, keepdims=True))] = np.nan
    good = np.isfinite(found).any(axis=1)
    result = np.ones(len(expected))
    result[good] = np.nanmedian(found[good], axis=1)
    return result


def steps_per_update(
    e: LogEvidence, free: bool = False, facts: Iterable[Any] = (), intended: Intended | None = None,
    more: float = 0.0, joined: str = "", told: dict[str, Any] | None = None,
) -> Iterator[Explanation]:  # fmt: skip
    """Several steps of the clock in each update: one for each process, or each batch."""
    followed = e.intended if intended is None else intended
    tried = list(range(2, min(MOST_STEPS, max(2 * followed.total, 16))))
    clocks: list[tuple[Any, bool]] = [(times, False), (times_and_rest, False)]
    if int(e.counts[-1]) * 2 > followed.total:
        for clock in (times, times_and_rest):
            back = partial(_folded_times, followed, begin_of(followed), clock)
            clocks.append((back, True))
    for clock, rebounds in clocks:
        for k in scan(e, followed, clock, tried, free):
            parameters = {"k": int(k), **(told or {}), **({"rebounds": True} if rebounds else {})}
            cost = usual(k, facts) + more + 0.3 * rebounds + 0.1 * (clock is not times)
            yield e.explain("steps_per_update" + joined, parameters, cost, partial(clock, k),
                            followed, free=free)  # fmt: skip


def _folded_times(followed: Intended, climb: int, clock: Any, k: Any, t: Updates) -> Updates:
    return folded(followed, climb, clock(k, t))


def updates_per_step(
    e: LogEvidence, free: bool = False, facts: Iterable[Any] = (), intended: Intended | None = None,
    more: float = 0.0, joined: str = "", told: dict[str, Any] | None = None,
) -> Iterator[Explanation]:  # fmt: skip
    """One step of the clock in several updates; in an epoch, if they are as many as that has."""
    followed = e.intended if intended is None else intended
    tried: list[Any] = list(range(2, min(MOST_STEPS, int(e.counts[-1]) + 2)))
    epoch = e.recorded.epoch or e.intended.units.get("epoch")
    for clock, begun in ((every, False), (begun_every, True)):
        found = scan(e, followed, clock, tried, free)
        if epoch and epoch > 1:
            found = [epoch, *(k for k in found if k != epoch)]
        for k in found:
            per_epoch = k == epoch if epoch else k > MOST_ACCUMULATED
            kind = "per_epoch" if per_epoch else "updates_per_step"
            parameters = {"epoch" if per_epoch else "k": k, **(told or {})}
            cost = (0.8 if epoch and per_epoch else usual(k, facts)) + more + 0.2 * begun
            made = partial(clock, k)
            yield e.explain(kind + joined, parameters, cost, made, followed, free=free)


def frozen(e: LogEvidence, free: bool = False) -> Iterator[Explanation]:
    """A clock that stands still, from the start or from an update on."""
    yield e.explain("frozen", {"at": 0}, 0.6, partial(until, 0), free=free)
    rates = e.rates[:, 0]
    good = np.flatnonzero(np.isfinite(rates))
    if len(good) < 3:
        return
    last = rates[good[-1]]
    tolerance = e.tolerance[good[-1], 0]
    moving = np.flatnonzero(np.abs(rates[good] - last) > tolerance)
    begin = 0 if not len(moving) else int(moving[-1]) + 1
    if len(good) - begin < 3:
        return
    high = int(e.counts[good[begin]]) + max(e.shifts)
    low = int(e.counts[good[begin - 1]]) + min(e.shifts) if begin else 0
    t = _some_of(max(low, 0), max(high, low + 1))
    expected = e.intended.at(t)[:, 0]
    fits = t[np.abs(expected - last) <= tolerance]
    for stop in {int(fits[0]), int(fits[-1])} if len(fits) else ():
        yield e.explain("frozen", {"at": stop}, 1.2, partial(until, stop), free=free)
    if not begin:
        held = e.explain("frozen", {"at": 0, "rate": float(last)}, 0.9)
        expected = np.broadcast_to(e.rates[good[:1]], e.rates.shape)
        hits = e.hits(expected)
        yield Explanation("frozen", held.parameters, 0.9, expected, hits, held.shift,
                          intended=None, clock=None, share=e.share(hits))  # fmt: skip


def _some_of(low: int, high: int, most: int = 20_000) -> Updates:
    if high - low <= most:
        return np.arange(low, high + 1)
    return np.linspace(low, high, most).round().astype(np.int64)


def places(e: LogEvidence, intended: Intended, row: int, group: int, scale: float = 1.0) -> Updates:
    """Return the updates whose rate is the one recorded in a row, the whole plan searched."""
    t = _some_of(0, intended.total + 1, 200_000)
    expected = intended.at(t)[:, group] * scale
    return t[np.abs(expected - e.rates[row, group]) <= e.tolerance[row, group]]


def jump(
    e: LogEvidence, base: Explanation, row: int, least: int = 2
) -> tuple[int, Any] | None:  # fmt: skip
    """Return the offset that explains the rows from one on, and which, or None.

    The clock of `base` was set to another place there: what is shown behind it is the rate of
    update t + offset.
    """
    followed = base.intended or e.intended
    group = int(np.argmax(e.there[row:].sum(axis=0)))
    rows = row + np.flatnonzero(e.there[row:, group])
    if len(rows) < least:
        return None
    t = e.counts + base.shift
    found = places(e, followed, int(rows[0]), group, base.scale) - t[rows[0]]
    best: tuple[int, int] | None = None
    near = rows[: min(len(rows), 12)]
    if not len(found):
        return None
    table = followed.at((found[:, None] + t[near][None, :]).ravel())[:, group] * base.scale
    fits = np.abs(table.reshape(len(found), -1) - e.rates[near, group]) <= e.tolerance[near, group]
    counts = fits.sum(axis=1)
    for i in np.lexsort((np.abs(found), -counts))[:6]:
        if counts[i] >= least and (best is None or counts[i] > best[1]):
            best = int(found[i]), int(counts[i])
    if best is None:
        return None
    expected = followed.at(t[row:] + best[0]) * base.scale
    with np.errstate(invalid="ignore"):
        return best[0], np.abs(e.rates[row:] - expected) <= e.tolerance[row:]


def walk(e: LogEvidence, base: Explanation, most: int = 40) -> tuple[list[tuple[int, int]], Floats]:
    """Return where the offset of a clock changes by a little, and the rates that it then has.

    Each change is a row and the offset from there on; a change is at most `FARTHEST` updates, and
    of those that explain equally many rows it is the smallest, in the direction of those before.
    Where it is lost at half of the rows, the rest is not gone through.
    """
    followed = base.intended or e.intended
    t = e.counts + base.shift
    tried = np.array([o for o in range(-FARTHEST, FARTHEST + 1) if o])
    expected = np.full(e.rates.shape, np.nan)
    offset, row, lost, changes = 0, 0, 0, list[tuple[int, int]]()
    while row < len(t):
        shown = _shown(e, followed, t[row:], offset, base.scale, slice(row, None))
        stop = _first_miss(e, shown, row)
        expected[row:] = shown
        if stop >= len(t) or len(changes) >= most or 2 * lost > len(t):
            break
        order = np.lexsort((tried * offset < 0, np.abs(tried)))
        reach = _reaches(e, followed, base, stop, offset + tried[order])
        best = int(np.argmax(reach))
        if reach[best]:
            offset += int(tried[order][best])
            changes.append((stop, offset))
        lost += not reach[best]
        row = stop if reach[best] else stop + 1
    return changes, expected


def _reaches(
    e: LogEvidence, followed: Intended, base: Explanation, row: int, offsets: Any
) -> Any:  # fmt: skip
    """Return how many of the rows from one on each of some offsets explains, at most `AHEAD`."""
    rows = slice(row, min(row + AHEAD, len(e.counts)))
    t = np.broadcast_to(e.counts[rows] + base.shift, (len(offsets), rows.stop - row))
    shown = _shown(e, followed, t, offsets[:, None], base.scale, rows)
    with np.errstate(invalid="ignore"):
        missed = (np.abs(e.rates[rows] - shown) > e.tolerance[rows]).any(axis=-1)
    return np.where(missed.any(axis=-1), missed.argmax(axis=-1), rows.stop - row)


def _shown(
    e: LogEvidence, followed: Intended, t: Updates, offset: Any, scale: float, rows: slice
) -> Floats:
    """Return the rates of updates beside rows, of a clock that is ahead of them by an offset.

    It comes to the end of its plan before the run does, where some schedules rise again: of the
    two rates there, the one that is in the log.
    """
    places = t + offset
    held = followed.at(places.ravel()).reshape(*places.shape, -1) * scale
    past = (places > followed.total) & (t <= followed.total)
    if not past.any():
        return held
    back = folded(followed, begin_of(followed), places.ravel())
    bent = followed.at(back).reshape(held.shape) * scale
    with np.errstate(invalid="ignore"):
        fits = np.abs(e.rates[rows] - bent) <= e.tolerance[rows]
    return np.where(fits & past[..., None], bent, held)


def _first_miss(e: LogEvidence, shown: Floats, row: int) -> int:
    rows = slice(row, row + len(shown))
    with np.errstate(invalid="ignore"):
        missed = (np.abs(e.rates[rows] - shown) > e.tolerance[rows]).any(axis=1)
    found = np.flatnonzero(missed)
    return row + (int(found[0]) if len(found) else len(shown))
