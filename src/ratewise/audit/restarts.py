"""A clock that is set to another place during the run: resumes, and updates that were skipped."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from ratewise._arrays import Floats
from ratewise.audit.clocks import jump, walk
from ratewise.audit.evidence import Explanation, LogEvidence
from ratewise.audit.layout import climb_of, ramp_of
from ratewise.schedule import ScheduleError

MOST_STARTS = 4000
"""Updates at which a restart is looked for, between two rows of the log."""
MOST_PLANS = 48
"""Lengths of the rest of a run for which a plan is made anew."""
NEAR_ROWS = 12
MOST_CHANGES = 8
"""Times that updates were skipped, in a run that is a right one."""
MOST_SKIPPED = 0.1
"""Share of the updates that may be skipped."""


def break_of(e: LogEvidence, base: Explanation) -> int | None:
    """Return the first row from which on an explanation misses more than it hits, or None."""
    missed = (e.there & ~base.hits).any(axis=1)
    rows = np.flatnonzero(missed)
    for row in rows[:8]:
        if missed[row:].mean() > 0.5:
            return int(row)
    return int(rows[0]) if len(rows) else None


def with_tail(
    e: LogEvidence, base: Explanation, row: int, tail: Floats, kind: str, told: dict[str, Any],
    assumed: float,
) -> Explanation:  # fmt: skip
    """Return a hypothesis whose rates are those of another up to a row, and its own behind it."""
    expected = base.expected.copy()
    expected[row:] = tail
    hits = e.hits(expected)
    joined = kind if base.kind == "as_meant" else f"{base.kind}+{kind}"
    return replace(
        base, kind=joined, parameters={**base.parameters, **told}, expected=expected, hits=hits,
        assumed=base.assumed + assumed, share=e.share(hits), clock=None, intended=None,
    )  # fmt: skip


def restarted(e: LogEvidence, base: Explanation) -> Iterator[Explanation]:
    """The schedule, or its warm-up, began again where a run was resumed."""
    row = break_of(e, base)
    if row is None:
        return
    low = int(e.counts[row - 1]) if row else 0
    high = int(e.counts[row]) + max(e.shifts)
    seen = [one for one in e.recorded.resumed if low - 1 <= one <= high + 1]
    starts = np.arange(low, high + 1)
    if len(starts) > MOST_STARTS:
        starts = np.unique(np.linspace(low, high, MOST_STARTS).round().astype(np.int64))
    discount = 0.6 if seen else 0.0
    if base.clock is None:
        yield from _jumped(e, base, row, low, high, discount)
    else:
        yield from _from_zero(e, base, row, starts, discount)
    yield from _shorter(e, base, row, starts, seen, discount)
    yield from _warmed_again(e, base, row, starts, discount)


def _jumped(
    e: LogEvidence, base: Explanation, row: int, low: int, high: int, discount: float
) -> Iterator[Explanation]:
    found = jump(e, base, row)
    if found is None or not row:  # off from the start, it was set to no place
        return
    offset, _ = found
    followed = base.intended or e.intended
    tail = followed.at(e.counts[row:] + base.shift + offset) * base.scale
    begin = int(e.counts[row]) + base.shift + offset
    start = -offset
    if low - 1 <= start <= high + 1:
        told: dict[str, Any] = {"at": start}
        yield with_tail(e, base, row, tail, "restarted", told, 1.5 - discount)
    elif abs(offset) == 1:
        told = {"by": offset, "early": offset > 0, "from": int(e.counts[row])}
        yield with_tail(e, base, row, tail, "off_by_one", told, 1.8 - discount)
    else:
        told = {"at": int(e.counts[row]), "position": begin}
        yield with_tail(e, base, row, tail, "restarted", told, 2.2 - discount)


def _best(e: LogEvidence, row: int, table: Floats, group: int = 0) -> list[int]:
    """Return which of many expectations fit the rows from one on, the best first."""
    rows = np.arange(row, min(row + NEAR_ROWS, len(e.counts)))
    with np.errstate(invalid="ignore"):
        near = np.abs(table[:, : len(rows)] - e.rates[rows, group]) <= e.tolerance[rows, group]
    counts = near.sum(axis=1)
    order = np.argsort(-counts, kind="stable")
    return [int(i) for i in order[:4] if counts[i] >= min(2, len(rows))]


def _from_zero(
    e: LogEvidence, base: Explanation, row: int, starts: Any, discount: float
) -> Iterator[Explanation]:
    followed = base.intended or e.intended
    assert base.clock is not None
    t = e.counts + base.shift
    near = t[row : row + NEAR_ROWS]
    moved = base.clock((near[None, :] - starts[:, None]).ravel())
    table = followed.at(moved)[:, 0].reshape(len(starts), -1) * base.scale
    for i in _best(e, row, table):
        start = int(starts[i])
        tail = followed.at(base.clock(t[row:] - start)) * base.scale
        yield with_tail(e, base, row, tail, "restarted", {"at": start}, 1.5 - discount)


def _shorter(
    e: LogEvidence, base: Explanation, row: int, starts: Any, seen: list[int], discount: float
) -> Iterator[Explanation]:
    """The schedule made anew for what was left of the run."""
    if not e.intended.written or base.clock is not None or len(e.counts) - row < 2:
        return
    tried = starts if len(starts) <= MOST_PLANS else _round_ones(starts, seen)
    best: Explanation | None = None
    for start in tried:
        left = e.intended.total - int(start)
        if left < 2:
            continue
        try:
            anew = e.intended.resolved(left)
        except ScheduleError:
            continue
        tail = anew.at(e.counts[row:] + base.shift - int(start)) * base.scale
        told = {"at": int(start), "total": left}
        one = with_tail(e, base, row, tail, "restarted", told, 1.7 - discount)
        best = one if best is None or one.share > best.share else best
    if best is not None:
        yield best


def _round_ones(starts: Any, seen: list[int]) -> list[int]:
    """Return some of many updates: those seen, the roundest, and the first and the last."""
    low, high = int(starts[0]), int(starts[-1])
    chosen = [*seen, low, high]
    for unit in (1000, 500, 250, 100, 50, 25, 20, 10, 5):
        first = -(-low // unit) * unit
        chosen += range(first, high + 1, unit)
        if len(set(chosen)) >= MOST_PLANS:
            break
    return list(dict.fromkeys(one for one in chosen if low <= one <= high))[:MOST_PLANS]


def _warmed_again(
    e: LogEvidence, base: Explanation, row: int, starts: Any, discount: float
) -> Iterator[Explanation]:
    """The warm-up once more, over a decay that went on."""
    followed = base.intended or e.intended
    climb, ramp = climb_of(followed), ramp_of(followed)
    if climb < 2 or ramp is None:
        return
    near = e.counts[row : row + NEAR_ROWS] + base.shift
    back = near[None, :] - starts[:, None]
    levels: Floats = ramp(np.clip(back, 0, climb).ravel()).reshape(back.shape)
    top = float(ramp(climb))
    table = base.expected[row : row + NEAR_ROWS, 0] * levels / top
    for i in _best(e, row, table)[:2]:
        start = int(starts[i])
        again: Floats = ramp(np.clip(e.counts[row:] + base.shift - start, 0, climb)) / top
        tail = base.expected[row:] * again[:, None]
        told = {"at": start, "warmup": climb}
        yield with_tail(e, base, row, tail, "restarted", told, 1.6 - discount)


def skipped(e: LogEvidence) -> Explanation | None:
    """Return what a clock that runs ahead or behind by a few updates now and then explains.

    Behind, it is a right one: updates that were skipped moved nothing. Ahead, it counted updates
    that the log's own counter did not.
    """
    found = [one for shift in e.shifts if (one := _skipped_from(e, shift)) is not None]
    return max(found, key=lambda one: one.score, default=None)


def _skipped_from(e: LogEvidence, shift: int) -> Explanation | None:
    base = e.explain("as_meant", {}, 0.0, shifts=(shift,))
    changes, expected = walk(e, base)
    offsets = [offset for _, offset in changes]
    steps = np.diff([0, *offsets])
    ahead = bool((steps > 0).all())
    if not changes or not (ahead or (steps < 0).all()):
        return None
    limit = max(3.0, MOST_SKIPPED * float(e.counts[-1]))
    if len(changes) > max(MOST_CHANGES, 0.1 * len(e.counts)) or abs(offsets[-1]) > limit:
        return None
    if ahead and changes[0][0] == 0 and len(changes) == 1:
        return None  # ahead from the start: no update was counted that could be seen
    hits = e.hits(expected)
    told = {
        "skipped": abs(offsets[-1]),
        "at": tuple(int(e.counts[row]) for row, _ in changes[:MOST_CHANGES]),
    }
    kind = "skipped_counted" if ahead else "skipped"
    assumed = 0.8 + 0.2 * len(changes)
    return replace(base, kind=kind, parameters=told, assumed=assumed, expected=expected, hits=hits,
                   share=e.share(hits), clock=None, intended=None)  # fmt: skip
