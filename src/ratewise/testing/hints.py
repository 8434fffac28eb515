"""What one rate tells of the mistake that has made it, where all before it were as meant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ratewise._arrays import Floats

if TYPE_CHECKING:
    from ratewise.audit.intended import Intended

MOST = 3
"""Mistakes that are named."""
FARTHEST = 8
"""Updates by which a clock is looked for ahead and behind."""
LONGEST = 1 << 20
"""Updates of a plan that are searched for a rate."""


@dataclass(frozen=True)
class Hint:
    """A mistake that would have made a rate.

    Args:
        kind: Its word, as of `audit`.
        parameters: What it says, by name.
        words: The same as a part of a sentence.
    """

    kind: str
    parameters: Mapping[str, Any]
    words: str

    def __str__(self) -> str:
        return f"{self.kind} ({self.words})" if self.words else self.kind


def hints_at(meant: Intended, used: Floats, t: int, start: int, slack: Floats) -> list[Hint]:
    """Return the mistakes that would have made the rates of update t, the likeliest first.

    Args:
        meant: The plan.
        used: Rates that were used, one for each group.
        t: The update, all of whose forerunners from `start` on were as meant.
        start: The first update that was seen.
        slack: How far each may be from what it stands for.
    """
    found = list(_hints(meant, used, t, start, slack))
    seen: dict[str, Hint] = {}
    for one in found:
        seen.setdefault(one.kind, one)
    return list(seen.values())[:MOST]


def _hints(meant: Intended, used: Floats, t: int, start: int, slack: Floats) -> Iterator[Hint]:
    if meant.own and t >= meant.total:
        yield Hint("held_past_end", {"end": meant.total}, f"the plan ends at {meant.total:,}")
        return
    places = _places(meant, used, slack)
    if t > start and t - 1 in places:
        yield Hint("frozen", {"at": t - 1}, "the clock stood still")
        yield Hint("updates_per_step", {}, "it moves once in several updates")
    if t > 0 and 0 in places and t > 1:
        yield Hint("restarted", {"at": t}, "the rate of update 0")
    yield from _ahead(places[places < meant.total], t, start)
    yield from _values(meant, used, t, start, slack)
    if len(places) and t > 1:
        nearest = int(places[np.argmin(np.abs(places - t))])
        yield Hint("restarted", {"at": t, "position": nearest}, f"the rate of update {nearest:,}")


def _places(meant: Intended, used: Floats, slack: Floats) -> Any:
    """Return the updates of the plan that have these rates."""
    t = np.arange(min(meant.total + 1, LONGEST))
    return t[(np.abs(meant.at(t) - used) <= slack).all(axis=1)]


def _ahead(places: Any, t: int, start: int) -> Iterator[Hint]:
    """A clock of k steps at each update, behind it or before it, or one off from the start."""
    if start == 0:
        counts = [int(one) // t for one in places if t and one and one % t == 0]
        counts += [(int(one) + 1) // (t + 1) for one in places if (one + 1) % (t + 1) == 0]
        counts = sorted({k for k in counts if k > 1})
        if counts:
            yield Hint("steps_per_update", {"k": counts[0]}, f"{counts[0]} steps at each update")
    near = sorted((int(one) - t for one in places if one != t), key=abs)
    if near and abs(near[0]) <= FARTHEST and (t == start or near[0] < 0):
        by = near[0]
        words = f"{abs(by)} {'early' if by > 0 else 'late'}"
        yield Hint("off_by_one", {"by": by, "early": by > 0}, words)


def _values(meant: Intended, used: Floats, t: int, start: int, slack: Floats) -> Iterator[Hint]:
    """The right clock and other numbers: only if no update before could have shown them."""
    own = meant.at(np.array([t]))[0]
    groups = len(own)
    if groups > 1 and np.allclose(np.sort(used), np.sort(own), rtol=1e-6, atol=0):
        yield Hint("wrong_group", {}, "the rates of the groups in another order")
    before = meant.at(np.arange(start, t)[-64:])
    if (before > slack).any() or not (own > slack).all() or not (used > 0).all():
        return
    factors = used / own
    if np.ptp(factors) > 1e-6 * factors.max():
        return
    factor = float(factors[0])
    whole = round(factor)
    if abs(factor - whole) < 1e-6 and whole >= 2 and whole & (whole - 1) == 0:
        yield Hint("world_size", {"processes": whole}, f"{whole} times the rate")
    told = {"factor": factor, "peak": float(meant.peaks[0]) * factor}
    yield Hint("wrong_peak", told, f"{factor:.6g} times the rate")
